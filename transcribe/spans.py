"""Spans of recording time, in integer milliseconds, and the arithmetic on them.

A span is half open: `[start_ms, end_ms)`. A *span set* below means spans sorted by start that do not
overlap or touch; `merge` makes one of any spans, and every other function returns one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Start and end in ms of recording time, `start_ms <= end_ms`."""

    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        if self.start_ms > self.end_ms:
            raise ValueError(f"span ends at {self.end_ms} ms, before it starts at {self.start_ms} ms")

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms

    def overlap_ms(self, other: Span) -> int:
        """How long both last together; 0 when they are apart."""
        return max(0, min(self.end_ms, other.end_ms) - max(self.start_ms, other.start_ms))


def merge(spans: Iterable[Span], gap_ms: int = 0) -> list[Span]:
    """Join spans that overlap, touch, or lie at most `gap_ms` apart; empty spans vanish.

    Args:
        spans: any order, may overlap.
        gap_ms: inclusive; 0 joins only spans that overlap or touch.
    """
    merged: list[Span] = []
    for span in sorted(spans):
        if span.duration_ms == 0:
            continue
        if merged and span.start_ms - merged[-1].end_ms <= gap_ms:
            merged[-1] = Span(merged[-1].start_ms, max(merged[-1].end_ms, span.end_ms))
        else:
            merged.append(span)
    return merged


def subtract(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """What of `spans` no hole covers."""
    remaining: list[Span] = []
    cuts = merge(holes)
    for span in merge(spans):
        start = span.start_ms
        for cut in cuts:
            if cut.end_ms <= start or cut.start_ms >= span.end_ms:
                continue
            if cut.start_ms > start:
                remaining.append(Span(start, cut.start_ms))
            start = max(start, cut.end_ms)
        if start < span.end_ms:
            remaining.append(Span(start, span.end_ms))
    return remaining


def intersect(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """What both sets cover."""
    left, right = merge(spans), merge(others)
    common: list[Span] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start = max(left[i].start_ms, right[j].start_ms)
        end = min(left[i].end_ms, right[j].end_ms)
        if start < end:
            common.append(Span(start, end))
        if left[i].end_ms < right[j].end_ms:
            i += 1
        else:
            j += 1
    return common


def total_ms(spans: Sequence[Span]) -> int:
    """Time covered by a span set."""
    return sum(span.duration_ms for span in spans)
