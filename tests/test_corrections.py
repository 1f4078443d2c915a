"""What a person changes in a transcript: words keep time, doubts go where somebody listened, nothing else moves."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from tests.transcripts import PLAIN_WORDS, said, segment, transcript, transcripts
from transcribe.correction import (
    Correction,
    Edit,
    NotSaid,
    NotSpeech,
    SpeakerEdit,
    SpeakerName,
    TextEdit,
    correct,
    restore,
)
from transcribe.correction_forms import base_of, edits_of
from transcribe.errors import CorrectionOutdated, CorrectionWrong
from transcribe.formats import FORMATS, render
from transcribe.rewriting import share
from transcribe.spans import Span
from transcribe.transcript import (
    CORRECTED_NOTICE,
    MACHINE_NOTICE,
    Covered,
    Kind,
    Segment,
    SpeakerKind,
    State,
    Transcript,
    Turn,
)

AT = "2026-11-29T01:00:00Z"


def changed(base: Transcript, *edits: Edit) -> Transcript:
    return correct(base, Correction(base.version, edits, "reviewer", AT, "listened twice"))


def heard(*segments: Segment) -> Transcript:
    """A minute of speech by two people."""
    turns = (Turn(0, 5_000, "SPEAKER_00"), Turn(5_000, 9_000, "SPEAKER_01"))
    kinds = (SpeakerKind("SPEAKER_00", Kind.WEARER, 0.9), SpeakerKind("SPEAKER_01"))
    made = transcript(segments, turns, [Covered(0, 60_000, State.SPEECH)])
    return replace(made, kinds=kinds)


def one(text: str = "I live on older street near the park", **more: Any) -> Transcript:
    return heard(segment(said(text), "SPEAKER_00", **more))


# Words


def test_only_words_that_differ_are_corrected() -> None:
    """The others keep their span, their confidence and their flags; the written take the time of what they replace."""
    base = one()
    (after,) = changed(base, TextEdit(0, "I live on Alder Street near the park")).segments
    (before,) = base.segments

    assert after.text == "I live on Alder Street near the park"
    assert [word.span for word in after.words] == [word.span for word in before.words]
    assert [word.text for word in after.words if word.flags == ("corrected",)] == ["Alder", "Street"]
    assert [word for word in after.words if not word.flags] == [before.words[n] for n in (0, 1, 2, 5, 6, 7)]
    assert "corrected" in after.flags


@pytest.mark.parametrize(
    ("text", "words", "expected", "spans"),
    [
        ("7 Lincoln Mary", (0, 1), "7 Lincoln Mary two", [(0, 25), (25, 200), (200, 300), (300, 600)]),
        ("one and two", None, "one and two", [(0, 300), (300, 300), (300, 600)]),
        ("well one two", None, "well one two", [(0, 0), (0, 300), (300, 600)]),
        ("one two three", None, "one two three", [(0, 300), (300, 600), (600, 600)]),
        ("two", None, "two", [(300, 600)]),
        ("both", (0, 2), "both", [(0, 600)]),
    ],
)
def test_written_words_share_the_time_that_was_there(
    text: str, words: tuple[int, int] | None, expected: str, spans: list[tuple[int, int]]
) -> None:
    """More words than before share their span by letters; one in place of nothing lies between its neighbours."""
    (after,) = changed(one("one two"), TextEdit(0, text, words)).segments
    assert after.text == expected
    assert [(word.start_ms, word.end_ms) for word in after.words] == spans


def test_words_written_without_a_space_stay_so() -> None:
    """`T` and `-shirt` are one word to a reader: an edit beside them does not touch them."""
    words = said("a red T -shirt")
    base = heard(replace(segment(words, "SPEAKER_00"), text="a red T-shirt"))
    (after,) = changed(base, TextEdit(0, "the red T-shirt")).segments
    assert after.text == "the red T-shirt"
    assert after.words[1:] == words[1:]


def test_saying_the_same_again_confirms_what_was_doubtful() -> None:
    """The words stay the machine's; what was not doubtful needs no confirming, so nothing changes."""
    base = heard(segment(said("drop it"), "SPEAKER_00", flags=("doubtful",)))
    (after,) = changed(base, TextEdit(0, "drop it")).segments
    assert (after.words, after.flags) == (base.segments[0].words, ("corrected",))


def test_who_rewrites_a_segment_takes_its_doubts_back() -> None:
    """`doubtful` and `primed` go from all of it, and the translation of what was not said with them."""
    primed = tuple(replace(word, flags=("primed", "overlap")) for word in said("me llamo older"))
    base = heard(segment(primed, "SPEAKER_00", "es", ("doubtful",), "my name is older"))
    (after,) = changed(base, TextEdit(0, "me llamo Alder")).segments

    assert (after.flags, after.translation) == (("corrected",), None)
    assert [word.flags for word in after.words] == [("overlap",), ("overlap",), ("overlap", "corrected")]


def test_doubt_stays_where_nobody_listened() -> None:
    """Part of a doubtful segment rewritten: the rest is still doubtful, in segments of its own."""
    base = heard(segment(said("step out of the far please"), "SPEAKER_00", flags=("doubtful",), translation="x"))
    parts = changed(base, TextEdit(0, "car", (4, 5))).segments

    assert [(part.text, part.flags) for part in parts] == [
        ("step out of the", ("doubtful",)),
        ("car", ("corrected",)),
        ("please", ("doubtful",)),
    ]
    assert [part.translation for part in parts] == [None] * 3
    assert [word.span for part in parts for word in part.words] == [word.span for word in base.segments[0].words]


def test_a_segment_without_words_gets_its_text() -> None:
    """When each word was said stays unknown."""
    base = heard(Segment(0, 900, "older street", "en", 0.4, (), "SPEAKER_00", ("doubtful",)))
    (after,) = changed(base, TextEdit(0, "  Alder\nStreet ")).segments
    assert (after.text, after.words, after.flags) == ("Alder Street", (), ("corrected",))
    with pytest.raises(CorrectionWrong, match="words 0 to 0"):
        changed(base, TextEdit(0, "Alder", (0, 1)))


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.lists(st.integers(1, 20), min_size=1))
def test_a_shared_span_is_used_up_in_order(start_ms: int, lasts_ms: int, lengths: list[int]) -> None:
    """No gap, no overlap, nothing outside."""
    spans = share(Span(start_ms, start_ms + lasts_ms), lengths)
    edges = [start_ms, *(span.end_ms for span in spans)]
    assert [span.start_ms for span in spans] == edges[:-1]
    assert edges == sorted(edges)
    assert edges[-1] == start_ms + lasts_ms


@settings(max_examples=40, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.data())
def test_whatever_is_written_words_stay_in_order_and_inside(data: st.DataObject) -> None:
    """Any text in place of any range: words sorted and inside their segment, other segments as they were."""
    base = data.draw(transcripts(min_words=1).filter(lambda one: bool(one.segments)))
    place = data.draw(st.integers(0, len(base.segments) - 1))
    n_words = len(base.segments[place].words)
    first = data.draw(st.integers(0, n_words - 1))
    last = data.draw(st.integers(first + 1, n_words))
    text = " ".join(data.draw(st.lists(PLAIN_WORDS, min_size=1, max_size=8)))
    words = data.draw(st.sampled_from([None, (first, last)]))
    try:
        after = changed(base, TextEdit(place, text, words))
    except CorrectionWrong:
        reject()  # it changes nothing

    for one in after.segments:
        starts = [word.start_ms for word in one.words]
        assert starts == sorted(starts)
        assert all(one.start_ms <= word.start_ms <= word.end_ms <= one.end_ms for word in one.words)
    untouched = [one for n, one in enumerate(base.segments) if n != place]
    assert all(one in after.segments for one in untouched)
    assert (after.turns, after.coverage) == (base.turns, base.coverage)
    if words is None:
        assert text.split() == [part for one in after.segments if one not in untouched for part in one.text.split()]


# Speakers, and what nobody said


def test_a_segment_goes_to_another_speaker_with_its_turn() -> None:
    """Words, turns and the list of speakers agree; overlap with the other is no doubt any more."""
    words = tuple(replace(word, flags=("overlap",)) for word in said("drop it", 1_000))
    base = heard(segment(words, "SPEAKER_00"))
    after = changed(base, SpeakerEdit(0, "SPEAKER_02"))

    assert [(one.speaker, one.words[0].flags) for one in after.segments] == [("SPEAKER_02", ())]
    assert [(turn.start_ms, turn.end_ms, turn.speaker) for turn in after.turns] == [
        (0, 1_000, "SPEAKER_00"),
        (1_000, 1_600, "SPEAKER_02"),
        (1_600, 5_000, "SPEAKER_00"),
        (5_000, 9_000, "SPEAKER_01"),
    ]
    assert after.kinds == (*base.kinds, SpeakerKind("SPEAKER_02"))


def test_a_name_holds_everywhere_and_two_labels_can_be_one_person() -> None:
    """Names are given all at once, so that they can be exchanged."""
    base = heard(segment(said("stop"), "SPEAKER_00"), segment(said("why", 5_000), "SPEAKER_01"))
    after = changed(base, SpeakerName("SPEAKER_00", "SPEAKER_01"), SpeakerName("SPEAKER_01", "Renee  Okafor"))
    assert [one.speaker for one in after.segments] == ["SPEAKER_01", "Renee Okafor"]
    assert after.speakers == ["SPEAKER_01", "Renee Okafor"]
    assert [(kind.speaker, kind.kind) for kind in after.kinds] == [("SPEAKER_01", Kind.WEARER), ("Renee Okafor", None)]
    assert changed(base, SpeakerName("SPEAKER_01", "SPEAKER_00")).speakers == ["SPEAKER_00"]


def test_where_nobody_spoke_words_turns_and_coverage_say_so() -> None:
    """What was silent stays silent: a person hears no more there."""
    first = segment(said("thank you for watching", 1_000), "SPEAKER_00", translation="x")
    coverage = [Covered(0, 1_200, State.SPEECH), Covered(1_200, 60_000, State.DIGITAL_SILENCE)]
    base = replace(heard(first), coverage=tuple(coverage))
    after = changed(base, NotSpeech(1_000, 1_650))

    assert [(one.text, one.start_ms, one.translation) for one in after.segments] == [("for watching", 1_600, None)]
    assert [turn.start_ms for turn in after.turns] == [0, 1_650, 5_000]
    assert [(one.start_ms, one.end_ms, one.state) for one in after.coverage] == [
        (0, 1_000, State.SPEECH),
        (1_000, 1_200, State.NO_SPEECH),
        (1_200, 60_000, State.DIGITAL_SILENCE),
    ]


def test_a_segment_nobody_said_goes_alone() -> None:
    """Who speaks meanwhile stays, and so does speech there."""
    base = heard(
        segment(said("ghost words here", 1_000), "SPEAKER_01"), segment(said("hello there", 1_300), "SPEAKER_00")
    )
    after = changed(base, NotSaid(0))
    assert after.segments == base.segments[1:]
    states = [(one.start_ms, one.end_ms) for one in after.coverage if one.state is State.NO_SPEECH]
    assert states == [(1_000, 1_300)]


@settings(max_examples=40)
@given(transcripts(), st.integers(0, 30_000), st.integers(1, 5_000))
def test_coverage_stays_a_partition(base: Transcript, start_ms: int, lasts_ms: int) -> None:
    """Whatever span is silenced."""
    try:
        after = changed(base, NotSpeech(start_ms, start_ms + lasts_ms))
    except CorrectionWrong:
        return
    edges = [edge for one in after.coverage for edge in (one.start_ms, one.end_ms)]
    assert all(one.end_ms == other.start_ms for one, other in pairwise(after.coverage))
    assert (edges[0], edges[-1]) == (0, base.recording.duration_ms)


# Versions


def test_a_correction_says_what_it_was_made_of_and_by_whom() -> None:
    """The base is named, the models stay, and a correction of a correction keeps both; JSON gives all of it back."""
    base = one()
    first = changed(base, TextEdit(0, "I live on Alder Street near the park"))
    second = changed(first, SpeakerName("SPEAKER_00", "Okafor"))

    assert [made.base for made in second.amendments] == [base.version, first.version]
    made = second.amendments[-1]
    assert (made.author, made.at, made.note, made.n_edits) == ("reviewer", AT, "listened twice", 1)
    assert second.models == base.models
    assert Transcript.from_json(json.loads(json.dumps(second.to_json()))) == second
    assert len({base.version, first.version, second.version}) == 3
    assert (base.to_json()["notice"], second.to_json()["notice"]) == (MACHINE_NOTICE, CORRECTED_NOTICE)


@pytest.mark.parametrize("format", sorted(set(FORMATS) - {"srt"}))
def test_every_export_names_who_corrected_it(format: str) -> None:
    """Where the format has room."""
    base = one()
    after = changed(base, SpeakerEdit(0, "SPEAKER_01"))
    text = render(after, format).replace("_", " ")
    assert all(part in text for part in ("reviewer", base.version, after.version, AT, "listened twice"))


def test_going_back_restores_what_was_said_as_a_new_version() -> None:
    """Nothing is lost: the way there stays in the version's history."""
    base = one()
    wrong = changed(base, TextEdit(0, "nobody lives here"))
    back = restore(wrong, base, "supervisor", AT)

    assert replace(back, amendments=()) == base
    assert [(made.base, made.restores) for made in back.amendments] == [
        (base.version, None),
        (wrong.version, base.version),
    ]
    assert back.version not in (base.version, wrong.version)
    with pytest.raises(CorrectionWrong, match="what the current one says"):
        restore(back, base, "supervisor", AT)


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        ([], "changes nothing"),
        ([TextEdit(0, "I live on older street near the park")], "changes nothing"),
        ([TextEdit(0, " \n")], "the text is empty"),
        ([TextEdit(1, "x")], "segments 0 to 0"),
        ([TextEdit(-1, "x")], "segments 0 to 0"),
        ([TextEdit(0, "x", (2, 2))], "words 0 to 8, not 2 to 2"),
        ([TextEdit(0, "x", (7, 9))], "words 0 to 8, not 7 to 9"),
        ([TextEdit(0, "x", (0, 3)), TextEdit(0, "y", (2, 4))], "word 2 is edited twice"),
        ([TextEdit(0, "x"), TextEdit(0, "y", (2, 4))], "its whole text is given"),
        ([SpeakerEdit(0, "")], "it is empty"),
        ([SpeakerEdit(0, "a"), SpeakerEdit(0, "b")], "two speakers"),
        ([SpeakerName("SPEAKER_07", "x")], "its speakers are SPEAKER_00, SPEAKER_01"),
        ([SpeakerName("SPEAKER_00", "x"), SpeakerName("SPEAKER_00", "y")], "two names"),
        ([NotSpeech(500, 500)], "does not lie in the recording"),
        ([NotSpeech(0, 60_001)], "does not lie in the recording"),
        ([NotSaid(0), TextEdit(0, "x")], "it is edited"),
    ],
)
def test_what_cannot_be_corrected_says_why(edits: list[Edit], says: str) -> None:
    """Each wrong edit is named; none is left out in silence."""
    with pytest.raises(CorrectionWrong, match=says):
        changed(one(), *edits)


def test_a_correction_of_another_version_is_refused() -> None:
    """Its places would be other places."""
    base = one()
    with pytest.raises(CorrectionOutdated, match="0123456789abcdef"):
        correct(base, Correction("0123456789abcdef", (NotSaid(0),), "reviewer", AT))


# Files


def test_an_edited_export_is_the_edits_that_were_made_to_it() -> None:
    """Texts, speakers, and segments that were taken out."""
    base = heard(
        segment(said("I live on older street"), "SPEAKER_00"),
        segment(said("ghost", 3_000), "SPEAKER_00"),
        segment(said("drop it", 5_000), "SPEAKER_01"),
    )
    data = base.to_json()
    data["segments"][0]["text"] = "I live on Alder Street"
    del data["segments"][1]
    data["segments"][1]["speaker"] = "SPEAKER_00"
    data = json.loads(json.dumps(data))

    assert base_of(data) == base.version
    assert edits_of(data, base) == (TextEdit(0, "I live on Alder Street"), NotSaid(1), SpeakerEdit(2, "SPEAKER_00"))
    assert edits_of(base.to_json(), base) == ()


def test_edits_alone_are_read() -> None:
    """Each of the six forms."""
    edits = [
        {"segment": 3, "text": "x"},
        {"segment": 4, "words": [2, 4], "text": "y"},
        {"segment": 5, "speaker": "a"},
        {"segment": 6, "not_speech": True},
        {"speaker": "a", "name": "b"},
        {"not_speech": [1, 2]},
    ]
    read = edits_of({"base": "v", "edits": edits}, one())
    assert read == (
        TextEdit(3, "x"),
        TextEdit(4, "y", (2, 4)),
        SpeakerEdit(5, "a"),
        NotSaid(6),
        SpeakerName("a", "b"),
        NotSpeech(1, 2),
    )


def _edited(change: str) -> Any:
    data = json.loads(json.dumps(one().to_json()))
    first = data["segments"][0]
    match change:
        case "words":
            first["words"][0]["text"] = "We"
        case "language":
            first["language"] = "es"
        case "turns":
            data["turns"].pop()
        case "recording":
            data["recording"]["id"] = "cd" * 32
        case "shape":
            first.pop("start_ms")
        case "added":
            data["segments"].append(first)
    return data


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("words", "its span or its words are not those of the base"),
        ("language", "more than its text and speaker"),
        ("turns", "turns of the transcript differ"),
        ("recording", "another recording"),
        ("shape", "cannot be read"),
        ("added", "not those of the base"),
    ],
)
def test_what_a_file_cannot_change_is_refused_rather_than_lost(change: str, says: str) -> None:
    """Whoever edited it believes that it counts."""
    with pytest.raises(CorrectionWrong, match=says):
        edits_of(_edited(change), one())


@pytest.mark.parametrize(
    "data", [None, [], {}, {"base": "v"}, {"base": 1, "edits": []}, {"provenance": 1, "segments": []}]
)
def test_a_file_of_neither_form_says_which_there_are(data: Any) -> None:
    """Whatever JSON it is."""
    with pytest.raises(CorrectionWrong, match="neither edits"):
        base_of(data)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.dictionaries(st.sampled_from(["segment", "text", "words", "speaker", "name", "not_speech", "x"]), inner)
            | st.lists(inner)
        ),
    )
)
def test_any_edit_is_read_or_refused(data: Any) -> None:
    """Nothing else happens."""
    refused = None
    try:
        edits_of({"base": "v", "edits": [data]}, one())
    except CorrectionWrong as error:
        refused = error.reason
    assert refused is None or "one of these forms" in refused
