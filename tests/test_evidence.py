"""Laws of what each leg knows of a passage: shares that mean the same in any archive, whichever leg brought it up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.deadline import NEVER, Deadline
from search.embedding import Embedder
from search.errors import LegUnavailable
from search.evidence import MAX_TOGETHER_WORDS, Brought, Evidence, Gathering
from search.indexes.edge import EdgeIndex
from search.indexes.exact import ExactIndex
from search.passages import build_passages
from search.protocols import Filters, Index
from search.query import Query
from search.rows import rows
from search.searcher import LEGS
from search.understanding import understand
from tests.spoken import line, spoken
from tests.test_retrieval_report import Letters
from tests.test_search import NUMBERS, Ticking
from tests.transcripts import transcripts
from transcribe.spans import Span
from transcribe.transcript import Transcript

LETTERS = Letters()  # a passage is near in meaning when it has like letters
APART_MS = 20_000

LINES = (
    "show me your driving license and insurance",
    "the knife was under the seat of the truck",
    "officer call check is on the scene",
    "I was only going a little over the limit",
    "my sister said he had a knife",
    "truck",
    "plate is seven K L M three nine two",
    "put the license on the seat",
)
LONG = "the man in the red jacket ran behind the store and threw away his phone"
SEED = 11


def fill(index: Index, *heard: Transcript, embedder: Embedder = LETTERS) -> Index:
    for transcript in heard:
        index.replace(
            transcript.recording.id, transcript.version, rows(transcript, build_passages(transcript), embedder)
        )
    return index


def apart(lines: tuple[str, ...] | list[str], recording: str = "a") -> Transcript:
    """Lines with silence between them: each is a passage of its own, and means what it says."""
    said = [(None, n * APART_MS, text) for n, text in enumerate(lines)]
    silent = [Span((n + 1) * APART_MS - 2_000, (n + 1) * APART_MS - 1_000) for n in range(len(lines))]
    return spoken(*said, recording=recording, silent=silent)


@pytest.fixture(params=["exact", "edge"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Index]]:
    """Opens indexes, empty, as many as a test wants."""
    indexes: list[Index] = []

    def open_one() -> Index:
        folder = tmp_path / f"index{len(indexes)}"
        indexes.append(ExactIndex() if request.param == "exact" else EdgeIndex.open(folder))
        return indexes[-1]

    yield open_one
    for index in indexes:
        index.close()


def gather(
    index: Index,
    text: str,
    legs: tuple[str, ...] = LEGS,
    embedder: Embedder | None = LETTERS,
    deadline: Deadline = NEVER,
    doubtful: bool = False,
    filters: Filters | None = None,
) -> Brought:
    query = Query(text, doubtful=doubtful, filters=filters or Filters())
    return Gathering(index, embedder, query, understand(text), legs, deadline).gather()


def by_text(brought: Brought) -> dict[str, Evidence]:
    return {brought.payloads[key]["text"]: evidence for key, evidence in brought.evidence.items()}


def evidence_of(index: Index, query: str, text: str, legs: tuple[str, ...] = LEGS) -> Evidence:
    return by_text(gather(index, query, legs))[text]


def check_ranges(brought: Brought) -> None:
    assert set(brought.payloads) == set(brought.evidence) >= set(brought.said)
    assert sum(brought.worth) == pytest.approx(1)
    assert all(share > 0 for share in brought.worth)
    for evidence in brought.evidence.values():
        for field in fields(evidence):
            value = getattr(evidence, field.name)
            if value is not None:
                assert (-1.0 if field.name == "meaning" else 0.0) - 1e-5 <= value <= 1 + 1e-5
        assert evidence.exact in (0.0, 1.0)
        assert evidence.words is not None
        assert evidence.words <= 1.0


QUERIES = (
    "knife", "Kovalchik", "license and insurance", "the truck", "helicopter", "7KLM392",
    "what did he say about the knife?", "put your hands where I can see them",
)  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_every_value_is_in_its_range(opened: Callable[[], Index], query: str) -> None:
    """0..1, a cosine -1..1, and what the query's words are worth is 1 together."""
    brought = gather(fill(opened(), apart(LINES)), query)
    assert len(brought.worth) == len(understand(query).words)
    assert brought.evidence
    assert brought.degraded == ()
    assert all(None not in astuple(evidence) for evidence in brought.evidence.values())
    check_ranges(brought)


@given(transcripts(min_words=1), st.sampled_from(QUERIES) | st.text("abcdeñ0123 ?", max_size=20))
def test_every_value_is_in_its_range_whatever_was_said(transcript: Transcript, query: str) -> None:
    """Also in what no recogniser would write."""
    if any(character.isalnum() for character in query):
        check_ranges(gather(fill(ExactIndex(), transcript), query))


def test_an_empty_archive_brings_nothing_up(opened: Callable[[], Index]) -> None:
    """And nothing breaks."""
    brought = gather(opened(), "knife under the seat")
    assert (brought.payloads, brought.evidence, brought.said, brought.degraded) == ({}, {}, {}, ())
    assert brought.worth == pytest.approx((1 / 3, 1 / 3, 1 / 3))


# Words


@pytest.mark.parametrize("query", ["knife under the seat", "the knife", "truck", "driving license and insurance"])
def test_words_are_one_where_every_word_of_the_query_stands_best(opened: Callable[[], Index], query: str) -> None:
    """In a passage that is for each of them as good as any, and less in every other."""
    best = max(LINES, key=lambda text: (sum(word in text.split() for word in query.split()), -len(text.split())))
    others = [text for text in LINES if text == best or ("knife" not in text and "license" not in text)]
    index = fill(opened(), apart(others))
    found = by_text(gather(index, query))
    assert found[best].words == pytest.approx(1, abs=1e-4)
    assert all(evidence.words < 0.9 for text, evidence in found.items() if text != best if evidence.words is not None)


def test_a_word_nobody_said_keeps_every_passage_low(opened: Callable[[], Index]) -> None:
    """Of two words one is nowhere: no passage has more than half of what could be, and the worth says why."""
    index = fill(opened(), apart(LINES))
    brought = gather(index, "insurance helicopter")
    assert by_text(gather(index, "insurance"))[LINES[0]].words == pytest.approx(1, abs=1e-4)
    assert all(0 <= (evidence.words or 0.0) <= 0.5 for evidence in brought.evidence.values())
    assert by_text(brought)[LINES[0]].words == pytest.approx(brought.worth[0], abs=1e-4)
    assert brought.worth[1] >= brought.worth[0]
    assert max(evidence.words or 0.0 for evidence in gather(index, "helicopter").evidence.values()) == 0


def test_a_rare_word_is_worth_more_than_a_common_one(opened: Callable[[], Index]) -> None:
    """Worth follows how seldom a word is said; what sounds like it counts by the same measure."""
    index = fill(opened(), apart([*LINES, *(f"the seat number {n}" for n in range(20))]))
    brought = gather(index, "seat insurance")
    assert brought.worth[0] < brought.worth[1]
    found = by_text(brought)
    with_rare, with_common = found[LINES[0]], found["the seat number 1"]
    assert with_rare.words is not None
    assert with_common.words is not None
    assert with_rare.sounds is not None
    assert with_common.sounds is not None
    assert with_common.words < with_rare.words
    assert with_common.sounds < with_rare.sounds


# Sounds and meaning


def test_a_name_is_heard_whole_where_it_was_said_or_misheard(opened: Callable[[], Index]) -> None:
    """Said: all of it; misheard as other words: more than in any passage where it was not said."""
    index = fill(opened(), apart([*LINES, "I am Kovalchik"]))
    found = by_text(gather(index, "Kovalchik"))
    assert found["I am Kovalchik"].sounds == found["I am Kovalchik"].together == 1
    misheard = found.pop(LINES[2])
    assert misheard.together is not None
    assert misheard.together > 0.3
    assert misheard.words == 0
    for text, evidence in found.items():
        assert text == "I am Kovalchik" or (evidence.together or 0.0) < misheard.together


def test_a_long_query_is_not_looked_for_in_one_stretch(opened: Callable[[], Index]) -> None:
    """Nobody said it as it is typed; its words are heard all the same."""
    said = LONG.split()
    assert len(said) > MAX_TOGETHER_WORDS
    index = fill(opened(), apart([*LINES, LONG]))
    shorter, whole = (evidence_of(index, " ".join(said[:n]), LONG) for n in (MAX_TOGETHER_WORDS, len(said)))
    assert (shorter.together, whole.together) == (1, 0)
    assert shorter.sounds == pytest.approx(1)
    assert whole.sounds == pytest.approx(1)


def test_meaning_is_the_cosine_of_what_the_embedder_says(opened: Callable[[], Index]) -> None:
    """Of every passage that any leg brought up."""
    found = by_text(gather(fill(opened(), apart(LINES)), "knife under the seat"))
    for text, evidence in found.items():
        cosine = float(LETTERS.passages([text])[0] @ LETTERS.query("knife under the seat"))
        assert evidence.meaning == pytest.approx(cosine, abs=1e-4)


# Exact


def test_exact_is_where_the_words_stand_in_their_order(opened: Callable[[], Index]) -> None:
    """And the place is known; doubtful words do not count unless they are asked for."""
    said = spoken((None, 0, "the knife was there"), line(None, 9_000, "knife was there", flags=["doubtful"]))
    index = fill(opened(), said)
    for doubtful, n_said in ((False, 1), (True, 2)):
        brought = gather(index, "knife was", doubtful=doubtful)
        assert len(brought.said) == n_said
        assert sum(evidence.exact == 1.0 for evidence in brought.evidence.values()) == n_said
    assert gather(index, "was knife").said == {}


# The same evidence, whoever asks


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("leg", LEGS)
def test_what_a_leg_knows_of_a_passage_does_not_depend_on_who_brought_it_up(
    opened: Callable[[], Index], query: str, leg: str
) -> None:
    """A leg asked alone says of its candidates what it says among all; the others are then None."""
    index = fill(opened(), apart(LINES))
    together = gather(index, query)
    alone = gather(index, query, (leg,))
    names = {"sounds": ("sounds", "together")}.get(leg, (leg,))
    assert set(alone.evidence) <= set(together.evidence)
    for key, evidence in alone.evidence.items():
        for field in fields(evidence):
            value, among_all = (getattr(one, field.name) for one in (evidence, together.evidence[key]))
            assert value == (pytest.approx(among_all, abs=1e-5) if field.name in names else None)


def test_more_candidates_than_a_leg_brings_up_are_judged_alike(
    opened: Callable[[], Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one candidate a leg, what the other legs say of it is what they say where they bring up all."""
    index = fill(opened(), apart(LINES))
    every = gather(index, "the license Kovalchik").evidence
    monkeypatch.setattr("search.evidence.CANDIDATES", 1)
    query = Query("the license Kovalchik", limit=1)
    few = Gathering(index, LETTERS, query, understand(query.text), LEGS, NEVER).gather().evidence
    assert 1 < len(few) < len(every)
    for key, evidence in few.items():
        assert astuple(evidence) == pytest.approx(astuple(every[key]), abs=1e-5)


@pytest.mark.parametrize("query", ["Kovalchik", "the knife under the seat", "7KLM392"])
def test_leaving_words_unheard_changes_nothing_else(opened: Callable[[], Index], query: str) -> None:
    """Whether each word is listened for alone decides about `sounds` and about no other value."""
    index = fill(opened(), apart(LINES))
    asked = understand(query)
    every, some = (
        Gathering(index, LETTERS, Query(query), asked, LEGS, NEVER, by_word=by_word).gather()
        for by_word in (True, False)
    )

    assert {key: replace(one, sounds=None) for key, one in every.evidence.items()} == dict(some.evidence)
    assert any(one.sounds for one in every.evidence.values())


def test_filters_hold_for_every_leg(opened: Callable[[], Index]) -> None:
    """Nothing else is brought up, not even to be compared."""
    heard, other = apart(LINES, "a"), apart(LINES, "b")
    index = fill(opened(), heard, other)
    for query in QUERIES:
        brought = gather(index, query, filters=Filters(recording_id=other.recording.id))
        assert {payload["recording_id"] for payload in brought.payloads.values()} == {other.recording.id}


UNRELATED = "blue green morning window coffee paper yellow bottle garden music weather street table winter".split()  # noqa: SIM905


def unrelated(n: int) -> list[str]:
    choose = np.random.default_rng(SEED)
    return [" ".join(choose.choice(UNRELATED, 7)) for _ in range(n)]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("knife under the seat", LINES[1]),
        ("knife under the seat", LINES[4]),
        ("license helicopter", LINES[0]),
        ("license helicopter", LINES[7]),
        ("Kovalchik", LINES[2]),
        ("what did he say about the knife?", LINES[4]),
    ],
)
def test_evidence_hardly_depends_on_the_size_of_the_archive(opened: Callable[[], Index], query: str, text: str) -> None:
    """With 25 times as many passages, all of other things: what words are worth moves within 0.15, the rest not."""
    small, large = fill(opened(), apart(LINES)), fill(opened(), apart(LINES), apart(unrelated(200), "b"))
    before, after = evidence_of(small, query, text), evidence_of(large, query, text)
    assert after.words == pytest.approx(before.words, abs=0.15)
    assert after.sounds == pytest.approx(before.sounds, abs=0.15)
    assert (after.exact, after.together) == (before.exact, before.together)
    assert after.meaning == pytest.approx(before.meaning, abs=1e-5)


# What could not run


def test_without_an_embedder_meaning_is_unknown_and_the_answer_says_so(opened: Callable[[], Index]) -> None:
    """The other legs know what they knew."""
    index = fill(opened(), apart(LINES))
    without, whole = gather(index, "knife", embedder=None), gather(index, "knife")
    assert without.degraded == ("meaning: no text embedding model is installed",)
    for key, evidence in without.evidence.items():
        assert evidence.meaning is None
        assert astuple(evidence)[:-1] == pytest.approx(astuple(whole.evidence[key])[:-1], abs=1e-6)


def test_without_espeak_sounds_are_unknown_and_the_answer_says_so(
    opened: Callable[[], Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a word's nor the whole query's."""

    def missing(*_: object, **__: object) -> tuple[str, ...]:
        raise LegUnavailable("sounds", "espeak-ng is not installed")

    index = fill(opened(), apart(LINES))
    monkeypatch.setattr("search.evidence.pronunciations", missing)
    brought = gather(index, "knife")
    assert brought.degraded == ("sounds: espeak-ng is not installed",)
    assert {(one.sounds, one.together) for one in brought.evidence.values()} == {(None, None)}
    assert all(None not in (one.exact, one.words, one.meaning) for one in brought.evidence.values())


def test_a_leg_that_was_not_asked_for_is_not_missed() -> None:
    """What nobody wants is not degraded."""
    index = fill(ExactIndex(), apart(LINES))
    assert gather(index, "knife", ("words",), embedder=None).degraded == ()
    assert gather(index, "knife", ("words", "exact"), deadline=Deadline(9.0, Ticking())).degraded == ()


def test_passages_without_sounds_are_silent_and_not_an_error(opened: Callable[[], Index]) -> None:
    """Rows made where espeak-ng was missing have none."""
    made = apart(LINES)
    index = opened()
    kept = rows(made, build_passages(made), NUMBERS)
    for row in kept:
        row.payload.pop("sounds")  # type: ignore[attr-defined]
    index.replace(made.recording.id, made.version, kept)
    brought = gather(index, "knife", ("words", "sounds"))
    assert {(one.sounds, one.together) for one in brought.evidence.values()} == {(0.0, 0.0)}
    assert brought.degraded == ()


@pytest.mark.parametrize("seconds", range(6))
def test_whatever_the_deadline_what_was_not_asked_is_named(seconds: int) -> None:
    """Each leg that is None, or that did not look at every passage, is in `degraded`; in time, none is."""
    index = fill(ExactIndex(), *(apart(["the knife was there"], name) for name in "01"))
    brought = gather(index, "knife was there", deadline=Deadline(float(seconds), Ticking()))
    named = {entry.partition(" over before ")[2].split()[0] for entry in brought.degraded}
    assert all(entry.startswith(f"deadline: {seconds} s were over before ") for entry in brought.degraded)
    for evidence in brought.evidence.values():
        assert evidence.words == pytest.approx(1, abs=1e-4)  # asked in any case
        assert (evidence.meaning is None) == ("meaning" in named)
    assert ("meaning" in named) == (seconds < 2)  # the clock is looked at before meaning, and for each passage
    assert ("exact" in named) == (seconds < 4)


def test_a_leg_that_was_not_asked_about_what_others_brought_up_is_named() -> None:
    """What it then knows of them is nothing, and the answer says why."""
    index = fill(ExactIndex(), apart(["the knife was there", "officer call check"]))
    in_time = gather(index, "Kovalchik", ("words", "sounds"), deadline=Deadline(9.0, Ticking()))
    late = gather(index, "Kovalchik", ("words", "sounds"), deadline=Deadline(0.0, Ticking()))
    assert in_time.degraded == ()
    assert late.degraded == ("deadline: 0 s were over before words was asked about what other legs brought up",)
    assert {one.words for one in late.evidence.values()} == {0.0}
