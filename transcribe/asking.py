"""How windows of a recording become requests to a Whisper, and what its answers took."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np

from transcribe.decoding import (
    FRAMES_PER_SECOND,
    MAX_FRAMES,
    Decode,
    Decoded,
    Encode,
    Encoded,
    Features,
    Output,
    Plan,
    WhisperRequest,
    WhisperResult,
    padded_frames,
)
from transcribe.spans import Span
from transcribe.speech import SAMPLES_PER_MS, Waveform
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import ModelUse
from transcribe.windows import Window

FRAME_MS = 1_000 // FRAMES_PER_SECOND
# Of one recording at a time: 30 s take 1 MB of features, and 3 MB (base) to 8 MB (large) as the encoder gives them.
WINDOWS_AT_ONCE = 16

Outputs = dict[Span, Output]  # encodings, by the window's span
T = TypeVar("T")
Asking = Generator[Sequence[WhisperRequest], Sequence[WhisperResult], T]  # yields requests, is sent their answers


class Recogniser(Protocol):
    """What hearing needs to know of the model that answers it; `transcribe.whisper.Whisper` is one."""

    use: ModelUse

    @property
    def is_multilingual(self) -> bool: ...

    def features(self, samples: Waveform, n_frames: int) -> Features: ...

    def tokens(self, text: str) -> tuple[int, ...]: ...


def to_encode(model: Recogniser, waveform: Waveform, window: Window, pad_ms: int, full: bool) -> Encode:
    """The request to encode a window: padded by `pad_ms` or more, or to 30 s; with its speech if its language is
    to be guessed."""
    n_frames = MAX_FRAMES if full else padded_frames(window.span.duration_ms, pad_ms)
    stretches = tuple(
        ((span.start_ms - window.span.start_ms) // FRAME_MS, (span.end_ms - window.span.start_ms) // FRAME_MS)
        for span in window.speech
        if not window.language
    )
    return Encode(model.features(cut(waveform, window.span), n_frames), stretches)


def to_decode(
    encoded: Output, window: Window, plan: Plan, task: str = "transcribe", prompt: tuple[int, ...] = ()
) -> Decode:
    """The request to decode a window whose language is known."""
    n_frames = min(MAX_FRAMES, math.ceil(window.span.duration_ms / FRAME_MS))
    return Decode(encoded, n_frames, window.language, plan, task, prompt)


def ask_encoder(requests: Sequence[Encode], spent: StageSeconds) -> Asking[list[Encoded]]:
    """The encodings, their time accounted for."""
    answers = yield requests
    found = [answer for answer in answers if isinstance(answer, Encoded)]
    for one in found:
        spent.add("transcribe", one.seconds)
    return found


def ask_decoder(requests: Sequence[Decode], spent: StageSeconds) -> Asking[list[Decoded]]:
    """The answers, their time accounted for."""
    answers = yield requests
    found = [answer for answer in answers if isinstance(answer, Decoded)]
    for one in found:
        spent.add("transcribe", one.seconds)
        spent.add("align", one.align_seconds)
    return found


def slices(of: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """In order, `size` at a time."""
    for first in range(0, len(of), size):
        yield of[first : first + size]


def cut(waveform: Waveform, span: Span) -> Waveform:
    return np.ascontiguousarray(waveform[span.start_ms * SAMPLES_PER_MS : span.end_ms * SAMPLES_PER_MS])
