"""Laws of speakers: they are added to words and change nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transcripts import (
    DIARIZER,
    WHISPER,
    recording,
    said,
    segment,
    segments,
    turn_lists,
    turns_artifact,
    words_artifact,
    words_in_order,
)
from transcribe.spans import Span, intersect, merge, total_ms
from transcribe.speakers import assemble, assign_speakers
from transcribe.transcript import Covered, Kind, Segment, SpeakerKind, State, Turn, Word

SEGMENTS = st.lists(segments(), max_size=5).map(lambda some: sorted(some, key=lambda s: s.start_ms))


def held_ms(word: Word, turns: list[Turn], speaker: str) -> int:
    """How much of a word, at least 1 ms long, a speaker's turns cover: the slow way."""
    lasting = Span(word.start_ms, max(word.end_ms, word.start_ms + 1))
    return total_ms(intersect([lasting], [turn.span for turn in turns if turn.speaker == speaker]))


def without_overlap(word: Word) -> Word:
    return replace(word, flags=tuple(flag for flag in word.flags if flag != "overlap"))


def distance_ms(word: Word, turn: Turn) -> int:
    lasting_end = max(word.end_ms, word.start_ms + 1)
    return max(0, turn.start_ms - lasting_end, word.start_ms - turn.end_ms)


@given(words_in_order(), turn_lists())
def test_nobody_covers_more_of_a_word_than_its_speaker(words: list[Word], turns: list[Turn]) -> None:
    """The sweep agrees with measuring every word against every turn."""
    turns = [turn for turn in turns if turn.span.duration_ms > 0]
    for word, speaker in zip(words, assign_speakers(words, turns), strict=True):
        held = {turn.speaker: held_ms(word, turns, turn.speaker) for turn in turns}
        nearest = {
            turn.speaker: min(distance_ms(word, t) for t in turns if t.speaker == turn.speaker) for turn in turns
        }
        if max(held.values(), default=0) > 0:
            assert speaker is not None
            assert held[speaker] == max(held.values())
        elif min(nearest.values(), default=501) <= 500:
            assert speaker is not None
            assert nearest[speaker] == min(nearest.values())
        else:
            assert speaker is None


@given(words_in_order(), turn_lists(), st.randoms(use_true_random=False))
def test_the_order_of_turns_does_not_matter(words: list[Word], turns: list[Turn], random: Random) -> None:
    """Assigning sees a set of turns."""
    shuffled = random.sample(turns, len(turns))

    assert assign_speakers(words, shuffled) == assign_speakers(words, turns)


@given(words_in_order(), turn_lists())
def test_one_speaker_stays_one(words: list[Word], turns: list[Turn]) -> None:
    """Where one person holds every turn, nobody else speaks."""
    alone = [Turn(turn.start_ms, turn.end_ms, "SPEAKER_00") for turn in turns]

    assert set(assign_speakers(words, alone)) <= {"SPEAKER_00", None}


def test_a_tie_goes_to_whoever_spoke_before() -> None:
    """Two speakers cover the second word equally: the first word's speaker keeps it."""
    turns = [Turn(0, 280, "SPEAKER_01"), Turn(290, 600, "SPEAKER_00"), Turn(300, 600, "SPEAKER_01")]

    assert assign_speakers(said("get back"), turns) == ["SPEAKER_01", "SPEAKER_01"]
    assert assign_speakers(said("get back")[1:], turns) == ["SPEAKER_00"]


def test_a_tie_without_history_goes_to_the_turn_that_started_first() -> None:
    """The first word of all is taken by the longer-standing turn."""
    turns = [Turn(90, 400, "SPEAKER_00"), Turn(50, 400, "SPEAKER_01")]

    assert assign_speakers(said("stop", start_ms=100), turns) == ["SPEAKER_01"]


@pytest.mark.parametrize(("gap_ms", "speaker"), [(500, "SPEAKER_00"), (501, None)])
def test_a_word_no_turn_touches_reaches_half_a_second(gap_ms: int, speaker: str | None) -> None:
    """500 ms away is near enough, 501 is not, before the turn and after it."""
    turn = Turn(5000, 6000, "SPEAKER_00")
    before = Word(4000, 5000 - gap_ms, "so", 0.9)
    after = Word(6000 + gap_ms, 7000, "then", 0.9)

    assert assign_speakers([before, after], [turn]) == [speaker, speaker]


def test_a_word_that_lasts_no_time_still_lies_in_a_turn() -> None:
    """Its moment decides."""
    turns = [Turn(0, 1000, "SPEAKER_00"), Turn(1000, 2000, "SPEAKER_01")]

    assert assign_speakers([Word(1000, 1000, "no", 0.5)], turns) == ["SPEAKER_01"]


@given(SEGMENTS, turn_lists())
def test_assembling_loses_moves_and_changes_no_word(heard: list[Segment], turns: list[Turn]) -> None:
    """Speakers are added, and overlap flagged; words stay, with their time, text, confidence and language."""
    joined = assemble(recording(), words_artifact(heard), turns_artifact(turns))

    def all_words(some: tuple[Segment, ...] | list[Segment]) -> Counter[tuple[Word, str]]:
        return Counter((without_overlap(word), s.language) for s in some for word in s.words)

    assert all_words(joined.segments) == all_words(heard)


@given(SEGMENTS, turn_lists())
def test_assembled_segments_are_in_order_and_hold_their_words(heard: list[Segment], turns: list[Turn]) -> None:
    """Segments are sorted by start; every word lies within its segment, in order."""
    joined = assemble(recording(), words_artifact(heard), turns_artifact(turns))

    assert list(joined.segments) == sorted(joined.segments, key=lambda s: s.start_ms)
    for part in joined.segments:
        assert all(part.start_ms <= w.start_ms and w.end_ms <= part.end_ms for w in part.words)
        assert list(part.words) == sorted(part.words, key=lambda w: w.start_ms)


@given(SEGMENTS)
def test_one_turn_over_everything_splits_nothing(heard: list[Segment]) -> None:
    """Segments stay whole when one speaker holds the whole recording."""
    joined = assemble(recording(), words_artifact(heard), turns_artifact([Turn(0, 60_000, "SPEAKER_00")]))

    assert [s.text for s in joined.segments] == [s.text for s in sorted(heard, key=lambda s: (s.start_ms, s.end_ms))]
    assert all(s.speaker == "SPEAKER_00" for s in joined.segments if s.words)


@given(SEGMENTS)
def test_without_turns_nobody_is_told_apart(heard: list[Segment]) -> None:
    """A recording whose diarization is missing keeps its segments, without speakers."""
    joined = assemble(recording(), words_artifact(heard), None)

    assert not joined.speakers_known
    assert joined.turns == ()
    assert joined.models == (WHISPER,)
    assert Counter(joined.segments) == Counter(heard)


def test_a_segment_is_split_where_the_speaker_changes() -> None:
    """Parts have their own words and mean confidence; flags, channel and language stay; the largest is translated."""
    question, answer = said("¿dónde está él?", confidence=0.5), said("no sé", start_ms=900, confidence=1.0)
    whole = segment([*question, *answer], None, "es", ["low_confidence"], "Where is he? I don't know.", 1)
    turns = [Turn(0, 900, "SPEAKER_01"), Turn(900, 1500, "SPEAKER_00")]

    first, second = assemble(recording(), words_artifact([whole]), turns_artifact(turns)).segments

    assert (first.speaker, first.text, first.span, first.confidence) == (
        "SPEAKER_01",
        "¿dónde está él?",
        Span(0, 900),
        0.5,
    )
    assert (second.speaker, second.text, second.span, second.confidence) == (
        "SPEAKER_00",
        "no sé",
        Span(900, 1500),
        1.0,
    )
    assert (first.translation, second.translation) == (whole.translation, None)
    assert all((p.flags, p.channel, p.language) == (("low_confidence",), 1, "es") for p in (first, second))


def test_a_brief_change_of_speaker_inside_a_segment_is_undone() -> None:
    """One short word that both speakers cover stays with the speaker around it."""
    words = said("step out now")
    brief = [Turn(0, 350, "SPEAKER_00"), Turn(300, 600, "SPEAKER_01"), Turn(600, 900, "SPEAKER_00")]

    assert assign_speakers(words, brief) == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_00"]
    (only,) = assemble(recording(), words_artifact([segment(words)]), turns_artifact(brief)).segments
    assert only.speaker == "SPEAKER_00"


@pytest.mark.parametrize(
    "turns",
    [
        pytest.param(
            [Turn(0, 300, "SPEAKER_00"), Turn(300, 600, "SPEAKER_01"), Turn(600, 900, "SPEAKER_00")],
            id="nobody else covers the word",
        ),
        pytest.param(
            [Turn(0, 350, "SPEAKER_00"), Turn(300, 600, "SPEAKER_01"), Turn(600, 900, "SPEAKER_02")],
            id="the neighbours differ",
        ),
    ],
)
def test_a_brief_answer_of_another_speaker_is_kept(turns: list[Turn]) -> None:
    """A short word is only moved to a speaker who surrounds it and was heard during it."""
    parts = assemble(recording(), words_artifact([segment(said("step out now"))]), turns_artifact(turns)).segments

    assert [part.text for part in parts] == ["step", "out", "now"]


def test_a_word_of_400_ms_is_an_answer_not_a_flicker() -> None:
    """Someone who talks over the officer's question long enough to be heard keeps the word."""
    turns = [Turn(0, 450, "SPEAKER_00"), Turn(400, 800, "SPEAKER_01"), Turn(800, 1200, "SPEAKER_00")]
    parts = assemble(
        recording(), words_artifact([segment(said("understand? yes good", word_ms=400))]), turns_artifact(turns)
    ).segments

    assert [part.speaker for part in parts] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_00"]


@given(SEGMENTS, turn_lists())
def test_words_that_two_speak_over_are_flagged(heard: list[Segment], turns: list[Turn]) -> None:
    """Those of which half or more lies where turns of two speakers do, measured the slow way; and no others."""
    by_speaker = [[t.span for t in turns if t.speaker == speaker] for speaker in {turn.speaker for turn in turns}]
    shared = merge(span for one, other in combinations(by_speaker, 2) for span in intersect(one, other))
    joined = assemble(recording(), words_artifact(heard), turns_artifact(turns))

    for word in joined.words:
        lasting = Span(word.start_ms, max(word.end_ms, word.start_ms + 1))
        over_ms = total_ms(intersect([lasting], shared))
        assert ("overlap" in word.flags) == (over_ms * 2 >= lasting.duration_ms)


@given(words_in_order())
def test_without_overlap_exclusive_turns_change_nothing(words: list[Word]) -> None:
    """Where nobody speaks at once, they are the turns."""
    turns = [Turn(n * 1_500, n * 1_500 + 1_000, f"SPEAKER_0{n % 3}") for n in range(14)]
    heard = words_artifact([segment(words)] if words else [])

    assert assemble(recording(), heard, turns_artifact(turns, turns)) == assemble(
        recording(), heard, turns_artifact(turns)
    )


@pytest.mark.parametrize("holder", ["SPEAKER_00", "SPEAKER_01"])
def test_in_overlap_a_word_is_theirs_who_hold_the_floor(holder: str) -> None:
    """Both cover the words that they say at once: the exclusive turns decide, and the words are flagged."""
    words = said("get on the ground now please")
    turns = [Turn(0, 1_300, "SPEAKER_00"), Turn(580, 1_800, "SPEAKER_01")]
    change_ms = 1_300 if holder == "SPEAKER_00" else 580
    exclusive = [Turn(0, change_ms, "SPEAKER_00"), Turn(change_ms, 1_800, "SPEAKER_01")]
    first, second = assemble(recording(), words_artifact([segment(words)]), turns_artifact(turns, exclusive)).segments

    assert (first.speaker, second.speaker) == ("SPEAKER_00", "SPEAKER_01")
    assert first.text == ("get on the ground" if holder == "SPEAKER_00" else "get on")
    flagged = [word.text for part in (first, second) for word in part.words if word.flags == ("overlap",)]
    assert flagged == ["the", "ground"]


def test_a_segment_without_words_takes_the_turn_that_covers_most_of_it() -> None:
    """Touching is not covering: near turns do not count."""
    wordless = Segment(0, 1000, "[music]", "en", 0.4)
    far = Segment(2100, 2200, "[noise]", "en", 0.4)
    turns = [Turn(0, 300, "SPEAKER_00"), Turn(300, 2000, "SPEAKER_01")]

    joined = assemble(recording(), words_artifact([wordless, far]), turns_artifact(turns))

    assert [s.speaker for s in joined.segments] == ["SPEAKER_01", None]


def test_a_transcript_names_the_models_of_both_stages_once() -> None:
    """Words' models first; coverage, sorted turns and the speakers' kinds are carried over."""
    coverage = [Covered(0, 60_000, State.NO_SPEECH)]
    turns = [Turn(500, 900, "SPEAKER_01"), Turn(0, 400, "SPEAKER_00")]

    kinds = (SpeakerKind("SPEAKER_00", Kind.WEARER, 0.9), SpeakerKind("SPEAKER_01"))

    joined = assemble(recording(), words_artifact([], coverage), turns_artifact(turns, kinds=kinds))

    assert joined.kinds == kinds
    assert joined.models == (WHISPER, DIARIZER)
    assert joined.coverage == tuple(coverage)
    assert joined.turns == (turns[1], turns[0])
    assert joined.speakers_known
