"""Linking: recordings of one scene are told from each other when they are indexed, and searches show them as angles."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from search.angles import Link
from search.labels import Labels
from search.passages import build_passages
from search.rows import rows
from service.archive import open_archive
from service.catalog import Catalog
from service.citations import COLUMNS
from service.http import create_app
from service.linking import most_alike
from service.settings import load_settings
from tests.conftest import FOOTAGE, earwitness, reference
from tests.media_maker import Sound, write_media
from tests.served import Ears, hear
from tests.spoken import line, spoken
from tests.test_search import NUMBERS, archive
from transcribe.media import SAMPLE_RATE, Audio, decode
from transcribe.spans import Span
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import Covered, RecordingId, State, Transcript, WordsArtifact

SCENE, STRANGER = "AXON_Body_3_2025-03-14_2231_X60A12345", "AXON_Body_3_2025-03-16_0112_X60A22871"
CUTS_MS = (0, 7_620, 3_100)  # when the second and the third camera were switched on
PHRASE = '"proof of insurance"'


class Witnesses(Ears):
    """Hears what is said in the footage, in copies that begin later, too: it is told them apart by their length."""

    def words(self, audio: Audio, spent: StageSeconds, names: Sequence[str] = ()) -> WordsArtifact:
        duration_ms = audio.media.duration_ms
        cut_of = {
            (stem, cut): round(1000 * reference(stem)["duration"]) - cut
            for stem in (SCENE, STRANGER)
            for cut in CUTS_MS
        }
        stem, cut_ms = min(cut_of, key=lambda key: abs(cut_of[key] - duration_ms))
        said = [(round(1000 * one["start"]) - cut_ms, one["text"]) for one in reference(stem)["utterances"]]
        segments = tuple(line(None, start_ms, text) for start_ms, text in said if start_ms >= 0)
        return WordsArtifact(audio.recording_id, audio.media, segments, (Covered(0, duration_ms, State.SPEECH),), ())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene by three cameras, and a stranger. Of the second camera the clock is wrong and no incident is known."""
    folder = tmp_path_factory.mktemp("footage")
    shutil.copy(FOOTAGE / f"{SCENE}.mp4", folder / "first.mp4")
    shutil.copy(FOOTAGE / f"{STRANGER}.mp4", folder / "stranger.mp4")
    heard, chance = np.array(decode(str(folder / "first.mp4")).waveform), np.random.default_rng(1)
    for name, cut_ms in zip(("second.wav", "third.wav"), CUTS_MS[1:], strict=True):
        part = heard[cut_ms * SAMPLE_RATE // 1000 :]
        noise = chance.normal(0, 0.002, len(part)).astype(np.float32)
        write_media(folder / name, Sound((0.3 * part + noise)[None], SAMPLE_RATE, "pcm_s16le"))
    (folder / "manifest.csv").write_text(
        "path,recorded_at,officer,incident_id\n"
        "first.mp4,2025-03-14T22:31:08-07:00,Kowalczyk,INC-1\n"
        "second.wav,2025-03-15T03:31:20-07:00,Okafor,\n"
        "third.wav,2025-03-14T22:31:11-07:00,Brandt,INC-1\n"
        "stranger.mp4,2025-03-14T22:31:09-07:00,Villa,INC-1\n"
    )
    return folder


@pytest.fixture(scope="module")
def data(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("linked") / "data"
    assert hear(data, [folder], folder / "manifest.csv", Witnesses()).done == 4
    return data


@pytest.fixture(scope="module")
def ids(data: Path) -> dict[str, RecordingId]:
    with Catalog.open(load_settings(data=data).catalog) as catalog:
        return {Path(row.sources[0]).name: row.id for row in catalog.recordings()}


@pytest.fixture
def client(data: Path) -> Iterator[TestClient]:
    with open_archive(load_settings(data=data)) as opened:
        yield TestClient(create_app(opened), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


def test_recordings_of_one_scene_are_linked_when_they_are_indexed(data: Path, ids: dict[str, RecordingId]) -> None:
    """Whatever their clocks and incidents say; who only was there by the clock is no angle."""
    with Catalog.open(load_settings(data=data).catalog) as catalog:
        links = catalog.links_of([ids["first.mp4"]])
        strangers = catalog.links_of([ids["stranger.mp4"]])

    told = {link.second if link.first == ids["first.mp4"] else link.first: link for link in links}
    offsets = {
        other: link.offset_ms if link.first == ids["first.mp4"] else -link.offset_ms for other, link in told.items()
    }
    assert set(offsets) == {ids["second.wav"], ids["third.wav"]}
    assert abs(offsets[ids["second.wav"]] + CUTS_MS[1]) <= 100
    assert abs(offsets[ids["third.wav"]] + CUTS_MS[2]) <= 100
    assert {link.by for link in links} == {"words"}
    assert strangers == []


def test_the_command_line_shows_one_hit_with_its_angles(data: Path, ids: dict[str, RecordingId]) -> None:
    """One hit from three places; the other cameras are named under it."""
    answer = earwitness("search", PHRASE, "--json", data=data).json
    shown = earwitness("search", PHRASE, data=data).out

    (hit,) = answer["hits"]
    assert (answer["total"], answer["places"], answer["total_is_exact"]) == (1, 3, True)
    assert {angle["recording_id"] for angle in hit["angles"]} == {
        ids[f] for f in ("first.mp4", "second.wav", "third.wav")
    }
    assert hit["angles"][0]["recording_id"] == hit["recording_id"]
    assert [word["text"].strip(",.?") for word in hit["highlights"]] == ["proof", "of", "insurance"]
    assert "1 hit from 3 places, 1 shown" in shown
    assert shown.count("   also ") == 2
    assert "by words" in shown


def test_an_export_writes_every_angle_with_the_number_of_its_moment(data: Path) -> None:
    """Each camera's place is evidence, with its own span and hash."""
    rows = list(csv.DictReader(io.StringIO(earwitness("search", PHRASE, "--format", "csv", data=data).out)))

    assert tuple(rows[0]) == COLUMNS
    assert len({row["source_sha256"] for row in rows}) == 3
    assert {row["moment"] for row in rows} == {"1"}


def test_a_filter_leaves_only_angles_that_pass(client: TestClient) -> None:
    """Over HTTP: who may see one camera is told of no other."""
    whole = client.get("/api/v1/search", params={"q": PHRASE}).json()
    one = client.get("/api/v1/search", params={"q": PHRASE, "officer": "Okafor"}).json()
    two = client.get("/api/v1/search", params={"q": PHRASE, "incident": "INC-1"}).json()

    assert [len(answer["hits"][0]["angles"]) for answer in (whole, one, two)] == [3, 0, 2]
    assert [answer["places"] for answer in (whole, one, two)] == [3, 1, 2]
    assert "second.wav" not in str(two)


def test_what_the_sound_says_is_kept_in_place_of_what_the_words_said(data: Path, ids: dict[str, RecordingId]) -> None:
    """`earwitness align` is more exact, and searches show it from then on."""
    assert earwitness("align", "first.mp4", "third.wav", data=data).code == 0
    with Catalog.open(load_settings(data=data).catalog) as catalog:
        (link,) = [one for one in catalog.links_of([ids["third.wav"]]) if one.by == "sound"]
        versions = {row.id: row.transcript_version or "" for row in catalog.recordings()}
        catalog.keep_link(Link(link.first, link.second, 5, 100, "words", 0.5), versions)

        assert abs(link.offset_ms) == CUTS_MS[2]
        assert link in catalog.links_of([ids["third.wav"]])


def test_a_link_holds_for_the_transcripts_it_was_told_from(
    data: Path, ids: dict[str, RecordingId], tmp_path: Path
) -> None:
    """A recording that is heard anew has no link until it is indexed, and linked, anew."""
    shutil.copytree(data, tmp_path / "data")
    with Catalog.open(load_settings(data=tmp_path / "data").catalog) as catalog:
        first, second = sorted((ids["first.mp4"], ids["second.wav"]))
        catalog.keep_link(Link(second, first, 5, 100, "words", 0.9), {first: "other", second: "another"})
        assert not any({link.first, link.second} == {first, second} for link in catalog.links_of([first]))
        catalog.forget_older_links(first, "newest")
        assert catalog.links_of([first]) == []


RARE = ("larch gazebo", "walnut trombone", "cedar accordion", "juniper xylophone")
EVERYBODY_SAYS = "so then you will need to step out of the car for me now please"


def apart(recording: str, lines: Sequence[str]) -> Transcript:
    said = [(None, n * 20_000, text) for n, text in enumerate(lines)]
    silent = [Span((n + 1) * 20_000 - 2_000, (n + 1) * 20_000 - 1_000) for n in range(len(lines))]
    return spoken(*said, recording=recording, silent=silent)


def test_who_shares_rare_words_is_compared_before_who_shares_common_ones() -> None:
    """However many say what everybody says, and sealed or not: links are followed only where both may be seen."""
    own = apart("a", [f"{EVERYBODY_SAYS} {rare}" for rare in RARE])
    crowd = [apart(f"{n:x}0", [EVERYBODY_SAYS] * len(RARE)) for n in range(2, 12)]
    partner = apart("b", RARE)
    index = archive(own, *crowd)
    made = rows(partner, build_passages(partner), NUMBERS, Labels(partner.recording.metadata, sealed=True))
    index.replace(partner.recording.id, partner.version, made)

    alike = most_alike(index, rows(own, build_passages(own), NUMBERS))
    assert alike[partner.recording.id] == partner.version
