"""One suite for every index: the brute-force oracle, Qdrant Edge, and qdrant-client.

In memory, qdrant-client re-implements the server; only `QDRANT_URL` makes this a test of a server.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

from search.bm25 import SparseVector, passage_terms, passage_vector, query_vector
from search.errors import DimensionMismatch, IndexBusy, IndexDamaged, IndexOutdated
from search.indexes.cluster import ClusterIndex
from search.indexes.edge import EdgeIndex
from search.indexes.exact import ExactIndex
from search.passages import build_passages
from search.protocols import Bounds, Filters, Index, Leg, LegHit, LegQuery, Row, filter_field, fold, point_id
from search.query import Mode, Query
from search.rows import rows as passage_rows
from search.searcher import Searcher
from search.sounds import passage_vector as sounds_vector
from search.sounds import query_vector as sounds_query
from search.text import tokens
from tests.spoken import line, spoken
from tests.test_search import NUMBERS
from transcribe.transcript import RecordingId

DIMENSION = 8
EMPTY = SparseVector((), ())
A, B, C = (RecordingId(letter * 64) for letter in "abc")
SEED = 7

LINES = [
    "step out of the car please",
    "put your hands up now",
    "hands up put your hands up",
    "now hands are up",
    "up hands",
    "he said proof of insurance",
    "manos arriba por favor",
    "the car the car the car",
    "x",
    "我 们 走",
    "हिन्दी में",
    "naïve 4,200 don't " + "y" * 400,
    "",
]


def vector(n: int) -> np.ndarray:
    values = np.random.default_rng((SEED, n)).normal(size=DIMENSION).astype(np.float32)
    return values / np.linalg.norm(values)


def row(recording_id: RecordingId, ordinal: int, text: str, version: str = "v1", **fields: object) -> Row:
    """A row with what an index looks at; its vector is a function of the text."""
    payload: dict[str, object] = {
        "recording_id": recording_id,
        "version": version,
        "ordinal": ordinal,
        "exact": " ".join(tokens(text)),
        "moment_ms": None,
        "words": [[0, 300, "x"]],
        "terms": passage_terms(text, "en"),
        "access": "open",
        **fields,
    }
    folded = {"recording_id": recording_id, **fields}
    payload |= {
        filter_field(name): [fold(one) for one in value] if isinstance(value, list) else fold(str(value))
        for name, value in folded.items()
        if name not in ("moment_ms", "confidence", "access")
    }
    key = point_id(recording_id, version, ordinal)
    # Letters stand in for phonemes: an index does not care.
    return Row(key, vector(sum(text.encode())), passage_vector(text, "en"), sounds_vector(tokens(text)), payload)


def rows(recording_id: RecordingId, lines: Sequence[str] = LINES, version: str = "v1") -> list[Row]:
    return [row(recording_id, n, text, version) for n, text in enumerate(lines)]


def everything(index: Index) -> set[tuple[str, str, int]]:
    """What the index holds, by asking for all of it."""
    (hits,) = index.query_batch([LegQuery(Leg.MEANING, vector(0), 10_000)])
    return {(hit.payload["recording_id"], hit.payload["version"], hit.payload["ordinal"]) for hit in hits}


def ordinals(hits: Iterator[LegHit] | Sequence[LegHit]) -> list[int]:
    return sorted(hit.payload["ordinal"] for hit in hits)


@pytest.fixture(params=["exact", "edge", "cluster in memory", "cluster on a server"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    opened: Index
    match request.param:
        case "exact":
            opened = ExactIndex()
        case "edge":
            opened = EdgeIndex.open(tmp_path / "index")
        case "cluster in memory":
            opened = ClusterIndex.in_memory()
        case _:
            url = os.environ.get("QDRANT_URL")
            if not url:
                pytest.skip("no QDRANT_URL")
            opened = ClusterIndex.at(url, os.environ.get("QDRANT_API_KEY"), f"contract-{uuid.uuid4().hex}")
    yield opened
    if isinstance(opened, ClusterIndex):
        opened.drop()
    opened.close()


def test_an_empty_index_answers_with_nothing(index: Index) -> None:
    """No rows, no hits, and nothing to remove."""
    index.remove(A)
    index.replace(A, "v1", [])
    index.flush()
    words = LegQuery(Leg.WORDS, query_vector("car"), 5)
    assert index.query_batch([]) == []
    sounds = LegQuery(Leg.SOUNDS, sounds_query(["insurans"]), 5)
    assert index.query_batch([LegQuery(Leg.MEANING, vector(0), 5), words, sounds]) == [[], [], []]
    assert list(index.phrase(["car"])) == []
    assert (index.count(), index.versions(), index.retrieve(["not there"][:0])) == (0, {}, {})


def test_replacing_twice_changes_nothing(index: Index) -> None:
    """Replace is idempotent."""
    asked = [LegQuery(Leg.MEANING, vector(3), 5), LegQuery(Leg.WORDS, query_vector("hands up"), 5)]
    index.replace(A, "v1", rows(A))
    before, held = index.query_batch(asked), everything(index)
    index.replace(A, "v1", rows(A))
    assert index.count() == len(LINES)
    assert everything(index) == held == {(A, "v1", n) for n in range(len(LINES))}
    assert [[hit.id for hit in hits] for hits in index.query_batch(asked)] == [
        [hit.id for hit in hits] for hits in before
    ]


def test_a_new_version_removes_the_old(index: Index) -> None:
    """After a replace the index holds the rows given and no other of that recording; others stay."""
    index.replace(A, "v1", rows(A))
    index.replace(B, "v1", rows(B, LINES[:2]))
    index.replace(A, "v2", rows(A, LINES[:3], "v2"))
    assert everything(index) == {(A, "v2", 0), (A, "v2", 1), (A, "v2", 2), (B, "v1", 0), (B, "v1", 1)}
    assert index.versions() == {A: {"v2": 3}, B: {"v1": 2}}


def edition(rows: Sequence[Row], name: str) -> list[Row]:
    return [replace(one, payload={**one.payload, "edition": name}) for one in rows]


def test_of_a_corrected_recording_one_edition_is_asked(index: Index) -> None:
    """What people corrected, or on request what the machine heard; whatever has one edition answers to both."""
    index.replace(A, "v1", rows(A, ["hands up", "the car"]))
    index.replace(B, "v1", rows(B, ["hands up", "the car"]))
    machine = edition(rows(A, ["hands up", "the car"]), "machine")
    corrected = edition(rows(A, ["hands off", "the car"], "v2"), "corrected")
    index.replace(A, "v2", [*corrected, *machine])

    assert index.versions() == {A: {"v1": 2, "v2": 2}, B: {"v1": 2}}
    for asked, version in ((False, "v2"), (True, "v1")):
        filters = Filters(machine=asked)
        assert index.count(filters) == 4
        assert index.count(Filters(recording_id=A, machine=asked)) == 2
        wanted = {(A, version, 0), (A, version, 1), (B, "v1", 0), (B, "v1", 1)}
        vectors = (
            (Leg.MEANING, vector(0)),
            (Leg.WORDS, query_vector("hands car")),
            (Leg.SOUNDS, sounds_query(["the"])),
        )
        legs = [LegQuery(leg, one, 10, filters) for leg, one in vectors]
        found = [{_key(hit) for hit in hits} for hits in index.query_batch(legs)]
        assert found[:2] == [wanted, wanted]
        assert found[2] <= wanted
        assert {_key(hit) for hit in index.phrase(["car"], filters)} == {(A, version, 1), (B, "v1", 1)}
        assert (A, "v1", 0) in {_key(hit) for hit in index.phrase(["hands", "up"], filters)} or not asked
    assert index.count(Filters(machine=None)) == 6
    assert everything(index) == {(A, "v2", 0), (A, "v2", 1), (B, "v1", 0), (B, "v1", 1)}

    index.replace(A, "v1", rows(A, ["hands up", "the car"]))
    assert index.versions() == {A: {"v1": 2}, B: {"v1": 2}}
    assert index.count() == index.count(Filters(machine=True)) == 4


def _key(hit: LegHit) -> tuple[str, str, int]:
    return hit.payload["recording_id"], hit.payload["version"], hit.payload["ordinal"]


def test_a_shard_from_before_there_were_editions_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is filtered by now is indexed when it is opened."""
    with monkeypatch.context() as before:
        before.setattr("search.indexes.edge.KEYWORD_FIELDS", ("by_recording_id", "version"))
        made = EdgeIndex.open(tmp_path / "index")
        made.replace(A, "v1", rows(A, LINES[:2]))
        made.close()
    opened = EdgeIndex.open(tmp_path / "index")
    assert opened._shard is not None
    assert "edition" in opened._shard.info().payload_schema
    assert opened.count() == opened.count(Filters(machine=True)) == 2
    opened.close()


def test_fewer_rows_of_the_same_version_remove_the_rest(index: Index) -> None:
    """Passages may be cut differently though the transcript stayed: no stray row survives."""
    index.replace(A, "v1", rows(A))
    index.replace(A, "v1", rows(A, LINES[:2]))
    assert index.versions() == {A: {"v1": 2}}
    index.replace(A, "v1", [])
    assert index.count() == 0


def test_a_removed_recording_is_gone_and_others_stay(index: Index) -> None:
    """Remove takes every row of one recording."""
    index.replace(A, "v1", rows(A))
    index.replace(B, "v1", rows(B, LINES[:2]))
    index.remove(A)
    index.remove(C)
    assert everything(index) == {(B, "v1", 0), (B, "v1", 1)}
    assert {hit.payload["recording_id"] for hit in index.phrase(["car"])} == {B}


def test_many_rows_of_one_recording_are_all_kept(index: Index) -> None:
    """Writing and reading in batches loses nothing at their edges."""
    many = rows(A, [f"word{n} common" for n in range(600)])
    index.replace(A, "v1", many)
    assert index.count() == 600
    assert ordinals(index.phrase(["common"])) == list(range(600))


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("hands up", [1, 2]),
        ("up hands", [4]),
        ("up put your", [2]),
        ("hands", [1, 2, 3, 4]),
        ("car the car", [7]),
        ("hand", []),
        ("hands *", []),
        ("of insurance", [5]),
        ("insurance of", []),
        ("x", [8]),
        ("我们", [9]),
        ("们我", []),
        ("हिन्दी", [10]),
        ("हिन्द", []),
        ("naive 4200 dont", [11]),
        ("y" * 400, [11]),
        ("y" * 399, []),
        ("nobody said this", []),
    ],
)
def test_a_phrase_is_its_tokens_side_by_side_in_order(index: Index, phrase: str, expected: list[int]) -> None:
    """A phrase matches whole tokens, adjacent, in order; nothing in it is a wildcard."""
    index.replace(A, "v1", rows(A))
    wanted = phrase.split() if "*" in phrase else tokens(phrase)
    assert ordinals(index.phrase(wanted)) == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), [0, 1, 2]),
        (Filters(recording_id=A), [0, 1]),
        (Filters(officer="officer renée OKAFOR "), [0]),
        (Filters(badge="B-12"), [0, 1]),
        (Filters(badge="B"), []),
        (Filters(unit="12a north"), [0, 2]),
        (Filters(incident_id="INC-1"), [1]),
        (Filters(category="use of force"), [2]),
        (Filters(language="ES"), [1]),
        (Filters(speaker="speaker_00"), [0, 2]),
        (Filters(speaker="Wearer"), [2]),
        (Filters(speaker="radio"), [1]),
        (Filters(speaker="SPEAKER_00wearer"), []),
        (Filters(since_ms=2_000), [1, 2]),
        (Filters(until_ms=2_000), [0]),
        (Filters(since_ms=2_000, until_ms=3_000), [1]),
        (Filters(speaker="SPEAKER_00", since_ms=2_001), [2]),
        (Filters(officer="nobody"), []),
        (Filters(confidence=Bounds(above=0.5)), [2]),
        (Filters(confidence=Bounds(at_least=0.5)), [1, 2]),
        (Filters(confidence=Bounds(below=0.5)), [0]),
        (Filters(confidence=Bounds(at_most=0.5, above=0.25)), [1]),
    ],
)
def test_every_filter_narrows_every_way_of_asking(index: Index, filters: Filters, expected: list[int]) -> None:
    """Legs, phrases and counts see exactly the rows that pass; case and outer space do not count.

    Of several values a row has, one is enough.
    """
    text = "the same words"
    base = 1_741_990_000_000  # epoch ms of our days: more than 32 bits
    shifted = Filters(
        **{
            name: getattr(filters, name)
            for name in ("officer", "badge", "unit", "incident_id", "category", "language", "speaker")
        },
        recording_id=filters.recording_id,
        confidence=filters.confidence,
        since_ms=None if filters.since_ms is None else base + filters.since_ms,
        until_ms=None if filters.until_ms is None else base + filters.until_ms,
    )
    first = {"officer": "Officer Renée Okafor", "badge": "b-12", "speaker": "SPEAKER_00", "moment_ms": base + 1_000}
    first |= {"unit": "12A North", "confidence": 0.25}
    second = {
        "badge": "B-12",
        "incident_id": "inc-1",
        "language": "es",
        "speaker": ["SPEAKER_01", "radio"],
        "moment_ms": base + 2_000,
        "confidence": 0.5,
    }
    third = {
        "category": "Use of Force",
        "unit": "12A NORTH ",
        "speaker": ["SPEAKER_00", "wearer"],
        "moment_ms": base + 3_000,
        "confidence": 0.75,
    }
    unknown: dict[str, object] = {}
    index.replace(A, "v1", [row(A, 0, text, **first), row(A, 1, text, **second)])
    index.replace(B, "v1", [row(B, 2, text, **third), *([row(B, 3, text, **unknown)] if filters != Filters() else [])])

    legs = [LegQuery(Leg.MEANING, vector(0), 10, shifted), LegQuery(Leg.WORDS, query_vector("words"), 10, shifted)]
    legs.append(LegQuery(Leg.SOUNDS, sounds_query(["words"]), 10, shifted))
    assert [ordinals(hits) for hits in index.query_batch(legs)] == [expected, expected, expected]
    assert ordinals(index.phrase(["same", "words"], shifted)) == expected
    assert index.count(shifted) == len(expected)


def test_meaning_is_ordered_as_the_oracle_orders_it(index: Index) -> None:
    """Cosines agree with brute force to 1e-5, best first, and `limit` is kept."""
    oracle = ExactIndex()
    texts = [f"line {n}" for n in range(200)]
    for each in (index, oracle):
        each.replace(
            A, "v1", [Row(r.id, vector(n), r.words, r.sounds, r.payload) for n, r in enumerate(rows(A, texts))]
        )
    for n in range(1_000, 1_005):
        asked = [LegQuery(Leg.MEANING, vector(n), 20)]
        (found,), (expected,) = index.query_batch(asked), oracle.query_batch(asked)
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-5)
        assert [hit.id for hit in found] == [hit.id for hit in expected]


@pytest.mark.parametrize("query", ["car", "hands up now", "please put the helicopter insurance", "up"])
def test_words_are_scored_as_the_oracle_scores_them(index: Index, query: str) -> None:
    """Weight times weight agrees to 1e-3, and nothing of the store's own is in it; a row sharing no term is no hit."""
    oracle = ExactIndex()
    for each in (index, oracle):
        each.replace(A, "v1", rows(A))
    asked = [LegQuery(Leg.WORDS, query_vector(query), 50)]
    (found,), (expected,) = index.query_batch(asked), oracle.query_batch(asked)
    assert {hit.id for hit in found} == {hit.id for hit in expected}
    by_id = {hit.id: hit.score for hit in expected}
    assert {hit.id: hit.score for hit in found} == pytest.approx(by_id, rel=1e-3)
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)


@pytest.mark.parametrize("query", ["handsup", "putyourhandsup", "carplease", "inshurance", "zzz"])
def test_sounds_are_scored_as_the_oracle_scores_them(index: Index, query: str) -> None:
    """As words are; a row sharing no run of phonemes is no hit."""
    oracle = ExactIndex()
    for each in (index, oracle):
        each.replace(A, "v1", rows(A))
    asked = [LegQuery(Leg.SOUNDS, sounds_query([query]), 50)]
    (found,), (expected,) = index.query_batch(asked), oracle.query_batch(asked)
    by_id = {hit.id: hit.score for hit in expected}
    assert {hit.id: hit.score for hit in found} == pytest.approx(by_id, rel=1e-3)
    assert bool(found) == (query != "zzz")


def test_a_row_may_have_words_and_no_sounds(index: Index) -> None:
    """Rows made where espeak-ng was missing are found by all else."""
    silent = [Row(r.id, r.meaning, r.words, EMPTY, r.payload) for r in rows(A)]
    index.replace(A, "v1", silent)
    asked = [LegQuery(Leg.WORDS, query_vector("insurance"), 5), LegQuery(Leg.SOUNDS, sounds_query(["insurance"]), 5)]
    assert [ordinals(hits) for hits in index.query_batch(asked)] == [[5], []]


def test_a_batch_answers_each_query_in_its_place(index: Index) -> None:
    """Legs may be mixed in one batch; answers come in the order of the questions."""
    index.replace(A, "v1", rows(A))
    asked = [
        LegQuery(Leg.WORDS, query_vector("insurance"), 3),
        LegQuery(Leg.MEANING, vector(sum(LINES[0].encode())), 1),
        LegQuery(Leg.WORDS, query_vector("arriba"), 3),
        LegQuery(Leg.WORDS, SparseVector((1,), (1.0,)), 3),
        LegQuery(Leg.SOUNDS, sounds_query(["insurance"]), 1),
    ]
    assert [ordinals(hits) for hits in index.query_batch(asked)] == [[5], [0], [6], [], [5]]


@pytest.mark.parametrize(
    "asked",
    [
        LegQuery(Leg.MEANING, vector(3), 50),
        LegQuery(Leg.WORDS, query_vector("hands up car insurance"), 50),
        LegQuery(Leg.SOUNDS, sounds_query(["handsup", "insurance"]), 50),
    ],
    ids=lambda asked: asked.leg.value,
)
def test_asking_among_some_rows_gives_their_scores_and_no_payload(index: Index, asked: LegQuery) -> None:
    """Only those rows, scored as among all; who names them knows what they hold. Rows that are not there are none."""
    said = rows(A)
    index.replace(A, "v1", said)
    index.replace(B, "v1", rows(B, LINES[:3]))
    some = frozenset({said[2].id, said[5].id, said[8].id, point_id(C, "v1", 0)})
    elsewhere = frozenset({point_id(C, "v1", 0)})
    none_of_b = replace(asked, among=some, filters=Filters(recording_id=B))
    best = replace(asked, among=some, limit=1)
    every, among, *others, first = index.query_batch(
        [asked, replace(asked, among=some), replace(asked, among=elsewhere), none_of_b, best]
    )
    expected = [hit for hit in every if hit.id in some]
    assert expected
    assert [hit.id for hit in among] == [hit.id for hit in expected]
    assert [hit.score for hit in among] == pytest.approx([hit.score for hit in expected], abs=1e-6)
    assert [hit.payload for hit in among] == [{}] * len(among)
    assert all(hit.payload for hit in every)
    assert others == [[], []]
    assert [hit.id for hit in first] == [expected[0].id]


def test_rows_can_be_had_by_id(index: Index) -> None:
    """Retrieve gives the payloads of the rows that are there, as they were written."""
    said = rows(A)
    index.replace(A, "v1", said)
    found = index.retrieve([said[0].id, point_id(B, "v1", 0), said[2].id])
    assert found == {said[0].id: said[0].payload, said[2].id: said[2].payload}


@pytest.mark.parametrize("doubtful", [False, True])
def test_doubtful_words_are_kept_and_left_out_alike_on_every_index(index: Index, doubtful: bool) -> None:
    """A word's doubts survive each store: exact and fused hits, totals and what is left out are the oracle's.

    A phrase that overlaps itself counts once.
    """
    heard = spoken(
        ("A", 0, "put your hands up"),
        line("A", 1_200, "hands up hands up", flags=["doubtful"]),
        line("B", 9_000, "hands up Okafor", primed=["Okafor"]),
    )
    oracle = ExactIndex()
    for each in (index, oracle):
        each.replace(heard.recording.id, heard.version, passage_rows(heard, build_passages(heard), NUMBERS))
    for phrase, sure, all_of_them in (("hands up", 2, 4), ("up okafor", 0, 1), ("up hands up", 0, 1)):
        found, expected = (
            Searcher(each, None).search(Query(phrase, Mode.EXACT, doubtful=doubtful)) for each in (index, oracle)
        )
        assert found == expected
        assert found.total == (all_of_them if doubtful else sure)
        assert found.left_out == (0 if doubtful else all_of_them - sure)
        fused = [Searcher(each, None).search(Query(phrase, doubtful=doubtful)).hits for each in (index, oracle)]
        first, second = ([(hit.start_ms, hit.flags, hit.legs["exact"]) for hit in hits] for hits in fused)
        assert sorted(first) == sorted(second) != []


def test_vectors_of_another_length_are_refused(index: Index) -> None:
    """An index made with one embedding model says so when asked with another."""
    index.replace(A, "v1", rows(A))
    other = np.ones(DIMENSION + 1, np.float32)
    with pytest.raises(DimensionMismatch, match="8 numbers, this embedding model makes 9"):
        index.query_batch([LegQuery(Leg.MEANING, other, 1)])
    with pytest.raises(DimensionMismatch):
        index.replace(B, "v1", [Row(point_id(B, "v1", 0), other, EMPTY, EMPTY, {"recording_id": B})])


WORDS = st.lists(st.sampled_from(["stop", "hands", "up", "now", "的", "4200"]), min_size=1, max_size=6)


@given(lines=st.lists(WORDS, min_size=1, max_size=4), phrase=WORDS)
def test_phrases_match_the_oracle_in_memory(lines: list[list[str]], phrase: list[str]) -> None:
    """Whatever is said, qdrant-client in memory and brute force find a phrase in the same rows."""
    said = rows(A, [" ".join(words) for words in lines])
    oracle, cluster = ExactIndex(), ClusterIndex.in_memory()
    for each in (oracle, cluster):
        each.replace(A, "v1", said)
    assert ordinals(cluster.phrase(phrase)) == ordinals(oracle.phrase(phrase))


def test_phrases_match_the_oracle_on_edge(tmp_path: Path) -> None:
    """Qdrant Edge and brute force find every phrase of two or three tokens in the same rows."""
    choose = np.random.default_rng(SEED)
    vocabulary = ["stop", "hands", "up", "now", "的", "4200"]
    lines = [" ".join(choose.choice(vocabulary, choose.integers(1, 12))) for _ in range(200)]
    oracle, edge = ExactIndex(), EdgeIndex.open(tmp_path / "index")
    for each in (oracle, edge):
        each.replace(A, "v1", rows(A, lines))
    for _ in range(100):
        phrase = [str(word) for word in choose.choice(vocabulary, choose.integers(2, 4))]
        assert ordinals(edge.phrase(phrase)) == ordinals(oracle.phrase(phrase))
    edge.close()


def answers(index: Index) -> tuple[object, ...]:
    asked = [LegQuery(Leg.MEANING, vector(3), 5), LegQuery(Leg.WORDS, query_vector("hands up"), 5)]
    legs = [[(hit.id, hit.score, hit.payload) for hit in hits] for hits in index.query_batch(asked)]
    return legs, ordinals(index.phrase(["hands", "up"])), index.count(), index.versions()


def test_edge_gives_the_same_answers_after_reopening(tmp_path: Path) -> None:
    """What was written is there, and searched alike, when the folder is opened again."""
    index = EdgeIndex.open(tmp_path / "data" / "index")
    index.replace(A, "v1", rows(A))
    index.replace(B, "v1", rows(B, LINES[:3]))
    before = answers(index)
    index.close()
    again = EdgeIndex.open(tmp_path / "data" / "index")
    assert answers(again) == before
    again.close()


def test_edge_keeps_what_a_dying_process_wrote(tmp_path: Path) -> None:
    """Rows are there after a process that never flushed or closed."""
    script = f"""
        import os
        from pathlib import Path
        from search.indexes.edge import EdgeIndex
        from tests.test_index_contract import A, rows
        EdgeIndex.open(Path({str(tmp_path / "index")!r})).replace(A, "v1", rows(A))
        os._exit(9)
    """
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], check=False, cwd=Path(__file__).parents[1], timeout=120
    )
    assert died.returncode == 9
    index = EdgeIndex.open(tmp_path / "index")
    assert everything(index) == {(A, "v1", n) for n in range(len(LINES))}
    index.close()


def test_edge_is_opened_by_one_at_a_time(tmp_path: Path) -> None:
    """A second open says who to wait for, also before the first row; after closing it succeeds."""
    path = tmp_path / "index"
    first = EdgeIndex.open(path)
    with pytest.raises(IndexBusy, match=r"in use by another process: wait"):
        EdgeIndex.open(path)
    first.replace(A, "v1", rows(A))
    with pytest.raises(IndexBusy):
        EdgeIndex.open(path)
    first.close()
    EdgeIndex.open(path).close()


def test_an_interrupted_making_of_a_shard_is_made_good(tmp_path: Path) -> None:
    """Half a shard left beside the index does not keep the next from being made."""
    half = tmp_path / "index.new"
    (half / "segments").mkdir(parents=True)
    (half / "edge_config.json").write_text("{")
    index = EdgeIndex.open(tmp_path / "index")
    index.replace(A, "v1", rows(A))
    assert index.count() == len(LINES)
    index.close()


def test_a_damaged_shard_says_what_to_do(tmp_path: Path) -> None:
    """A folder the store cannot read is an error with a next step, and does not stay locked."""
    path = tmp_path / "index"
    path.mkdir()
    (path / "edge_config.json").write_text("not json")
    for _ in range(2):
        with pytest.raises(IndexDamaged, match="made again from the stored transcripts"):
            EdgeIndex.open(path)


def test_an_edge_index_of_an_earlier_version_says_how_to_make_it_again(tmp_path: Path) -> None:
    """A shard without the sounds is not misread, and does not stay locked."""
    path = tmp_path / "index"
    config = qdrant_edge.EdgeConfig(
        vectors={"meaning": qdrant_edge.EdgeVectorParams(DIMENSION, qdrant_edge.Distance.Cosine)},
        sparse_vectors={"words": qdrant_edge.EdgeSparseVectorParams(modifier=qdrant_edge.Modifier.Idf)},
    )
    path.mkdir()
    qdrant_edge.EdgeShard.create(str(path), config).close()
    for _ in range(2):
        with pytest.raises(
            IndexOutdated, match="no vectors of sounds, words such as are asked now: `earwitness index rebuild`"
        ):
            EdgeIndex.open(path)


def test_a_collection_of_an_earlier_version_is_made_again_once_it_is_emptied() -> None:
    """Until then it refuses to be asked or written to; `earwitness index rebuild` empties it first."""
    client = QdrantClient(":memory:")
    client.create_collection(
        "earwitness",
        vectors_config={"meaning": models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)},
        sparse_vectors_config={"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    old = models.PointStruct(
        id=point_id(A, "v0", 0), vector={"meaning": vector(0).tolist()}, payload=row(A, 0, "x").payload
    )
    client.upsert("earwitness", [old], wait=True)
    index = ClusterIndex(client)
    asked = [LegQuery(Leg.SOUNDS, sounds_query(["insurance"]), 1)]
    with pytest.raises(IndexOutdated, match=r"no vectors of sounds, words .* `earwitness index rebuild`"):
        index.query_batch(asked)
    with pytest.raises(IndexOutdated):
        index.replace(B, "v1", rows(B))
    assert index.count() == 1
    index.remove(A)
    index.replace(A, "v1", rows(A))
    assert [ordinals(hits) for hits in index.query_batch(asked)] == [[5]]
    index.close()


def test_a_server_that_does_not_answer_says_so() -> None:
    """An unreachable server is our error, with its address."""
    with pytest.raises(IndexDamaged, match=r"http://127\.0\.0\.1:1 cannot be used"):
        ClusterIndex.at("http://127.0.0.1:1")
