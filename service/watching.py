"""Watching: what is newly indexed is matched with every watch, once.

The catalog says what is due, and takes what was found in one step (`service.catalog.watches`). Whoever owns the index
does the matching, after it has indexed; nothing a watch does keeps a recording from being indexed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import structlog

from search.access import SEALED_TOO
from search.embedding import Embedder
from search.errors import IndexBusy, SearchError
from search.hit import Hit
from search.pattern import narrow
from search.protocols import Filters, Index
from search.query import Mode, Query
from search.searcher import Searcher
from service.catalog import Catalog, Watch, WatchSpan
from service.errors import MatchIncomplete, ServiceError
from service.finding import ask
from service.question import Question
from transcribe.transcript import RecordingId

BATCH = 64  # matches looked up at a time
MAX_FOUND = 1_000  # hits of a query that ranks, in one recording: all there are
JOINED_MS = 5_000  # what is said again so soon is played in one go, and looked at once; as near as searches count a hit

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Matched:
    """What became of some matches: those that failed are tried again later. Hits count that were not there before."""

    n_done: int
    n_failed: int
    n_hits: int

    @property
    def total(self) -> int:
        return self.n_done + self.n_failed

    def __add__(self, other: Matched) -> Matched:
        return Matched(self.n_done + other.n_done, self.n_failed + other.n_failed, self.n_hits + other.n_hits)


def match_due(
    catalog: Catalog,
    zone: str,
    open_index: Callable[[], AbstractContextManager[Index]],
    embedder: Callable[[], Embedder],
) -> Matched:
    """Make the matches that are due, at most `BATCH`: what else waits for the index gets its turn in between.

    One that fails is told, and rests for a while; the others go on.

    Args:
        open_index: asked only when something is due.
        embedder: asked only for queries that need one.

    Raises:
        CatalogUnusable, IndexBusy: what is due stays so.
    """
    batch = catalog.watches.due(BATCH)
    if not batch:
        return Matched(0, 0, 0)
    n_hits = 0
    failed: list[tuple[str, str]] = []  # watch, kind of error
    with open_index() as index:
        for due in batch:
            try:
                spans = match(due.watch, due.recording_id, catalog, zone, index, embedder)
            except IndexBusy:
                raise
            except Exception as error:  # noqa: BLE001 -- one broken watch must not stop the others
                catalog.watches.failed(due, _reason(error))
                failed.append((due.watch.name, type(error).__name__))
            else:
                n_hits += catalog.watches.matched(due, spans)
    for (name, kind), n_failed in Counter(failed).items():
        log.error("watch failed", watch=name, error=kind, recordings=n_failed)
    return Matched(len(batch) - len(failed), len(failed), n_hits)


def match(
    watch: Watch,
    recording_id: RecordingId,
    catalog: Catalog,
    zone: str,
    index: Index,
    embedder: Callable[[], Embedder],
) -> list[WatchSpan]:
    """All that a watch finds in one recording, as moments to play, by their start.

    An exact query gives every place; one that ranks only what is found, not what was perhaps meant.

    Raises:
        EmptyQuery, QueryWrong, TimeWrong, RecordingUnknown, RecordingAmbiguous: of a query that fitted once.
        MatchIncomplete: a leg could not be asked.
    """
    found: list[Hit] = []
    for query in queries_of(watch, catalog, zone):
        here = narrow(query.filters, Filters(recording_id=recording_id, grants=SEALED_TOO))
        if here is not None:
            found += _found(replace(query, filters=here), index, embedder)
    return moments(found)


def queries_of(watch: Watch, catalog: Catalog, zone: str) -> Iterator[Query]:
    """What a watch asks, of sealed recordings too: who may not see them is not shown its hits.

    Errors as `service.finding.ask`.
    """
    for text in watch.queries:
        question = Question(text, Mode(watch.mode), MAX_FOUND, watch.filters, watch.doubtful)
        yield ask(catalog, zone, question, SEALED_TOO)


def moments(hits: Iterable[Hit]) -> list[WatchSpan]:
    """Hits of one recording, those at most `JOINED_MS` apart as one, with the marks of all and the best score."""
    joined: list[list[Hit]] = []
    end_ms = 0
    for hit in sorted(hits, key=lambda hit: (hit.start_ms, hit.end_ms)):
        if joined and hit.start_ms - end_ms <= JOINED_MS:
            joined[-1].append(hit)
            end_ms = max(end_ms, hit.end_ms)
        else:
            joined.append([hit])
            end_ms = hit.end_ms
    return [_moment(together) for together in joined]


def _found(query: Query, index: Index, embedder: Callable[[], Embedder]) -> list[Hit]:
    if query.is_exact:
        return list(Searcher(index, None).every_hit(query))
    answer = Searcher(index, embedder()).search(query)
    if answer.degraded:
        raise MatchIncomplete(tuple(answer.degraded))
    return [hit for hit in answer.hits if hit.found]


def _moment(hits: Sequence[Hit]) -> WatchSpan:
    best = max(hits, key=lambda hit: hit.score)
    return WatchSpan(
        hits[0].start_ms,
        max(hit.end_ms for hit in hits),
        hits[0].speaker if len({hit.speaker for hit in hits}) == 1 else None,
        best.language,
        round(best.score, 4),
        best.legs,
        tuple(sorted({flag for hit in hits for flag in hit.flags})),
    )


def _reason(error: Exception) -> str:
    """For the catalog; a foreign error's words may quote what was asked, and are left out."""
    ours = isinstance(error, SearchError | ServiceError)
    return f"{type(error).__name__}: {error}".splitlines()[0] if ours else type(error).__name__
