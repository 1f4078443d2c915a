"""The offset between two recordings of one scene, to the millisecond: where their sound fits best.

Generalised cross-correlation with phase transform (GCC-PHAT, Knapp and Carter 1976) of stretches in which both heard
the same words, near the offset that the words gave. Only phases count, so loudness, rooms and steady noise matter
little; a peak is taken when nothing else comes near it, and an offset when several stretches agree on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transcribe.waveform import SAMPLE_RATE, SAMPLES_PER_MS

REACH_MS = 2_000  # the words are not further off than this
STRETCH_MS = (
    20_000  # at 100 ppm between two cameras' clocks a peak is still 4 times what is beside it (dev patrol pair)
)
MAX_STRETCHES = 9  # memory and time do not grow with the recordings; the median of nine takes four bad ones
MIN_STRETCHES = 3
BAND_HZ = (300.0, 3_400.0)  # speech, radio too; wind, engines and mains hum lie below
STANDS_OUT = 2.0  # peak over the next best: strangers of dev patrol reach 1.3 (3, on one noise clip), its pair 20
PEAK_MS = 50  # a room's echoes belong to the peak
AGREE_MS = 100  # sound takes 100 ms for 34 m: cameras further apart hear each speaker at another offset


@dataclass(frozen=True, slots=True)
class SoundAlignment:
    """An offset that stretches of sound agree on.

    Attributes:
        offset_ms: own time of the second recording = time in the first + offset.
        spread_ms: half of the stretches lie at most this far from it.
        n_stretches: how many agree, out of at most `MAX_STRETCHES` that were listened to.
    """

    offset_ms: int
    spread_ms: int
    n_stretches: int


def align_sound(
    first: NDArray[np.float32], second: NDArray[np.float32], offset_ms: int, places: Sequence[int]
) -> SoundAlignment | None:
    """Measure an offset that is known to within `REACH_MS`.

    Args:
        first, second: mono, 16 kHz; hours long where they are maps of files, for only stretches are read.
        places: ms of the first recording around which both heard the same.

    Returns:
        None where fewer than `MIN_STRETCHES` stand out, or they do not agree.
    """
    lags = [
        lag
        for place_ms in _spread_out(places)
        if (lag := _lag_ms(*_stretch(first, second, offset_ms, place_ms))) is not None
    ]
    if len(lags) < MIN_STRETCHES:
        return None
    apart = np.abs(np.array(lags) - np.median(lags))
    n_agreeing = int(np.sum(apart <= AGREE_MS))
    if n_agreeing < MIN_STRETCHES or n_agreeing * 2 <= len(lags):
        return None
    return SoundAlignment(offset_ms + round(float(np.median(lags))), round(float(np.median(apart))), n_agreeing)


def _spread_out(places: Sequence[int]) -> list[int]:
    """At most `MAX_STRETCHES` of them, evenly from first to last."""
    chosen = np.linspace(0, len(places) - 1, min(len(places), MAX_STRETCHES)).round().astype(int)
    return [places[n] for n in chosen]


def _stretch(
    first: NDArray[np.float32], second: NDArray[np.float32], offset_ms: int, place_ms: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`STRETCH_MS` of the first recording, and what may fit it in the second, `REACH_MS` longer at both ends."""
    start_ms = max(0, place_ms - STRETCH_MS // 2)
    there_ms = start_ms + offset_ms - REACH_MS
    return _part(first, start_ms, STRETCH_MS), _part(second, there_ms, STRETCH_MS + 2 * REACH_MS)


def _part(waveform: NDArray[np.float32], start_ms: int, length_ms: int) -> NDArray[np.float32]:
    """A copy; zeros stand where the recording does not reach."""
    part = np.zeros(length_ms * SAMPLES_PER_MS, np.float32)
    start = start_ms * SAMPLES_PER_MS
    inside = waveform[max(0, start) : max(0, start + len(part))]
    at = max(0, -start)
    part[at : at + len(inside)] = inside
    return part


def _lag_ms(short: NDArray[np.float32], long: NDArray[np.float32]) -> float | None:
    """How much later than in the middle of `long` the sound of `short` is found; None: no place stands out."""
    n_samples = 1 << (len(long) - 1).bit_length()
    cross = np.conj(np.fft.rfft(short, n_samples)) * np.fft.rfft(long, n_samples)
    hertz = np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE)
    size = np.abs(cross)
    heard = (hertz >= BAND_HZ[0]) & (hertz <= BAND_HZ[1]) & (size > 0)
    phases = np.divide(cross, size, out=np.zeros_like(cross), where=heard)
    fit = np.abs(np.fft.irfft(phases, n_samples)[: len(long) - len(short) + 1])
    peak = int(np.argmax(fit))
    beside = np.abs(np.arange(len(fit)) - peak) > PEAK_MS * SAMPLES_PER_MS
    if fit[peak] <= STANDS_OUT * fit[beside].max():
        return None
    return peak / SAMPLES_PER_MS - REACH_MS
