"""Search, judged: each labelled query asked of the real index, the rank of its first right hit.

    python -m benchmarks.finding DATA QUERIES.json FOUND.json

The queries of one run share an open index and a loaded embedding model.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.corpus import Answer, LabelledQuery
from gpu.offline import stay_offline
from transcribe.spans import Span

LIMIT = 10
NEAR_MS = 5_000  # between a hit and an answer, a listener still comes upon it
FILTERS = ("officer", "badge", "category", "language")  # of the labels' filters, those that a search can have


@dataclass(frozen=True, slots=True)
class FoundAt:
    """Where one hit lies, and its score."""

    recording: str
    span: Span
    score: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One query: the rank of its first right hit (1 is first; None: not within `LIMIT`), and what it returned."""

    kind: str
    rank: int | None
    n_hits: int
    top_score: float | None


def is_right(hit: FoundAt, answers: Sequence[Answer]) -> bool:
    """Whether a hit starts at most `NEAR_MS` from an answer, or shares at least half of the answer with it."""
    for answer in answers:
        if hit.recording != answer.recording:
            continue
        away_ms = max(answer.span.start_ms - hit.span.start_ms, hit.span.start_ms - answer.span.end_ms, 0)
        if away_ms <= NEAR_MS or 2 * hit.span.overlap_ms(answer.span) >= answer.span.duration_ms:
            return True
    return False


def judge(query: LabelledQuery, hits: Sequence[FoundAt]) -> Judged:
    """Rank the first right hit among the hits, best first."""
    rank = next((rank for rank, hit in enumerate(hits, 1) if is_right(hit, query.relevant)), None)
    return Judged(query.kind, rank, len(hits), hits[0].score if hits else None)


@dataclass(frozen=True, slots=True)
class Kind:
    """All queries of one kind.

    For `absent` nothing is right: its ranks mean nothing, the shares without a hit and the top scores do.
    """

    name: str
    judged: tuple[Judged, ...]

    def hit_percent(self, within: int) -> float:
        """Share of queries with a right hit among the first `within`."""
        right = sum(one.rank is not None and one.rank <= within for one in self.judged)
        return 100 * right / len(self.judged)

    @property
    def mrr(self) -> float:
        """Mean of 1 / rank, 0 where nothing right was within `LIMIT`."""
        return sum(1 / one.rank for one in self.judged if one.rank) / len(self.judged)

    @property
    def silent_percent(self) -> float:
        """Share of queries that returned nothing."""
        return 100 * sum(one.n_hits == 0 for one in self.judged) / len(self.judged)

    @property
    def top_score(self) -> float:
        """Mean score of the first hit, 0 where there was none."""
        return sum(one.top_score or 0.0 for one in self.judged) / len(self.judged)


def by_kind(judged: Sequence[Judged]) -> list[Kind]:
    """In order of first appearance."""
    names = dict.fromkeys(one.kind for one in judged)
    return [Kind(name, tuple(one for one in judged if one.kind == name)) for name in names]


def ask(data: Path, queries: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
    """Hits of each query as JSON, best first; `queries` are mappings with `text` and `filters`."""
    from search.query import Filters, Query
    from search.searcher import Searcher
    from service.indexing import load_embedder, open_index
    from service.settings import load_settings

    settings = load_settings(data=data)
    embedder = load_embedder(settings)
    with open_index(settings) as index:
        searcher = Searcher(index, embedder)
        answers = []
        for query in queries:
            kept = {name: value for name, value in query["filters"].items() if name in FILTERS}
            answer = searcher.search(Query(query["text"], limit=LIMIT, filters=Filters(**kept)))
            answers.append([hit.to_json() for hit in answer.hits])
    return answers


def found_at(hit: Mapping[str, Any]) -> FoundAt:
    """A hit's JSON form as a place; the recording is the source's file name without ending."""
    return FoundAt(Path(hit["source"]).stem, Span(hit["start_ms"], hit["end_ms"]), float(hit["score"]))


def main(args: Sequence[str]) -> None:
    """The process that searches."""
    data, queries, found = map(Path, args)
    stay_offline()
    found.write_text(json.dumps(ask(data, json.loads(queries.read_text()))))


if __name__ == "__main__":
    main(sys.argv[1:])
