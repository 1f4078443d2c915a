"""Laws of span arithmetic, checked against sets of milliseconds."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transcripts import spans
from transcribe.spans import Span, intersect, merge, subtract, total_ms

SPANS = st.lists(spans(), max_size=8)


def moments(some: Iterable[Span]) -> set[int]:
    """Every millisecond the spans cover."""
    return {ms for span in some for ms in range(span.start_ms, span.end_ms)}


def is_span_set(some: list[Span]) -> bool:
    apart = all(a.end_ms < b.start_ms for a, b in itertools.pairwise(some))
    return apart and all(span.duration_ms > 0 for span in some)


def test_a_span_does_not_end_before_it_starts() -> None:
    """The error names both times."""
    with pytest.raises(ValueError, match="ends at 4 ms, before it starts at 5 ms"):
        Span(5, 4)


@given(spans(), spans())
def test_overlap_is_the_time_both_last(left: Span, right: Span) -> None:
    """Overlap is symmetric and counts common milliseconds."""
    assert left.overlap_ms(right) == right.overlap_ms(left) == len(moments([left]) & moments([right]))


@given(SPANS)
def test_merging_covers_the_same_moments(some: list[Span]) -> None:
    """Merging changes how spans are cut, not what they cover."""
    merged = merge(some)

    assert moments(merged) == moments(some)
    assert is_span_set(merged)
    assert total_ms(merged) == len(moments(some))


@given(SPANS, st.integers(0, 20))
def test_merging_over_gaps_leaves_only_longer_gaps(some: list[Span], gap_ms: int) -> None:
    """Gaps up to `gap_ms`, inclusive, are filled; longer ones stay; nothing is lost."""
    merged = merge(some, gap_ms)

    assert all(b.start_ms - a.end_ms > gap_ms for a, b in itertools.pairwise(merged))
    assert moments(some) <= moments(merged)
    filled = subtract(merged, some)
    assert all(gap.duration_ms <= gap_ms for gap in filled)


@given(SPANS)
def test_merging_twice_changes_nothing(some: list[Span]) -> None:
    """Merge is idempotent."""
    assert merge(merge(some)) == merge(some)


@given(SPANS, SPANS)
def test_subtracting_is_set_difference(some: list[Span], holes: list[Span]) -> None:
    """What remains is what no hole covers."""
    remaining = subtract(some, holes)

    assert moments(remaining) == moments(some) - moments(holes)
    assert is_span_set(remaining)


@given(SPANS, SPANS)
def test_intersecting_is_set_intersection(some: list[Span], others: list[Span]) -> None:
    """What is common is what both cover, whichever is named first."""
    common = intersect(some, others)

    assert moments(common) == moments(some) & moments(others)
    assert is_span_set(common)
    assert common == intersect(others, some)
