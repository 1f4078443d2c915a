"""Places combined: spans that hold what was asked for together, each as short as it can be.

Of all spans that would do, those are kept that hold no other (Clarke, Cormack and Burkowski, "An Algebra for Structured
Text Search and a Framework for its Implementation", 1995). So a moment counts once however often its words are repeated
around it, and what is asked in another order has the same answer.

Everything here is about places of one recording with nothing unheard between them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from search.passages import SpokenWord
from search.phrase import Occurrence


@dataclass(frozen=True, slots=True)
class Place:
    """Phrases found near each other: the span covers all of them."""

    start_ms: int
    end_ms: int
    parts: tuple[Occurrence, ...]  # each once, sorted by span; at least one

    @property
    def words(self) -> frozenset[SpokenWord]:
        """All that was found, a word each once."""
        return frozenset(word for part in self.parts for word in part.said)


def place(parts: Iterable[Occurrence]) -> Place:
    """The place these make together."""
    by_span = {(one.start_ms, one.end_ms, one.payload["ordinal"]): one for one in parts}
    kept = tuple(by_span[span] for span in sorted(by_span))
    return Place(kept[0].start_ms, max(one.end_ms for one in kept), kept)


def any_of(*some: Iterable[Place]) -> list[Place]:
    """All of these; words found twice count once."""
    return _sorted({one.words: one for places in some for one in places}.values())


def all_of(some: Sequence[Sequence[Place]], within_ms: int) -> list[Place]:
    """One of each, the whole in at most `within_ms`. The same words may be found by several."""
    found = _sorted(some[0])
    for places in some[1:]:
        found = _in_any_order(found, _sorted(places), within_ms, lambda _one, _other: True)
        found = [one for one in found if one.end_ms - one.start_ms <= within_ms]
    return found


def near(some: Sequence[Place], others: Sequence[Place], within_ms: int) -> list[Place]:
    """One of each, in either order, with at most `within_ms` between them. No word counts for both."""
    return _in_any_order(_sorted(some), _sorted(others), within_ms, _share_no_word)


def in_order(first: Sequence[Place], second: Sequence[Place], within_ms: int) -> list[Place]:
    """One of the first, then one of the second that begins later, with at most `within_ms` between them."""
    return _shortest(_followed(_sorted(first), _sorted(second), within_ms, _begins_later))


def away_from(places: Sequence[Place], unwanted: Sequence[Place], within_ms: int) -> list[Place]:
    """Those with none of the unwanted within `within_ms` before or after, or inside."""
    return [
        one
        for one in places
        if not any(
            other.start_ms - one.end_ms <= within_ms and one.start_ms - other.end_ms <= within_ms for other in unwanted
        )
    ]


Fits = Callable[[Place, Place], bool]


def _share_no_word(one: Place, other: Place) -> bool:
    return one.words.isdisjoint(other.words)


def _begins_later(first: Place, second: Place) -> bool:
    return second.start_ms > first.start_ms and _share_no_word(first, second)


def _in_any_order(some: Sequence[Place], others: Sequence[Place], within_ms: int, fits: Fits) -> list[Place]:
    return _shortest([*_followed(some, others, within_ms, fits), *_followed(others, some, within_ms, fits)])


def _followed(first: Sequence[Place], second: Sequence[Place], within_ms: int, fits: Fits) -> Iterator[Place]:
    """Each of the first with the one of the second that begins no earlier, fits, and ends soonest."""
    starts = [one.start_ms for one in second]
    for one in first:
        best: Place | None = None
        for at in range(bisect_left(starts, one.start_ms), len(second)):
            other = second[at]
            if other.start_ms - one.end_ms > within_ms or (best is not None and other.start_ms > best.end_ms):
                break
            if (best is None or other.end_ms < best.end_ms) and fits(one, other):
                best = other
        if best is not None:
            yield place((*one.parts, *best.parts))


def _shortest(places: Iterable[Place]) -> list[Place]:
    """Those whose span holds no other's; of equal spans one."""
    kept: list[Place] = []
    for one in sorted(places, key=lambda one: (-one.start_ms, one.end_ms)):
        if not kept or one.end_ms < kept[-1].end_ms:
            kept.append(one)
    return kept[::-1]


def _sorted(places: Iterable[Place]) -> list[Place]:
    return sorted(places, key=lambda one: (one.start_ms, one.end_ms, one.parts[0].payload["ordinal"]))
