"""Who is asked: the search as it is, each leg alone, and the search without one leg."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.archives import Archive, Question
from benchmarks.corpus import Answer
from benchmarks.measures import Ranked
from benchmarks.outcome import OURS
from search.embedding import Embedder
from search.errors import LegUnavailable
from search.hit import Hit
from search.protocols import Index
from search.query import Mode, Query
from search.searcher import LEGS, Searcher
from transcribe.spans import Span

DEPTH = 100  # hits asked for; a right one below does not count


@dataclass(frozen=True, slots=True)
class System:
    """A way to search. `legs` are those that may run in auto mode."""

    name: str
    mode: Mode = Mode.AUTO
    legs: tuple[str, ...] = LEGS


WHOLE = System(OURS)
ALONE = tuple(System(f"{leg} alone", Mode(leg)) for leg in LEGS)
WITHOUT = tuple(System(f"without {leg}", legs=tuple(one for one in LEGS if one != leg)) for leg in LEGS)
SYSTEMS = (WHOLE, *ALONE, *WITHOUT)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a system made of all questions of an archive, in their order; None: it cannot run."""

    ranked: tuple[Ranked, ...] | None
    notes: tuple[str, ...] = ()  # why it cannot, or what it left out


def ask(system: System, archive: Archive, index: Index, embedder: Embedder) -> Asked:
    """Every question of the archive, ranked."""
    return ask_each(system, archive, archive.questions, index, embedder)


def ask_each(
    system: System, archive: Archive, questions: Sequence[Question], index: Index, embedder: Embedder
) -> Asked:
    """Some questions of the archive, ranked."""
    notes: dict[str, None] = {}
    ranked = []
    try:
        searcher = Searcher(index, embedder, legs=system.legs)
        for question in questions:
            answer = searcher.search(Query(question.query.text, system.mode, DEPTH, question.filters))
            notes.update(dict.fromkeys(answer.degraded))
            ranked.append(rank(archive, question, answer.hits))
    except LegUnavailable as error:
        return Asked(None, (str(error),))
    return Asked(tuple(ranked), tuple(notes))


def rank(archive: Archive, question: Question, hits: Sequence[Hit]) -> Ranked:
    """Where the right hits stand, best first."""
    wanted = question.query.relevant
    first, seen = None, set[int]()
    for place, hit in enumerate(hits, 1):
        right = [number for number, answer in enumerate(wanted) if is_near(archive, hit, answer)]
        if right and first is None:
            first = place
        seen.update(right)
    return Ranked(first, len(seen) / len(wanted) if wanted else 0.0, len(hits), sum(hit.found for hit in hits))


def is_near(archive: Archive, hit: Hit, answer: Answer) -> bool:
    """Whether a hit starts within an answer, or at most `near_ms` before or after it."""
    return archive.names.get(hit.recording_id) == answer.recording and starts_near(
        hit.start_ms, answer.span, archive.near_ms
    )


def starts_near(start_ms: int, span: Span, near_ms: int) -> bool:
    """Whether a moment lies in a span, or at most so far from it."""
    return span.start_ms - near_ms <= start_ms <= span.end_ms + near_ms
