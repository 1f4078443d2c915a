"""Access inside retrieval: what grants mean, and that every index and every way of asking keeps to them.

`tests/test_access_law.py` compares whole answers; here is what they are made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.access import ALL, NOTHING, SEALED_TOO, Access, Grants, Scope
from search.bm25 import query_vector
from search.indexes.cluster import ClusterIndex
from search.indexes.edge import EdgeIndex
from search.indexes.exact import ExactIndex
from search.labels import Labels
from search.pattern import narrow
from search.protocols import EVERYTHING, Filters, Index, Leg, LegQuery
from search.sounds import query_vector as sounds_query
from tests.test_index_contract import A, B, C, ordinals, row, vector
from transcribe.transcript import RecordingId

TEXT = "the same words"

# One passage each, by ordinal.
FOOTAGE: list[dict[str, Any]] = [
    {},  # no metadata, open
    {"unit": "K9", "officer": "Ann", "incident_id": "I-1", "category": "Traffic"},
    {"unit": "Air", "officer": "Ann", "incident_id": "I-1", "category": "Assault"},
    {"unit": "K9", "access": "restricted"},
    {"unit": "K9", "access": "sealed"},
    {"unit": "K9", "access": "restricted and sealed"},
    {"officer": "Bea", "access": "restricted"},
]


def granted(*scopes: Scope, but_not: frozenset[RecordingId] = frozenset()) -> Filters:
    return Filters(grants=Grants(scopes, but_not))


@pytest.fixture(params=["exact", "edge", "cluster in memory"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    opened: Index
    match request.param:
        case "exact":
            opened = ExactIndex()
        case "edge":
            opened = EdgeIndex.open(tmp_path / "index")
        case _:
            opened = ClusterIndex.in_memory()
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (EVERYTHING, [0, 1, 2, 3, 6]),
        (Filters(grants=SEALED_TOO), [0, 1, 2, 3, 4, 5, 6]),
        (Filters(grants=NOTHING), []),
        (granted(Scope()), [0, 1, 2]),
        (granted(Scope(sealed=True)), [0, 1, 2, 4]),
        (granted(Scope(unit=" k9 ")), [1]),
        (granted(Scope(unit="K9", restricted=True)), [1, 3]),
        (granted(Scope(unit="K9", sealed=True)), [1, 4]),
        (granted(Scope(unit="K9", restricted=True, sealed=True)), [1, 3, 4, 5]),
        (granted(Scope(officer="ANN", category="assault")), [2]),
        (granted(Scope(incident_id="I-1")), [1, 2]),
        (granted(Scope(incident_id="I-1", unit="Marine")), []),
        (granted(Scope(unit="K9"), Scope(officer="Bea", restricted=True)), [1, 6]),
        (granted(Scope(unit="K9"), Scope(unit="Air"), Scope(unit="K9", sealed=True)), [1, 2, 4]),
        (Filters(officer="Ann", grants=Grants((Scope(unit="Air"), Scope(officer="Bea")))), [2]),
        (granted(Scope(), but_not=frozenset({A})), []),
        (granted(Scope(restricted=True), but_not=frozenset({B, C})), [0, 1, 2]),
    ],
)
def test_every_way_of_asking_keeps_to_the_grants(index: Index, filters: Filters, expected: list[int]) -> None:
    """Legs, also those asked among some rows, phrases, counts and rarities see exactly what is granted.

    What the metadata does not say is not in a scope that is limited by it.
    """
    for first, recording_id in ((0, A), (3, B), (6, C)):
        some = FOOTAGE[first : first + 3]
        index.replace(
            recording_id, "v1", [row(recording_id, first + n, TEXT, **fields) for n, fields in enumerate(some)]
        )
    everyone = frozenset(hit.id for hit in index.phrase(["same"], Filters(grants=SEALED_TOO)))
    legs = [
        LegQuery(leg, asked, 10, filters, among)
        for leg, asked in (
            (Leg.MEANING, vector(0)),
            (Leg.WORDS, query_vector("words")),
            (Leg.SOUNDS, sounds_query(["words"])),
        )
        for among in (None, everyone)
    ]
    answers = index.query_batch(legs)
    assert [ordinals(hits) for hits in answers[::2]] == [expected] * 3
    assert [len(hits) for hits in answers[1::2]] == [len(expected)] * 3
    assert ordinals(index.phrase(["same", "words"], filters)) == expected
    assert index.count(filters) == len(expected)
    assert index.document_frequencies({"word", "nobody"}, filters) == {"word": len(expected), "nobody": 0}


def test_a_passage_that_does_not_say_whether_it_is_sealed_is_seen_by_nobody(index: Index) -> None:
    """Rows that an earlier version wrote are not there until they are made again."""
    old = row(A, 0, TEXT)
    index.replace(A, "v1", [type(old)(old.id, old.meaning, old.words, old.sounds, _without(old.payload, "access"))])
    assert index.count(Filters(grants=SEALED_TOO)) == 0
    assert list(index.phrase(["same"], Filters(grants=SEALED_TOO))) == []


def test_document_frequencies_follow_what_is_written(index: Index) -> None:
    """A term is counted once a row, however often it is said; what is replaced, removed or sealed counts no more."""
    asked = {"car", "hand"}
    assert index.document_frequencies(asked) == {"car": 0, "hand": 0}
    index.replace(A, "v1", [row(A, 0, "the car the car"), row(A, 1, "car, hands"), row(A, 2, "up")])
    index.replace(B, "v1", [row(B, 0, "hands up")])
    assert index.document_frequencies(asked) == {"car": 2, "hand": 2}
    index.relabel(B, Labels({}, sealed=True).payload())
    assert index.document_frequencies(asked) == {"car": 2, "hand": 1}
    index.replace(A, "v2", [row(A, 0, "car", version="v2")])
    assert index.document_frequencies(asked) == {"car": 1, "hand": 0}
    index.remove(A)
    assert index.document_frequencies(asked) == {"car": 0, "hand": 0}
    assert index.document_frequencies(asked, Filters(grants=SEALED_TOO)) == {"car": 0, "hand": 1}


def test_relabelling_changes_labels_of_one_recording_and_nothing_else(index: Index) -> None:
    """Every row of it says what is said now, and no longer what was; vectors, words and other recordings stay."""
    index.relabel(A, Labels({}).payload())  # there is none yet: no error
    index.replace(A, "v1", [row(A, n, TEXT, unit="K9", officer="Ann") for n in range(2)])
    index.replace(B, "v1", [row(B, 7, TEXT, unit="K9")])
    legs = [LegQuery(Leg.MEANING, vector(0), 10), LegQuery(Leg.WORDS, query_vector("words"), 10)]
    before = [[(hit.id, hit.score) for hit in hits] for hits in index.query_batch(legs)]
    index.relabel(A, Labels({"unit": " AIR ", "category": "Traffic"}, held=True).payload())
    assert [[(hit.id, hit.score) for hit in hits] for hits in index.query_batch(legs)] == before
    assert ordinals(index.phrase(["same"], granted(Scope(unit="air")))) == [0, 1]
    assert ordinals(index.phrase(["same"], granted(Scope(unit="K9")))) == [7]
    assert ordinals(index.phrase(["same"], Filters(officer="Ann"))) == []
    assert ordinals(index.phrase(["same"], Filters(category="traffic"))) == [0, 1]
    for hit in index.phrase(["same"], Filters(recording_id=A)):
        assert hit.payload["metadata"] == {"unit": " AIR ", "category": "Traffic"}
        assert (hit.payload["held"], hit.payload["sealed"], hit.payload["exact"]) == (True, False, TEXT)
        assert hit.payload.get("by_officer") is None


def test_labels_say_what_footage_is() -> None:
    """Any word restricts; an empty one does not. Who may see it follows, and so does what tells labels apart."""
    assert [Labels({"restricted": said}).restricted for said in ("juvenile", " ", "")] == [True, False, False]
    assert Labels({}, sealed=True).payload()["access"] == "sealed"
    assert Labels({"restricted": "medical"}, sealed=True).payload()["access"] == "restricted and sealed"
    one = Labels({"unit": "K9"})
    others = [Labels({"unit": "k9"}), Labels({"unit": "K9"}, sealed=True), Labels({"unit": "K9"}, held=True)]
    assert one.digest == Labels({"unit": "K9"}).digest
    assert len({one.digest, *(other.digest for other in others)}) == 4


values = st.sampled_from([None, "a", "b", " A "])
scopes = st.builds(Scope, values, values, values, values, st.booleans(), st.booleans())
grants = st.builds(Grants, st.lists(scopes, max_size=4).map(tuple), st.frozensets(st.sampled_from([A, B]), max_size=1))
payloads = st.builds(
    lambda metadata, sealed, recording_id: {"recording_id": recording_id, **Labels(metadata, sealed).payload()},
    st.dictionaries(
        st.sampled_from(["unit", "incident_id", "category", "officer", "restricted"]), st.sampled_from(["a", "B"])
    ),
    st.booleans(),
    st.sampled_from([A, B]),
)


@given(grants, grants, st.lists(payloads, max_size=8))
def test_what_both_grant_is_what_each_grants(one: Grants, other: Grants, some: list[dict[str, Any]]) -> None:
    """Two grants together admit exactly what either admits alone, and fields typed into a query widen nothing."""
    narrowed = narrow(Filters(grants=one), Filters(officer="a", grants=other))
    assert narrowed is not None
    for payload in some:
        both = one.admits(payload) and other.admits(payload)
        assert one.both(other).admits(payload) == both
        assert narrowed.grants.admits(payload) == both
        assert one.both(one).admits(payload) == one.admits(payload)


@given(scopes, payloads)
def test_a_scope_admits_what_it_says(scope: Scope, payload: dict[str, Any]) -> None:
    """No more than the grants of everything, and sealed or restricted footage only where it says so."""
    if scope.admits(payload):
        assert SEALED_TOO.admits(payload)
        assert scope.sealed or ALL.admits(payload)
        assert scope.restricted or not payload["restricted"]
        assert Access(payload["access"]) in scope.kinds()
    assert not NOTHING.admits(payload)


def _without(payload: Any, name: str) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != name}
