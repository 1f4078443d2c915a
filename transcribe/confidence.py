"""How likely a word is right, from what the decoder knew when it wrote it.

Whisper's own probability of a word says how well the word follows from the sound and the words before it, not how
often such words are right. A calibration is a logistic regression over a few clues, fitted on labelled recordings for
one model's weights (`python -m benchmarks.confidence --fit`) and kept in `confidence.json` with where it comes from.
Words of a model without one keep Whisper's probability.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import fmean

from transcribe.decoding import Decoded

FILE = Path(__file__).with_name("confidence.json")
RAW = "raw"  # what provenance says where no calibration is known

# More of any clue speaks for the word. Tried on held-out recordings, and of little or no use beside these: the least
# probability of the word's tokens, log probability and no-speech probability of the window, letters, duration, rate,
# language, whether the gate doubts the window.
CLUES = ("word", "neighbours", "window")
LEAST_CHANCE = 0.001  # log odds are taken of nothing nearer to 0 or 1


Rate = Callable[[Decoded], Decoded]  # the same words, each with the probability that it is right


def as_decoded(decoded: Decoded) -> Decoded:
    """Words as sure as Whisper says."""
    return decoded


@dataclass(frozen=True, slots=True)
class Calibration:
    """weights: log odds for one more of each of `CLUES`; none is negative."""

    constant: float
    weights: tuple[float, ...]

    def __call__(self, decoded: Decoded) -> Decoded:
        """The same words; the probability of each is that of being right."""
        chances = iter(map(self.chance, clues(decoded)))
        phrases = tuple(
            replace(phrase, words=tuple(replace(word, probability=next(chances)) for word in phrase.words))
            for phrase in decoded.phrases
        )
        return replace(decoded, phrases=phrases)

    def chance(self, of: tuple[float, ...]) -> float:
        """In 0..1, never falling in any clue."""
        odds = self.constant + sum(weight * clue for weight, clue in zip(self.weights, of, strict=True))
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))

    @property
    def name(self) -> str:
        """As provenance and fingerprints tell it from others: another fit has another name."""
        digest = hashlib.sha256(json.dumps([CLUES, self.constant, self.weights]).encode()).hexdigest()
        return f"calibrated {digest[:8]}"


def clues(decoded: Decoded) -> list[tuple[float, ...]]:
    """What is known about each word of a window, in the order of `CLUES`, as log odds of probabilities.

    Its own; its neighbours', on average (at an edge, of the one there is; of a lone word, its
    own); that of the mean over the window.
    """
    chances = [word.probability for word in decoded.words]
    if not chances:
        return []
    odds = list(map(_log_odds, chances))
    window = _log_odds(fmean(chances))
    found: list[tuple[float, ...]] = []
    for place, own in enumerate(odds):
        beside = [*odds[max(0, place - 1) : place], *odds[place + 1 : place + 2]] or [own]
        found.append((own, fmean(beside), window))
    return found


def calibration_of(sha256: str) -> Calibration | None:
    """The one fitted for the model with these weights; None: nobody fitted one."""
    return _calibrations().get(sha256)


def confidence_name(sha256: str) -> str:
    """What provenance says of the confidence of words by the model with these weights."""
    calibration = calibration_of(sha256)
    return calibration.name if calibration else RAW


@cache
def _calibrations() -> dict[str, Calibration]:
    models = json.loads(FILE.read_text(encoding="utf-8"))["models"]
    return {
        sha256: Calibration(one["constant"], tuple(one["weights"][clue] for clue in CLUES))
        for sha256, one in models.items()
    }


def _log_odds(chance: float) -> float:
    chance = min(max(chance, LEAST_CHANCE), 1 - LEAST_CHANCE)
    return math.log(chance / (1 - chance))
