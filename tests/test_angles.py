"""Angles and moments: what several cameras heard is one hit; nothing is lost, counted twice, or seen by the wrong."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.angles import folding, pairs, phrases
from benchmarks.corpus import read_corpus
from benchmarks.patrol import reference_transcript
from search.angles import NEAR_MS, Link, Spot, Timeline, fold
from search.moments import MAX_MOMENT_MS, Answering, merged
from search.passages import build_passages
from search.protocols import Filters
from search.query import Mode, Query
from search.searcher import Answer, Searcher
from search.text import tokens
from service.linking import link_of
from tests.spoken import spoken
from tests.test_search import archive
from transcribe.alignment import align_words
from transcribe.spans import Span
from transcribe.transcript import MACHINE_NOTICE, RecordingId, Transcript

A, B, C = (RecordingId(letter * 64) for letter in "abc")
B_LATER_MS = -7_620  # B was switched on so much later
LINKS = (Link(A, B, B_LATER_MS, 100, "words", 0.9), Link(B, C, 2_000, 10, "sound", 0.8))


def links_of(recording_ids: Collection[RecordingId]) -> Sequence[Link]:
    return [link for link in LINKS if link.first in recording_ids or link.second in recording_ids]


SCENE = (
    ("W", 10_000, "police stop right there"),
    ("S", 14_000, "I did not do anything"),
    ("W", 18_000, "show me your hands"),
    ("W", 40_000, "stop right there"),
)


def camera(name: str, offset_ms: int, *also: tuple[str, int, str], **metadata: str) -> Transcript:
    heard = [(who, at_ms + offset_ms, text) for who, at_ms, text in SCENE]
    return spoken(*heard, *also, recording=name, **metadata)


def cameras() -> list[Transcript]:
    return [
        camera("a", 0, officer="Okafor", recorded_at="2025-03-19T23:04:03-07:00"),
        # Its clock is a day off; the words decide.
        camera(
            "b",
            B_LATER_MS,
            ("W", 60_000, "stop right there"),
            officer="Brandt",
            recorded_at="2025-03-20T23:04:11-07:00",
        ),
        spoken(
            ("W", 10_000, "stop right there"), recording="d", officer="Villa", recorded_at="2025-03-19T23:04:03-07:00"
        ),
    ]


def ask(text: str, mode: Mode = Mode.AUTO, limit: int = 10, offset: int = 0, filters: Filters | None = None) -> Answer:
    searcher = Searcher(archive(*cameras()), None, links_of=links_of)
    return searcher.search(Query(text, mode, limit, filters or Filters(), offset=offset))


def angles(answer: Answer) -> list[list[tuple[str, int]]]:
    return [sorted((hit.recording_id[0], hit.start_ms) for hit in one.every_angle) for one in answer.hits]


# Folding

spots = st.lists(
    st.builds(
        lambda name, at, length: Spot(name, at, at + length),
        st.sampled_from([A, B, C, RecordingId("d" * 64)]),
        st.integers(0, 20_000),
        st.integers(0, 3_000),
    ),
    max_size=25,
)


@given(spots)
def test_folding_loses_no_place_and_keeps_the_order(some: list[Spot]) -> None:
    """Each place is in one moment, once; moments come by their first place; a recording is in each at most once."""
    moments = fold(some, Timeline(LINKS))

    assert sorted(number for moment in moments for number in moment) == list(range(len(some)))
    assert [moment[0] for moment in moments] == sorted(moment[0] for moment in moments)
    assert all(moment == sorted(moment) for moment in moments)
    for moment in moments:
        recordings = [some[number].recording_id for number in moment]
        assert len(set(recordings)) == len(recordings)


@given(spots)
def test_without_links_every_place_is_its_own_moment(some: list[Spot]) -> None:
    """What has no partner is left as it is."""
    assert fold(some, Timeline(())) == [[number] for number in range(len(some))]


@given(spots)
def test_folding_does_not_depend_on_how_a_link_is_told(some: list[Spot]) -> None:
    """From A to B, or from B to A."""
    assert fold(some, Timeline(LINKS)) == fold(some, Timeline([link.turned() for link in LINKS]))


def test_offsets_are_symmetric_and_add_up_along_links() -> None:
    """What leads from A over B to C leads back; errors add, the surest is as sure as the least, words stay words."""
    timeline = Timeline(LINKS)
    for one, other in permutations((A, B, C), 2):
        there, back = timeline.between(one, other), timeline.between(other, one)
        assert (there.offset_ms, there.error_ms, there.by) == (-back.offset_ms, back.error_ms, back.by)
    assert timeline.between(A, C) == Link(A, C, B_LATER_MS + 2_000, 110, "words", 0.8)


def test_of_links_in_a_circle_the_least_exact_is_left_out() -> None:
    """Every two recordings have one offset."""
    wrong = Link(A, C, 99_000, 900, "words", 0.6)
    assert Timeline([wrong, *LINKS]).between(A, C).offset_ms == B_LATER_MS + 2_000


@pytest.mark.parametrize(("late_ms", "together"), [(0, True), (NEAR_MS, True), (NEAR_MS + 1, False)])
def test_places_are_one_moment_when_the_offset_puts_them_within_a_second(late_ms: int, together: bool) -> None:
    """On either clock."""
    some = [Spot(A, 10_000, 11_000), Spot(B, 10_000 + B_LATER_MS + late_ms, 11_000 + B_LATER_MS + late_ms)]
    assert (len(fold(some, Timeline(LINKS))) == 1) is together


def test_who_talks_at_the_same_moment_says_something_else() -> None:
    """Words misheard do not part two cameras; other words do."""
    said = "male red hooded sweatshirt running east on Kosciuszko Street"
    misheard = "male red hooded sweat shirt running east on cost you go Street"
    other = "fourteen David is in foot pursuit all units hold the air"
    for text, n_moments in ((misheard, 1), (other, 2)):
        some = [Spot(A, 9_000, 12_000, tuple(tokens(said))), Spot(B, 9_000 + B_LATER_MS, 12_000, tuple(tokens(text)))]
        assert len(fold(some, Timeline(LINKS))) == n_moments


def test_a_word_said_again_and_again_pairs_with_its_own() -> None:
    """One to one, the nearest first."""
    some = [
        Spot(name, at + offset, at + offset + 200)
        for at in (1_000, 1_600, 2_200)
        for name, offset in ((A, 0), (B, B_LATER_MS))
    ]
    assert fold(some, Timeline(LINKS)) == [[0, 1], [2, 3], [4, 5]]


# Answers


def test_an_exact_answer_counts_moments_and_says_how_many_places_they_have() -> None:
    """Two cameras are one hit; what only one heard, and another scene, are hits of their own."""
    answer = ask('"stop right there"')

    assert angles(answer) == [
        [("a", 10_300), ("b", 10_300 + B_LATER_MS)],
        [("a", 40_000), ("b", 40_000 + B_LATER_MS)],
        [("d", 10_000)],
        [("b", 60_000)],
    ]
    assert (answer.total, answer.n_places, answer.total_is_exact) == (4, 6, True)
    assert sum(len(hit.every_angle) for hit in answer.hits) == answer.n_places
    assert [hit.moment for hit in answer.hits] == [1, 2, 3, 4]
    assert answer.hits[2].angles == ()


def test_an_angle_says_how_it_lies_to_the_first() -> None:
    """Where it was said there, whose camera, and the offset with its error."""
    hit = ask('"show me your hands"').hits[0]
    first, second = (angle.to_json() for angle in hit.angles)

    assert (first["recording_id"], first["offset_ms"], first["by"]) == (hit.recording_id, 0, None)
    assert second["start_ms"] - hit.start_ms == second["offset_ms"]
    assert abs(second["offset_ms"]) == -B_LATER_MS
    assert (second["offset_error_ms"], second["by"], second["offset_confidence"]) == (100, "words", 0.9)
    assert {first["officer"], second["officer"]} == {"Okafor", "Brandt"}
    assert hit.to_json()["label"] == MACHINE_NOTICE


@pytest.mark.parametrize(("query", "mode"), [('"stop right there"', Mode.AUTO), ("stop hands anything", Mode.WORDS)])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_no_moment_stands_on_two_pages(query: str, mode: Mode, limit: int) -> None:
    """Page by page comes what one long page shows."""
    whole = ask(query, mode, 100)
    pages = [ask(query, mode, limit, offset) for offset in range(0, whole.total, limit)]

    assert [hit for page in pages for hit in page.hits] == whole.hits
    assert {page.total for page in pages} == {whole.total} == {len(whole.hits)}
    assert len({(hit.recording_id, hit.start_ms) for one in whole.hits for hit in one.every_angle}) == sum(
        len(hit.every_angle) for hit in whole.hits
    )


def test_ranked_hits_of_several_cameras_are_one() -> None:
    """Scores are the best of all; the angle whose words are surest is shown."""
    answer = ask("show me your hands", Mode.WORDS)
    hit = answer.hits[0]

    assert sorted(one.recording_id for one in hit.every_angle) == [A, B]
    assert hit.score == max(one.score for one in hit.every_angle)
    assert hit.legs["words"] == max(one.legs["words"] or 0.0 for one in hit.every_angle)
    assert hit.confidence == max(one.confidence for one in hit.every_angle)
    assert answer.total < answer.n_places


@pytest.mark.parametrize("query", ['"stop right there"', "stop right there"])
def test_a_recording_that_may_not_be_seen_is_no_angle(query: str) -> None:
    """Angles come through the filters of the query; without a partner in sight a hit is as if there were none."""
    alone = Searcher(archive(*cameras()), None).search(Query(query, filters=Filters(officer="Okafor")))
    answer = ask(query, filters=Filters(officer="Okafor"))

    assert answer == alone
    assert all(hit.angles == () for hit in answer.hits)


def test_a_hidden_recording_brings_no_two_together() -> None:
    """A and C are linked over B alone: where B is not found, they are two moments."""
    heard = [camera("a", 0, unit="1"), camera("b", B_LATER_MS), camera("c", B_LATER_MS + 2_000, unit="1")]
    both = Searcher(archive(*heard), None, links_of=links_of).search(Query('"show me your hands"'))
    without = Searcher(archive(heard[0], heard[2]), None, links_of=links_of).search(Query('"show me your hands"'))

    assert [len(hit.every_angle) for hit in both.hits] == [3]
    assert [len(hit.every_angle) for hit in without.hits] == [1, 1]


def test_an_export_has_a_line_for_each_angle_and_numbers_their_moment() -> None:
    """The same moments, in the same numbers, as the pages."""
    searcher = Searcher(archive(*cameras()), None, links_of=links_of)
    query = Query('"stop right there"', limit=100)
    every = [(hit.moment, hit.recording_id, hit.start_ms) for hit in searcher.every_hit(query)]
    paged = [
        (one.moment, hit.recording_id, hit.start_ms) for one in searcher.search(query).hits for hit in one.every_angle
    ]

    assert sorted(every) == sorted(paged)
    assert len(every) == searcher.search(query).n_places


@given(st.integers(0, 200))
def test_counts_equal_a_recount_of_the_export(seed: int) -> None:
    """Whatever was said how often, by how many cameras: total is the moments, places are the lines."""
    chance = Random(seed)
    scene = [("W", 700 * n, chance.choice(["no", "no no", "go", "stop now"])) for n in range(chance.randint(1, 12))]
    heard = [
        spoken(*((who, at + 30_000 + late, text) for who, at, text in scene if chance.random() < 0.8), recording=name)
        for name, late in (("a", 0), ("b", B_LATER_MS), ("d", 0))
    ]
    searcher = Searcher(archive(*heard), None, links_of=links_of)
    query = Query(f'"{chance.choice(["no", "no no", "go", "stop now"])}"', limit=1_000)
    answer, every = searcher.search(query), list(searcher.every_hit(query))

    assert (answer.total, answer.n_places) == (len({hit.moment for hit in every}), len(every))
    assert [hit.moment for hit in answer.hits] == list(range(1, answer.total + 1))
    assert sorted(
        (one.moment, hit.recording_id, hit.start_ms, hit.end_ms) for one in answer.hits for hit in one.every_angle
    ) == sorted((hit.moment, hit.recording_id, hit.start_ms, hit.end_ms) for hit in every)


# Moments of one recording


def test_a_phrase_that_overlaps_itself_counts_once() -> None:
    """Three times "no" is "no no" once; after a long pause it is another; nothing is said across the pause besides."""
    together = archive(
        spoken(("A", 0, "no no no"), ("A", 10_000, "no no"), ("A", 50_000, "no"), ("B", 50_000, "no no"))
    )
    answer = Searcher(together, None).search(Query('"no no"'))

    assert [(hit.start_ms, hit.end_ms) for hit in answer.hits] == [(0, 900), (10_000, 10_600), (50_000, 50_600)]
    assert (answer.total, answer.n_places) == (3, 3)


def passages(*heard: tuple[str, int, str], silent: Sequence[Span] = ()) -> list[Answering]:
    from search.rows import rows
    from tests.test_search import NUMBERS

    transcript = spoken(*heard, silent=silent)
    return [Answering(row.payload, 0.9, False, True) for row in rows(transcript, build_passages(transcript), NUMBERS)]


@pytest.mark.parametrize(
    ("second", "together"),
    [
        (("A", 3_000, "on the wheel"), True),  # 1.8 s after
        (("A", 3_500, "on the wheel"), False),  # a longer pause
        (("B", 3_000, "on the wheel"), False),  # somebody else
    ],
)
def test_neighbours_that_answer_alike_are_one_moment(second: tuple[str, int, str], together: bool) -> None:
    """The same speaker, within two seconds."""
    assert len(merged(passages(("A", 0, "put your hands now"), second))) == (1 if together else 2)


def test_nothing_unheard_lies_within_a_moment() -> None:
    """Digital silence parts two moments."""
    silent = [Span(1_300, 2_900)]
    assert len(merged(passages(("A", 0, "put your hands now"), ("A", 3_000, "on the wheel"), silent=silent))) == 2


def test_a_moment_is_looked_at_in_one_go_and_loses_no_passage() -> None:
    """However long somebody goes on, each passage is in one moment, in the order of time, none too long."""
    some = passages(*(("A", 3_000 * n, f"put your hands number{n}") for n in range(30)))
    moments = merged(some)

    assert sorted(number for moment in moments for number in moment) == list(range(30))
    for moment in moments:
        assert moment == sorted(moment)
        assert some[moment[-1]].payload["end_ms"] - some[moment[0]].payload["start_ms"] <= MAX_MOMENT_MS


def test_a_neighbour_that_answers_much_less_stays_apart() -> None:
    """A hit does not grow over what only stands beside it."""
    strong, weak = passages(("A", 0, "put your hands now"), ("A", 3_000, "on the wheel"))
    assert merged([strong, Answering(weak.payload, 0.4, False, True)]) == [[0], [1]]


def test_a_merged_moment_shows_all_of_its_text_with_its_words_in_place() -> None:
    """Span and text of both passages; highlights point into that text."""
    index = archive(spoken(("A", 0, "put the weapon down now"), ("A", 3_300, "the weapon I said")))
    (hit,) = Searcher(index, None).search(Query("weapon", Mode.WORDS)).hits

    assert (hit.start_ms, hit.end_ms, hit.text) == (0, 4_500, "put the weapon down now the weapon I said")
    assert [hit.text[one.from_ : one.to] for one in hit.highlights] == ["weapon", "weapon"]


# What a person sees


def test_highlights_say_which_word_answers_and_by_which_leg() -> None:
    """The very words, the stem, a number said otherwise; each with its time and its place in the text."""
    index = archive(spoken(("A", 1_000, "Hands up! He is running to forty-two fifteen Main, hands first.")))
    (exact,) = Searcher(index, None).search(Query('"hands up"')).hits
    (hit,) = Searcher(index, None).search(Query("run 4215 hands", Mode.WORDS)).hits

    assert [(one.text, one.leg, one.start_ms, one.end_ms) for one in exact.highlights] == [
        ("Hands", "exact", 1_000, 1_300),
        ("up!", "exact", 1_300, 1_600),
    ]
    assert [exact.text[one.from_ : one.to] for one in exact.highlights] == ["Hands", "up"]
    assert [(hit.text[one.from_ : one.to], one.leg) for one in hit.highlights] == [
        ("Hands", "words"),
        ("running", "words"),
        ("forty-two", "words"),
        ("fifteen", "words"),
        ("hands", "words"),
    ]


def test_a_word_that_was_misheard_is_highlighted_by_its_sound() -> None:
    """Only where no word of the passage answers it otherwise."""
    index = archive(spoken(("A", 0, "this is officer Kovalchik from North")))
    hit = Searcher(index, None).search(Query("Kovalchick", Mode.SOUNDS)).hits[0]

    assert [(one.text, one.leg) for one in hit.highlights] == [("Kovalchik", "sounds")]


def test_the_seconds_around_a_hit_are_lines_of_who_spoke() -> None:
    """Question and answer are seen; what is further off, or beyond silence, is not."""
    heard = spoken(
        ("A", 0, "long ago"),
        ("A", 20_000, "where is the gun"),
        ("B", 22_000, "in the car"),
        ("A", 24_000, "step out"),
        ("B", 40_000, "much later"),
        silent=[Span(30_000, 35_000)],
    )
    (hit,) = Searcher(archive(heard), None).search(Query('"in the car"')).hits

    assert [(line.speaker, line.text, line.start_ms) for line in hit.lines_before] == [
        ("A", "where is the gun", 20_000)
    ]
    assert [(line.speaker, line.text, line.start_ms) for line in hit.lines_after] == [("A", "step out", 24_000)]
    assert hit.to_json()["lines_before"][0]["text"] == "where is the gun"


def test_a_phrase_that_runs_on_does_not_come_again_as_context() -> None:
    """What follows is what follows its last word."""
    heard = spoken(("A", 0, "show me your"), ("B", 900, "hands please sir"))
    (hit,) = Searcher(archive(heard), None).search(Query('"your hands"')).hits

    assert [line.text for line in hit.lines_after] == ["… please sir"]


@pytest.mark.parametrize("pause_ms", [0, 1_700])
def test_overlapping_places_are_one_across_passages(pause_ms: int) -> None:
    """Where a passage ends does not matter."""
    heard = spoken(("A", 0, "no no"), ("A", 600 + pause_ms, "no no"))
    (hit,) = Searcher(archive(heard), None).search(Query('"no no"')).hits

    assert (hit.start_ms, hit.end_ms) == (0, 1_200 + pause_ms)
    assert hit.text == "no no no no"


# The development pair


def test_every_phrase_said_on_both_cameras_of_the_pair_is_one_hit_with_two_angles(corpus: Path) -> None:
    """As the labels say it: offsets are told from words, and every run of two to four words is folded each time.

    `python -m benchmarks.angles` measures the same on what was heard.
    """
    folder = corpus / "patrol"
    references = {one.name: one for one in read_corpus(corpus).patrol}
    n_pairs = 0
    for label, other in pairs(folder.parent):
        first, second = (reference_transcript(references[Path(one["file"]).stem]) for one in (label, other))
        true_ms = round(1000 * (other["pair_offset_s"] - label["pair_offset_s"]))
        link = link_of(first.recording.id, second.recording.id, align_words(first.words, second.words))
        assert link is not None
        assert abs(link.offset_ms - true_ms) <= 300
        searcher = Searcher(archive(first, second), None, links_of=lambda _ids, link=link: [link])
        counted = folding(searcher, phrases(label) & phrases(other), link.first, link.second, true_ms)
        assert counted.share >= 0.9
        assert counted.heard_on_both >= 0.9 * counted.said_on_both
        n_pairs += 1
    assert n_pairs
