"""The law of access: an answer is that of an archive which holds only what the asker may see.

Random archives, grants and queries, in every mode and with operators. `EARWITNESS_FUZZ=1` asks 10,000 of each index.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.access import ALL, NOTHING, SEALED_TOO, Grants, Scope
from search.errors import QueryWrong
from search.indexes.edge import EdgeIndex
from search.indexes.exact import ExactIndex
from search.labels import Labels
from search.passages import build_passages
from search.pattern import read
from search.protocols import Filters, Index, Row
from search.query import Mode, Query
from search.rows import rows
from search.searcher import Answer, Searcher
from tests.spoken import line, spoken
from tests.test_evidence import LETTERS
from transcribe.transcript import RecordingId

SEED = 20_261_129
PAIRS = 10_000 if os.environ.get("EARWITNESS_FUZZ") else 240
GRANTS_OF_ARCHIVE, QUERIES_OF_GRANTS = 6, 20
WORDS = "gun knife hands up stop taser Okafor Kovalchik garage warrant 4215 blue sedan license the your".split()  # noqa: SIM905 -- a list is harder to read
MODES = [Mode.AUTO, Mode.AUTO, Mode.EXACT, Mode.WORDS, Mode.SOUNDS, Mode.MEANING]
FIELDS = {"unit": ["K9", "Air"], "officer": ["Ann", "Bea"], "incident_id": ["I-1", "I-2"], "category": ["Traffic"]}

Written = dict[RecordingId, tuple[Labels, list[Row]]]


def an_archive(chance: random.Random) -> Written:
    """Ten recordings of a dozen lines each, some doubtful, from few words: what one hides, others say as well."""
    written: Written = {}
    for digit in "0123456789":
        metadata = {name: chance.choice(values) for name, values in FIELDS.items() if chance.random() < 0.7}
        if chance.random() < 0.3:
            metadata["restricted"] = "juvenile"
        labels = Labels(metadata, sealed=chance.random() < 0.25)
        lines = [
            line(
                chance.choice("AB"),
                n * 2_000,
                " ".join(chance.choices(WORDS, k=chance.randint(1, 5))),
                flags=["doubtful"] if chance.random() < 0.1 else [],
            )
            for n in range(12)
        ]
        transcript = spoken(*lines, recording=digit, recorded_at=f"2025-03-1{digit}T08:00:00", **metadata)
        written[transcript.recording.id] = labels, rows(transcript, build_passages(transcript), LETTERS, labels)
    return written


def some_grants(chance: random.Random, ids: list[RecordingId]) -> Grants:
    """Of nothing, of all, or of a few scopes, without some recordings."""
    if chance.random() < 0.2:
        return chance.choice([ALL, SEALED_TOO, NOTHING])
    scopes = tuple(
        Scope(
            **{name: chance.choice(values) for name, values in FIELDS.items() if chance.random() < 0.3},
            restricted=chance.random() < 0.4,
            sealed=chance.random() < 0.3,
        )
        for _ in range(chance.randint(1, 3))
    )
    return Grants(scopes, frozenset(chance.sample(ids, chance.choice([0, 0, 1, 3]))))


def a_question(chance: random.Random) -> Callable[[Grants], Query]:
    """Some words, a phrase, or phrases combined, with and without fields; the same for any grants."""
    one, other = (" ".join(chance.choices(WORDS, k=chance.randint(1, 3))) for _ in range(2))
    patterns = [f'"{one}" WITHIN 10s OF "{other}"', f'"{one}" AND "{other}"', f'"{one}" NOT "{other}"']
    patterns += [f'"{one}" BEFORE 5s "{other}"', f'("{one}" NOT officer:Bea) AND "{other}"']
    text = chance.choice([one, one, one, f'"{one}"', f"officer:Ann {one}", f'officer:Ann "{one}"', *patterns])
    mode, limit = chance.choice(MODES), chance.choice([3, 1_000])
    doubtful, typed = chance.random() < 0.3, chance.choice([None, None, None, "Bea"])

    def question(grants: Grants) -> Query:
        reading = read(
            text,
            Filters(officer=typed, grants=grants),
            lambda field: Filters(officer=field.value, grants=grants),
            one_leg=mode.is_one_leg,
        )
        return Query(reading.text, mode, limit, reading.filters, doubtful, 0, reading.pattern)

    return question


def check_same(found: Answer, expected: Answer, query: Query) -> None:
    """Equal, but for how Qdrant rounds: it adds up a row's terms in an order of its own (32-bit floats)."""
    assert (found.total, found.left_out, found.degraded) == (expected.total, expected.left_out, expected.degraded)
    if query.is_exact:
        assert found == expected
        return
    worth, other = ([word["worth"] for word in (one.understood or {})["words"]] for one in (found, expected))
    assert worth == pytest.approx(other, abs=0.0011)  # shown with three digits
    assert [hit.score for hit in found.hits] == pytest.approx([hit.score for hit in expected.hits], abs=1e-5)
    hits, others = ({(hit.recording_id, hit.start_ms): hit for hit in one.hits} for one in (found, expected))
    last = found.hits[-1].score if len(found.hits) < found.total else -1.0  # of equals there, either may be cut off
    for key, hit in hits.items():
        if hit.score > last + 1e-5:
            same = others[key]
            assert hit.legs == pytest.approx(same.legs, abs=1e-5)
            assert replace(hit, score=0.0, legs={}, adds={}) == replace(same, score=0.0, legs={}, adds={})


def told(index: Index, query: Query) -> tuple[Answer, list[Any]]:
    """The answer, and what an export would write."""
    searcher = Searcher(index, LETTERS)
    return searcher.search(query), list(searcher.every_hit(query)) if query.is_exact else []


@pytest.mark.parametrize("kind", ["exact", "edge"])
def test_an_answer_is_that_of_an_archive_of_what_may_be_seen(kind: str, tmp_path: Path) -> None:
    """Hits, their order, scores and evidence, totals, what was left out, and what each word is worth."""
    chance = random.Random(SEED)
    whole, part = _opened(kind, tmp_path / "whole"), _opened(kind, tmp_path / "part")
    n_pairs = n_hidden = n_hits = 0
    while n_pairs < PAIRS:
        written = an_archive(chance)
        _fill(whole, written)
        for _ in range(GRANTS_OF_ARCHIVE):
            grants = some_grants(chance, list(written))
            seen = {
                key: (labels, made)
                for key, (labels, made) in written.items()
                if grants.admits({"recording_id": key, **labels.payload()})
            }
            _fill(part, seen)
            n_hidden += len(written) - len(seen)
            for _ in range(QUERIES_OF_GRANTS):
                question = a_question(chance)
                n_pairs += 1
                try:
                    query = question(grants)
                except QueryWrong:  # one leg alone combines nothing, one filter has one officer
                    continue
                (found, exported), (expected, all_of_it) = told(whole, query), told(part, question(SEALED_TOO))
                check_same(found, expected, query)
                assert exported == all_of_it
                n_hits += len(found.hits)
    assert n_hidden > PAIRS / QUERIES_OF_GRANTS
    assert n_hits > PAIRS
    whole.close()
    part.close()


def _opened(kind: str, folder: Path) -> Index:
    return ExactIndex() if kind == "exact" else EdgeIndex.open(folder)


def _fill(index: Index, written: Written) -> None:
    """Make these all that the index holds."""
    for recording_id in index.versions():
        if recording_id not in written:
            index.remove(recording_id)
    for recording_id, (_labels, made) in written.items():
        index.replace(recording_id, "v1", made)
