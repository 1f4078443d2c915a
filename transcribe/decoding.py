"""What is asked of Whisper, and what it answers.

Everything an answer depends on is in the request, the padded length included.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FRAMES_PER_SECOND = 100  # of features; the encoder halves it
MAX_FRAMES = 3_000  # the 30 s the encoder was trained on (openai/whisper, whisper/audio.py)
BUCKET_FRAMES = 250  # padded lengths are multiples of 2.5 s
MAX_TOKENS = 448  # positions the decoder was trained on
PROMPT_TOKENS = MAX_TOKENS // 2 - 1  # the most a prompt may hold (openai/whisper, decoding.py); a mark goes before it

Features = NDArray[np.float32]  # (mel bands, frames)
Output = NDArray[Any]  # of the encoder: (frames / 2, width)
Chances = dict[str, float]  # probability by ISO 639-1 code, of the likeliest few


@dataclass(frozen=True, slots=True)
class Plan:
    """How a window is decoded.

    full: the encoder sees 30 s, as it was trained, instead of the window and a little silence. Slower, steadier.
    """

    full: bool = False
    beam_size: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Encode:
    """What does the encoder make of this, and which language is it?

    stretches: (first, last) frames of `features` in which somebody speaks, for a guess at the language of each.
    by_translator: asked of the translator, where it is another model.
    """

    features: Features
    stretches: tuple[tuple[int, int], ...] = ()
    by_translator: bool = False

    @property
    def bucket(self) -> Hashable:
        return ("encode", self.features.shape, self.by_translator)


@dataclass(frozen=True, slots=True, eq=False)
class Decode:
    """What is said in this window?

    encoded: the encoder's output for it. n_frames: of sound; the rest is padding.
    task: `transcribe`, or `translate` to English (whose words get no times).
    prompt: tokens the decoder is made to believe it wrote just before; at most `PROMPT_TOKENS`.
    """

    encoded: Output
    n_frames: int
    language: str
    plan: Plan
    task: str = "transcribe"
    prompt: tuple[int, ...] = ()

    @property
    def bucket(self) -> Hashable:
        # One batch starts at one position: CTranslate2 takes prompts of equal length only.
        return (self.task, len(self.encoded), self.plan, len(self.prompt))


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of a window, its times in seconds from the window's start; text with its leading space.

    primed: a prompt may have suggested it.
    """

    start_s: float
    end_s: float
    text: str
    probability: float
    primed: bool = False


@dataclass(frozen=True, slots=True)
class Phrase:
    """What Whisper put between two timestamps: text, and the words in it (none in a translation)."""

    start_s: float
    end_s: float
    text: str
    words: tuple[TimedWord, ...] = ()


@dataclass(frozen=True, slots=True)
class Decoded:
    """The answer to `Decode`.

    avg_logprob: per token, the end included. no_speech: probability that nobody speaks. at_limit: stopped by
    the length limit, not by itself. seconds, align_seconds: this request's share of its batch's time.
    """

    phrases: tuple[Phrase, ...]
    avg_logprob: float
    no_speech: float
    at_limit: bool
    seconds: float = 0.0
    align_seconds: float = 0.0

    @property
    def text(self) -> str:
        return " ".join(text for phrase in self.phrases if (text := phrase.text.strip()))

    @property
    def words(self) -> list[TimedWord]:
        return [word for phrase in self.phrases for word in phrase.words]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """The answer to `Encode`. language: of the whole; both guesses are empty for an English-only model."""

    output: Output
    language: Chances
    stretches: tuple[Chances, ...]
    seconds: float = 0.0


WhisperRequest = Encode | Decode
WhisperResult = Encoded | Decoded


def padded_frames(duration_ms: int, pad_ms: int) -> int:
    """The bucket of a window: enough frames for it and `pad_ms` of silence, or 30 s."""
    frames = math.ceil((duration_ms + pad_ms) * FRAMES_PER_SECOND / 1000)
    return min(MAX_FRAMES, math.ceil(frames / BUCKET_FRAMES) * BUCKET_FRAMES)
