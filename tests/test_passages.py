"""Laws of cutting a transcript into passages."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

from hypothesis import given

from search.passages import (
    CONTINUATION_WORDS,
    DOUBTFUL,
    DOUBTS,
    MAX_PASSAGE_MS,
    MAX_PAUSE_MS,
    PRIMED,
    Passage,
    build_passages,
    stream,
)
from search.text import tokens
from tests.spoken import line, spoken
from tests.transcripts import transcripts
from transcribe.spans import Span, intersect, merge
from transcribe.speakers import OVERLAP
from transcribe.transcript import Segment, State, Transcript

HOLES = (State.DIGITAL_SILENCE, State.NOT_PROCESSED)


def texts(transcript: Transcript) -> list[str]:
    return [passage.text for passage in build_passages(transcript)]


def holes_in(transcript: Transcript) -> list[Span]:
    return merge(covered.span for covered in transcript.coverage if covered.state in HOLES)


@given(transcripts())
def test_every_word_is_in_exactly_one_passage(transcript: Transcript) -> None:
    """Cutting loses no word and repeats none."""
    heard = Counter((word.start_ms, word.end_ms, word.text) for word in transcript.words)
    cut = Counter(
        (word.start_ms, word.end_ms, word.text) for passage in build_passages(transcript) for word in passage.words
    )
    assert cut == heard


@given(transcripts())
def test_passages_are_ordered_by_start_and_numbered(transcript: Transcript) -> None:
    """Ordinals count up from 0 with the start."""
    passages = build_passages(transcript)
    assert [passage.ordinal for passage in passages] == list(range(len(passages)))
    assert all(left.start_ms <= right.start_ms for left, right in pairwise(passages))


@given(transcripts())
def test_a_passage_is_one_speaker_one_language_and_no_longer_than_allowed(transcript: Transcript) -> None:
    """Its words come from segments of its speaker and language, and last at most 8 s unless it is one word."""
    said = {(s.speaker, s.language, w.start_ms, w.end_ms, w.text) for s in transcript.segments for w in s.words}
    for passage in build_passages(transcript):
        assert {(passage.speaker, passage.language, w.start_ms, w.end_ms, w.text) for w in passage.words} <= said
        assert len(passage.words) < 2 or passage.end_ms - passage.start_ms <= MAX_PASSAGE_MS


@given(transcripts())
def test_every_word_carries_its_doubts_and_a_passage_no_other(transcript: Transcript) -> None:
    """A word has the doubts of itself and its segment, a passage those of its words; none is doubtful in part."""
    heard = Counter(
        (word.start_ms, word.end_ms, word.text, doubt)
        for segment in transcript.segments
        for word in segment.words
        for doubt in {*word.flags, *segment.flags} & {*DOUBTS}
    )
    passages = build_passages(transcript)
    cut = Counter((w.start_ms, w.end_ms, w.text, doubt) for one in passages for w in one.words for doubt in w.doubts)
    assert cut == heard
    for passage in passages:
        said = [set(word.doubts) for word in stream(passage)]
        assert set(passage.flags) & {*DOUBTS} == set().union(*said)
        assert len({DOUBTFUL in doubts for doubts in said}) == 1


@given(transcripts())
def test_no_passage_crosses_a_pause_or_a_hole(transcript: Transcript) -> None:
    """Between two words of a passage there is no long pause, and nothing silent or unprocessed."""
    holes = holes_in(transcript)
    for passage in build_passages(transcript):
        for left, right in pairwise(passage.words):
            assert right.start_ms - left.end_ms <= MAX_PAUSE_MS
            if left.end_ms < right.start_ms:
                assert intersect([Span(left.end_ms, right.start_ms)], holes) == []


@given(transcripts())
def test_what_follows_a_passage_is_what_later_passages_say(transcript: Transcript) -> None:
    """The words after a passage are the beginning of the later passages' words, never across a hole."""
    passages = build_passages(transcript)
    holes = holes_in(transcript)
    for passage in passages:
        later = [word for one in passages[passage.ordinal + 1 :] for word in stream(one) if tokens(word.text)]
        assert list(passage.after) == later[: len(passage.after)]
        assert len(passage.after) <= CONTINUATION_WORDS
        for left, right in pairwise([*stream(passage)[-1:], *passage.after]):
            if left.end_ms < right.start_ms:
                assert intersect([Span(left.end_ms, right.start_ms)], holes) == []


@given(transcripts())
def test_the_same_transcript_gives_the_same_passages(transcript: Transcript) -> None:
    """Cutting depends on nothing but the transcript, and survives its stored form."""
    assert build_passages(transcript) == build_passages(Transcript.from_json(transcript.to_json()))


def test_nothing_said_gives_no_passage() -> None:
    """No segments, no passages."""
    assert build_passages(spoken()) == []


def test_a_speaker_s_words_stay_together_until_a_pause() -> None:
    """Segments of one speaker join; a pause of more than 1.5 s, a speaker or a language starts a new passage."""
    transcript = spoken(
        ("A", 0, "Step out."),  # to 600
        ("A", 2_100, "Of the car."),  # 1.5 s later: joined
        ("A", 4_501, "Now."),  # 1.501 s later
        ("B", 5_000, "Why?"),
        line("B", 5_400, "No entiendo.", "es"),
    )
    assert texts(transcript) == ["Step out. Of the car.", "Now.", "Why?", "No entiendo."]


def test_doubt_does_not_spread_to_what_was_said_beside_it() -> None:
    """Sure and doubtful words in one go are passages apart; the stream runs through them, sure context does not."""
    transcript = spoken(
        ("A", 0, "show me"),
        line("A", 600, "your hands", flags=["doubtful"]),
        line("A", 1_200, "right now Sergeant Okafor", primed=["Okafor"]),
    )
    first, doubtful, last = build_passages(transcript)
    assert [one.text for one in (first, doubtful, last)] == ["show me", "your hands", "right now Sergeant Okafor"]
    assert [one.flags for one in (first, doubtful, last)] == [(), (DOUBTFUL,), (PRIMED,)]
    assert [(word.text, word.doubts) for word in first.after] == [
        ("your", (DOUBTFUL,)),
        ("hands", (DOUBTFUL,)),
        ("right", ()),
        ("now", ()),
        ("Sergeant", ()),
        ("Okafor", (PRIMED,)),
    ]
    assert (first.context_after, last.context_before) == ("", "")
    assert (doubtful.context_before, doubtful.context_after) == ("show me", "right now Sergeant Okafor")


@given(transcripts())
def test_words_said_at_once_are_found_like_any_others(transcript: Transcript) -> None:
    """`overlap` is doubt about the speaker, not about the word: no passage, and no flag in it, is another."""
    at_once = replace(
        transcript,
        segments=tuple(
            replace(one, words=tuple(replace(word, flags=(*word.flags, OVERLAP)) for word in one.words))
            for one in transcript.segments
        ),
    )
    assert build_passages(at_once) == build_passages(transcript)


def test_a_passage_ends_at_digital_silence_however_short() -> None:
    """Words on both sides of a mute are never in one passage, nor in each other's continuation or context."""
    for state in HOLES:
        transcript = spoken(
            ("A", 0, "before the mute"), ("A", 1_200, "after it"), silent=[Span(950, 1_150)], state=state
        )
        before, after = build_passages(transcript)
        assert (before.text, before.after, before.context_after) == ("before the mute", (), "")
        assert (after.text, after.context_before) == ("after it", "")


def test_a_word_may_reach_into_the_silence_beside_it() -> None:
    """A mute is recognised though the word before it is said to end inside it."""
    transcript = spoken(("A", 0, "one two three four"), silent=[Span(550, 700)])
    assert texts(transcript) == ["one two", "three four"]


def test_a_long_speech_is_cut_at_the_end_of_a_sentence() -> None:
    """The end of a sentence after the first 4 s is preferred to any pause; parts last at most 8 s."""
    words = ["word"] * 36
    words[17] = "stop."  # at 5.4 s
    transcript = spoken(("A", 0, " ".join(words)))
    passages = build_passages(transcript)
    assert [len(passage.words) for passage in passages] == [18, 18]
    assert passages[0].text.endswith("stop.")


def test_a_long_speech_without_sentences_is_cut_at_its_longest_pause() -> None:
    """Without a sentence's end, the longest pause between 4 and 8 s is where it is cut."""
    transcript = spoken(
        ("A", 0, "a " * 5),  # a longer pause, too early
        ("A", 2_900, "b " * 8),  # to 5.3 s
        ("A", 5_900, "c " * 4),
        ("A", 7_200, "d " * 10),
    )
    assert [passage.text.split()[0] for passage in build_passages(transcript)] == ["a", "c"]


def test_what_was_heard_without_word_times_is_kept() -> None:
    """A segment without words is a passage with text and no words, and part of the stream."""
    untimed = Segment(1_000, 2_000, " get down ", "en", 0.4, (), "A", ("repeated",))
    first, middle, last = build_passages(spoken(("A", 0, "I said"), untimed, ("A", 2_000, "on the ground")))
    assert (middle.text, middle.words, middle.confidence, middle.flags) == ("get down", (), 0.4, ("repeated",))
    assert [word.text for word in first.after] == ["get down", "on", "the", "ground"]
    assert (last.context_before, first.context_after) == ("get down", "get down")


def test_a_translation_goes_where_most_of_its_words_are() -> None:
    """A translated segment that is cut gives its translation to one part only."""
    transcript = spoken(line("A", 0, "uno dos tres " + "más " * 30, "es", "one two three more"))
    passages = build_passages(transcript)
    assert len(passages) == 2
    assert [passage.translation for passage in passages] == ["one two three more", None]


def test_flags_and_confidence_are_those_of_what_was_said() -> None:
    """Flags of all its segments, each once; confidence is the mean over words."""
    (passage,) = build_passages(spoken(line("A", 0, "one", flags=["x"]), line("A", 300, "two", flags=["x", "y"])))
    assert (passage.flags, passage.confidence) == (("x", "y"), 0.9)
    assert isinstance(passage, Passage)
