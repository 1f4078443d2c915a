"""Where somebody speaks, and where there is no signal at all.

Both work block by block, so memory does not grow with the recording, and digital silence costs no voice activity.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transcribe.spans import Span, subtract

Waveform = NDArray[np.float32]  # mono, 16 kHz, within [-1, 1]
SAMPLES_PER_MS = 16

SILENCE_DBFS = -80.0  # AAC turns exact zeros into residue near -90 dBFS; the quietest room noise we saw is -65
MIN_SILENCE_MS = 1_000  # shorter dropouts happen inside ordinary codecs' frames and mean nothing
LEVEL_FRAME_MS = 20
BLOCK_MS = 600_000  # voice activity runs over ten minutes at a time
BLOCK_LEAD_MS = 2_000  # what the detector hears before a block, to be settled when it starts
DETECTOR_MS = 32  # the detector's frame; all blocks start on a multiple, so that frames fall as if there were one block
SKIPPED_SILENCE_MS = 60_000  # digital silence that long is not listened to; shorter is cheaper than a new block


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """How voice activity becomes spans. Chosen for recall: lost speech is worse than a window too many.

    threshold: Silero's probability above which a 32 ms frame is speech.
    min_silence_ms: a shorter pause does not end a span; short, so that an interpreter's turns stay apart.
    pad_ms: added on both sides; soft onsets are detected late.
    max_span_ms: longer speech is cut at its longest pause; it has to fit a window.
    """

    # Reference speech missed in the development corpus's patrol recordings / the same with noise 10 dB / 3 dB below the
    # speech, and speech found in wind, a siren, an engine, music, hum and tones (a minute each; nobody speaks):
    #   0.20  0.3 / 0.3 / 1.5 %, 0.13 %      0.35  1.5 / 1.5 / 3.3 %, none      0.50  2.6 / 2.9 / 5.3 %, none
    #   0.30  1.2 / 1.1 / 2.8 %, 0.07 %      0.40  1.9 / 2.1 / 3.8 %, none
    # Babble and reversed speech count as speech at all of them. At 0.35, clean, that is 2.8 % of radio speech, 5.4 % at
    # 0 to 5 dB, 1.1 % from 5 dB on. Lower loses less; it stays until word errors and languages are measured there.
    threshold: float = 0.35
    min_silence_ms: int = 250
    min_speech_ms: int = 90
    pad_ms: int = 120
    max_span_ms: int = 18_000


def detect_speech(waveform: Waveform, options: SpeechOptions, silent: list[Span]) -> list[Span]:
    """Spans in which somebody probably speaks: sorted, apart, outside `silent`, each at most `max_span_ms`.

    Runs Silero VAD (shipped inside faster-whisper) on blocks of at most ten minutes, each heard with a short lead.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    vad = VadOptions(
        threshold=options.threshold,
        min_silence_duration_ms=options.min_silence_ms,
        min_speech_duration_ms=options.min_speech_ms,
        max_speech_duration_s=options.max_span_ms / 1000,
        speech_pad_ms=options.pad_ms,
    )
    found: list[Span] = []
    for audible in _blocks(len(waveform) // SAMPLES_PER_MS, silent):
        lead_ms = max(0, audible.start_ms - BLOCK_LEAD_MS) // DETECTOR_MS * DETECTOR_MS
        block = np.array(waveform[lead_ms * SAMPLES_PER_MS : audible.end_ms * SAMPLES_PER_MS])
        let_go(waveform)
        for stamp in get_speech_timestamps(block, vad):
            # A lead is heard once already; what touches the seam keeps the part after it.
            first = max(audible.start_ms, lead_ms + stamp["start"] // SAMPLES_PER_MS)
            last = min(audible.end_ms, lead_ms + -(-stamp["end"] // SAMPLES_PER_MS))
            if first < last:
                found.append(Span(first, last))
    # Not merged: two spans that touch were cut at `max_span_ms` on purpose.
    starts, ends = [span.start_ms for span in silent], [span.end_ms for span in silent]
    return [
        part
        for span in found
        for part in subtract([span], silent[bisect_right(ends, span.start_ms) : bisect_left(starts, span.end_ms)])
    ]


def _blocks(duration_ms: int, silent: list[Span]) -> list[Span]:
    """What voice activity has to hear, a block at a time: everything but long digital silence."""
    long = [span for span in silent if span.duration_ms >= SKIPPED_SILENCE_MS]
    return [
        Span(start_ms, min(start_ms + BLOCK_MS, span.end_ms))
        for span in subtract([Span(0, duration_ms)], long)
        for start_ms in range(span.start_ms, span.end_ms, BLOCK_MS)
    ]


def detect_digital_silence(waveform: Waveform) -> list[Span]:
    """Spans of at least `MIN_SILENCE_MS` in which the level stays below `SILENCE_DBFS`."""
    frame = LEVEL_FRAME_MS * SAMPLES_PER_MS
    n_frames = len(waveform) // frame
    floor = 10 ** (SILENCE_DBFS / 20)
    quiet = np.zeros(n_frames + 2, bool)  # one frame of sound on each side, so that every silence has two edges
    block = 3_000  # frames: one minute
    for first in range(0, n_frames, block):
        frames = waveform[first * frame : min(first + block, n_frames) * frame].reshape(-1, frame)
        peaks: NDArray[Any] = np.abs(frames).max(axis=1)
        quiet[1 + first : 1 + first + len(peaks)] = peaks < floor
        let_go(waveform)
    duration_ms = len(waveform) // SAMPLES_PER_MS
    edges_ms = np.flatnonzero(quiet[1:] != quiet[:-1]) * LEVEL_FRAME_MS
    silences = [Span(int(start_ms), int(end_ms)) for start_ms, end_ms in edges_ms.reshape(-1, 2)]
    if silences and silences[-1].end_ms == n_frames * LEVEL_FRAME_MS:  # what is left is no whole frame
        silences[-1] = Span(silences[-1].start_ms, duration_ms)
    return [span for span in silences if span.duration_ms >= MIN_SILENCE_MS]


def let_go(waveform: Waveform) -> None:
    """Stop counting what was read of a mapped waveform as this process's memory; it is read again where needed.

    Four hours are 900 MB, which would stay until the map is closed. Does nothing to an array in memory.
    """
    if isinstance(waveform.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        waveform.base.madvise(mmap.MADV_DONTNEED)
