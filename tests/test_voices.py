"""Voices across recordings: none unless they are wanted, sealed where they lie, and no answer without a record."""

from __future__ import annotations

import base64
import json
import os
import pwd
import re
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu.devices import pick_device
from gpu.engine import LocalEngine
from gpu.listener import HearingModels, HearingOptions, Listener
from gpu.models import ModelPlaces
from service.audit import AUDIT_FILE, AuditTrail
from service.backup import back_up
from service.catalog import Catalog, SealedVoice
from service.errors import (
    AuditUnwritable,
    RecordingUnknown,
    ServiceError,
    SettingsWrong,
    VoiceMissing,
    VoicesKeyWrong,
    VoicesOfAnotherKey,
    VoicesOff,
    VoiceUnreadable,
)
from service.ingest import Ingest, Report, find_sources
from service.settings import Settings, VoicesSettings, load_settings
from service.transcripts import TranscriptStore
from service.voice_seal import VoiceSeal
from service.voices import NOTICE, SHOWN_SCORE, VoiceKeeper, find_voices, forget_voices
from tests.conftest import FOOTAGE, Archive, earwitness, reference
from tests.media_maker import Sound, write_media
from tests.quick_ingest import QuickEars, Watched, make_media
from transcribe.diarization import Diarizer, SpeakerHearing, SpeakerRequest, SpeakerResult
from transcribe.media import Audio, decode
from transcribe.segmentation import FRAME_SAMPLES
from transcribe.speaker_voices import MIN_SPEECH_MS, VOICES_KEPT, same_voice, speaker_voices
from transcribe.speech import Waveform
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import MediaFacts, RecordingId, Turn, TurnsArtifact
from transcribe.turns import Diarization, Floor, to_turns
from transcribe.voices import ROW_SAMPLES, SpeakerVoice, SpeakerVoices, Voices

KEY = base64.b64encode(b"k" * 32).decode()
OTHER_KEY = base64.b64encode(b"o" * 32).decode()
MODEL = "model:1"
TRAFFIC_STOP = "AXON_Body_3_2025-03-14_2231_X60A12345"  # Officer Kowalczyk wears the camera
MUTED_START = "AXON_Body_3_2025-03-16_0112_X60A22871"  # he comes along, to another officer's
A, B = (RecordingId(letter * 64) for letter in "ab")

vectors = st.lists(st.floats(-1, 1, width=32), min_size=192, max_size=192).map(lambda some: np.array(some, np.float32))


def on(data: Path, key: str = KEY) -> Settings:
    return load_settings(data=data, voices={"enabled": True, "key": key})


def spoken(seed: int, speech_ms: int = 9_000) -> SpeakerVoice:
    """One made-up voice, unlike those of other seeds."""
    vector = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    return SpeakerVoice(vector / np.linalg.norm(vector), speech_ms)


# What a voice is


def test_a_voice_is_of_moments_when_nobody_else_is_heard() -> None:
    """Windows with two people in them, or unsure ones, count for nobody; who has too little has no voice."""
    n_frames, window = 1_200, 150
    path = np.zeros(n_frames, np.int64)
    path[600:1_050], path[1_050:] = 1, 2  # ten seconds, seven and a half, and less than three
    n_speaking = np.ones(n_frames, np.int64)
    n_speaking[700:750] = 2
    firsts = np.arange(0, n_frames * FRAME_SAMPLES // ROW_SAMPLES - window, 50)
    middles = np.minimum((firsts + window // 2) * ROW_SAMPLES // FRAME_SAMPLES, n_frames - 1)
    told = np.eye(3, dtype=np.float32)[path[middles]]
    told[0] = [0, 0, 1]  # as if somebody else were heard
    sure = np.ones(len(firsts), bool)
    sure[0] = False
    voices = Voices(firsts, told, np.full(len(firsts), window))
    found = speaker_voices(voices, sure, window, path, Floor(n_speaking, np.zeros(n_frames, np.float32)))

    assert set(found) == {0, 1}
    assert all(np.allclose(found[person].vector, np.eye(3)[person]) for person in (0, 1))
    assert 8_000 < found[0].speech_ms <= 10_200
    assert 4_000 < found[1].speech_ms <= (450 - 50) * 17


def test_voices_go_by_the_labels_of_the_turns() -> None:
    """Labels count in order of first speech, whatever number a person had; nobody without turns has a voice."""
    path = np.array([2] * 100 + [0] * 100)
    voices = {person: spoken(person) for person in (0, 1, 2)}
    found = to_turns(np.eye(3, dtype=bool)[path], path, 10_000, voices)

    assert dict(found.voices) == {"SPEAKER_00": voices[2], "SPEAKER_01": voices[0]}


def test_a_voice_is_never_printed() -> None:
    """Neither its vector, nor what it is sealed as, is in what a log would hold."""
    assert "vector" not in repr(spoken(1))
    assert "sealed" not in repr(VoiceSeal(b"k" * 32).seal(A, "SPEAKER_00", spoken(1), MODEL))
    assert KEY not in repr(on(Path("data")))


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_scores_rise_with_likeness(one: float, other: float) -> None:
    """And lie between 0 and 1: opposite voices are nobody's, equal ones almost surely one person's."""
    assert (same_voice(one) <= same_voice(other)) or one > other
    assert same_voice(-1) < 0.01 < SHOWN_SCORE < 0.99 < same_voice(1)


# Sealed


@given(vectors)
def test_what_is_sealed_opens_with_its_key_alone_and_shows_nothing(vector: Any) -> None:
    """The same voice is sealed differently each time, and no part of it can be read."""
    seal = VoiceSeal(b"k" * 32)
    one, other = (seal.seal(A, "SPEAKER_00", SpeakerVoice(vector, 9_000), MODEL) for _ in range(2))

    assert np.array_equal(seal.open(one), vector)
    assert one.sealed != other.sealed
    assert all(piece.tobytes() not in one.sealed for piece in vector.reshape(-1, 4))
    with pytest.raises(VoiceUnreadable):
        VoiceSeal(b"o" * 32).open(one)


@pytest.mark.parametrize(
    "changed",
    [{"recording_id": B}, {"speaker": "SPEAKER_01"}, {"model": "model:2"}, {"speech_ms": 90_000}, {"sealed": b""}],
)
def test_a_row_that_was_changed_or_swapped_does_not_open(changed: dict[str, Any]) -> None:
    """Whose it is, by what, and of how much speech, is part of the seal. Nor does one with a bit turned."""
    seal = VoiceSeal(b"k" * 32)
    kept = seal.seal(A, "SPEAKER_00", spoken(1), MODEL)
    turned = bytearray(kept.sealed)
    turned[40] ^= 1

    for row in (replace(kept, **changed), replace(kept, sealed=bytes(turned))):
        with pytest.raises(VoiceUnreadable, match="voices forget --recording"):
            seal.open(row)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "no key is set"),
        ({"key": "c2hvcnQ="}, "a key of 5 bytes, and it takes 32"),
        ({"key": "not base64!"}, "does not hold a key in base64"),
        ({"key": KEY, "key_file": "here"}, "one is enough"),
        ({"key_file": "missing"}, "No such file"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused_with_the_next_step(given: dict[str, str], says: str) -> None:
    """One line, how to make one in it, and never the key."""
    with pytest.raises(VoicesKeyWrong, match=says) as refused:
        VoiceSeal.of(VoicesSettings(enabled=True, **given))  # type: ignore[arg-type]  # pydantic makes paths of text

    assert "openssl rand -base64 32" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not any(given.get("key", "none") in str(error) for error in (refused.value, refused.value.__cause__))


def test_a_key_file_and_the_key_itself_are_one_key(tmp_path: Path) -> None:
    """A line end after it does not matter; voices that are off have no key, whatever is set."""
    (tmp_path / "key").write_text(KEY + "\n")
    by_file = VoiceSeal.of(VoicesSettings(enabled=True, key_file=tmp_path / "key"))

    assert by_file.key_id == VoiceSeal(b"k" * 32).key_id != VoiceSeal(b"o" * 32).key_id
    with pytest.raises(VoicesOff, match=r"voices\.enabled = true"):
        VoiceSeal.of(VoicesSettings(key=KEY))


def test_settings_come_from_environment_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off by default; a misspelt one is refused, rather than being off or on by mistake."""
    (tmp_path / "earwitness.toml").write_text('[voices]\nenabled = true\nkey_file = "/run/secrets/voices"\n')
    assert load_settings(data=tmp_path).voices == VoicesSettings(enabled=True, key_file=Path("/run/secrets/voices"))
    assert load_settings(data=tmp_path / "elsewhere").voices == VoicesSettings(enabled=False)
    monkeypatch.setenv("EARWITNESS_VOICES__ENABLED", "false")
    assert not load_settings(data=tmp_path).voices.enabled
    monkeypatch.setenv("EARWITNESS_VOICES__ENABLD", "true")
    with pytest.raises(SettingsWrong, match=r"voices\.enabld"):
        load_settings(data=tmp_path)


# Kept while recordings are heard


class Voiced(QuickEars):
    """Tells the same two speakers in every recording; their voices are handed on where somebody keeps them."""

    def __init__(self, voices: Sequence[SpeakerVoice]) -> None:
        super().__init__()
        self.told: list[str] = []
        self.keep: Callable[[RecordingId, SpeakerVoices], object] | None = None
        self._voices = {f"SPEAKER_{n:02d}": voice for n, voice in enumerate(voices)}

    def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
        self.told.append(audio.recording_id)
        turns = (Turn(0, 300, "SPEAKER_00"), Turn(300, 400, "SPEAKER_01"), Turn(500, 950, "SPEAKER_00"))
        if self.keep:
            self.keep(audio.recording_id, self._voices)
        return TurnsArtifact(audio.recording_id, turns, (), turns)


class NoIndex:
    """Makes nothing searchable: voices are none of the index's business."""

    def index_pending(self, *_: object) -> None: ...


def ingest(settings: Settings, media: Path, ears: Voiced, model: str = MODEL) -> Report:
    """As the command line does: with a keeper where voices are enabled, and a fingerprint that says so."""
    stop, keeper = threading.Event(), None
    if settings.voices.enabled:
        keeper = VoiceKeeper(VoiceSeal.of(settings.voices), model)
    ears.keep = keeper.keep if keeper else None
    with Catalog.open(settings.catalog) as catalog:
        transcripts = TranscriptStore(settings.transcripts)
        run = Ingest(
            catalog,
            transcripts,
            NoIndex(),
            LocalEngine(ears, stop),
            {"words": "w1", "turns": "t1" + (VOICES_KEPT if keeper else "")},
            Watched(),
            stop,
            keeper,
        )
        return run.run(find_sources([str(media)], None, settings))


def kept(settings: Settings) -> dict[str, list[SealedVoice]]:
    """The voices of each recording, by the name of its file."""
    with Catalog.open(settings.catalog) as catalog:
        return {Path(row.sources[0]).name: catalog.voices(row.id) for row in catalog.recordings()}


def audited(data: Path) -> list[dict[str, Any]]:
    path = data / AUDIT_FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@dataclass(frozen=True, slots=True)
class Made:
    """An archive of two recordings, in which SPEAKER_00 is one person and SPEAKER_01 was heard in the second alone."""

    settings: Settings
    media: Path
    person: SpeakerVoice


@pytest.fixture
def made(tmp_path: Path) -> Made:
    settings, media, person = on(tmp_path / "data"), tmp_path / "media", spoken(1)
    settings.data.mkdir()
    make_media(media, 1)
    ingest(settings, media, Voiced([person]))
    make_media(media, 2)
    ingest(settings, media, Voiced([person, spoken(2)]))
    return Made(settings, media, person)


def test_off_by_default_nothing_is_kept(archive: Archive, tmp_path: Path) -> None:
    """An ingest by the command line as it comes keeps no voice, and a lookup says what to do; it is recorded."""
    with Catalog.open(load_settings(data=archive.data).catalog) as catalog:
        assert [catalog.voices(row.id) for row in catalog.recordings()] == [[]] * 5
    done = earwitness(
        "voices", "find", "--recording", f"{TRAFFIC_STOP}.mp4", "--speaker", "SPEAKER_00", data=archive.data
    )

    assert done.code == 1
    assert done.err.startswith("earwitness: voices are not kept here: set `voices.enabled = true`")
    assert done.err.count("\n") == 1
    assert audited(archive.data)[-1]["outcome"] == "VoicesOff"
    nowhere = earwitness("voices", "find", "--recording", "x", "--speaker", "y", data=tmp_path / "none")
    assert (nowhere.code, "nothing was ingested" in nowhere.err) == (1, True)


def test_nothing_of_a_voice_is_anywhere_but_sealed_in_its_row(made: Made, tmp_path: Path) -> None:
    """No file of the data folder holds part of a vector or of the key; turns are written as they are without voices."""
    files = {path: path.read_bytes() for path in made.settings.data.rglob("*") if path.is_file()}
    pieces = [made.person.vector[n : n + 4].tobytes() for n in range(0, 192, 4)]

    assert len(pieces) == 48
    assert any(kept(made.settings)["000.wav"][0].sealed in content for content in files.values())
    for content in files.values():
        assert not any(piece in content for piece in [*pieces, b"k" * 32, KEY.encode()])
    without = load_settings(data=tmp_path / "off")
    without.data.mkdir()
    ingest(without, made.media, Voiced([made.person]))
    assert set(TranscriptStore(without.transcripts).keys()) == set(TranscriptStore(made.settings.transcripts).keys())


def test_turning_voices_on_tells_speakers_again_and_keeps_words_and_turning_off_costs_nothing(tmp_path: Path) -> None:
    """What was heard before is told apart again, once; forgotten and off, nothing is due."""
    off, switched = load_settings(data=tmp_path / "data"), on(tmp_path / "data")
    off.data.mkdir()
    ears, media = Voiced([spoken(1)]), make_media(tmp_path / "media", 2)
    ingest(off, media, ears)
    assert kept(off) == {"000.wav": [], "001.wav": []}

    ingest(switched, media, ears)
    ingest(switched, media, ears)
    assert {name: len(voices) for name, voices in kept(off).items()} == {"000.wav": 1, "001.wav": 1}
    assert (len(ears.heard), len(ears.told)) == (2, 4)

    assert forget_voices(off, None) == 2
    ingest(off, media, ears)
    assert kept(off) == {"000.wav": [], "001.wav": []}
    assert (len(ears.heard), len(ears.told)) == (2, 4)


def test_voices_are_in_a_backup_and_take_the_key_they_were_sealed_with(made: Made, tmp_path: Path) -> None:
    """A backup holds them sealed: put in place, it answers with the key, and with another one nothing does."""
    with Catalog.open(made.settings.catalog) as catalog:
        back_up(made.settings, catalog, TranscriptStore(made.settings.transcripts), tmp_path / "backup")
    back = on(tmp_path / "backup")

    assert kept(back) == kept(made.settings)
    assert find_voices(back, "000.wav", "SPEAKER_00", 10).total == 1
    with pytest.raises(VoicesOfAnotherKey, match="put that key back"):
        find_voices(on(tmp_path / "backup", OTHER_KEY), "000.wav", "SPEAKER_00", 10)


# Asked for


def test_a_lookup_is_recorded_before_it_is_answered(made: Made) -> None:
    """One line: who, when, what about, how many were compared, alike and returned."""
    before = datetime.now(UTC)
    found = find_voices(made.settings, "000.wav", "SPEAKER_00", 10)
    (event,) = audited(made.settings.data)
    at = datetime.fromisoformat(event.pop("at").replace("Z", "+00:00"))

    assert event == {
        "by": pwd.getpwuid(os.getuid()).pw_name,
        "what": "voices.find",
        "on": {"recording": found.asked.recording_id, "speaker": "SPEAKER_00"},
        "outcome": "done",
        "compared": 2,
        "alike": 1,
        "returned": 1,
    }
    assert abs((at - before).total_seconds()) < 60
    assert (made.settings.data / AUDIT_FILE).stat().st_mode & 0o777 == 0o600


def test_the_same_voice_is_found_with_a_span_to_play(made: Made) -> None:
    """Not that of the speaker asked about; strangers are compared and not shown."""
    found = find_voices(made.settings, "000.wav", "SPEAKER_00", 10).to_json()
    (match,) = found["matches"]

    assert (found["compared"], found["total"], found["notice"]) == (2, 1, NOTICE)
    assert Path(match.pop("source")).name == "001.wav"
    assert match.pop("recording_id") != found["asked"]["recording_id"]
    assert match == {
        "score": round(same_voice(1), 3),
        "speaker": "SPEAKER_00",
        "speech_seconds": 9.0,
        "start_ms": 500,
        "end_ms": 950,
    }


def test_only_voices_of_one_model_are_compared(made: Made) -> None:
    """Another model's likeness means nothing."""
    make_media(made.media, 3)
    ingest(made.settings, made.media, Voiced([made.person]), "another model")

    assert find_voices(made.settings, "000.wav", "SPEAKER_00", 10).compared == 2
    assert find_voices(made.settings, "002.wav", "SPEAKER_00", 10).compared == 0


def test_the_best_are_shown_first_and_all_are_counted(made: Made) -> None:
    """As many as asked for, the most alike of all; the archive may hold more of them than are read at a time."""
    rng = np.random.default_rng(7)
    seal = VoiceSeal.of(made.settings.voices)
    with Catalog.open(made.settings.catalog) as catalog:
        recording_id = catalog.find("001.wav")
    scores = []
    with sqlite3.connect(made.settings.data / "catalog.sqlite") as connection:
        for n in range(1_500):
            vector = made.person.vector + rng.normal(scale=rng.uniform(0, 0.15), size=192).astype(np.float32)
            vector /= np.linalg.norm(vector)
            scores.append(same_voice(float(vector @ made.person.vector)))
            row = seal.seal(recording_id, f"S{n}", SpeakerVoice(vector, 5_000), MODEL)
            connection.execute(
                "INSERT INTO voices VALUES (?, ?, ?, ?, ?, ?)",
                (row.recording_id, row.speaker, row.model, row.speech_ms, row.key_id, row.sealed),
            )
    connection.close()
    found = find_voices(made.settings, "000.wav", "SPEAKER_00", 20)
    best = sorted([same_voice(1.0), *scores], reverse=True)

    assert found.compared == 1_502
    assert found.total == sum(score >= SHOWN_SCORE for score in best) < 1_500
    assert [score for score, _ in found.matches] == pytest.approx(best[:20])


@pytest.mark.parametrize(
    ("recording", "speaker", "error", "says"),
    [
        ("nothing", "SPEAKER_00", RecordingUnknown, "no recording is known as 'nothing'"),
        ("000.wav", "SPEAKER_09", VoiceMissing, "its speakers are SPEAKER_00, SPEAKER_01"),
        ("000.wav", "SPEAKER_01", VoiceMissing, "too little speech .* there are voices of SPEAKER_00"),
    ],
)
def test_what_cannot_be_answered_is_said_and_recorded(
    made: Made, recording: str, speaker: str, error: type[ServiceError], says: str
) -> None:
    """A failed lookup is a lookup."""
    with pytest.raises(error, match=says):
        find_voices(made.settings, recording, speaker, 10)
    (event,) = audited(made.settings.data)

    assert event["outcome"] == error.__name__
    assert event["on"]["speaker"] == speaker
    assert "returned" not in event


def test_who_was_told_apart_before_voices_were_kept_has_none_yet(made: Made) -> None:
    """The error says how to get them."""
    forget_voices(made.settings, "000.wav")

    with pytest.raises(VoiceMissing, match="ingest it again"):
        find_voices(made.settings, "000.wav", "SPEAKER_00", 10)


def test_swapped_rows_are_found_out(made: Made) -> None:
    """Whoever can write into the catalog cannot make one person another."""
    with sqlite3.connect(made.settings.data / "catalog.sqlite") as connection:
        (sealed,) = connection.execute("SELECT sealed FROM voices WHERE speaker = 'SPEAKER_01'").fetchone()
        connection.execute("UPDATE voices SET sealed = ? WHERE speaker = 'SPEAKER_00'", (sealed,))
    connection.close()

    with pytest.raises(VoiceUnreadable):
        find_voices(made.settings, "000.wav", "SPEAKER_00", 10)
    assert audited(made.settings.data)[-1]["outcome"] == "VoiceUnreadable"


def test_without_a_record_there_is_no_answer(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where the trail cannot be opened, nor where it fills the disk at the last moment; nor is one deleted."""
    trail = made.settings.data / AUDIT_FILE
    trail.mkdir()
    for ask in (
        lambda: find_voices(made.settings, "000.wav", "SPEAKER_00", 10),
        lambda: find_voices(made.settings, "nothing", "SPEAKER_00", 10),
        lambda: forget_voices(made.settings, None),
    ):
        with pytest.raises(AuditUnwritable, match=r"nothing is answered without a record.*Is a directory"):
            ask()
    assert len(kept(made.settings)["001.wav"]) == 2

    trail.rmdir()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("service.audit.os.fsync", full)
    with pytest.raises(AuditUnwritable, match="No space left"):
        find_voices(made.settings, "000.wav", "SPEAKER_00", 10)


def test_a_torn_line_costs_itself_and_writers_do_not_mix(tmp_path: Path) -> None:
    """Whatever a dying process left is a line of its own; events of many threads are whole lines."""
    (tmp_path / AUDIT_FILE).write_text('{"at": "2026-')
    trail = AuditTrail(tmp_path, lambda: datetime(2026, 3, 14, 21, 5, 0, 79_999, UTC))

    def ask(n: int) -> None:
        with trail.recorded("asked", number=str(n)):
            pass

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, *lines = (tmp_path / AUDIT_FILE).read_text().splitlines()

    assert first == '{"at": "2026-'
    assert sorted(json.loads(line)["on"]["number"] for line in lines) == list("01234567")
    assert {json.loads(line)["at"] for line in lines} == {"2026-03-14T21:05:00.07Z"}


# The command line, and real voices


def environment(key: str) -> dict[str, str]:
    return {"EARWITNESS_VOICES__ENABLED": "true", "EARWITNESS_VOICES__KEY": key}


def test_the_command_line_shows_scores_and_spans_and_no_verdict(made: Made) -> None:
    """For people and for programs; deleting says how many."""
    asked = ("voices", "find", "--recording", "000.wav", "--speaker", "SPEAKER_00")
    shown = earwitness(*asked, data=made.settings.data, env=environment(KEY))
    told = earwitness(*asked, "--json", data=made.settings.data, env=environment(KEY))
    forgotten = earwitness("voices", "forget", "--json", data=made.settings.data)

    assert shown.code == 0, shown.err
    assert re.search(r"1\.00 .*001\.wav.*SPEAKER_00.*0:00\.5–0:00\.9", shown.out)
    assert NOTICE in shown.out
    assert told.json == find_json(told.json)
    assert KEY not in shown.out + shown.err
    assert forgotten.json == {"deleted": 3}
    assert [event["what"] for event in audited(made.settings.data)] == ["voices.find"] * 2 + ["voices.forget"]


def find_json(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The form others rely on."""
    fields = ("recording_id", "source", "speaker", "speech_seconds", "start_ms", "end_ms")
    return {
        "asked": {name: answer["asked"][name] for name in fields},
        "matches": [{"score": match["score"], **{name: match[name] for name in fields}} for match in answer["matches"]],
        **{name: answer[name] for name in ("total", "compared", "least_score", "notice")},
    }


def test_one_person_is_found_again_by_the_real_command_and_models(tmp_path: Path, model_places: ModelPlaces) -> None:
    """Officer Kowalczyk on his own camera and on another officer's, and people who are not him.

    Without a key nothing is heard; with one, whatever `ingest` keeps answers.
    """
    (tmp_path / "media").mkdir()
    for name, stem in (
        ("kowalczyk", TRAFFIC_STOP),
        ("nguyen", TRAFFIC_STOP),
        ("kowalczyk", MUTED_START),
        ("okafor", MUTED_START),
    ):
        write_media(tmp_path / "media" / f"{name} {stem[12:22]}.wav", Sound(alone(stem, name), 16_000, "pcm_s16le"))
    asked = ("ingest", tmp_path / "media", "--asr-model", "whisper-tiny.en", "--json")
    settings = on(tmp_path / "data")
    refused = earwitness(*asked, data=settings.data, env={"EARWITNESS_VOICES__ENABLED": "true"})
    done = earwitness(*asked, data=settings.data, env=environment(KEY))

    assert (refused.code, "openssl rand -base64 32" in refused.err) == (1, True)
    assert done.code == 0, done.err
    voices = [voice for some in kept(settings).values() for voice in some]
    assert len(voices) == 4
    assert all(MIN_SPEECH_MS <= voice.speech_ms <= 12_000 for voice in voices)
    assert all(np.isclose(np.linalg.norm(VoiceSeal.of(settings.voices).open(voice)), 1, atol=1e-5) for voice in voices)
    found = find_voices(settings, f"kowalczyk {TRAFFIC_STOP[12:22]}.wav", "SPEAKER_00", 10)
    assert found.compared == 3
    assert [Path(heard.source).stem for _, heard in found.matches] == [f"kowalczyk {MUTED_START[12:22]}"]
    models = HearingModels.find("whisper-tiny.en", pick_device("cpu"), model_places)
    off, with_voices = (models.fingerprints(HearingOptions(voices=voices)) for voices in (False, True))
    assert {voice.model for voice in voices} == {models.voice_model}
    assert with_voices == off | {"turns": off["turns"] + VOICES_KEPT}


def test_a_listener_hands_voices_on_only_where_they_are_wanted(
    model_places: ModelPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the option off nobody is told, whoever would listen; what is written down is the same."""

    class Told:
        uses = ()

        def hear(self, _waveform: Waveform) -> SpeakerHearing:
            yield []
            turn = Turn(0, 900, "SPEAKER_00")
            return Diarization((turn,), (turn,), {"SPEAKER_00": spoken(1)})

        def answer(self, requests: Sequence[SpeakerRequest]) -> Sequence[SpeakerResult]:
            raise AssertionError("nothing is asked")

    monkeypatch.setattr(Diarizer, "load", lambda *_args: Told())
    device, told = pick_device("cpu"), dict[RecordingId, SpeakerVoices]()
    models = HearingModels.find("whisper-tiny.en", device, model_places)
    levels = np.full((1, 100), -30, np.float32)
    audio = Audio(A, MediaFacts(1_000, "wav", ("pcm_s16le",)), np.zeros(16_000, np.float32), levels, (), 32_000)
    artifacts = []
    for voices in (False, True):
        listener = Listener(models, HearingOptions(voices=voices), device, keep_voices=told.__setitem__)
        with closing(listener):
            artifacts.append(listener.turns(audio, StageSeconds()).to_json())
        assert list(told) == ([A] if voices else [])

    assert artifacts[0] == artifacts[1]
    assert told[A]["SPEAKER_00"].speech_ms == 9_000


def alone(stem: str, person: str, seconds: int = 12) -> Any:
    """(1, samples): a person of a recording, as long as nobody else speaks."""
    waveform = decode(str(FOOTAGE / f"{stem}.mp4")).waveform
    parts = [
        waveform[round(one["start"] * 16_000) : round(one["end"] * 16_000)]
        for one in reference(stem)["utterances"]
        if one["speaker"] == person and not one["overlapped"]
    ]
    return np.concatenate(parts)[None, : seconds * 16_000]
