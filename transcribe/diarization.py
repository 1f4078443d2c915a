"""Who speaks when.

Segmentation hears where somebody speaks, when two do, and where the speaker changes; windows of a second and a half
in which one person speaks alone become voices; voices are clustered into people; turns are put together from both.
Every second of speech goes through either network as seldom as it can: four windows of segmentation cover a moment,
and the voice network hears it once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from transcribe.clustering import ClusterOptions, Vectors, cluster
from transcribe.segmentation import FRAME_SAMPLES, WINDOW_SAMPLES, Activity, SegmentationModel
from transcribe.spans import Span
from transcribe.speaker_voices import speaker_voices
from transcribe.speech import SAMPLES_PER_MS, SpeechOptions, Waveform, detect_digital_silence, detect_speech
from transcribe.transcript import ModelUse
from transcribe.turns import Diarization, Floor, frame_samples, hold_together, holder_path, to_turns, with_overlap
from transcribe.voices import ROW_SAMPLES, VoiceModel, Voices

MAX_CHANGES = 0.5  # that half of the windows hear


@dataclass(frozen=True, slots=True)
class DiarizationOptions:
    """How turns are found.

    window_step: frames of 17 ms from one segmentation window of 10 s to the next: 148 are 2.5 s.
    voice_ms, voice_step_ms: the windows that become voices.
    clusters: what counts as one person, and how many there may be.
    change_cost: seconds of full likeness that a change of speaker within speech must gain.
    """

    window_step: int = 148
    voice_ms: int = 1_500
    voice_step_ms: int = 500
    clusters: ClusterOptions = ClusterOptions()
    change_cost: float = 0.1


class Segments(Protocol):
    """Hears who speaks within windows of ten seconds; `SegmentationModel` does."""

    def activity(self, waveform: Waveform, first_frames: Sequence[int]) -> Activity: ...


class Voicing(Protocol):
    """Hears what windows of a recording sound like; `VoiceModel` does."""

    def voices(self, waveform: Waveform, wanted: NDArray[np.bool_], window_rows: int, step_rows: int) -> Voices: ...


class Diarizer:
    """Tells the people of a recording apart. What a recording says does not depend on others."""

    def __init__(
        self,
        segmentation: Segments,
        voicing: Voicing,
        options: DiarizationOptions,
        uses: tuple[ModelUse, ...] = (),
        find_speech: Callable[[Waveform], list[Span]] | None = None,
    ) -> None:
        """
        Args:
            uses: the models, as provenance names them.
            find_speech: where it is worth listening; None takes voice activity.
        """
        self._segmentation, self._voicing, self._options = segmentation, voicing, options
        self._find_speech = find_speech or _speech
        self.uses = uses

    @staticmethod
    def load(
        segmentation: tuple[Path, ModelUse],
        voices: tuple[Path, ModelUse],
        options: DiarizationOptions,
        device: str = "cpu",
        threads: int | None = None,
    ) -> Diarizer:
        """Load both models.

        Args:
            segmentation: weights file of pyannote/segmentation-3.0, and how provenance names it.
            voices: weights file of 3D-Speaker CAM++ (`campplus_cn_en_common.pt`), likewise.
            threads: CPU threads, set for all of torch in this process; None leaves torch's own choice.

        Raises:
            ModelUnusable: a weights file cannot be loaded.
        """
        if threads:
            import torch

            torch.set_num_threads(threads)
        first, second = segmentation[1], voices[1]
        return Diarizer(
            SegmentationModel(segmentation[0], first, device),
            VoiceModel(voices[0], second, device),
            options,
            (
                ModelUse(first.name, first.revision, first.sha256, asdict(options)),
                ModelUse(second.name, second.revision, second.sha256, {}),
            ),
        )

    def diarize(self, waveform: Waveform) -> Diarization:
        """Who speaks when; empty where nobody does.

        Labels are SPEAKER_00, SPEAKER_01, … in order of first speech.
        """
        options = self._options
        first_frames = _window_starts(self._find_speech(waveform), len(waveform), options.window_step)
        if not first_frames:
            return Diarization()
        activity = self._segmentation.activity(waveform, first_frames)
        floor = hold_together(activity, first_frames, max(0, len(waveform) // FRAME_SAMPLES))
        if not floor.n_speaking.any():
            return Diarization()
        step_rows = options.voice_step_ms * SAMPLES_PER_MS // ROW_SAMPLES
        window_rows = options.voice_ms * SAMPLES_PER_MS // ROW_SAMPLES
        voices = self._voicing.voices(waveform, _alone(floor, len(waveform)), window_rows, step_rows)
        if len(voices.vectors) == 0:  # too little speech to know a voice by: nothing says that it is two
            path = np.zeros(len(floor.n_speaking), np.int64)
            speaking = (floor.n_speaking > 0)[:, None]
            of_people = {}
        else:
            sure = _sure(voices, window_rows, floor)
            people = cluster(voices.vectors[sure], options.clusters)
            middles = (voices.first_rows + window_rows / 2) * ROW_SAMPLES
            path = holder_path(_likeness(voices.vectors, middles, people, floor), floor, options.change_cost)
            speaking = with_overlap(path, len(people), floor, activity, first_frames)
            of_people = speaker_voices(voices, sure, window_rows, path, floor)
        return to_turns(speaking, path, len(waveform) // SAMPLES_PER_MS, of_people)


def _speech(waveform: Waveform) -> list[Span]:
    return detect_speech(waveform, SpeechOptions(), detect_digital_silence(waveform))


def _window_starts(speech: Sequence[Span], n_samples: int, step: int) -> list[int]:
    """Windows on a fixed grid that hear some speech; the last reaches the end of the recording."""
    wanted: set[int] = set()
    stride = step * FRAME_SAMPLES
    last = max(0, -(-(n_samples - WINDOW_SAMPLES) // stride))
    for span in speech:
        first = max(0, -(-(span.start_ms * SAMPLES_PER_MS - WINDOW_SAMPLES + 1) // stride))
        wanted.update(range(min(first, last), min((span.end_ms * SAMPLES_PER_MS - 1) // stride, last) + 1))
    return [index * step for index in sorted(wanted)]


def _alone(floor: Floor, n_samples: int) -> NDArray[np.bool_]:
    """For every row of filter banks, whether one person speaks alone; whether anybody does, if nobody ever is alone."""
    middles = np.arange(n_samples // ROW_SAMPLES) * ROW_SAMPLES + ROW_SAMPLES
    frames = np.clip((middles - frame_samples(np.zeros(1, np.int64))[0]) // FRAME_SAMPLES, 0, len(floor.n_speaking) - 1)
    n_speaking = floor.n_speaking[frames]
    alone: NDArray[np.bool_] = n_speaking == 1
    return alone if alone.any() else n_speaking > 0


def _sure(voices: Voices, window_rows: int, floor: Floor) -> NDArray[np.bool_]:
    """Which voices are surely one person's: mostly speech, and no change is heard while they last. All, if none is."""
    changes = np.concatenate([[0], np.cumsum(floor.change)])
    last = len(floor.change)
    start = np.minimum(voices.first_rows * ROW_SAMPLES // FRAME_SAMPLES, last)
    end = np.minimum((voices.first_rows + window_rows) * ROW_SAMPLES // FRAME_SAMPLES, last)
    sure: NDArray[np.bool_] = (changes[end] - changes[start] <= MAX_CHANGES) & (voices.n_rows * 3 >= window_rows * 2)
    return sure if sure.any() else ~sure


def _likeness(vectors: Vectors, middles: NDArray[Any], people: Vectors, floor: Floor) -> NDArray[np.float32]:
    """Of every frame's voice to each person: the windows' own, and between their middles what lies between."""
    moments = frame_samples(np.arange(len(floor.n_speaking)))
    likeness = vectors @ people.T
    return np.stack([np.interp(moments, middles, of_person) for of_person in likeness.T], axis=1).astype(np.float32)
