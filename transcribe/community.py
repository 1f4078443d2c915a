"""Who speaks when, by a diarization pipeline of pyannote's own, such as speaker-diarization-community-1.

The pipeline is taken as it was published; what is ours is what goes in and what comes out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from transcribe.clustering import ClusterOptions
from transcribe.errors import ModelUnusable
from transcribe.speech import SAMPLES_PER_MS, Waveform
from transcribe.transcript import ModelUse, Turn
from transcribe.turns import SAMPLE_RATE, Diarization

MIN_MS = 100  # the pipeline refuses less

Pipeline = Callable[..., Any]  # pyannote.audio.Pipeline: pyannote publishes no types


class CommunityDiarizer:
    """Tells the people of a recording apart as `Diarizer` does, through pyannote's pipeline."""

    def __init__(self, pipeline: Pipeline, bounds: ClusterOptions, use: ModelUse) -> None:
        """
        Args:
            bounds: of which the pipeline is told how many people there may be, and nothing else.
            use: as provenance names the pipeline.
        """
        self._pipeline = pipeline
        self._bounds = {"min_speakers": bounds.min_speakers, "max_speakers": bounds.max_speakers}
        self.uses = (ModelUse(use.name, use.revision, use.sha256, self._bounds),)

    @staticmethod
    def load(
        folder: Path, use: ModelUse, bounds: ClusterOptions, device: str = "cpu", threads: int | None = None
    ) -> CommunityDiarizer:
        """Load the pipeline and its models.

        Args:
            folder: holds `config.yaml` and what it names.
            threads: CPU threads, set for all of torch in this process; None leaves torch's own choice.

        Raises:
            ModelUnusable
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyannote warns of optional decoders we do not use
            import torch
            from pyannote.audio import Pipeline

        if threads:
            torch.set_num_threads(threads)
        try:
            pipeline = Pipeline.from_pretrained(str(folder))
            pipeline.to(torch.device(device))
        except Exception as error:
            raise ModelUnusable(use.name, f"pyannote cannot load {folder} ({type(error).__name__})") from error
        return CommunityDiarizer(pipeline, bounds, use)

    def diarize(self, waveform: Waveform) -> Diarization:
        """Who speaks when; empty where nobody does.

        Labels are SPEAKER_00, SPEAKER_01, … in order of first speech.
        """
        import torch

        end_ms = len(waveform) // SAMPLES_PER_MS
        if end_ms < MIN_MS:
            return Diarization()
        audio = {"waveform": torch.from_numpy(np.array(waveform))[None], "sample_rate": SAMPLE_RATE, "uri": "recording"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # statistics of one-frame pools
            found = self._pipeline(audio, **self._bounds)
        spoken = _timed(found.speaker_diarization, end_ms)
        labels = dict.fromkeys(label for _start, _end, label in spoken)
        names = {label: f"SPEAKER_{place:02d}" for place, label in enumerate(labels)}

        def turns(timed: Iterable[tuple[int, int, str]]) -> tuple[Turn, ...]:
            return tuple(Turn(start, end, names[label]) for start, end, label in timed if label in names)

        return Diarization(turns(spoken), turns(_timed(found.exclusive_speaker_diarization, end_ms)))


def _timed(annotation: Any, end_ms: int) -> list[tuple[int, int, str]]:
    """Start and end in ms within the recording, and the pipeline's label, sorted."""
    tracks = annotation.itertracks(yield_label=True)
    timed = ((max(0, round(one.start * 1000)), min(round(one.end * 1000), end_ms), str(who)) for one, _, who in tracks)
    return sorted((start, end, who) for start, end, who in timed if start < end)
