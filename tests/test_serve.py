"""The service: what it answers, what it refuses, and how the command line works through it."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import httpx
import numpy as np
import pytest
import structlog
import webvtt
from click.testing import CliRunner
from starlette.testclient import TestClient

import search.errors
import transcribe.errors
from service.archive import OpenArchive, open_archive
from service.cli.main import cli
from service.errors import AddressRefused, ProxyRefused
from service.export import current_transcript, row_of
from service.http import create_app
from service.http.errors import PROBLEMS
from service.http.models import Hit, SearchAnswer
from service.http.ranges import Unsatisfiable, parse_range
from service.http.recordings import FormatName
from service.owner import ADDRESS_FILE, running_service
from service.proxies import Proxies
from service.proxy import Kind, Plan, make_proxy, plan
from service.question import Question
from service.serving import listen
from service.settings import load_settings
from tests.conftest import earwitness
from tests.media_maker import Sound, centre_of_sound_ms, mono, tone_bursts, write_media
from tests.served import SENTENCE, SENTENCE_MS, Ears, hear, running
from tests.spoken import line
from transcribe.formats import FORMATS, render
from transcribe.media import decode
from transcribe.transcript import MediaFacts, RecordingId

BURSTS_MS = [1_000, 2_500, 4_000]
LENGTH_MS = 5_000
PHRASE = f'"{SENTENCE}"'  # exact: no embedding model is loaded for it
API = "/api/v1"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV, an MKV whose sound fits into MP4, and an MKV whose picture does not."""
    folder = tmp_path_factory.mktemp("footage")
    write_media(folder / "plain.wav", mono(BURSTS_MS, LENGTH_MS, 16_000, "pcm_s16le"))
    write_media(folder / "sound.mkv", mono(BURSTS_MS, LENGTH_MS, codec="libopus"))
    write_media(folder / "film.mkv", mono(BURSTS_MS, LENGTH_MS, codec="libopus"), video_ms=LENGTH_MS)
    manifest = folder / "manifest.csv"
    manifest.write_text(
        "path,recorded_at,officer,unit\n"
        "plain.wav,2025-03-01T10:00:00-08:00,Officer A,12A North\n"
        "sound.mkv,2025-03-03T10:00:00-08:00,Officer B,\n"
        "film.mkv,,Officer B,\n"
    )
    data = tmp_path_factory.mktemp("served") / "data"
    assert hear(data, [folder], manifest).done == 3
    return data


@pytest.fixture(scope="module")
def opened(data: Path) -> Iterator[OpenArchive]:
    with open_archive(load_settings(data=data)) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(opened: OpenArchive) -> TestClient:
    return TestClient(create_app(opened), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


@pytest.fixture
def ids(client: TestClient) -> dict[str, str]:
    """File name to recording id."""
    recordings = client.get(f"{API}/recordings").json()["recordings"]
    return {Path(recording["sources"][0]).name: recording["id"] for recording in recordings}


def problem(response: Any, status: int, name: str, field: str | None = None) -> None:
    """Assert that a response is this RFC 9457 problem."""
    body = response.json()
    assert response.status_code == status, body
    assert response.headers["content-type"] == "application/problem+json"
    assert (body["type"], body["status"], body.get("field")) == (f"urn:earwitness:problem:{name}", status, field)
    assert body["title"]
    assert body["detail"]


# Search


def test_a_search_answers_as_the_command_line_does(client: TestClient, opened: OpenArchive) -> None:
    """HTTP and command line print one JSON form, and the OpenAPI document names each of its fields."""
    answer = client.get(f"{API}/search", params={"q": PHRASE, "officer": "officer b", "limit": 1}).json()

    assert answer == opened.find(Question(PHRASE, limit=1, filters={"officer": "officer b"})).to_json()
    assert (answer["total"], len(answer["hits"])) == (2, 1)
    assert answer["hits"][0]["start_ms"] == SENTENCE_MS
    assert answer.keys() == SearchAnswer.model_fields.keys()
    assert answer["hits"][0].keys() == Hit.model_fields.keys()


@pytest.mark.parametrize("query", [PHRASE, SENTENCE])
def test_hits_come_by_time_in_the_answer_and_in_the_file(client: TestClient, ids: dict[str, str], query: str) -> None:
    """The first or the last recorded first, unknown times last; said exactly or ranked."""
    for sort, names in (("time", ("plain", "sound", "film")), ("-time", ("sound", "plain", "film"))):
        asked = {"q": query, "sort": sort}
        answer = client.get(f"{API}/search", params=asked).json()
        file = client.get(f"{API}/search/export", params={**asked, "format": "jsonl"}).text
        orders = [hit["recording_id"] for hit in answer["hits"]]
        assert orders == [ids[f"{name}.{'wav' if name == 'plain' else 'mkv'}"] for name in names]
        assert orders == [json.loads(one)["recording_id"] for one in file.splitlines()]
        assert answer["sort"] == sort


def test_facets_are_counted_under_the_filters(client: TestClient) -> None:
    """Whatever the page; `null` where they were not asked for."""
    answer = client.get(f"{API}/search", params={"q": PHRASE, "facets": "true", "limit": 1}).json()
    filtered = client.get(f"{API}/search", params={"q": PHRASE, "facets": "true", "unit": "12a north"}).json()

    assert answer["facets"]["officer"] == [{"value": "Officer B", "count": 2}, {"value": "Officer A", "count": 1}]
    assert answer["facets"]["month"] == [{"value": "2025-03", "count": 2}, {"value": None, "count": 1}]
    assert answer["facets"]["unit"] == [{"value": None, "count": 2}, {"value": "12A North", "count": 1}]
    assert answer["facets_others"]["unit"] == {"values": 0, "count": 0}
    assert filtered["facets"]["officer"] == [{"value": "Officer A", "count": 1}]
    assert client.get(f"{API}/search", params={"q": PHRASE}).json()["facets"] is None


def test_facets_and_order_are_asked_for_on_the_command_line(data_of_one: Path) -> None:
    """By itself and through a service alike; facets in which nothing is known are not printed."""
    command = ["search", PHRASE, "--facets", "--sort", "-time"]
    alone = CliRunner().invoke(cli, ["--data", str(data_of_one), *command]).stdout
    with running(data_of_one):
        served = earwitness(*command, data=data_of_one).out
        answer = earwitness(*command, "--json", data=data_of_one).json

    assert alone == served
    assert "\nlanguage      en 1\nspeaker kind  wearer 1\n1 hit, 1 shown." in alone
    assert "officer" not in alone
    assert (answer["sort"], answer["facets"]["officer"]) == ("-time", [{"value": None, "count": 1}])


def test_what_the_wearer_said_is_asked_for_by_kind(client: TestClient) -> None:
    """From hearing to the answer: the kind is filtered by, and told."""
    wearer, radio = (
        client.get(f"{API}/search", params={"q": PHRASE, "speaker": kind}).json() for kind in ("wearer", "radio")
    )

    assert wearer["total"] > 0
    assert {(hit["speaker"], hit["speaker_kind"]) for hit in wearer["hits"]} == {("SPEAKER_00", "wearer")}
    assert radio["total"] == 0


@pytest.mark.parametrize(
    ("parameters", "name", "field"),
    [
        ({}, "parameter-wrong", "q"),
        ({"q": "?!"}, "empty-query", "q"),
        ({"q": "trunk AND"}, "query-wrong", "q"),
        ({"q": "trunk OR hood", "mode": "words"}, "query-wrong", "q"),
        ({"q": "after:soon trunk"}, "query-wrong", "q"),
        ({"q": "trunk", "limit": "0"}, "parameter-wrong", "limit"),
        ({"q": "trunk", "offset": "-1"}, "parameter-wrong", "offset"),
        ({"q": "trunk", "offset": "9991"}, "page-too-deep", "offset"),
        ({"q": "trunk", "deadline_ms": "0"}, "parameter-wrong", "deadline_ms"),
        ({"q": "trunk", "mode": "loud"}, "parameter-wrong", "mode"),
        ({"q": "trunk", "doubtful": "perhaps"}, "parameter-wrong", "doubtful"),
        ({"q": "trunk", "sort": "loudness"}, "parameter-wrong", "sort"),
        ({"q": "trunk", "since": "soon"}, "time-wrong", "since"),
        ({"q": "trunk", "oficer": "A"}, "parameter-wrong", "oficer"),
    ],
)
def test_a_wrong_question_is_refused_by_the_name_of_its_parameter(
    client: TestClient, parameters: dict[str, str], name: str, field: str
) -> None:
    """Nothing is guessed: a misspelt filter that is ignored would search what was to be left out."""
    problem(client.get(f"{API}/search", params=parameters), 422, name, field)


def test_a_leg_that_cannot_run_here_is_refused_by_the_name_of_its_mode(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for alone there is nothing to answer with; otherwise it is degraded."""

    def missing(*_: object, **__: object) -> tuple[str, ...]:
        raise search.errors.LegUnavailable("sounds", "espeak-ng is not installed")

    monkeypatch.setattr("search.evidence.pronunciations", missing)
    monkeypatch.setattr("search.searcher.pronunciations", missing)
    problem(client.get(f"{API}/search", params={"q": "trunk", "mode": "sounds"}), 422, "leg-unavailable", "mode")
    answer = client.get(f"{API}/search", params={"q": "trunk"}).json()
    assert answer["degraded"] == ["sounds: espeak-ng is not installed"]


def test_a_query_that_cannot_be_read_is_refused_at_its_character(client: TestClient, data: Path) -> None:
    """Over HTTP by position; on the command line by a caret under it. The message itself repeats nothing."""
    body = client.get(f"{API}/search", params={"q": '"open" AND 刀 OR'}).json()
    assert body["position"] == 15
    assert "刀" not in body["detail"]

    done = CliRunner().invoke(cli, ["--data", str(data), "search", '"open" AND 刀 OR'])
    assert isinstance(done.exception, search.errors.QueryWrong)
    assert done.stderr == '"open" AND 刀 OR\n' + " " * 16 + "^\n"


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("open WITHIN 1s OF trunk", 3),
        ("open BEFORE 0.1s trunk", 0),
        ("trunk BEFORE 1s open", 0),
        ("open AND trunk", 3),
        ("trunk NOT open", 0),
        ('officer:"officer b" "open the trunk"', 2),
        ('officer:"officer b" open AND trunk', 2),
        ('unit:"12a north" open AND trunk', 1),
        ("(after:2025-03-02 OR recording:plain.wav) open AND trunk", 2),
        ("before:2025-03-02 open AND trunk", 1),
        ("speaker:radio open AND trunk", 0),
        ("confidence:<0.5 open AND trunk", 0),
    ],
)
def test_phrases_are_combined_from_the_question_to_the_file(client: TestClient, query: str, total: int) -> None:
    """The answer says how it was read, its total is exact, and the export has as many lines."""
    answer = client.get(f"{API}/search", params={"q": query, "limit": 1}).json()
    file = client.get(f"{API}/search/export", params={"q": query, "format": "jsonl"}).text

    assert (answer["query"], answer["exact"], answer["total"], answer["total_is_exact"]) == (query, True, total, True)
    assert (answer["pattern"] is None) == query.endswith('"open the trunk"')
    assert len(file.splitlines()) == total


def test_every_error_of_search_and_of_hearing_has_its_status() -> None:
    """An error without a row would leave as an unexplained 500."""
    modules = {search.errors: search.errors.SearchError, transcribe.errors: transcribe.errors.TranscribeError}
    for module, base in modules.items():
        for _name, kind in inspect.getmembers(module, inspect.isclass):
            assert not issubclass(kind, base) or kind is base or kind in PROBLEMS, kind


def test_an_error_nobody_foresaw_tells_nothing_of_the_question(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Messages of foreign errors may quote what was asked; neither the answer nor the log repeats it."""

    class Broken:
        def find(self, question: Question) -> None:
            raise ValueError(f"cannot handle {question.text}")

    client = TestClient(create_app(Broken()), base_url="http://localhost", raise_server_exceptions=False)  # type: ignore[arg-type]
    with structlog.testing.capture_logs() as logged:
        response = client.get(f"{API}/search", params={"q": "a very private matter"})

    problem(response, 500, "unforeseen")
    assert "private" not in response.text + json.dumps(logged) + "".join(capsys.readouterr())
    assert {"event": "request", "route": f"{API}/search", "status": 500}.items() <= logged[-1].items()


# Recordings


def test_recordings_come_last_recorded_first_and_by_pages(client: TestClient, ids: dict[str, str]) -> None:
    """The total counts all, pages follow each other, unknown times come last, filters leave out."""
    pages = [client.get(f"{API}/recordings", params={"limit": 1, "offset": n}).json() for n in range(4)]

    assert [page["total"] for page in pages] == [3, 3, 3, 3]
    found = [recording["id"] for page in pages for recording in page["recordings"]]
    assert found == [ids["sound.mkv"], ids["plain.wav"], ids["film.mkv"]]
    assert client.get(f"{API}/recordings", params={"officer": "OFFICER A"}).json()["total"] == 1
    assert client.get(f"{API}/recordings", params={"unit": "12a north"}).json()["total"] == 1
    assert client.get(f"{API}/recordings", params={"since": "2025-03-02"}).json()["total"] == 1
    problem(client.get(f"{API}/recordings", params={"limit": 0}), 422, "parameter-wrong", "limit")


@pytest.mark.parametrize("rest", ["", "/transcript", "/captions.vtt", "/media", "/playable"])
@pytest.mark.parametrize("wanted", ["0" * 64, "plain.wav", "..%2F..%2Fcatalog.sqlite", "%00", "prefix"])
def test_nothing_but_a_whole_id_leads_to_a_recording(
    client: TestClient, ids: dict[str, str], wanted: str, rest: str
) -> None:
    """No path, name or prefix does; what is unknown is a 404."""
    wanted = ids["plain.wav"][:12] if wanted == "prefix" else wanted
    response = client.get(f"{API}/recordings/{wanted}{rest}")

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", FORMATS)
def test_the_transcript_comes_in_every_format(
    client: TestClient, ids: dict[str, str], opened: OpenArchive, name: str
) -> None:
    """As the command line exports it, under its media type."""
    recording_id = RecordingId(ids["plain.wav"])
    response = client.get(f"{API}/recordings/{recording_id}/transcript", params={"format": name})

    assert response.text == render(current_transcript(row_of(opened.catalog, recording_id), opened.transcripts), name)
    assert response.headers["content-type"].split(";")[0] == FORMATS[name].media_type
    assert set(get_args(FormatName)) == set(FORMATS)


def test_captions_show_the_words_at_their_time(client: TestClient, ids: dict[str, str]) -> None:
    """WebVTT that a parser of others reads."""
    response = client.get(f"{API}/recordings/{ids['film.mkv']}/captions.vtt")
    (cue,) = webvtt.from_string(response.text).captions

    assert response.headers["content-type"].startswith("text/vtt")
    assert (cue.start, cue.text) == ("00:00:01.000", SENTENCE)
    assert "not verified" in response.text
    problem(
        client.get(f"{API}/recordings/{ids['film.mkv']}/transcript", params={"format": "doc"}),
        422,
        "parameter-wrong",
        "format",
    )


# Media


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=90-", (90, 100)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("seconds=0-1", None),
        ("bytes=٣-", None),
    ],
)
def test_a_range_is_read_as_the_standard_says(header: str | None, expected: tuple[int, int] | None) -> None:
    """RFC 9110, section 14: what is not understood means the whole file."""
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_beyond_the_file_cannot_be_satisfied(header: str) -> None:
    """It is told apart from a range that makes no sense."""
    with pytest.raises(Unsatisfiable):
        parse_range(header, 100)


def test_the_original_comes_whole_and_by_parts(client: TestClient, ids: dict[str, str]) -> None:
    """The bytes are the evidence: their SHA-256 is the id and the entity tag; parts are parts of them."""
    url = f"{API}/recordings/{ids['plain.wav']}/media"
    whole, part = client.get(url), client.get(url, headers={"Range": "bytes=1000-1999"})
    head = client.head(url)

    assert hashlib.sha256(whole.content).hexdigest() == ids["plain.wav"]
    assert (whole.status_code, whole.headers["content-type"]) == (200, "audio/wav")
    assert whole.headers["etag"] == f'"{ids["plain.wav"]}"'
    assert (part.status_code, part.content) == (206, whole.content[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(whole.content)}"
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


def test_what_a_client_knows_is_not_sent_again(client: TestClient, ids: dict[str, str]) -> None:
    """304 for a known tag; a part only of the version the client has; 416 beyond the end."""
    url = f"{API}/recordings/{ids['plain.wav']}/media"
    tag = client.head(url).headers["etag"]

    assert client.get(url, headers={"If-None-Match": f'"x", {tag}'}).status_code == 304
    assert client.get(url, headers={"Range": "bytes=0-9", "If-Range": tag}).status_code == 206
    assert client.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'}).status_code == 200
    beyond = client.get(url, headers={"Range": "bytes=99999999-"})
    problem(beyond, 416, "range-unsatisfiable", "Range")
    assert beyond.headers["content-range"] == f"bytes */{client.head(url).headers['content-length']}"


def test_a_file_that_changed_or_went_is_not_shown_as_the_recording(tmp_path: Path) -> None:
    """Other bytes under a recording's id would be false evidence. A second source that is as it was serves on."""
    media = write_media(tmp_path / "a.wav", mono(BURSTS_MS, LENGTH_MS, 16_000, "pcm_s16le"))
    contents = media.read_bytes()
    data = tmp_path / "data"
    hear(data, [media])
    with open_archive(load_settings(data=data)) as opened:
        client = TestClient(create_app(opened), base_url="http://localhost")
        (recording,) = client.get(f"{API}/recordings").json()["recordings"]
        url = f"{API}/recordings/{recording['id']}/media"
        media.write_bytes(contents[:-2] + b"\1\1")
        problem(client.get(url), 409, "media-changed")
        media.unlink()
        problem(client.get(url), 404, "media-missing")
        copy = tmp_path / "b.wav"
        copy.write_bytes(contents)
        hear(data, [copy])
        assert client.get(url).content == contents


# Playable copies


@pytest.mark.parametrize(
    ("container", "video", "audio", "name", "expected"),
    [
        ("mov,mp4,m4a,3gp,3g2,mj2", ("h264",), ("aac",), "a.mp4", "original"),
        ("mp3", (), ("mp3",), "a.mp3", "original"),
        ("wav", (), ("pcm_s16le",), "a.wav", "original"),
        ("ogg", (), ("opus",), "a.ogg", "original"),
        ("matroska,webm", ("vp9",), ("opus",), "a.webm", "original"),
        ("matroska,webm", ("h264",), ("opus",), "a.mkv", "remux"),
        ("mpegts", ("h264",), ("aac",), "a.ts", "remux"),
        ("wav", (), ("mp3",), "a.wav", "remux"),
        ("mov,mp4,m4a,3gp,3g2,mj2", ("hevc",), ("aac",), "a.mp4", "transcode"),
        ("mov,mp4,m4a,3gp,3g2,mj2", ("h264",), ("aac", "aac"), "a.mp4", "transcode"),
        ("avi", ("mpeg4",), ("mp3",), "a.avi", "transcode"),
        ("amr", (), ("amr_nb",), "a.amr", "transcode"),
    ],
)
def test_a_browser_gets_the_original_where_it_can_play_it(
    container: str, video: tuple[str, ...], audio: tuple[str, ...], name: str, expected: str
) -> None:
    """Else its streams in another container, else streams made anew; of several sounds a browser plays only one."""
    assert plan(MediaFacts(LENGTH_MS, container, audio, video), name).kind == expected


@pytest.mark.parametrize(("name", "kind"), [("sound.mkv", "remux"), ("film.mkv", "transcode")])
def test_a_copy_is_labelled_and_plays_on_the_time_of_the_original(
    client: TestClient, ids: dict[str, str], tmp_path: Path, name: str, kind: str
) -> None:
    """Before and after it is made the recording says which kind it is; its sounds lie where the original's do."""
    url = f"{API}/recordings/{ids[name]}"
    before = client.get(url).json()["playable"]
    copy = client.get(f"{url}/playable")
    after = client.get(url).json()["playable"]
    path = tmp_path / "copy.mp4"
    path.write_bytes(copy.content)
    played, original = decode(str(path)), decode(client.get(url).json()["sources"][0])

    assert (before["kind"], before["sha256"], before["state"]) == (kind, None, "not_made")
    assert (copy.status_code, copy.headers["x-earwitness-proxy"]) == (200, kind)
    assert copy.headers["content-type"] == after["media_type"] == ("video/mp4" if kind == "transcode" else "audio/mp4")
    assert (after["kind"], after["state"]) == (kind, "ready")
    assert after["sha256"] == hashlib.sha256(copy.content).hexdigest()
    assert played.media.video_codecs == (("h264",) if kind == "transcode" else ())
    assert_same_times(original.waveform, played.waveform)
    assert client.get(f"{url}/playable", headers={"Range": "bytes=0-9"}).status_code == 206


@pytest.mark.parametrize(
    ("name", "sounds", "video_ms"),
    [
        ("late.mkv", [mono(BURSTS_MS, LENGTH_MS, 16_000, "pcm_s16le", lead_ms=400, gaps=((3_000, 700),))], LENGTH_MS),
        ("two.mkv", [mono(BURSTS_MS[:1], LENGTH_MS), mono(BURSTS_MS[1:], LENGTH_MS)], LENGTH_MS),
        ("old.avi", [mono(BURSTS_MS, LENGTH_MS, 44_100, "mp3")], LENGTH_MS),
        ("stream.ts", [mono(BURSTS_MS, LENGTH_MS)], LENGTH_MS),
        ("wide.mkv", [Sound(tone_bursts(BURSTS_MS, LENGTH_MS, 48_000)[None].repeat(6, 0), 48_000, "flac")], 0),
    ],
)
def test_a_copy_keeps_time_through_late_starts_gaps_and_mixes(
    tmp_path: Path, name: str, sounds: list[Sound], video_ms: int
) -> None:
    """A late start and a gap stay as long as they were; every stream of several is heard."""
    source = write_media(tmp_path / name, *sounds, video_ms=video_ms)
    original = decode(str(source))
    copy = tmp_path / "copy.mp4"
    make_proxy(original.recording_id, str(source), copy, plan(original.media, name), threading.Event())

    assert_same_times(original.waveform, decode(str(copy)).waveform)


@pytest.mark.parametrize(("turn", "corner"), [(-90, (0, 1)), (90, (1, 0)), (180, (1, 1))])
def test_a_copy_stands_as_the_camera_was_held(tmp_path: Path, turn: int, corner: tuple[int, int]) -> None:
    """Phones write lying pictures and how to turn them: what is bright at the top left ends where a player shows it.

    `corner` is its row and column after the turn, counter-clockwise in degrees, that the file asks for.
    """
    import av

    source = tmp_path / "phone.mp4"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(turn)
        pixels = np.zeros((48, 64, 3), np.uint8)
        pixels[:24, :32] = 255
        for n in range(10):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    original = decode(str(source))
    copy = tmp_path / "copy.mp4"
    make_proxy(original.recording_id, str(source), copy, plan(original.media, "phone.mp4"), threading.Event())
    with av.open(str(copy)) as played:
        shown = next(played.decode(video=0)).to_ndarray(format="gray")

    assert shown.shape == ((48, 64) if turn == 180 else (64, 48))
    quarters = [[half.mean() for half in np.array_split(rows, 2, axis=1)] for rows in np.array_split(shown, 2)]
    assert np.unravel_index(np.argmax(quarters), (2, 2)) == corner


def test_a_copy_that_cannot_be_made_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    """Damaged on the way, or stopped: no half file stays, and the next request tries again."""
    source = write_media(tmp_path / "a.mkv", mono(BURSTS_MS, LENGTH_MS, codec="libopus"), video_ms=LENGTH_MS)
    original = decode(str(source))
    how = plan(original.media, "a.mkv")
    proxies = Proxies(tmp_path / "proxies")
    proxies.end()

    with pytest.raises(ProxyRefused, match="the service stops"):
        proxies._make_one(original.recording_id, served(source), how)
    assert list((tmp_path / "proxies").iterdir()) == []
    assert proxies.ready(original.recording_id, how) is None


def test_a_remux_that_fails_becomes_a_transcode(tmp_path: Path) -> None:
    """What MP4 does not take after all is made anew, and labelled so."""
    source = write_media(tmp_path / "a.mkv", mono(BURSTS_MS, LENGTH_MS, codec="pcm_s16le", rate=16_000))
    original = decode(str(source))
    how = Plan(Kind.REMUX, "audio/mp4", copy_video=True, copy_audio=True)  # an MP4 muxer refuses raw PCM like this
    tried: list[Kind] = []

    def make(recording_id: Any, path: str, target: Path, plan: Plan, ended: threading.Event) -> None:
        tried.append(plan.kind)
        if plan.kind is Kind.REMUX:
            raise ProxyRefused(path, "MP4 does not take it")
        make_proxy(recording_id, path, target, plan, ended)

    proxy = Proxies(tmp_path / "proxies", make).get(original.recording_id, served(source), how, 60)

    assert tried == [Kind.REMUX, Kind.TRANSCODE]
    assert proxy is not None
    assert proxy.kind is Kind.TRANSCODE
    assert proxy.path.name == f"{original.recording_id}.transcode.mp4"


def test_whoever_asks_while_a_copy_is_made_is_told_to_ask_again(tmp_path: Path) -> None:
    """One making serves all who ask; none waits for ever."""
    source = write_media(tmp_path / "a.mkv", mono(BURSTS_MS, LENGTH_MS, codec="libopus"))
    original = decode(str(source))
    how = plan(original.media, "a.mkv")
    go = threading.Event()
    made: list[str] = []

    def make(recording_id: Any, path: str, target: Path, plan: Plan, ended: threading.Event) -> None:
        assert go.wait(60)
        made.append(path)
        make_proxy(recording_id, path, target, plan, ended)

    proxies = Proxies(tmp_path / "proxies", make)
    assert proxies.get(original.recording_id, served(source), how, 0) is None
    assert proxies.is_making(original.recording_id)
    go.set()
    proxy = proxies.get(original.recording_id, served(source), how, 60)

    assert proxy is not None
    assert proxy.sha256 == hashlib.sha256(proxy.path.read_bytes()).hexdigest()
    assert proxies.get(original.recording_id, served(source), how, 0) == proxy
    assert made == [str(source)]


def served(source: Path) -> Any:
    from service.original import Original

    return Original(str(source), source.stat().st_size, "video/x-matroska")


def assert_same_times(original: Any, copy: Any) -> None:
    """Sounds lie within 5 ms of each other, and nothing is heard in only one of them."""
    frames = range(0, min(len(original), len(copy)) // 16 - 200, 200)
    loud = [ms for ms in frames if abs(original[ms * 16 : (ms + 200) * 16]).max() > 0.1]
    assert loud
    for ms in loud:
        around = (max(0, ms - 200), ms + 400)
        assert abs(centre_of_sound_ms(original, *around) - centre_of_sound_ms(copy, *around)) < 5


# Who may ask


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost:8000@evil.example", "", "0.0.0.0"]
)
def test_only_names_of_this_machine_are_answered_to(client: TestClient, host: str) -> None:
    """Another site's name that points here (DNS rebinding) gets nothing."""
    problem(client.get("/", headers={"Host": host}), 421, "host-refused")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1:8000", "[::1]:8000"])
def test_this_machine_is_answered_under_each_of_its_names(client: TestClient, host: str) -> None:
    """Through whatever port: an SSH tunnel has its own."""
    assert client.get("/healthz", headers={"Host": host}).json() == {"status": "ok", "reason": None}


@pytest.mark.parametrize("path", ["/", "/assets/page.js", f"{API}/recordings", f"{API}/nothing", "/healthz"])
def test_every_answer_keeps_other_sites_out(client: TestClient, path: str) -> None:
    """Own scripts and styles only, no framing, no embedding, no sniffing, no referrer; no store but of media."""
    headers = client.get(path).headers
    policy = headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"]


def test_the_page_brings_all_it_needs(client: TestClient) -> None:
    """No inline script or style, nothing from elsewhere: its policy would refuse them."""
    page = client.get("/").text

    assert "<style" not in page
    assert "style=" not in page
    assert "://" not in page
    assert page.count("<script") == page.count('<script type="module" src="/assets/') == 1
    for name in ("facets.js", "page.js", "player.js", "show.js", "style.css", "icon.svg"):
        assert client.get(f"/assets/{name}").status_code == 200
    assert client.get("/assets/../http/app.py").status_code == 404
    assert client.get("/assets/..%2fhttp%2fapp.py").status_code == 404


def test_only_this_machine_may_be_listened_on() -> None:
    """Without users, whoever reaches the port reads everything; a taken port is named."""
    with pytest.raises(AddressRefused, match="only this machine"), listen("0.0.0.0", 0):
        pass
    with pytest.raises(AddressRefused, match="only this machine"), listen("example.org", 0):
        pass
    with listen("127.0.0.1", 0) as first:
        taken = first.getsockname()[1]
        with pytest.raises(AddressRefused, match="another --port"), listen("127.0.0.1", taken):
            pass


def test_the_openapi_document_describes_every_route(client: TestClient) -> None:
    """Each has a summary and a distinct name; problems are described."""
    document = client.get(f"{API}/openapi.json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]

    assert {
        f"{API}/search",
        f"{API}/search/export",
        f"{API}/recordings/{{recording_id}}/media",
        "/healthz",
        "/readyz",
    } <= set(document["paths"])
    assert all(operation["summary"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all("application/problem+json" in operation["responses"]["4XX"]["content"] for operation in operations)


def test_ready_means_that_something_can_be_found(client: TestClient, opened: OpenArchive) -> None:
    """Without an index there is no answer, and the reason is told."""

    class Gone:
        def count(self) -> int:
            raise OSError("the disk is gone")

    assert client.get("/readyz").json()["status"] == "ok"
    index, opened.index = opened.index, Gone()  # type: ignore[assignment]
    try:
        response = client.get("/readyz")
    finally:
        opened.index = index
    assert response.status_code == 503
    assert "the disk is gone" in response.json()["reason"]


# The command line beside a service


def test_the_command_line_works_through_a_running_service(tmp_path: Path) -> None:
    """The service owns the index: search and status ask it, an ingest leaves indexing to it and waits for that."""
    first = write_media(tmp_path / "first.wav", mono(BURSTS_MS, LENGTH_MS, 16_000, "pcm_s16le"))
    second = write_media(tmp_path / "second.wav", mono(BURSTS_MS[:2], LENGTH_MS, 16_000, "pcm_s16le"))
    quiet = write_media(tmp_path / "quiet.wav", mono([], LENGTH_MS, 16_000, "pcm_s16le"))
    data = tmp_path / "data"
    hear(data, [first])
    alone = earwitness("search", PHRASE, "--json", data=data).json
    shown = earwitness("search", PHRASE, data=data).out
    status = earwitness("status", data=data).out
    with running(data) as url:
        through = earwitness("search", PHRASE, "--json", data=data)
        assert through.json == alone == httpx.get(f"{url}{API}/search", params={"q": PHRASE}).json()
        assert earwitness("search", PHRASE, data=data).out == shown
        assert earwitness("status", data=data).out == status
        wrong = earwitness("search", "trunk", "--recording", "nothing", data=data)
        assert (wrong.code, wrong.out) == (1, "")
        assert "no recording is known as 'nothing'" in wrong.err

        report = hear(data, [first, second])
        assert (report.done, report.failures, report.warnings) == (1, [], [])
        assert len(earwitness("search", PHRASE, "--json", data=data).json["hits"]) == 2
        assert earwitness("search", PHRASE, "--json", "--recording", second, data=data).json["total"] == 1
        real = earwitness("ingest", quiet, "--json", data=data)
        assert (real.code, real.json["recordings"]["done"], real.json["warnings"]) == (0, 1, [])
        states = earwitness("status", "--json", data=data).json
        assert states["summary"]["indexed"] == 3
    assert not (data / ADDRESS_FILE).exists()
    assert len(earwitness("search", PHRASE, "--json", data=data).json["hits"]) == 2


def test_doubtful_words_are_said_exactly_only_for_those_who_ask(tmp_path: Path) -> None:
    """By the command line alone, through a service, and over HTTP; what is left out is told, what is shown is named."""
    media = write_media(tmp_path / "a.wav", mono(BURSTS_MS, LENGTH_MS, 16_000, "pcm_s16le"))
    data = tmp_path / "data"
    doubted = line(None, 2_500, "show me your hands", flags=["doubtful"])
    hear(data, [media], ears=Ears([doubted, line(None, 4_000, "Sergeant Okafor", primed=["Okafor"])]))
    sure = earwitness("search", '"your hands"', "--json", data=data).json
    asked = earwitness("search", '"your hands"', "--doubtful", "--json", data=data).json

    assert (sure["doubtful"], sure["hits"], sure["total"], sure["left_out"]) == (False, [], 0, 1)
    assert (asked["doubtful"], asked["total"], asked["left_out"]) == (True, 1, 0)
    assert [(hit["start_ms"], hit["flags"]) for hit in asked["hits"]] == [(3_100, ["doubtful"])]
    assert "1 place matches only with doubtful words; --doubtful" in earwitness("search", '"hands"', data=data).out
    with running(data) as url:
        assert earwitness("search", '"your hands"', "--doubtful", "--json", data=data).json == asked
        shown = earwitness("search", '"okafor"', "--doubtful", data=data).out
        for doubtful, expected in ((None, sure), ("false", sure), ("true", asked)):
            parameters = {"q": '"your hands"'} | ({"doubtful": doubtful} if doubtful else {})
            assert httpx.get(f"{url}{API}/search", params=parameters).json() == expected
    assert "1 hit, 1 shown" in shown
    assert "primed: suggested by the vocabulary" in shown


def test_one_service_per_data_folder_and_a_dead_one_is_none(data_of_one: Path) -> None:
    """The second is refused by the address of the first; after a kill the command line works by itself again."""
    with service_process(data_of_one) as (process, url):
        second = earwitness("serve", "--port", "0", data=data_of_one)
        assert (second.code, second.out) == (1, "")
        assert f"served already at {url}" in second.err
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (data_of_one / ADDRESS_FILE).exists()
    assert running_service(data_of_one) is None
    assert earwitness("search", PHRASE, "--json", data=data_of_one).json["total"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_service_that_is_asked_to_stop_leaves_no_trace(data_of_one: Path, number: signal.Signals) -> None:
    """Exit code 0, no address left behind, the index free, and no query in its log."""
    with service_process(data_of_one) as (process, url):
        assert httpx.get(f"{url}{API}/search", params={"q": "a very private matter"}).status_code == 200
        process.send_signal(number)
        log = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert "/api/v1/search" in log
    assert "private" not in log
    assert not (data_of_one / ADDRESS_FILE).exists()
    assert earwitness("search", PHRASE, "--json", data=data_of_one).code == 0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"url": 1}', '{"url":"x","pid":1,"started_at":"","owner":"a:b"}'])
def test_an_address_that_makes_no_sense_is_no_service(tmp_path: Path, content: str) -> None:
    """A file cut short, or of another machine, is not believed."""
    (tmp_path / ADDRESS_FILE).write_text(content)

    assert running_service(tmp_path) is None


def test_a_service_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """The process lives, but nobody listens: one line with its address, exit code 1."""
    from service.owner import announced

    with announced(tmp_path, "http://127.0.0.1:9"):
        done = earwitness("search", "trunk", data=tmp_path)

    assert done.code == 1
    assert "the service of" in done.err
    assert "http://127.0.0.1:9 does not answer" in done.err
    assert "Traceback" not in done.err


def test_many_threads_may_search_while_recordings_are_indexed(data_of_one: Path) -> None:
    """Readers see every recording that is indexed, from before the write to after it."""
    with open_archive(load_settings(data=data_of_one)) as opened:
        stop = threading.Event()
        totals: list[int] = []
        failures: list[Exception] = []

        def ask() -> None:
            while not stop.is_set():
                try:
                    totals.append(opened.find(Question(PHRASE)).answer.total)
                    opened.find(Question(SENTENCE))
                except Exception as error:  # noqa: BLE001 -- shown below
                    failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for n in range(5):
            opened.catalog.unindexed()
            assert opened.index_pending() <= 1, n
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert totals
    assert set(totals) == {1}


@pytest.fixture(scope="module")
def heard_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    hear(folder / "data", [write_media(folder / "a.wav", mono(BURSTS_MS, LENGTH_MS, 16_000, "pcm_s16le"))])
    return folder / "data"


@pytest.fixture
def data_of_one(heard_once: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own with one recording in it."""
    return shutil.copytree(heard_once, tmp_path / "data")


class service_process:  # noqa: N801 -- used as a with-block
    """The real command in a process of its own; killed at the end if it still runs."""

    def __init__(self, data: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "--data", str(data), "--json", "serve", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ.copy(),
        )

    def __enter__(self) -> tuple[subprocess.Popen[str], str]:
        assert self._process.stdout is not None
        return self._process, json.loads(self._process.stdout.readline())["url"]

    def __exit__(self, *_exc: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
