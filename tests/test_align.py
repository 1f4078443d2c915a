"""`earwitness align` and its HTTP twin: two recordings of one scene, strangers, and what cannot be compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.archive import open_archive
from service.catalog import Catalog
from service.http import create_app
from service.http.models import Aligned, AlignmentAnswer, SoundOffset, WordsOffset
from service.settings import load_settings
from tests.conftest import FOOTAGE, earwitness, reference
from tests.media_maker import Sound, write_media
from tests.served import Ears, hear
from tests.spoken import line
from transcribe.media import SAMPLE_RATE, Audio, decode
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import Covered, Segment, State, WordsArtifact

API = "/api/v1"
SCENE, STRANGER = "AXON_Body_3_2025-03-14_2231_X60A12345", "AXON_Body_3_2025-03-16_0112_X60A22871"
CUT_MS = 7_620  # the second camera was switched on this much later
ANSWER = {"aligned": True, "offset_ms": -CUT_MS, "spread_ms": 0, "measured_by": "sound", "degraded": []}


class Witness(Ears):
    """Hears what is said in the footage, in a copy that begins later, too: it is told them apart by their length."""

    def words(self, audio: Audio, spent: StageSeconds, names: Sequence[str] = ()) -> WordsArtifact:
        duration_ms = audio.media.duration_ms
        segments: tuple[Segment, ...] = ()
        for stem in (SCENE, STRANGER):
            label = reference(stem)
            cut_ms = round(1000 * label["duration"]) - duration_ms
            if abs(cut_ms) < 500 or abs(cut_ms - CUT_MS) < 500:
                later_ms = 0 if abs(cut_ms) < 500 else -CUT_MS
                segments = tuple(
                    line(None, round(1000 * said["start"]) + later_ms, said["text"])
                    for said in label["utterances"]
                    if round(1000 * said["start"]) + later_ms >= 0
                )
        return WordsArtifact(audio.recording_id, audio.media, segments, (Covered(0, duration_ms, State.SPEECH),), ())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene, the same as a quieter camera with a noise of its own recorded it, a stranger, and one without words."""
    folder = tmp_path_factory.mktemp("footage")
    shutil.copy(FOOTAGE / f"{SCENE}.mp4", folder / "first.mp4")
    shutil.copy(FOOTAGE / f"{STRANGER}.mp4", folder / "stranger.mp4")
    heard = np.array(decode(str(folder / "first.mp4")).waveform[CUT_MS * SAMPLE_RATE // 1000 :])
    noise = np.random.default_rng(1).normal(0, 0.002, len(heard)).astype(np.float32)
    write_media(folder / "second.wav", Sound((0.3 * heard + noise)[None], SAMPLE_RATE, "pcm_s16le"))
    write_media(folder / "wordless.wav", Sound(noise[None, : 5 * SAMPLE_RATE], SAMPLE_RATE, "pcm_s16le"))
    (folder / "manifest.csv").write_text(
        "path,recorded_at\nfirst.mp4,2025-03-14T22:31:08-07:00\nsecond.wav,2025-03-15T00:31:20-07:00\n"
    )
    return folder


@pytest.fixture(scope="module")
def data(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("aligned") / "data"
    assert hear(data, [folder], folder / "manifest.csv", Witness()).done == 4
    return data


@pytest.fixture(scope="module")
def client(data: Path) -> Iterator[TestClient]:
    with open_archive(load_settings(data=data)) as opened:
        yield TestClient(create_app(opened), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


@pytest.fixture(scope="module")
def ids(data: Path) -> dict[str, str]:
    """File name to recording id."""
    with Catalog.open(load_settings(data=data).catalog) as catalog:
        return {Path(row.sources[0]).name: row.id for row in catalog.recordings()}


def part(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: answer[name] for name in ANSWER}


def test_two_recordings_of_one_scene_are_aligned_by_sound(data: Path, ids: dict[str, str]) -> None:
    """Named by id, prefix or path; the camera whose clock is two hours off is told, not believed."""
    answer = earwitness("align", "first.mp4", ids["second.wav"][:8], "--json", data=data)

    assert answer.code == 0, answer.err
    assert part(answer.json) == ANSWER
    assert abs(answer.json["words"]["offset_ms"] + CUT_MS) <= 300
    assert answer.json["sound"]["stretches"] >= 3
    assert answer.json["confidence"] > 0.5
    assert [answer.json[name]["recording_id"] for name in "ab"] == [ids["first.mp4"], ids["second.wav"]]
    assert answer.json["clock_difference_ms"] == 2 * 3_600_000 + 12_000 - CUT_MS


def test_a_person_reads_what_was_measured_and_how(data: Path, folder: Path) -> None:
    """The offset has the sign of the direction asked for."""
    shown = earwitness("align", folder / "second.wav", "first.mp4", data=data).out

    assert "What is at T in second.wav is at T + 7.620 s in first.mp4." in shown
    assert "Measured by sound" in shown
    assert "words heard by both" in shown
    assert "the clock of first.mp4 is about 7204.4 s behind that of second.wav" in shown

    strangers = earwitness("align", "first.mp4", "stranger.mp4", data=data).out
    assert "Not aligned: first.mp4 and stranger.mp4 do not seem to share a scene." in strangers
    assert "Why: too little agrees" in strangers


@pytest.mark.parametrize("other", ["stranger.mp4", "wordless.wav"])
def test_what_does_not_share_a_scene_is_not_aligned(data: Path, other: str) -> None:
    """That is an answer, with its reason: no error, and no number to be misread."""
    done = earwitness("align", "first.mp4", other, "--json", data=data)

    assert done.code == 0, done.err
    assert part(done.json) == ANSWER | {"aligned": False, "offset_ms": None, "spread_ms": None, "measured_by": None}
    assert (done.json["confidence"], done.json["clock_difference_ms"], done.json["sound"]) == (0, None, None)
    assert done.json["reason"]


def test_without_the_files_the_words_decide_and_the_answer_says_so(data: Path, folder: Path, tmp_path: Path) -> None:
    """A recording that is gone, or holds something else, is not listened to."""
    aside = (folder / "second.wav").rename(tmp_path / "second.wav")
    try:
        gone = earwitness("align", "first.mp4", "second.wav", "--json", data=data).json
        (folder / "second.wav").write_bytes(b"something else")
        changed = earwitness("align", "first.mp4", "second.wav", data=data).out
    finally:
        aside.rename(folder / "second.wav")

    assert (gone["aligned"], gone["measured_by"], gone["sound"]) == (True, "words", None)
    assert abs(gone["offset_ms"] + CUT_MS) <= 300
    assert len(gone["degraded"]) == 1
    assert "second.wav does not exist" in gone["degraded"][0]
    assert "Measured by words" in changed
    assert "Degraded: the offset is that of the words: " in changed
    assert "has changed since it was heard" in changed


def test_what_cannot_be_compared_is_one_line(data: Path, tmp_path: Path) -> None:
    """Unknown, the same, or an archive that is none: exit 1; too few names: exit 2."""
    unknown = earwitness("align", "first.mp4", "nothing.mp4", data=data)
    same = earwitness("align", "first.mp4", "first.mp4", data=data)
    nowhere = earwitness("align", "a", "b", data=tmp_path / "none")

    assert [one.code for one in (unknown, same, nowhere)] == [1, 1, 1]
    assert "no recording is known as 'nothing.mp4'" in unknown.err
    assert "are one recording: name another to compare it with" in same.err
    assert "nothing was ingested" in nowhere.err
    assert all(one.err.count("\n") == 1 for one in (unknown, same, nowhere))
    assert earwitness("align", "first.mp4", data=data).code == 2


def test_http_answers_as_the_command_line_does(client: TestClient, data: Path, ids: dict[str, str]) -> None:
    """The same JSON, every field of it described; the command line works beside the service."""
    url = f"{API}/recordings/{ids['first.mp4']}/alignment"
    answer = client.get(url, params={"with": ids["second.wav"]}).json()

    assert answer == earwitness("align", "first.mp4", "second.wav", "--json", data=data).json
    assert answer.keys() == AlignmentAnswer.model_fields.keys()
    for name, described in (("a", Aligned), ("words", WordsOffset), ("sound", SoundOffset)):
        assert answer[name].keys() == described.model_fields.keys()
    assert client.get(url, params={"with": ids["stranger.mp4"]}).json()["aligned"] is False


def test_http_refuses_what_it_cannot_compare(client: TestClient, ids: dict[str, str]) -> None:
    """Whole ids only; the parameter at fault is named."""
    url = f"{API}/recordings/{ids['first.mp4']}/alignment"
    same = client.get(url, params={"with": ids["first.mp4"]})
    missing = client.get(url)

    assert (same.status_code, same.json()["field"]) == (422, "with")
    assert (missing.status_code, missing.json()["field"]) == (422, "with")
    assert client.get(url, params={"with": ids["second.wav"][:8]}).status_code == 404
    assert client.get(url, params={"with": ids["second.wav"], "fast": "1"}).status_code == 422
