"""Laws of the transcript: its JSON form loses nothing, its version follows what was heard."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given

from tests.transcripts import (
    AWKWARD_WORDS,
    recording,
    said,
    segment,
    transcript,
    transcripts,
    turns_artifact,
    words_artifact,
)
from transcribe.transcript import (
    Covered,
    Kind,
    SpeakerKind,
    State,
    Transcript,
    Turn,
    TurnsArtifact,
    WordsArtifact,
    canonical_json,
    joined_text,
)


@given(transcripts(AWKWARD_WORDS))
def test_a_transcript_survives_its_json_form(any_transcript: Transcript) -> None:
    """Reading back what was written is the identity, and the version stays."""
    again = Transcript.from_json(json.loads(json.dumps(any_transcript.to_json())))

    assert again == any_transcript
    assert again.version == any_transcript.version


@given(transcripts(AWKWARD_WORDS))
def test_stage_artifacts_survive_their_json_form(any_transcript: Transcript) -> None:
    """Both stages' artifacts read back as they were written."""
    words = words_artifact(any_transcript.segments, any_transcript.coverage)
    turns = turns_artifact(any_transcript.turns, any_transcript.turns[:2], any_transcript.kinds)

    assert WordsArtifact.from_json(json.loads(json.dumps(words.to_json()))) == words
    assert TurnsArtifact.from_json(json.loads(json.dumps(turns.to_json()))) == turns


def test_turns_written_before_there_were_exclusive_ones_can_be_read() -> None:
    """They have none."""
    turns = turns_artifact([Turn(0, 900, "SPEAKER_00")])
    old = {name: value for name, value in turns.to_json().items() if name != "exclusive"}

    assert TurnsArtifact.from_json(old) == turns


def test_the_version_ignores_metadata() -> None:
    """Correcting an officer's name is not hearing again."""
    before = transcript([segment(said("open the door"))])

    assert before.with_recording(recording(officer="Garcia")).version == before.version


def test_the_version_follows_every_thing_heard() -> None:
    """Another word, speaker, turn, coverage or model is another version."""
    base = transcript([segment(said("open the door"))], [Turn(0, 900, "SPEAKER_00")])
    others = [
        replace(base, segments=(segment(said("open the window")),)),
        replace(base, segments=(segment(said("open the door"), speaker="SPEAKER_00"),)),
        replace(base, turns=()),
        replace(base, coverage=(Covered(0, 60_000, State.NO_SPEECH),)),
        replace(base, models=base.models[:1]),
        replace(base, kinds=(SpeakerKind("SPEAKER_00", Kind.WEARER, 0.9),)),
    ]

    assert len({base.version, *(other.version for other in others)}) == 1 + len(others)


def test_what_was_written_before_there_were_kinds_reads_as_it_did() -> None:
    """Its version is the one it is stored under, and nobody is of a kind."""
    before = transcript([segment(said("open the door"))], [Turn(0, 900, "SPEAKER_00")])
    written, turns = before.to_json(), turns_artifact(before.turns).to_json()
    del written["speakers"], turns["kinds"]

    assert Transcript.from_json(written) == before
    assert before.version == "e243f7accaf9b848"
    assert TurnsArtifact.from_json(turns).kinds == ()


def test_speakers_say_what_kind_they_are() -> None:
    """Each speaker is listed, with a kind or null; who speaks nowhere has none."""
    kinds = (SpeakerKind("SPEAKER_00", Kind.WEARER, 0.9), SpeakerKind("SPEAKER_01"))
    heard = replace(transcript(), kinds=kinds)

    assert json.loads(json.dumps(heard.to_json()))["speakers"] == [
        {"speaker": "SPEAKER_00", "kind": "wearer", "confidence": 0.9},
        {"speaker": "SPEAKER_01", "kind": None, "confidence": 0.0},
    ]
    assert [heard.kind_of(speaker) for speaker in ("SPEAKER_00", "SPEAKER_01", None)] == [Kind.WEARER, None, None]


def test_languages_come_by_number_of_words() -> None:
    """The language with most words first; equal counts by name."""
    heard = transcript(
        [
            segment(said("hello"), language="en"),
            segment(said("¿dónde está?"), language="es"),
            segment(said("hallo"), language="de"),
        ]
    )

    assert heard.languages == ["es", "de", "en"]


def test_speakers_come_in_order_of_appearance() -> None:
    """Each once, first turn first."""
    turns = [Turn(0, 10, "SPEAKER_01"), Turn(10, 20, "SPEAKER_00"), Turn(20, 30, "SPEAKER_01")]

    assert transcript(turns=turns).speakers == ["SPEAKER_01", "SPEAKER_00"]


def test_covered_time_adds_up_over_states() -> None:
    """Time in several states is the sum of time in each."""
    parts = [Covered(0, 10, State.SPEECH), Covered(10, 30, State.NO_SPEECH), Covered(30, 60, State.SPEECH)]
    heard = transcript(coverage=parts)

    assert heard.covered_ms(State.SPEECH) == 40
    assert heard.covered_ms(State.SPEECH, State.NO_SPEECH) == 60
    assert heard.covered_ms(State.NOT_PROCESSED) == 0


def test_canonical_json_does_not_depend_on_the_order_of_keys() -> None:
    """Equal values have equal bytes."""
    assert canonical_json({"b": 1, "a": "ñ"}) == canonical_json({"a": "ñ", "b": 1}) == '{"a":"ñ","b":1}'.encode()


def test_joined_words_are_the_text() -> None:
    """One space between words; no words, no text."""
    assert joined_text(said("step out please")) == "step out please"
    assert joined_text(()) == ""
