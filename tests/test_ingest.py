"""From footage to a searchable archive: heard once, kept through failures and kills, found again."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jiwer
import pytest

from gpu.engine import LocalEngine
from gpu.models import ModelPlaces
from service.catalog import Catalog, Stage
from service.indexing import Indexer
from service.ingest import Failure, Ingest, Report, find_sources
from service.settings import Settings, load_settings
from service.transcripts import TranscriptStore
from tests.conftest import FOOTAGE, Archive, earwitness, reference
from tests.media_maker import mono, write_media
from transcribe.media import Audio
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import (
    Covered,
    Segment,
    State,
    Transcript,
    Turn,
    TurnsArtifact,
    Word,
    WordsArtifact,
)

TRAFFIC_STOP = "AXON_Body_3_2025-03-14_2231_X60A12345"
MUTED_START = "AXON_Body_3_2025-03-16_0112_X60A22871"
SPANISH = "AXON_Body_3_2025-03-22_0847_X60A41099"
NOBODY = "AXON_Body_3_2025-03-29_0326_X60A12345"


def transcript_of(archive: Archive, stem: str) -> Transcript:
    suffix = next(path.suffix for path in FOOTAGE.glob(f"{stem}.mp*"))
    exported = earwitness("export", stem + suffix, "--format", "json", data=archive.data)
    assert exported.code == 0, exported.err
    return Transcript.from_json(exported.json)


# The footage, heard by the real models


def test_the_report_counts_what_was_done(archive: Archive) -> None:
    """Every recording is done, every stage of the report has its seconds."""
    report = archive.report
    assert report["recordings"] == {"found": 5, "done": 5, "skipped": 0, "failed": 0}
    assert report["failures"] == []
    assert 350 < report["audio_seconds"] < 400
    assert 0 < report["speech_seconds"] < report["audio_seconds"]
    assert set(report["stage_seconds"]) == {"decode", "speech", "transcribe", "align", "diarize", "embed", "index"}
    assert all(seconds > 0 for seconds in report["stage_seconds"].values())


def test_what_was_said_is_written_down(archive: Archive) -> None:
    """The traffic stop reads as it was spoken, within Whisper base's means, by as many people."""
    truth = reference(TRAFFIC_STOP)
    heard = transcript_of(archive, TRAFFIC_STOP)
    plain = jiwer.Compose([jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.ReduceToListOfListOfWords()])
    error_rate = jiwer.wer(
        " ".join(utterance["text"] for utterance in truth["utterances"]),
        " ".join(segment.text for segment in heard.segments),
        reference_transform=plain,
        hypothesis_transform=plain,
    )

    assert error_rate < 0.25
    assert heard.languages == ["en"]
    assert len(heard.speakers) == len(truth["speakers"])
    assert heard.recording.metadata["officer"] == "Officer Daniel Kowalczyk"
    assert {model.name for model in heard.models} >= {"whisper-base", "silero-vad", "segmentation-3.0", "campplus"}
    assert all(len(model.sha256) == 64 for model in heard.models)


def test_spanish_is_kept_and_translated_beside(archive: Archive) -> None:
    """Words stay in the language they were said in; the translation is its own field."""
    heard = transcript_of(archive, SPANISH)

    assert heard.languages == ["es"]
    assert sum(segment.translation is not None for segment in heard.segments) > len(heard.segments) / 2
    assert "ventana" in " ".join(segment.text for segment in heard.segments).lower()


def test_nobody_said_anything_where_nobody_spoke(archive: Archive) -> None:
    """Zero words in wind and engine noise, and none inside digital silence."""
    nobody = transcript_of(archive, NOBODY)
    assert nobody.words == []
    assert nobody.turns == ()
    assert {covered.state for covered in nobody.coverage} <= {State.NO_SPEECH, State.UNINTELLIGIBLE}

    muted = transcript_of(archive, MUTED_START)
    first = muted.coverage[0]
    assert first.state is State.DIGITAL_SILENCE
    assert abs(first.end_ms - 30_000) < 100
    assert all(word.start_ms >= first.end_ms for word in muted.words)
    assert muted.words


@pytest.mark.parametrize("stem", [TRAFFIC_STOP, MUTED_START, SPANISH, NOBODY])
def test_coverage_accounts_for_every_moment(archive: Archive, stem: str) -> None:
    """The states partition the recording."""
    heard = transcript_of(archive, stem)
    at = 0
    for covered in heard.coverage:
        assert covered.start_ms == at
        at = covered.end_ms
    assert at == heard.recording.duration_ms


def test_everything_is_found_by_asking_for_it(archive: Archive) -> None:
    """An exact phrase, a name, an English question with a Spanish answer, and nothing for what nobody said."""
    (phrase,) = archive.search('"proof of insurance"')["hits"]
    assert phrase["source"].endswith(f"{TRAFFIC_STOP}.mp4")
    assert phrase["legs"]["exact"] is not None
    assert 40_905 <= phrase["start_ms"] < phrase["end_ms"] <= 46_486

    name = archive.search("Officer Okafor")["hits"][0]
    assert name["source"].endswith(f"{MUTED_START}.mp4")

    ring = archive.search("stolen gold ring with a green stone")["hits"][0]
    assert ring["language"] == "es"
    assert ring["source"].endswith(f"{SPANISH}.mp4")

    absent = archive.search("helicopter with a searchlight", "--mode", "exact")
    assert (absent["hits"], absent["total"]) == ([], 0)
    assert absent["searched"]["recordings"] == 5
    assert absent["searched"]["speech_seconds"] > 100
    assert absent["searched"]["silent_seconds"] > 25


def test_filters_narrow_what_is_searched(archive: Archive) -> None:
    """A filter on the officer leaves the others' footage out of hits and totals."""
    found = archive.search("police", "--officer", "officer renee okafor")

    assert found["searched"]["recordings"] == 1
    assert {hit["officer"] for hit in found["hits"]} == {"Officer Renee Okafor"}
    assert archive.search("police", "--until", "2020-01-01")["hits"] == []


def test_an_unchanged_folder_is_skipped(archive: Archive) -> None:
    """The second ingest hears nothing."""
    again = earwitness("ingest", FOOTAGE, "--manifest", FOOTAGE / "manifest.csv", "--json", data=archive.data)

    assert again.code == 0
    assert again.json["recordings"] == {"found": 5, "done": 0, "skipped": 5, "failed": 0}
    assert again.json["stage_seconds"]["decode"] == 0


def test_a_vocabulary_is_used_as_far_as_the_model_takes_it(tmp_path: Path) -> None:
    """The run's entries come before the agency's, what has no room is said, and silence stays silent."""
    (tmp_path / "run.txt").write_text("Kowalczyk\nSchuylkill Avenue\n")
    (tmp_path / "agency.txt").write_text("\n".join(f"{n} Kosciuszko Street" for n in range(100, 200)))
    data = tmp_path / "data"
    data.mkdir()
    (data / "earwitness.toml").write_text(f'vocabulary = "{tmp_path / "agency.txt"}"\n')
    done = earwitness("ingest", FOOTAGE / f"{NOBODY}.mp4", "--vocabulary", tmp_path / "run.txt", "--json", data=data)
    transcript = Transcript.from_json(earwitness("export", f"{NOBODY}.mp4", "--format", "json", data=data).json)
    (told,) = [model.options["vocabulary"] for model in transcript.models if "vocabulary" in model.options]

    assert done.code == 0, done.err
    assert told["n_entries"] == 102
    assert 50 < told["n_left_out"] < 100
    assert [f"{told['n_left_out']} of 102 entries" in warning for warning in done.json["warnings"]] == [True]
    assert transcript.words == []


def test_the_number_of_speakers_decides_about_turns_alone(tmp_path: Path) -> None:
    """Provenance names the bounds; with others speakers are told apart again, and words stay as they are."""
    told = []
    for bounds in (["--speakers", "2"], ["--min-speakers", "2", "--max-speakers", "3"]):
        done = earwitness("ingest", FOOTAGE / f"{NOBODY}.mp4", *bounds, "--json", data=tmp_path)
        exported = earwitness("export", f"{NOBODY}.mp4", "--format", "json", data=tmp_path)
        assert done.code == exported.code == 0, done.err
        assert done.json["recordings"]["done"] == 1
        assert (done.json["stage_seconds"]["speech"] > 0) == (not told)
        uses = {model.name: model for model in Transcript.from_json(exported.json).models}
        clusters = uses["segmentation-3.0"].options["clusters"]
        told.append((clusters["min_speakers"], clusters["max_speakers"]))

    assert told == [(2, 2), (2, 3)]


# The loop, with ears that answer at once


class Ears:
    """Hears one made-up sentence in every recording; counts, and fails on demand."""

    def __init__(self) -> None:
        self.words_heard: list[str] = []
        self.turns_heard: list[str] = []
        self.deaf_to_voices: Exception | None = None

    def words(self, audio: Audio, spent: StageSeconds, names: Sequence[str] = ()) -> WordsArtifact:
        self.words_heard.append(audio.recording_id)
        words = tuple(Word(100 * n, 100 * n + 90, text, 0.9) for n, text in enumerate(["open", "the", "trunk"]))
        segment = Segment(0, words[-1].end_ms, "open the trunk", "en", 0.9, words)
        covered = Covered(0, audio.media.duration_ms, State.SPEECH)
        return WordsArtifact(audio.recording_id, audio.media, (segment,), (covered,), ())

    def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
        self.turns_heard.append(audio.recording_id)
        if self.deaf_to_voices:
            raise self.deaf_to_voices
        return TurnsArtifact(audio.recording_id, (Turn(0, 500, "SPEAKER_00"),), ())


class Silent:
    """Watches without a word."""

    def started(self, n_sources: int) -> None: ...

    def heard(self, source: str, audio_ms: int) -> None: ...

    def failed(self, failure: Failure) -> None: ...

    def note(self, text: str) -> None: ...


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir()
    return load_settings(data=tmp_path / "data")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    for name, centre in (("one", 200), ("two", 300)):
        write_media(folder / f"{name}.wav", mono([centre], 1_000, 16_000, "pcm_s16le"))
    return folder


def ingest(settings: Settings, media: Path, ears: Ears, stop: threading.Event | None = None, **prints: str) -> Report:
    stop = stop or threading.Event()
    with Catalog.open(settings.catalog) as catalog:
        transcripts = TranscriptStore(settings.transcripts)
        run = Ingest(
            catalog,
            transcripts,
            Indexer(settings, catalog, transcripts),
            LocalEngine(ears, stop),
            {stage: each for stage, each in {"words": "w1", "turns": "t1", **prints}.items() if each},
            Silent(),
            stop,
        )
        return run.run(find_sources([str(media)], None, settings))


def test_the_same_bytes_under_another_name_are_heard_once(settings: Settings, media: Path) -> None:
    """Two files with the same contents are one recording with two sources."""
    shutil.copy(media / "one.wav", media / "copy of one.wav")
    ears = Ears()
    report = ingest(settings, media, ears)
    with Catalog.open(settings.catalog) as catalog:
        rows = catalog.recordings()

    assert report.found == 3
    assert len(ears.words_heard) == len(set(ears.words_heard)) == 2
    assert sorted(len(row.sources) for row in rows) == [1, 2]


def test_a_changed_option_reruns_only_what_it_affects(settings: Settings, media: Path) -> None:
    """Another diarization option hears turns again and leaves words alone; the index follows."""
    ingest(settings, media, Ears())
    ears = Ears()
    report = ingest(settings, media, ears, turns="t2")

    assert (ears.words_heard, len(ears.turns_heard)) == ([], 2)
    assert report.done == 2


@pytest.mark.parametrize("error", [RuntimeError("no voices today"), MemoryError("Unable to allocate 9 GiB"), None])
def test_a_failed_diarization_leaves_words_searchable_and_is_retried(
    settings: Settings, media: Path, error: Exception | None
) -> None:
    """Words are indexed, and marked as without speakers; the next run hears only the turns and adds them.

    Without an error the models were missing: turns are not asked for, and nothing of them has failed.
    """

    def known() -> set[bool]:
        one = earwitness("export", media / "one.wav", "--format", "json", data=settings.data).json
        status = earwitness("status", "--json", data=settings.data).json["summary"]
        return {one["provenance"]["speakers_known"], status["speakers_known"] == status["heard"]}

    ears = Ears()
    ears.deaf_to_voices = error
    report = ingest(settings, media, ears) if error else ingest(settings, media, ears, turns="")
    assert [failure.stage for failure in report.failures] == (["turns", "turns"] if error else [])
    assert len(ears.turns_heard) == (2 if error else 0)
    found = earwitness("search", '"open the trunk"', "--json", data=settings.data).json
    assert [hit["speaker"] for hit in found["hits"]] == [None, None]
    assert known() == {False}

    ears = Ears()
    assert ingest(settings, media, ears).failures == []
    assert (ears.words_heard, len(ears.turns_heard)) == ([], 2)
    found = earwitness("search", '"open the trunk"', "--json", data=settings.data).json
    assert [hit["speaker"] for hit in found["hits"]] == ["SPEAKER_00", "SPEAKER_00"]
    assert found["total"] == 2
    assert known() == {True}


def test_without_speaker_models_words_are_heard_all_the_same(tmp_path: Path) -> None:
    """A note says what is missing and how to get it, and `doctor` does; the recording counts as done."""
    hidden = (
        "from dataclasses import replace; from gpu.models import KNOWN; from service.cli.main import main; "
        "KNOWN['campplus'] = replace(KNOWN['campplus'], find=lambda _places: None, hub=None); main()"
    )

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", hidden, "--data", str(tmp_path), "--json", *args]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done, doctor = run("ingest", str(FOOTAGE / f"{NOBODY}.mp4")), run("doctor")
    report = json.loads(done.stdout)
    checks = {entry["check"]: entry for entry in json.loads(doctor.stdout)["checks"]}
    transcript = earwitness("export", f"{NOBODY}.mp4", "--format", "json", data=tmp_path).json

    assert (done.returncode, report["recordings"]["done"], report["failures"]) == (0, 1, [])
    assert [note.startswith("speakers are not told apart: model 'campplus'") for note in report["warnings"]] == [True]
    assert not transcript["provenance"]["speakers_known"]
    assert (doctor.returncode, checks["hearing models"]["ok"], checks["speaker models"]["ok"]) == (1, True, False)


def test_two_ingests_at_once_share_the_work(settings: Settings, media: Path) -> None:
    """Every recording is heard by one of them, and all are indexed."""
    for name, centre in (("three", 400), ("four", 500), ("five", 600), ("six", 700)):
        write_media(media / f"{name}.wav", mono([centre], 1_000, 16_000, "pcm_s16le"))
    ears = [Ears(), Ears()]
    runs = [threading.Thread(target=ingest, args=(settings, media, each)) for each in ears]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    heard = ears[0].words_heard + ears[1].words_heard

    assert len(heard) == len(set(heard)) == 6
    with Catalog.open(settings.catalog) as catalog:
        assert all(row.stages[Stage.PASSAGES].state == "done" for row in catalog.recordings())


def test_stopping_keeps_what_was_finished_and_goes_on_later(settings: Settings, media: Path) -> None:
    """A stop after the first recording indexes it; the next run hears only the rest."""
    stop = threading.Event()

    class Stopping(Ears):
        def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
            stop.set()
            return super().turns(audio, spent)

    first = Stopping()
    report = ingest(settings, media, first, stop)
    second = Ears()
    ingest(settings, media, second)

    assert report.interrupted
    assert report.done == 1
    assert set(first.words_heard).isdisjoint(second.words_heard)
    assert len(second.words_heard) == 1


# Killed without warning


def test_a_kill_loses_nothing_finished_and_repeats_only_what_was_in_flight(
    tmp_path: Path, model_places: ModelPlaces
) -> None:
    """kill -9 at random moments; the next run goes on, and every recording is indexed once."""
    media = tmp_path / "media"
    media.mkdir()
    cut_footage(media)
    data = tmp_path / "data"
    chance = random.Random(7)
    finished: dict[str, str] = {}
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "--data", str(data), "ingest", str(media)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
        )
        assert process.stderr is not None
        for line in process.stderr:  # until something was heard, then a random moment later
            if " heard, " in line:
                break
        threading.Event().wait(chance.uniform(0.0, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        now = artifacts(data)
        assert finished.items() <= now.items()  # what was finished before was not heard again
        finished = now
    assert finished
    done = earwitness("ingest", media, "--json", data=data)
    status = earwitness("status", "--json", data=data).json

    assert done.code == 0, done.err
    assert done.json["recordings"]["done"] + done.json["recordings"]["skipped"] == done.json["recordings"]["found"]
    assert finished.items() <= artifacts(data).items()
    assert all(stage["state"] == "done" for recording in status["recordings"] for stage in recording["stages"].values())


def artifacts(data: Path) -> dict[str, str]:
    """The words of every recording whose words the catalog calls done, with when they were written."""
    with Catalog.open(load_settings(data=data).catalog) as catalog:
        keys = [row.stages[Stage.WORDS].artifact for row in catalog.recordings()]
    files: list[Any] = [data / "transcripts" / key for key in keys if key]
    return {path.name: str(path.stat().st_mtime_ns) for path in files}


def cut_footage(folder: Path) -> None:
    """Six clips of ten seconds from the traffic stop."""
    from tests.media_maker import Sound
    from transcribe.media import decode

    waveform = decode(str(FOOTAGE / f"{TRAFFIC_STOP}.mp4")).waveform
    for n in range(6):
        clip = waveform[n * 160_000 : (n + 1) * 160_000]
        write_media(folder / f"clip{n}.wav", Sound(clip[None], 16_000, "pcm_s16le"))
