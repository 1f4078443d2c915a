"""In which order hits come, and how pages go through them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from search.hit import Hit
from search.indexes.edge import EdgeIndex
from search.indexes.exact import ExactIndex
from search.pattern import read
from search.protocols import EVERYTHING, Filters, Index
from search.query import Mode, Query, Sort
from search.searcher import Searcher
from tests.synthetic import questions, synthetic
from tests.test_search import archive, many_places

SEED = 11
N_QUERIES = 40
TRANSCRIPTS, LINES = synthetic(SEED)
SAID_AT = {(one.recording, one.start_ms): one.said_at for one in LINES}


@pytest.fixture(scope="module", params=["exact", "edge"])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    empty = ExactIndex() if request.param == "exact" else EdgeIndex.open(tmp_path_factory.mktemp("sorted") / "index")
    filled = archive(*TRANSCRIPTS, index=empty)
    yield filled
    filled.close()


def whole(searcher: Searcher, query: Query) -> list[Hit]:
    return searcher.search(replace(query, limit=100, offset=0)).hits


@pytest.mark.parametrize("mode", [Mode.EXACT, Mode.WORDS])
def test_every_order_is_of_the_same_hits(index: Index, mode: Mode) -> None:
    """Sorting is a permutation; by time the moments never go back, -time never forth, and unknown times come last."""
    searcher = Searcher(index, None)
    for query in questions(SEED, LINES, N_QUERIES, mode):
        by = {sort: whole(searcher, replace(query, sort=sort)) for sort in Sort}
        places = {sort: [(hit.recording_id, hit.start_ms, hit.speaker) for hit in hits] for sort, hits in by.items()}
        assert sorted(places[Sort.RELEVANCE], key=str) == sorted(places[Sort.TIME], key=str)
        assert sorted(places[Sort.RELEVANCE], key=str) == sorted(places[Sort.LATEST], key=str)
        for sort, sign in ((Sort.TIME, 1), (Sort.LATEST, -1)):
            recorded = [_recorded(hit) for hit in by[sort]]
            keys = [
                (at is None, 0 if at is None else sign * at, hit.recording_id)
                for at, hit in zip(recorded, by[sort], strict=True)
            ]
            assert keys == sorted(keys)
        scores = [hit.score for hit in by[Sort.RELEVANCE]]
        assert scores == sorted(scores, reverse=True)


def _recorded(hit: Hit) -> float | None:
    """Epoch seconds at which the hit's recording begins."""
    at = SAID_AT[hit.recording_id, 0]
    return None if at is None else at.timestamp()


@pytest.mark.parametrize("mode", [Mode.EXACT, Mode.WORDS])
def test_pages_joined_are_the_whole_list(index: Index, mode: Mode) -> None:
    """Whatever the order and the length of a page, nothing is repeated or skipped, and the total does not move."""
    searcher = Searcher(index, None)
    for query in questions(SEED + 1, LINES, N_QUERIES, mode):
        joined: list[Hit] = []
        total = 0
        while (answer := searcher.search(replace(query, limit=13, offset=len(joined)))).hits:
            joined += answer.hits
            total = answer.total
        assert joined[:100] == whole(searcher, query)
        assert len(joined) == total


@pytest.mark.parametrize("sort", Sort)
def test_an_export_comes_in_the_order_of_the_pages(index: Index, sort: Sort) -> None:
    """Of a phrase, and of phrases combined; an export leaves out what was said around them."""
    searcher = Searcher(index, None)
    for text in ('"stop"', "gun WITHIN 1s OF car", "up OR (hands NOT gun)"):
        reading = read(text, EVERYTHING, lambda _field: Filters())
        query = Query(reading.text, limit=1_000, filters=reading.filters, pattern=reading.pattern, sort=sort)
        hits = searcher.search(query).hits
        assert hits
        assert list(searcher.every_hit(query)) == [replace(hit, lines_before=(), lines_after=()) for hit in hits]


def test_the_latest_first_is_by_id_where_times_are_equal() -> None:
    """Within a recording, too, the last comes first; footage of unknown time comes last in either direction."""
    hits = Searcher(many_places(), None).search(Query('"stop"', limit=100, sort=Sort.LATEST)).hits
    order = [(hit.recording_id[0], hit.start_ms, hit.speaker) for hit in hits]
    one_recording = [(1_200, "B"), (900, "B"), (900, "A"), (0, "A")]
    assert order == [(name, *place) for name in "0feb2d" for place in one_recording]
