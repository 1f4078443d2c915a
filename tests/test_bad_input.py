"""Bad input: a message that names it, the exit code of the README's table, no traceback, nothing else lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import FOOTAGE, Outcome, earwitness
from tests.media_maker import cut, mono, write_media

QUIET = "AXON_Body_3_2025-03-29_0326_X60A12345.mp4"  # forty seconds without speech: quick to hear


def text_named_mp4(folder: Path) -> list[str]:
    (folder / "notes.mp4").write_text("call the garage about unit 12\n" * 40)
    return [str(folder / "notes.mp4")]


def zero_bytes(folder: Path) -> list[str]:
    (folder / "empty.mp4").touch()
    return [str(folder / "empty.mp4")]


def truncated_without_index(folder: Path) -> list[str]:
    write_media(folder / "broken.mp4", mono([500], 4_000), video_ms=4_000)
    cut(folder / "broken.mp4", 0.5)
    return [str(folder / "broken.mp4")]


def missing_path(folder: Path) -> list[str]:
    return [str(folder / "nowhere.mp4")]


def empty_folder(folder: Path) -> list[str]:
    (folder / "nothing").mkdir()
    return [str(folder / "nothing")]


def manifest_naming_a_missing_file(folder: Path) -> list[str]:
    shutil.copy(FOOTAGE / QUIET, folder)
    (folder / "manifest.csv").write_text(f"path,officer\n{QUIET},Kim\ngone.mp4,Lee\n")
    return [str(folder), "--manifest", str(folder / "manifest.csv")]


def manifest_with_an_impossible_date(folder: Path) -> list[str]:
    shutil.copy(FOOTAGE / QUIET, folder)
    (folder / "manifest.csv").write_text(f"path,recorded_at\n{QUIET},2025-02-30T10:00:00\n")
    return [str(folder), "--manifest", str(folder / "manifest.csv")]


def manifest_without_a_path_column(folder: Path) -> list[str]:
    (folder / "manifest.csv").write_text("file,officer\na.mp4,Kim\n")
    return [str(folder), "--manifest", str(folder / "manifest.csv")]


def unknown_flag_value(folder: Path) -> list[str]:
    return [str(folder), "--device", "tpu"]


def unknown_model(folder: Path) -> list[str]:
    shutil.copy(FOOTAGE / QUIET, folder)
    return [str(folder), "--asr-model", "whisper-enormous"]


def vocabulary_that_does_not_exist(folder: Path) -> list[str]:
    return [str(folder), "--vocabulary", str(folder / "names.txt")]


def vocabulary_in_latin_1(folder: Path) -> list[str]:
    (folder / "names.txt").write_bytes("Kowalczyk\nVillaseñor\n".encode("latin-1"))
    return [str(folder), "--vocabulary", str(folder / "names.txt")]


def exact_and_least_number_of_speakers(folder: Path) -> list[str]:
    return [str(folder), "--speakers", "2", "--min-speakers", "1"]


def more_speakers_at_least_than_at_most(folder: Path) -> list[str]:
    return [str(folder), "--min-speakers", "3", "--max-speakers", "2"]


def no_speakers(folder: Path) -> list[str]:
    return [str(folder), "--max-speakers", "0"]


@pytest.mark.parametrize(
    ("make", "code", "says"),
    [
        (text_named_mp4, 3, ["notes.mp4", "does not recognise the contents"]),
        (zero_bytes, 3, ["empty.mp4", "empty"]),
        (truncated_without_index, 3, ["broken.mp4", "moov", "copy it again"]),
        (missing_path, 1, ["nowhere.mp4", "does not exist"]),
        (empty_folder, 1, ["nothing", "no media files", ".mp4"]),
        (manifest_naming_a_missing_file, 3, ["line 3", "gone.mp4", "does not exist"]),
        (manifest_with_an_impossible_date, 3, ["line 2", "recorded_at", "2025-02-30T10:00:00"]),
        (manifest_without_a_path_column, 1, ["manifest.csv", "path"]),
        (unknown_flag_value, 2, ["--device", "tpu", "cuda"]),
        (exact_and_least_number_of_speakers, 2, ["--speakers is the exact number", "--min-speakers"]),
        (more_speakers_at_least_than_at_most, 2, ["--min-speakers 3 is more than --max-speakers 2"]),
        (no_speakers, 2, ["--max-speakers", "0", "x>=1"]),
        (vocabulary_that_does_not_exist, 1, ["names.txt", "does not exist", "one word or phrase a line"]),
        (vocabulary_in_latin_1, 1, ["names.txt", "line 2 is not UTF-8"]),
        (unknown_model, 1, ["whisper-enormous", "whisper-base"]),
    ],
)
def test_bad_input_is_named_with_its_reason(
    tmp_path: Path, make: Callable[[Path], list[str]], code: int, says: list[str]
) -> None:
    """One clear message on stderr, the documented exit code, never a traceback."""
    folder = tmp_path / "media"
    folder.mkdir()
    done = earwitness("ingest", *make(folder), data=tmp_path / "data")

    assert done.code == code, done.err
    for part in says:
        assert part in done.err
    assert "Traceback" not in done.err


def test_a_truncated_recording_keeps_what_could_be_decoded(tmp_path: Path) -> None:
    """With its index in front, the first part of a broken copy is heard; the rest is not processed."""
    whole = FOOTAGE / QUIET
    (tmp_path / "half.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    done = earwitness("ingest", tmp_path / "half.mp4", "--json", data=tmp_path / "data")
    status = earwitness("status", "--json", data=tmp_path / "data").json
    (recording,) = status["recordings"]

    assert done.code == 0, done.err
    assert recording["not_processed_ms"] > 5_000
    assert recording["not_processed_ms"] < recording["duration_ms"]


def test_video_without_audio_is_a_recording_without_speech(tmp_path: Path) -> None:
    """A camera that recorded no sound is evidence too: done, no speech, and a note says why."""
    write_media(tmp_path / "mute.mp4", video_ms=3_000)
    done = earwitness("ingest", tmp_path / "mute.mp4", "--json", data=tmp_path / "data")
    transcript = earwitness("export", "mute.mp4", "--format", "json", data=tmp_path / "data").json

    assert done.code == 0, done.err
    assert any("no audio stream" in warning for warning in done.json["warnings"])
    assert [covered["state"] for covered in transcript["coverage"]] == ["no_speech"]
    assert transcript["segments"] == []


def test_one_bad_file_among_good_ones_costs_only_itself(tmp_path: Path) -> None:
    """The good ones are done and searchable; exit 3 and the failure is listed."""
    media = tmp_path / "media"
    media.mkdir()
    shutil.copy(FOOTAGE / QUIET, media)
    text_named_mp4(media)
    done = earwitness("ingest", media, "--json", data=tmp_path / "data")

    assert done.code == 3
    assert done.json["recordings"] == {"found": 2, "done": 1, "skipped": 0, "failed": 1}
    (failure,) = done.json["failures"]
    assert failure["source"].endswith("notes.mp4")
    assert failure["stage"] == "decode"


def test_a_failed_file_rests_after_three_attempts_until_asked_for(tmp_path: Path) -> None:
    """Three runs try it; the fourth reports it without trying; --retry-failed tries again."""
    (broken,) = text_named_mp4(tmp_path)
    for _ in range(3):
        assert earwitness("ingest", broken, data=tmp_path / "data").code == 3
    resting = earwitness("ingest", broken, "--json", data=tmp_path / "data")
    again = earwitness("ingest", broken, "--retry-failed", "--json", data=tmp_path / "data")

    assert "rests after 3 attempts" in resting.json["failures"][0]["error"]
    assert resting.code == again.code == 3
    assert "rests after" not in again.json["failures"][0]["error"]


def test_an_unreadable_file_is_refused_by_name(tmp_path: Path) -> None:
    """Tried as a user without rights (root reads everything)."""
    media = tmp_path / "secret.mp4"
    shutil.copy(FOOTAGE / QUIET, media)
    media.chmod(0o000)
    done = as_nobody("ingest", str(media), data=tmp_path / "data", reachable=tmp_path)

    assert done.code == 3, done.err
    assert "secret.mp4" in done.err
    assert "read permission" in done.err or "may not be read" in done.err
    assert "Traceback" not in done.err


DROPPED = """
import os, sys
from service.cli.main import cli, main
uid, warm, data, *args = sys.argv[1:]
try:  # once as root, so that everything is imported: the interpreter may lie where others cannot read
    cli.main(["--data", data + "-warm", "ingest", warm, warm + ".txt"], standalone_mode=False)
except SystemExit:
    os.setgroups([]), os.setgid(int(uid)), os.setuid(int(uid))
sys.argv = ["earwitness", "--data", data, *args]
main()
"""


def as_nobody(*args: str, data: Path, reachable: Path) -> Outcome:
    """Run the command as an unprivileged user where we are root, else as ourselves."""
    if os.geteuid() != 0:
        return earwitness(*args, data=data)
    place = Path(tempfile.gettempdir())
    for folder in (one for one in (reachable, *reachable.parents) if one.is_relative_to(place) and one != place):
        folder.chmod(folder.stat().st_mode | 0o755)
    data.mkdir()
    os.chown(data, 65534, 65534)
    write_media(reachable / "warm.mp4", video_ms=1_000)
    (reachable / "warm.mp4.txt").write_text("no media")
    done = subprocess.run(
        [sys.executable, "-c", DROPPED, "65534", str(reachable / "warm.mp4"), str(data), *args],
        capture_output=True,
        text=True,
        env={**os.environ, "EARWITNESS_CACHE": str(reachable / "cache")},
        timeout=300,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["search", "hello"], 1, "nothing was ingested"),
        (["export", "abcd", "--format", "txt"], 1, "nothing was ingested"),
        (["status"], 1, "nothing was ingested"),
        (["ingest"], 2, "name a file"),
        (["search", "hello", "--limit", "0"], 2, "--limit"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_commands_without_an_archive_say_what_to_do(tmp_path: Path, args: list[str], code: int, says: str) -> None:
    """An archive that does not exist is not made by asking it something."""
    done = earwitness(*args, data=tmp_path / "none")

    assert done.code == code, done.err
    assert says in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["search", "..."], 1, "no word"),
        (["search", "hello", "--since", "yesterday"], 1, "--since"),
        (["search", "hello", "--recording", "ffffffff"], 1, "no recording is known"),
        (["export", "ffffffff", "--format", "srt"], 1, "no recording is known"),
        (["export", "--all", "--format", "srt", "-o", "/proc/none"], 1, "/proc/none"),
    ],
)
def test_questions_that_make_no_sense_are_answered_with_the_way_out(
    archive: object, args: list[str], code: int, says: str
) -> None:
    """Wrong times, unknown recordings, empty queries: one line each."""
    done = earwitness(*args, data=archive.data)  # type: ignore[attr-defined]

    assert done.code == code, done.err
    assert says in done.err
    assert "Traceback" not in done.err
