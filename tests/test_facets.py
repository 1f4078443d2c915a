"""Facets: what is counted is what brute force counts, under whatever filters. `EARWITNESS_FUZZ=1` asks 10,000 times."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from search.deadline import Deadline
from search.facets import FACETS, MOST_VALUES, Facet
from search.hit import Hit
from search.indexes.edge import EdgeIndex
from search.indexes.exact import ExactIndex
from search.pattern import read
from search.protocols import EVERYTHING, Filters, Index, fold
from search.query import Mode, Query
from search.searcher import Searcher
from service.finding import parse_time
from service.http.models import FacetName
from tests.spoken import spoken
from tests.synthetic import KINDS, Line, places, questions, synthetic
from tests.test_search import archive

SEED = 5
N_QUERIES = 10_000 if os.environ.get("EARWITNESS_FUZZ") else 250
ZONE = ZoneInfo("America/Los_Angeles")
TRANSCRIPTS, LINES = synthetic(SEED)
LINE = {(one.recording, one.start_ms): one for one in LINES}
FILTER = {"incident": "incident_id", "speaker_kind": "speaker"}


@pytest.fixture(scope="module", params=["exact", "edge"])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    empty = ExactIndex() if request.param == "exact" else EdgeIndex.open(tmp_path_factory.mktemp("facets") / "index")
    filled = archive(*TRANSCRIPTS, index=empty)
    yield filled
    filled.close()


def values_of(line: Line) -> dict[str, str | None]:
    """What a hit in this line counts as, folded."""
    kind, at = KINDS[line.speaker], line.said_at
    own = {name: line.metadata.get(FILTER.get(name, name)) for name in ("officer", "unit", "category", "incident")}
    own |= {"month": at and f"{at.astimezone(ZONE):%Y-%m}", "language": line.language, "speaker_kind": kind}
    return {name: value and fold(value) for name, value in own.items()}


def check(facets: Mapping[str, Facet] | None, lines: Iterable[Line]) -> None:
    """Assert that the facets are those of these hits, counted by hand."""
    counted = [values_of(line) for line in lines]
    assert facets is not None
    assert tuple(facets) == FACETS
    for name, facet in facets.items():
        expected = Counter(values[name] for values in counted)
        shown = {value and fold(value): count for value, count in facet.values}
        assert shown.items() <= expected.items()
        assert len(shown) == len(facet.values) == min(len(expected), MOST_VALUES)
        hidden = [count for value, count in expected.items() if value not in shown]
        assert (facet.other_values, facet.other_count) == (len(hidden), sum(hidden))
        assert max(hidden, default=0) <= min(shown.values(), default=0)
        assert sum(shown.values()) + facet.other_count == len(counted)


def test_facets_and_totals_are_those_of_brute_force(index: Index) -> None:
    """Of random phrases under random filters: every place counts once, in whichever page it is shown."""
    searcher = Searcher(index, None)
    for query in questions(SEED, LINES, N_QUERIES, Mode.EXACT):
        said = places(LINES, query)
        answer = searcher.search(replace(query, facets_in=ZONE))
        assert (answer.total, answer.total_is_exact) == (len(said), True)
        check(answer.facets, said)


def test_facets_of_a_ranking_are_those_of_all_its_pages(index: Index) -> None:
    """Of the passages brought up, which the total counts."""
    searcher = Searcher(index, None)
    for query in questions(SEED, LINES, N_QUERIES // 5, Mode.WORDS):
        answer = searcher.search(replace(query, limit=100, facets_in=ZONE))
        hits = list(answer.hits)
        while len(hits) < answer.total:
            hits += searcher.search(replace(query, limit=100, offset=len(hits))).hits
        check(answer.facets, map(line_of, hits))


def line_of(hit: Hit) -> Line:
    return LINE[hit.recording_id, hit.start_ms // 10_000 * 10_000]


def test_facets_of_phrases_combined_are_of_the_passages_they_begin_in(index: Index) -> None:
    """Each place once, as it is shown."""
    searcher = Searcher(index, None)
    for text in ("gun WITHIN 20s OF car", "up OR (hands NOT gun)", '"stop" AND "up"'):
        reading = read(text, EVERYTHING, lambda _field: EVERYTHING)
        query = Query(reading.text, limit=1, pattern=reading.pattern, facets_in=ZONE)
        check(searcher.search(query).facets, map(line_of, searcher.every_hit(query)))


def test_a_value_that_is_asked_for_has_as_many_hits_as_it_says(index: Index) -> None:
    """Every value shown, as it is spelt, is a filter that keeps exactly its hits; so is a month, by its days."""
    searcher = Searcher(index, None)
    query = Query("stop", Mode.EXACT, facets_in=ZONE)
    facets = searcher.search(query).facets
    assert facets is not None
    for name, facet in facets.items():
        assert any(value is not None for value, _count in facet.values)
        for value, count in facet.values:
            if value is not None:
                assert searcher.search(replace(query, filters=kept_to(name, value))).total == count


def kept_to(name: str, value: str) -> Filters:
    if name != "month":
        return replace(EVERYTHING, **{FILTER.get(name, name): value})  # type: ignore[arg-type]  # a field's name
    year, month = map(int, value.split("-"))
    after = f"{year + month // 12:04}-{month % 12 + 1:02}-01"
    since, until = (parse_time(day, "since", ZONE.key) for day in (f"{value}-01", after))
    return Filters(since_ms=since, until_ms=until)


def test_spellings_of_one_value_count_as_one() -> None:
    """It is shown as most hits have it; what holds nothing but spaces is none; months come in their order."""
    units = {"a": "K-9", "b": "k-9 ", "c": "K-9", "d": " ", "e": "12A"}
    times = {"a": "2025-04-01T01:00:00Z", "b": "2025-01-05", "c": "2025-03-31T23:00:00-07:00", "e": "0001-01-01"}
    heard = [
        spoken(("A", 0, "stop"), recording=name, unit=unit, **({"recorded_at": times[name]} if name in times else {}))
        for name, unit in units.items()
    ]
    facets = Searcher(archive(*heard), None).search(Query('"stop"', facets_in=ZONE)).facets
    assert facets is not None
    assert facets["unit"].values == (("K-9", 3), ("12A", 1), (None, 1))
    assert facets["month"].values == (("2025-01", 1), ("2025-03", 2), (None, 2))


def test_facets_are_counted_only_where_they_are_asked_for() -> None:
    """And of no hits they are empty, each by its name; a search out of time counts what it looked at."""
    searcher = Searcher(archive(spoken(("A", 0, "stop"))), None)
    assert searcher.search(Query('"stop"')).facets is None
    assert searcher.search(Query("stop")).facets is None
    for text in ('"gun"', "gun"):
        assert searcher.search(Query(text, facets_in=ZONE)).facets == dict.fromkeys(FACETS, Facet((), 0, 0))
    late = searcher.search(Query('"stop"', facets_in=ZONE), Deadline(0.0))
    assert (late.total, late.facets) == (0, dict.fromkeys(FACETS, Facet((), 0, 0)))


def test_the_wire_names_every_facet() -> None:
    """The OpenAPI document lists them."""
    assert get_args(FacetName) == FACETS
