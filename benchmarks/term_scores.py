"""How well terms are found: recall against false alarms, and the term-weighted value.

NIST's keyword search (OpenKWS13 evaluation plan, section 4): TWV = 1 - mean over terms (P_miss + beta P_false_alarm),
beta = 999.9, where a term could be wrongly heard once in each second that does not say it. The threshold that decides
what is shown gives the actual value (ATWV); the best over all thresholds is the maximum (MTWV). There a detection is
right within half a second; here it must start within `near_ms` of the utterance, for a passage is what a search shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.systems import starts_near
from benchmarks.terms import Term

BETA = 999.9


@dataclass(frozen=True, slots=True)
class Detection:
    """A moment at which a system claims a term. `recording` is None outside of the labelled recordings."""

    recording: str | None
    start_ms: int
    score: float
    shown: bool = True  # by the system's own threshold


@dataclass(frozen=True, slots=True)
class TermCounts:
    """What the claims for one term were worth."""

    n_occurrences: int
    n_found: int
    n_false: int  # in the labelled recordings
    n_outside: int  # among distractors, which nobody labelled: a term may truly be said there


def count(term: Term, detections: Sequence[Detection], near_ms: int) -> TermCounts:
    """Give each detection, the best first, to one occurrence that is not found yet.

    One that starts within an utterance already found says the same again and counts as nothing.
    """
    found = set[int]()
    n_false = n_outside = 0
    for one in sorted(detections, key=lambda one: -one.score):
        if one.recording is None:
            n_outside += 1
            continue
        near = [
            number
            for number, answer in enumerate(term.occurrences)
            if answer.recording == one.recording and starts_near(one.start_ms, answer.span, near_ms)
        ]
        free = [number for number in near if number not in found]
        if free:
            # The one it lies in before one it is only near.
            found.add(min(free, key=lambda number: abs(term.occurrences[number].span.start_ms - one.start_ms)))
        elif not any(starts_near(one.start_ms, term.occurrences[number].span, 0) for number in near):
            n_false += 1
    return TermCounts(len(term.occurrences), len(found), n_false, n_outside)


@dataclass(frozen=True, slots=True)
class TermScore:
    """All terms together. Recall counts every occurrence alike, the value every term."""

    recall: float
    false_per_hour: float  # per term and recorded hour
    outside_per_term: float
    value: float


def score(counts: Sequence[TermCounts], recorded_ms: int) -> TermScore:
    """Of at least one term; terms that never occur count for false alarms alone."""
    occurring = [one for one in counts if one.n_occurrences]
    n_occurrences = sum(one.n_occurrences for one in occurring)
    costs = [
        1 - one.n_found / one.n_occurrences + BETA * one.n_false / max(1.0, recorded_ms / 1000 - one.n_occurrences)
        for one in occurring
    ]
    return TermScore(
        sum(one.n_found for one in occurring) / n_occurrences if n_occurrences else 0.0,
        sum(one.n_false for one in counts) / len(counts) / (recorded_ms / 3_600_000),
        sum(one.n_outside for one in counts) / len(counts),
        1 - sum(costs) / len(costs) if costs else 0.0,
    )


def score_where(
    terms: Sequence[Term],
    detections: Sequence[Sequence[Detection]],
    threshold: float | None,
    recorded_ms: int,
    near_ms: int,
) -> TermScore:
    """The score of the detections that are shown; `detections`: of each term.

    Args:
        threshold: the lowest score that is shown; None: the system's own choice.
    """

    def is_shown(one: Detection) -> bool:
        return one.shown if threshold is None else one.score >= threshold

    counts = [
        count(term, [one for one in some if is_shown(one)], near_ms)
        for term, some in zip(terms, detections, strict=True)
    ]
    return score(counts, recorded_ms)


def best_value(
    terms: Sequence[Term], detections: Sequence[Sequence[Detection]], recorded_ms: int, near_ms: int
) -> tuple[float, float]:
    """The maximum of the value over thresholds, and the lowest score that is shown there; showing nothing gives 0."""
    best, at = 0.0, float("inf")
    for threshold in sorted({one.score for some in detections for one in some}, reverse=True):
        value = score_where(terms, detections, threshold, recorded_ms, near_ms).value
        if value > best:
            best, at = value, threshold
    return best, at
