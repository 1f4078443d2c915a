"""pyannote's own diarization pipeline, with segmentation-3.0 and the CAM++ speaker embedding: a peer of ours.

Segmentation finds up to three voices in each 10 s window; every voice in every window is embedded; equal
voices are clustered over the recording (agglomerative, centroid linkage).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transcribe.speech import Waveform
from transcribe.transcript import Turn
from transcribe.voices import load_network

SAMPLE_RATE = 16_000


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """How the pipeline is run.

    segmentation_step: share of the 10 s window between two windows.
    threshold: cosine distance at which two voices are two people.
    min_cluster_size: a voice seen in fewer windows joins the nearest larger one.
    """

    segmentation_step: float
    threshold: float
    min_cluster_size: int
    batch_size: int = 16


class PyannotePipeline:
    """pyannote's pipeline, with its models in memory."""

    def __init__(self, segmentation: Path, embedding: Path, options: PipelineOptions, threads: int) -> None:
        """Load both models.

        Args:
            segmentation: weights file of pyannote/segmentation-3.0.
            embedding: weights file of 3D-Speaker CAM++ (`campplus_cn_en_common.pt`).
            threads: CPU threads, set for all of torch in this process.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyannote warns of optional decoders we do not use
            import torch
            from pyannote.audio import Model
            from pyannote.audio.core.plda import PLDA
            from pyannote.audio.pipelines import SpeakerDiarization

        torch.set_num_threads(threads)
        # The pipeline insists on a PLDA even where its clustering never reads one, and would download it.
        no_plda = PLDA.__new__(PLDA)
        self._pipeline = SpeakerDiarization(
            segmentation=Model.from_pretrained(str(segmentation)),
            segmentation_step=options.segmentation_step,
            segmentation_batch_size=options.batch_size,
            embedding=_speaker_embedding(embedding),
            embedding_exclude_overlap=True,
            embedding_batch_size=options.batch_size,
            clustering="AgglomerativeClustering",
            plda=no_plda,
        ).instantiate(
            {
                "segmentation": {"min_duration_off": 0.0},
                "clustering": {
                    "method": "centroid",
                    "threshold": options.threshold,
                    "min_cluster_size": options.min_cluster_size,
                },
            }
        )

    def turns(self, waveform: Waveform) -> list[Turn]:
        """Who holds the floor when; sorted by start, may overlap; empty where nobody speaks.

        Labels are SPEAKER_00, SPEAKER_01, … in order of first speech.
        """
        import torch

        if len(waveform) < SAMPLE_RATE // 10:
            return []
        audio = {"waveform": torch.from_numpy(np.array(waveform))[None], "sample_rate": SAMPLE_RATE, "uri": "recording"}
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # statistics of one-frame pools
            found = self._pipeline(audio).speaker_diarization
        timed = sorted(
            (round(segment.start * 1000), round(segment.end * 1000), str(label))
            for segment, _track, label in found.itertracks(yield_label=True)
        )
        names: dict[str, str] = {}
        for _start, _end, label in timed:
            names.setdefault(label, f"SPEAKER_{len(names):02d}")
        end_ms = len(waveform) * 1000 // SAMPLE_RATE
        return [
            Turn(max(0, start), min(end, end_ms), names[label])
            for start, end, label in timed
            if max(0, start) < min(end, end_ms)
        ]


def _speaker_embedding(weights: Path) -> Any:
    """CAM++ behind pyannote's model interface: waveforms and frame weights in, embeddings out.

    CAM++ hears 80-bin Kaldi filter banks of int16-scaled audio, mean-normalised per utterance
    (3D-Speaker, speakerlab/process/processor.py). Frames outside a speaker's mask are dropped rather than
    zeroed: the network pools over time and would take silence for part of the voice.
    """
    import torch
    import torchaudio.compliance.kaldi as kaldi
    from pyannote.audio import Model

    network = load_network(weights)

    class CamPlusPlus(Model):  # type: ignore[misc]  # pyannote publishes no types
        """(batch, 1, samples) and (batch, frames) weights to (batch, 192); NaN where too little is left."""

        min_frames = 20  # 200 ms

        def __init__(self) -> None:
            super().__init__(sample_rate=SAMPLE_RATE, num_channels=1)
            self.network = network

        @property
        def dimension(self) -> int:
            return 192

        def forward(self, waveforms: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
            embeddings = torch.full((len(waveforms), 192), torch.nan, device=waveforms.device)
            banks: dict[int, torch.Tensor] = {}
            previous: torch.Tensor | None = None
            for row, waveform in enumerate(waveforms):
                # The pipeline repeats a window for each of its speakers: its filter banks are made once.
                if previous is None or not torch.equal(previous, waveform):
                    banks[row] = kaldi.fbank(waveform * 32768.0, num_mel_bins=80, sample_frequency=SAMPLE_RATE)
                    previous = waveform
                bank = banks[max(banks)]
                if weights is not None:
                    mask = torch.nn.functional.interpolate(weights[row][None, None], size=len(bank), mode="nearest")
                    bank = bank[mask[0, 0] > 0.5]
                if len(bank) < self.min_frames:
                    continue
                bank = bank - bank.mean(dim=0, keepdim=True)
                embeddings[row] = self.network(bank[None])[0]
            return embeddings

    return CamPlusPlus()
