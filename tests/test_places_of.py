"""Phrases combined: on times of words, in every index alike, and never across what nobody heard."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.deadline import Deadline
from search.expression import And, Before, Expression, Field, Not, Or, Phrase, Within
from search.grammar import both, either
from search.hit import Hit
from search.indexes.edge import EdgeIndex
from search.passages import CONTINUATION_WORDS
from search.pattern import AROUND_MS, Pattern, read
from search.protocols import EVERYTHING, Filters, Index
from search.query import Query
from search.searcher import Answer, Searcher
from tests.spoken import line, spoken
from tests.test_search import archive
from transcribe.spans import Span
from transcribe.transcript import State, Transcript


def where(field: Field) -> Filters:
    return Filters(**{field.name: field.value})


def ask(index: Index, text: str, doubtful: bool = False, deadline: Deadline | None = None, limit: int = 100) -> Answer:
    reading = read(text, EVERYTHING, where)
    assert reading.pattern is not None
    query = Query(text, filters=reading.filters, doubtful=doubtful, pattern=reading.pattern, limit=limit)
    return Searcher(index, None).search(query, *([deadline] if deadline else []))


def spans(index: Index, text: str, doubtful: bool = False) -> list[tuple[int, int]]:
    return [(hit.start_ms, hit.end_ms) for hit in ask(index, text, doubtful).hits]


def test_a_hit_covers_both_and_shows_what_was_found() -> None:
    """Its span reaches from the first word to the last; its text is that of both passages, its words the phrases'."""
    index = archive(
        spoken(("A", 0, "put your hands up"), ("B", 3_000, "no I will not"), ("C", 5_000, "he has a gun there"))
    )
    (hit,) = ask(index, '"hands up" WITHIN 10s OF "gun"').hits

    assert (hit.start_ms, hit.end_ms) == (600, 6_200)
    assert hit.text == "put your hands up … he has a gun there"
    assert [word.text for word in hit.said] == ["hands", "up", "gun"]
    assert (hit.speaker, hit.flags, hit.found) == ("A", ("across_speakers",), True)


@pytest.mark.parametrize(("gap_ms", "found"), [(0, True), (10_000, True), (10_001, False)])
def test_the_distance_is_between_the_end_of_one_and_the_start_of_the_other(gap_ms: int, found: bool) -> None:
    """The length is inclusive; who is asked for first does not matter to WITHIN, and is all that matters to BEFORE."""
    index = archive(spoken(("A", 0, "hands up"), ("B", 600 + gap_ms, "gun")))
    expected = [(0, 900 + gap_ms)] if found else []

    assert spans(index, '"hands up" WITHIN 10s OF gun') == expected
    assert spans(index, 'gun WITHIN 10s OF "hands up"') == expected
    assert spans(index, '"hands up" BEFORE 10s gun') == expected
    assert spans(index, 'gun BEFORE 10s "hands up"') == []


@pytest.mark.parametrize("state", [State.DIGITAL_SILENCE, State.NOT_PROCESSED])
@pytest.mark.parametrize("text", ["gun WITHIN 10s OF knife", "gun BEFORE 10s knife", "gun AND knife"])
def test_nothing_is_combined_across_what_nobody_heard(state: State, text: str) -> None:
    """A mute between two words may have been long in the room; passages between them are looked at, too."""
    lines = [("A", 0, "gun"), ("B", 2_000, "well"), ("A", 4_000, "so"), ("B", 6_000, "knife")]
    whole = archive(spoken(*lines))
    for silent in (Span(400, 1_900), Span(2_400, 3_900), Span(4_400, 5_900)):
        assert spans(archive(spoken(*lines, silent=[silent], state=state)), text) == []
    assert spans(archive(spoken(*lines, silent=[Span(7_000, 9_000)], state=state)), text) == spans(whole, text) != []


def test_what_is_said_across_a_hole_is_not_left_out_by_it() -> None:
    """NOT looks as far as AND does: up to the hole."""
    lines = [("A", 0, "gun"), ("B", 6_000, "knife")]
    assert spans(archive(spoken(*lines)), "gun NOT knife") == []
    assert spans(archive(spoken(*lines, silent=[Span(1_000, 2_000)])), "gun NOT knife") == [(0, 300)]


def test_holes_are_found_however_many_passages_lie_between() -> None:
    """More than an index gives at a time, and more words than a passage knows of what follows it."""
    talk = [("A" if n % 2 else "B", 1_000 + 1_000 * n, f"word{n} more") for n in range(150)]
    lines = [("A", 0, "gun"), *talk, ("C", 152_000, "knife")]
    assert len(talk) > CONTINUATION_WORDS
    assert spans(archive(spoken(*lines)), "gun BEFORE 200s knife") == [(0, 152_300)]
    muted = archive(spoken(*lines, silent=[Span(100_700, 100_900)]))
    assert spans(muted, "gun BEFORE 200s knife") == []
    assert spans(muted, "gun BEFORE 200s word98") == [(0, 99_300)]


def test_a_moment_counts_once_in_its_shortest_form() -> None:
    """Words repeated around it make no further hits; two moments are two."""
    index = archive(spoken(("A", 0, "gun gun gun knife knife"), ("A", 60_000, "knife gun")))
    assert spans(index, "gun WITHIN 10s OF knife") == [(600, 1_200), (60_000, 60_600)]
    assert spans(index, "gun AND knife") == [(600, 1_200), (60_000, 60_600)]
    assert spans(index, "gun BEFORE 10s knife") == [(600, 1_200)]
    assert spans(index, "gun WITHIN 10s OF gun") == [(0, 600), (300, 900)]


def test_no_word_counts_for_both_sides_of_a_distance() -> None:
    """ "Hands" is not near "hands up" by being in it; to AND both were said."""
    index = archive(spoken(("A", 0, "hands up")))
    assert spans(index, 'hands WITHIN 10s OF "hands up"') == []
    assert spans(index, 'hands AND "hands up"') == [(0, 600)]


def test_and_holds_within_half_a_minute_and_not_looks_as_far() -> None:
    """From the first word to the last; and as long before and after."""
    assert AROUND_MS == 30_000
    for end_ms, together in ((30_000, True), (30_001, False)):
        index = archive(spoken(("A", 0, "gun"), ("A", end_ms - 300, "knife")))
        assert spans(index, "gun AND knife") == ([(0, end_ms)] if together else [])
    for start_ms, near in ((30_300, True), (30_301, False)):
        index = archive(spoken(("A", 0, "gun"), ("A", start_ms, "knife")))
        assert spans(index, "gun NOT knife") == ([] if near else [(0, 300)])
        assert spans(index, "knife NOT gun") == ([] if near else [(start_ms, start_ms + 300)])


def test_fields_narrow_what_stands_beside_them_but_not_what_is_left_out() -> None:
    """Nobody may say what NOT leaves out, whoever is asked about."""
    index = archive(
        spoken(("A", 0, "gun"), ("B", 2_000, "knife"), recording="a"), spoken(("A", 0, "gun"), recording="b")
    )
    assert spans(index, "speaker:A gun NOT knife") == [(0, 300)]
    assert spans(index, "speaker:A gun NOT (speaker:A knife)") == [(0, 300), (0, 300)]
    assert spans(index, "(speaker:A gun) WITHIN 5s OF (speaker:B knife)") == [(0, 2_300)]
    assert spans(index, "speaker:A (gun WITHIN 5s OF knife)") == []
    assert spans(index, "(speaker:A OR speaker:B) AND (gun WITHIN 5s OF knife)") == [(0, 2_300)]
    assert spans(index, "NOT speaker:A AND (gun OR knife)") == [(2_000, 2_300)]


def test_recordings_are_never_combined() -> None:
    """What was said in two recordings was not said together."""
    index = archive(spoken(("A", 0, "gun"), recording="a"), spoken(("A", 400, "knife"), recording="b"))
    assert spans(index, "gun AND knife") == []
    assert len(spans(index, "gun OR knife")) == 2


def test_doubtful_words_count_only_when_asked_for() -> None:
    """Neither to be found nor to be left out; an answer says how many places need them."""
    index = archive(spoken(("A", 0, "gun"), line("B", 1_000, "knife", flags=["doubtful"]), ("A", 9_000, "knife gun")))
    sure, all_of_them = ask(index, "gun BEFORE 5s knife"), ask(index, "gun BEFORE 5s knife", doubtful=True)
    assert (sure.total, sure.left_out) == (0, 1)
    assert (all_of_them.total, all_of_them.left_out) == (1, 0)
    assert "doubtful" in all_of_them.hits[0].flags
    near = archive(spoken(("A", 0, "gun"), line("B", 1_000, "knife", flags=["doubtful"])))
    assert spans(near, "gun NOT knife") == [(0, 300)]
    assert spans(near, "gun NOT knife", doubtful=True) == []


def many() -> list[Transcript]:
    """Recordings of known and unknown times, each with two moments."""
    times = ["2025-03-14T10:00:00+00:00", None, "2025-03-13T10:00:00+00:00"]
    return [
        spoken(
            ("A", 0, "gun"),
            ("B", 700, "knife"),
            ("A", 90_000, "knife gun"),
            recording=letter,
            **({"recorded_at": time} if time else {}),
        )
        for letter, time in zip("abc", times, strict=True)
    ]


def test_pages_go_through_every_place_in_the_order_of_recorded_time() -> None:
    """Without repeating or skipping one; all of them one after another are the same."""
    searcher = Searcher(archive(*many()), None)
    reading = read("gun WITHIN 5s OF knife", EVERYTHING, where)
    paged: list[Hit] = []
    while page := searcher.search(Query("x", pattern=reading.pattern, limit=4, offset=len(paged))).hits:
        paged += page

    assert [(hit.recording_id[0], hit.start_ms) for hit in paged] == list(itertools.product("cab", (0, 90_000)))
    shown = [replace(hit, lines_before=(), lines_after=()) for hit in paged]
    assert list(searcher.every_hit(Query("x", pattern=reading.pattern))) == shown


def test_an_answer_that_is_cut_says_so() -> None:
    """The total is then that of what was looked at."""

    ticks = itertools.count()
    answer = ask(archive(*many()), "gun WITHIN 5s OF knife", deadline=Deadline(8.0, lambda: float(next(ticks))))
    assert not answer.total_is_exact
    assert answer.degraded
    assert answer.total < 6


# Against the definition, and on every index

SAY = ("gun", "knife", "no gun", "hands")
PHRASES = st.sampled_from([Phrase(tuple(text.split())) for text in SAY])


def patterns() -> st.SearchStrategy[Expression]:
    return st.recursive(
        PHRASES,
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(both),
            st.lists(inner, min_size=2, max_size=3).map(either),
            st.builds(lambda one, other: both([one, Not(other)]), inner, PHRASES),
            st.builds(lambda one, name: both([Field("speaker", name), one]), inner, st.sampled_from("AB")),
            st.builds(Within, inner, inner, st.sampled_from([0, 2_000, 40_000])),
            st.builds(Before, inner, inner, st.sampled_from([0, 2_000, 40_000])),
        ),
        max_leaves=5,
    )


@st.composite
def talks(draw: Callable[..., int]) -> Transcript:
    """A few lines by two speakers, some overlapping, some far apart, some behind a mute."""
    at, lines, silent = 0, [], []
    for _ in range(draw(st.integers(1, 7))):
        at += draw(st.sampled_from([-300, 0, 500, 2_500, 20_000]))
        at = max(at, 0)
        if draw(st.integers(0, 4)) == 0:
            silent.append(Span(at + 1_000, at + 1_500))
            at += 2_000
        words = " ".join(draw(st.lists(st.sampled_from(["no", "gun", "knife", "hands"]), min_size=1, max_size=4)))
        doubt = ["doubtful"] if draw(st.integers(0, 5)) == 0 else []
        lines.append(line(draw(st.sampled_from("AB")), at, words, flags=doubt))
        at = lines[-1].end_ms
    return spoken(*lines, silent=silent)


def found_in(index: Index, expression: Expression, doubtful: bool) -> list[Hit]:
    pattern = Pattern(expression, {Field("speaker", name): Filters(speaker=name) for name in "AB"})
    query = Query("x", pattern=pattern, doubtful=doubtful, limit=1_000)
    return Searcher(index, None).search(query).hits


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    opened = EdgeIndex.open(Path(tmp_path_factory.mktemp("edge")) / "index")
    yield opened
    opened.close()


@settings(max_examples=150, deadline=None)
@given(talks(), patterns().filter(lambda one: not isinstance(one, Phrase)), st.booleans())
def test_every_index_gives_the_same(shard: Index, heard: Transcript, expression: Expression, doubtful: bool) -> None:
    """Qdrant Edge and brute force, hit by hit."""
    oracle = archive(heard)
    archive(heard, index=shard)
    assert found_in(shard, expression, doubtful) == found_in(oracle, expression, doubtful)


@settings(max_examples=300, deadline=None)
@given(talks(), PHRASES, PHRASES, st.sampled_from([0, 2_000, 40_000]))
def test_proximity_is_what_it_is_defined_to_be(heard: Transcript, one: Phrase, other: Phrase, ms: int) -> None:
    """Of all pairs near enough, without a word in common and without a hole between, those that hold no other."""
    index = archive(heard)

    def said(phrase: Phrase) -> list[Hit]:
        return Searcher(index, None).search(Query(f'"{" ".join(phrase.tokens)}"', limit=1_000)).hits

    def connected(left: Hit, right: Hit) -> bool:
        low, high = min(left.end_ms, right.end_ms), max(left.start_ms, right.start_ms)
        holes = [one for one in heard.coverage if one.state is State.DIGITAL_SILENCE]
        return not any(low <= hole.start_ms and hole.end_ms <= high for hole in holes)

    def expected(ordered: bool) -> list[tuple[int, int]]:
        pairs = {
            (min(left.start_ms, right.start_ms), max(left.end_ms, right.end_ms))
            for left in said(one)
            for right in said(other)
            if set(left.said).isdisjoint(right.said)
            and max(left.start_ms, right.start_ms) - min(left.end_ms, right.end_ms) <= ms
            and connected(left, right)
            and (not ordered or left.start_ms < right.start_ms)
        }
        return sorted(
            span
            for span in pairs
            if not any(span != less and span[0] <= less[0] and less[1] <= span[1] for less in pairs)
        )

    for expression, ordered in ((Within(one, other, ms), False), (Before(one, other, ms), True)):
        hits = found_in(index, expression, doubtful=False)
        assert [(hit.start_ms, hit.end_ms) for hit in hits] == expected(ordered)


@settings(max_examples=200, deadline=None)
@given(talks(), st.lists(PHRASES, min_size=2, max_size=3), st.randoms())
def test_the_order_of_asking_does_not_matter_to_and_and_or(heard: Transcript, parts: list[Phrase], chance) -> None:  # type: ignore[no-untyped-def]
    """The same spans, whichever part comes first."""
    index, mixed = archive(heard), list(parts)
    chance.shuffle(mixed)
    for kind in (And, Or):
        one, other = (found_in(index, kind(tuple(some)), doubtful=True) for some in (parts, mixed))
        assert {(hit.start_ms, hit.end_ms) for hit in one} == {(hit.start_ms, hit.end_ms) for hit in other}
