"""Moments: passages of one recording that answer together are shown as one.

A passage is cut at a pause, or where it would be long. Where both sides of such a cut answer alike, nobody wants two
hits. What answers much less than its neighbour is left apart: a hit begins near what was asked for, and does not grow
over what only happens to stand beside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from search.passages import DOUBTFUL
from search.protocols import Payload

MAX_GAP_MS = 2_000  # a longer pause is another moment
MAX_MOMENT_MS = 20_000  # a moment is looked at in one go; more of it is another hit
MIN_SHARE = 0.5  # of the best passage's score


@dataclass(frozen=True, slots=True)
class Answering:
    """A passage and how far it answers; `exact`: it holds the very words, and `found`: that is enough to say so."""

    payload: Payload
    score: float
    exact: bool
    found: bool

    @property
    def stretch(self) -> tuple[object, ...]:
        """What has to be the same of two passages that may be one moment."""
        one = self.payload
        return (
            one["recording_id"],
            one["version"],
            one["speaker"],
            one["language"],
            DOUBTFUL in one["flags"],
            self.exact,
            self.found,
        )


def merged(answering: Sequence[Answering]) -> list[list[int]]:
    """Which passages are one moment: numbers, each once, in the order of time; moments by their best.

    Args:
        answering: best first.
    """
    stretches: dict[tuple[object, ...], dict[int, int]] = defaultdict(dict)
    for number, one in enumerate(answering):
        stretches[one.stretch][one.payload["ordinal"]] = number
    taken: set[int] = set()
    moments = []
    for number, best in enumerate(answering):
        if number in taken:
            continue
        beside = stretches[best.stretch]
        moment = [number]
        for step in (1, -1):
            while (other := _next(answering, moment, beside, step)) is not None and other not in taken:
                if answering[other].score < MIN_SHARE * best.score or _length_ms(answering, [*moment, other]) > (
                    MAX_MOMENT_MS
                ):
                    break
                moment = [*moment, other] if step > 0 else [other, *moment]
        taken.update(moment)
        moments.append(moment)
    return moments


def _next(answering: Sequence[Answering], moment: Sequence[int], beside: dict[int, int], step: int) -> int | None:
    """The passage that follows a moment, or goes before it, without a hole or a long pause between."""
    edge = answering[moment[-1 if step > 0 else 0]].payload
    number = beside.get(edge["ordinal"] + step)
    if number is None:
        return None
    other = answering[number].payload
    left, right = (edge, other) if step > 0 else (other, edge)
    # Context stands between neighbours exactly where nothing unheard does.
    connected = bool(left["context_after"]) and right["start_ms"] - left["end_ms"] <= MAX_GAP_MS
    return number if connected else None


def _length_ms(answering: Sequence[Answering], moment: Sequence[int]) -> int:
    payloads = [answering[number].payload for number in moment]
    return int(max(one["end_ms"] for one in payloads) - min(one["start_ms"] for one in payloads))
