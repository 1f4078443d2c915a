"""Watch-lists from the footage to the person: matched once, told when broken, acknowledged, exported, forgotten."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from click.testing import CliRunner
from numpy.typing import NDArray
from starlette.testclient import TestClient

import service.watch_lists
import service.watching
from gpu.engine import LocalEngine
from search.access import ALL, NOTHING, SEALED_TOO, Grants
from search.embedding import Embedder
from service.archive import OpenArchive
from service.catalog import Catalog, Mark, Watch
from service.cli.main import cli
from service.detectors import NOTICE, detectors, measures
from service.errors import WatchHitUnknown
from service.http import create_app
from service.indexing import Indexer, open_index
from service.ingest import Ingest, Report, find_sources
from service.owner import Running
from service.proxies import Proxies
from service.settings import load_settings
from service.transcripts import TranscriptStore
from service.watch_lists import add_watch, run_watches
from service.watching import JOINED_MS, match, moments
from tests.media_maker import mono, write_media
from tests.quick_ingest import QuickEmbedder, Watched
from tests.served import Ears
from tests.spoken import line, spoken
from tests.test_search import archive
from transcribe.transcript import RecordingId, Segment

API = "/api/v1"
LENGTH_MS = 5_000
GUN = '"drop the gun"'


class UnlikeEmbedder(QuickEmbedder):
    """No passage is like any query."""

    def query(self, text: str) -> NDArray[np.float32]:
        vector = super().query(text)
        vector[::2] *= -1
        return vector


def make_media(folder: Path, n: int) -> Path:
    """`n` distinct recordings, as WAV."""
    folder.mkdir(exist_ok=True)
    for number in range(n):
        write_media(folder / f"{number}.wav", mono([100 + 5 * number], LENGTH_MS, 16_000, "pcm_s16le"))
    return folder


def hear(data: Path, media: Path, *said: Segment, words: str = "w1") -> Report:
    """Ingest a folder, as the command line does, with ears that hear "open the trunk" and these lines everywhere.

    words: what they are heard with; something else hears anew.
    """
    settings, stop = load_settings(data=data), threading.Event()
    with Catalog.open(settings.catalog) as catalog:
        transcripts = TranscriptStore(settings.transcripts)
        run = Ingest(
            catalog,
            transcripts,
            Indexer(settings, catalog, transcripts, embedder=UnlikeEmbedder()),
            LocalEngine(Ears(said), stop),
            {"words": words, "turns": "t1"},
            Watched(),
            stop,
        )
        return run.run(find_sources([str(media)], None, settings))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def catalog(data: Path) -> Iterator[Catalog]:
    with Catalog.open(load_settings(data=data).catalog) as opened:
        yield opened


def watch(data: Path, catalog: Catalog, name: str = "gun", query: str = GUN, **filters: str) -> None:
    add_watch(load_settings(data=data), catalog, name, query, filters=filters)


def spans(catalog: Catalog, name: str | None = None) -> list[tuple[int, int]]:
    return sorted((hit.span.start_ms, hit.span.end_ms) for hit in catalog.watches.hits(name))


# Matching


def test_each_recording_is_matched_once_when_it_is_indexed(data: Path, catalog: Catalog, tmp_path: Path) -> None:
    """Hits come with the ingest; another ingest, and asking for what is there already, add nothing."""
    media = make_media(tmp_path / "media", 2)
    watch(data, catalog)
    watch(data, catalog, "anybody", '"drop the knife"')
    assert hear(data, media, line("A", 3_000, "drop the gun now")).done == 2
    assert spans(catalog, "gun") == [(3_000, 3_900)] * 2
    assert spans(catalog, "anybody") == []

    make_media(media, 3)
    hear(data, media, line("A", 3_000, "drop the gun now"))
    assert len(spans(catalog)) == 3
    assert run_watches(load_settings(data=data), catalog, None)["matched"] == 0
    assert [(state.n_matched, state.n_due, state.error) for state in catalog.watches.states()] == [(3, 0, None)] * 2


def test_what_is_indexed_already_is_matched_when_asked_for(data: Path, catalog: Catalog, tmp_path: Path) -> None:
    """Once, by one's own process, or left to the service that owns the index."""
    hear(data, make_media(tmp_path / "media", 2), line("A", 3_000, "drop the gun now"))
    watch(data, catalog)
    assert spans(catalog) == []

    settings = load_settings(data=data)
    became = run_watches(settings, catalog, "gun")
    assert (became["matched"], became["new_hits"], became["due"], became["failed"]) == (2, 2, 0, 0)
    assert run_watches(settings, catalog, "gun")["matched"] == 0
    assert len(spans(catalog)) == 2


def test_a_service_matches_what_the_command_line_leaves_to_it(
    data: Path, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only it may open the index; it looks for what is due whenever it looks for what was heard."""
    hear(data, make_media(tmp_path / "media", 2), line("A", 3_000, "drop the gun now"))
    watch(data, catalog)
    settings = load_settings(data=data)
    monkeypatch.setattr(service.watch_lists, "running_service", lambda _data: Running("http://127.0.0.1:1", 1, "", ""))
    with opened(data, catalog) as served:
        became = run_watches(settings, catalog, "gun")
        assert (became["due"], became["matched"], spans(catalog)) == (2, 0, [])
        assert served.index_pending() == 0
        assert len(spans(catalog)) == 2


def test_a_process_that_dies_before_it_has_matched_leaves_that_to_the_next(
    data: Path, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is indexed is due until its hits are entered, in one step with that; no hit is lost or there twice."""

    class Killed(BaseException):
        pass

    def die(*_args: Any) -> None:
        raise Killed

    watch(data, catalog)
    media = make_media(tmp_path / "media", 3)
    with monkeypatch.context() as patched:
        patched.setattr(service.watching, "match", die)
        with pytest.raises(Killed):
            hear(data, media, line("A", 3_000, "drop the gun now"))
    assert spans(catalog) == []

    hear(data, media)
    assert len(spans(catalog)) == 3
    assert [(state.n_matched, state.n_due) for state in catalog.watches.states()] == [(3, 0)]


def test_a_broken_watch_is_told_and_stops_neither_others_nor_the_indexing(
    data: Path, catalog: Catalog, tmp_path: Path
) -> None:
    """Its query may have fitted an earlier version; what it is stays out of the log. It is due again later."""
    catalog.watches.add(Watch("broken", ('"secret words" OR',), "auto", {}, False, None, "ann", 1))
    watch(data, catalog)
    with structlog.testing.capture_logs() as logs:
        report = hear(data, make_media(tmp_path / "media", 2), line("A", 3_000, "drop the gun now"))

    assert (report.done, report.failures) == (2, [])
    assert len(spans(catalog, "gun")) == 2
    told = [entry for entry in logs if entry["event"] == "watch failed"]
    assert [(entry["watch"], entry["error"], entry["recordings"]) for entry in told] == [("broken", "QueryWrong", 2)]
    assert "secret" not in str(logs)
    broken, _whole = catalog.watches.states()
    assert (broken.n_due, broken.n_hits) == (2, 0)
    assert broken.error is not None
    assert "cannot be read at character 18" in broken.error


def test_a_hit_acknowledged_stays_so_when_its_recording_is_heard_anew(
    data: Path, catalog: Catalog, tmp_path: Path
) -> None:
    """Where its span overlaps that of the new version; what is heard elsewhere is new, and the old is superseded."""
    media = make_media(tmp_path / "media", 1)
    watch(data, catalog)
    hear(data, media, line("A", 3_000, "drop the gun now"))
    (first,) = catalog.watches.hits()
    catalog.watches.acknowledge([first.id], "ann", "played")

    hear(data, media, line("A", 2_500, "hey drop the gun now"), line("A", 20_000, "drop the gun"), words="w2")
    near, far = catalog.watches.hits()
    assert (near.span.start_ms, far.span.start_ms) == (2_800, 20_000)
    assert near.acknowledged is not None
    assert (near.acknowledged.by, near.acknowledged.note, far.acknowledged) == ("ann", "played", None)
    assert near.version != first.version
    old = [hit for hit in catalog.watches.hits(superseded=True) if hit.superseded_ms is not None]
    assert [(hit.id, hit.acknowledged) for hit in old] == [(first.id, first.acknowledged or old[0].acknowledged)]


def test_hits_in_sealed_recordings_are_there_and_shown_to_nobody_else(
    data: Path, catalog: Catalog, tmp_path: Path
) -> None:
    """Not listed, not counted, not acknowledged; sealed before it was indexed, too. Unsealed, they are all there."""
    watch(data, catalog)
    hear(data, make_media(tmp_path / "media", 2), line("A", 1_000, "drop the gun"))
    first, second = (row.id for row in catalog.recordings())
    assert catalog.mark(first, Mark.SEALED, "ann", "court order")
    hear(data, tmp_path / "media", line("A", 2_000, "drop the gun"), words="w2")

    def seen(grants: Grants = ALL) -> tuple[set[str], list[tuple[int, int, int]]]:
        counts = [(one.n_hits, one.n_new, one.n_matched) for one in catalog.watches.states(grants)]
        return {hit.recording_id for hit in catalog.watches.hits(grants=grants)}, counts

    assert seen() == ({second}, [(1, 1, 1)])
    assert seen(SEALED_TOO) == ({first, second}, [(2, 2, 2)])
    assert seen(NOTHING) == (set(), [(0, 0, 0)])
    (hidden,) = (hit.id for hit in catalog.watches.hits(grants=SEALED_TOO) if hit.recording_id == first)
    with pytest.raises(WatchHitUnknown):
        catalog.watches.acknowledge([hidden], "bob", None)
    assert catalog.watches.acknowledge_all("gun", "bob", None) == 1
    assert catalog.unmark(first, Mark.SEALED)
    assert seen() == ({first, second}, [(2, 1, 2)])


def test_filters_of_a_watch_and_fields_of_its_query_both_hold(data: Path, catalog: Catalog, tmp_path: Path) -> None:
    """One that asks for another recording than the one it is matched with finds nothing there."""
    media = make_media(tmp_path / "media", 1)
    watch(data, catalog, "wearer", f"{GUN} speaker:wearer")
    watch(data, catalog, "radio", GUN, speaker="radio")
    watch(data, catalog, "elsewhere", GUN, until="1999-01-01")
    hear(data, media, line("A", 3_000, "drop the gun now"))

    assert {state.watch.name: state.n_hits for state in catalog.watches.states()} == {
        "elsewhere": 0,
        "radio": 0,
        "wearer": 1,
    }


def test_of_plain_text_only_what_is_found_becomes_a_hit(data: Path, catalog: Catalog, tmp_path: Path) -> None:
    """Not what was perhaps meant; and where a leg cannot be asked, the match fails rather than misses something."""
    watch(data, catalog, "trunk", "open the trunk")
    watch(data, catalog, "other", "bicycle")
    hear(data, make_media(tmp_path / "media", 1), line("A", 30_000, "we have no idea what happened there"))
    assert {state.watch.name: state.n_hits for state in catalog.watches.states()} == {"other": 0, "trunk": 1}

    (hit,) = catalog.watches.hits("trunk")
    settings, none = load_settings(data=data), _no_embedder
    with open_index(settings) as index, pytest.raises(service.watching.MatchIncomplete, match="tried again"):
        match(catalog.watches.states()[1].watch, hit.recording_id, catalog, settings.zone, index, none)


def _no_embedder() -> Embedder:
    return None  # type: ignore[return-value]  # as a search without a model asks


@pytest.mark.parametrize(("gap_ms", "n_moments"), [(0, 1), (JOINED_MS, 1), (JOINED_MS + 1, 2)])
def test_what_is_said_again_soon_is_one_moment_to_play(catalog: Catalog, gap_ms: int, n_moments: int) -> None:
    """From the first word to the last; who said it is known where one did."""
    index = archive(spoken(("A", 0, "drop the gun"), ("B", 900 + gap_ms, "drop the gun")))
    kept = Watch("gun", (GUN,), "auto", {}, False, None, "ann", 1)
    found = match(kept, RecordingId("a" * 64), catalog, "UTC", index, _no_embedder)

    assert len(found) == n_moments
    assert (found[0].start_ms, found[-1].end_ms) == (0, 1_800 + gap_ms)
    assert found[0].speaker == (None if n_moments == 1 else "A")
    assert moments([]) == []


# Detectors


def finds(catalog: Catalog, name: str, text: str, language: str = "en") -> bool:
    index = archive(spoken(line("A", 0, text, language)))
    kept = Watch(name, detectors()[name].texts, "exact", {}, False, name, "ann", 1)
    return bool(match(kept, RecordingId("a" * 64), catalog, "UTC", index, _no_embedder))


@pytest.mark.parametrize("name", detectors())
def test_a_detector_finds_its_example_and_not_its_counter_example(catalog: Catalog, name: str) -> None:
    """Every query of every detector can be read, and each language it claims has one."""
    shipped = detectors()[name]

    assert finds(catalog, name, shipped.example)
    assert not finds(catalog, name, shipped.counter_example)
    assert {query.language for query in shipped.queries} == {"en", "es"}
    assert "does not tell" in shipped.description


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("miranda", "Tiene derecho a guardar silencio."),
        ("weapon-commands", "¡Suelte el arma! ¡Muéstreme las manos!"),
        ("consent-to-search", "¿Me da permiso para revisar el carro?"),
        ("threats", "Te voy a matar."),
    ],
)
def test_detectors_know_spanish(catalog: Catalog, name: str, text: str) -> None:
    """With and without accents, as machines write it."""
    assert finds(catalog, name, text, "es")
    assert finds(catalog, name, text.replace("é", "e").upper(), "es")


def test_counts_come_to_shares_where_there_is_something_to_count() -> None:
    """Nothing found of nothing said is neither right nor wrong."""
    none = {"hits": 0, "right": 0, "labelled": 0, "found": 0}

    assert measures(none) == {**none, "precision": None, "recall": None}
    some = {"hits": 4, "right": 3, "labelled": 2, "found": 1}
    assert measures(some) == {**some, "precision": 0.75, "recall": 0.5}


# The command line


def run(data: Path, *args: str) -> Any:
    """What a command prints as JSON."""
    done = CliRunner().invoke(cli, ["--data", str(data), "--json", *args], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_watch_is_kept_run_shown_acknowledged_exported_and_removed(data: Path, tmp_path: Path) -> None:
    """By the command line, from the first word to the last; the trail names who did what, and no query."""
    added = run(data, "watch", "add", "gun", GUN, "--speaker", "wearer")
    assert (added["queries"], added["filters"], added["hits"], added["due"]) == ([GUN], {"speaker": "wearer"}, 0, 0)
    assert run(data, "watch", "add", "--detector", "weapon-commands")["detector"] == "weapon-commands"
    hear(data, make_media(tmp_path / "media", 2), line("A", 3_000, "drop the gun now"))
    assert run(data, "watch", "run")["matched"] == 0

    found = run(data, "watch", "hits", "gun")
    assert found["notice"] == NOTICE
    hit = found["hits"][0]
    assert (hit["said"], hit["start_ms"], hit["legs"]["exact"]) == ("drop the gun", 3_000, 1.0)
    assert run(data, "watch", "acknowledge", hit["id"], "--note", "=1+1")["acknowledged"] == 1
    assert len(run(data, "watch", "hits", "gun", "--new")["hits"]) == 1
    assert [one["new"] for one in run(data, "watch", "list")["watches"]] == [1, 2]

    lines = CliRunner().invoke(cli, ["--data", str(data), "watch", "hits", "gun", "--format", "csv"]).stdout
    seen, new = sorted(csv.DictReader(io.StringIO(lines)), key=lambda row: row["acknowledged_at"], reverse=True)
    assert (seen["acknowledgement"], new["acknowledgement"]) == ("'=1+1", "")
    assert (seen["said"], seen["note"]) == ("drop the gun", "machine transcript, not verified")
    exported = tmp_path / "hits.jsonl"
    assert run(data, "watch", "hits", "--format", "jsonl", "-o", str(exported)) == {"files": [str(exported)]}
    assert len(exported.read_text().splitlines()) == 4

    assert run(data, "watch", "acknowledge", "--all", "gun")["acknowledged"] == 1
    shown = CliRunner().invoke(cli, ["--data", str(data), "watch", "hits"]).stdout
    assert NOTICE in shown
    assert "drop the gun" in shown
    assert GUN in CliRunner().invoke(cli, ["--data", str(data), "watch", "list"]).stdout
    assert run(data, "watch", "remove", "gun") == {"removed": "gun", "hits": 2}
    assert [one["name"] for one in run(data, "watch", "list")["watches"]] == ["weapon-commands"]

    trail = [json.loads(entry) for entry in (data / "audit.jsonl").read_text().splitlines()]
    assert [entry["what"].removeprefix("watch.") for entry in trail] == [
        *("add", "add", "acknowledge", "acknowledge", "remove")
    ]
    assert "drop" not in (data / "audit.jsonl").read_text()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["gun"], "give NAME and QUERY"),
        (["gun", GUN, "--detector", "threats"], "brings its own queries"),
        (["Gun", GUN], "lower-case letters"),
        (["gun", "--detector", "guns"], "there are consent-to-search, miranda"),
        (["gun", '"gun" OR'], "at character 9"),
        (["gun", GUN, "--since", "yesterday"], "--since"),
    ],
)
def test_a_watch_that_cannot_be_kept_is_refused_when_it_is_added(data: Path, args: list[str], said: str) -> None:
    """With what is wrong, and what would fit; nothing is kept."""
    done = CliRunner().invoke(cli, ["--data", str(data), "watch", "add", *args])

    assert done.exit_code != 0
    assert said in f"{done.output}{done.exception}"
    assert not run(data, "watch", "list")["watches"] if (data / "catalog.sqlite").exists() else True


def test_detectors_are_shown_with_what_was_measured_of_them(data: Path) -> None:
    """And with what they are not."""
    shown = CliRunner().invoke(cli, ["--data", str(data), "watch", "detectors"]).stdout

    assert all(name in shown for name in detectors())
    assert NOTICE in shown
    assert run(data, "watch", "detectors")["detectors"] == [one.to_json() for one in detectors().values()]


# Over HTTP


def opened(data: Path, catalog: Catalog) -> Any:
    """The data folder as a service holds it, without its threads, and with an embedder that takes no model."""
    settings = load_settings(data=data)

    @contextmanager
    def hold() -> Iterator[OpenArchive]:
        with open_index(settings) as index:
            yield OpenArchive(
                settings,
                catalog,
                TranscriptStore(settings.transcripts),
                index,
                QuickEmbedder(),
                Proxies(data / "proxies"),
            )

    return hold()


def test_watches_are_kept_and_acknowledged_over_http(data: Path, catalog: Catalog, tmp_path: Path) -> None:
    """By the same functions as on the command line, with the same answers."""
    with opened(data, catalog) as served:
        client = TestClient(create_app(served), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
        added = client.post(f"{API}/watches", json={"name": "gun", "q": GUN, "language": "en"})
        assert (added.status_code, added.json()["filters"]) == (201, {"language": "en"})
        assert client.post(f"{API}/watches", json={"detector": "threats"}).json()["name"] == "threats"
    hear(data, make_media(tmp_path / "media", 2), line("A", 3_000, "drop the gun now"))
    with opened(data, catalog) as served:
        client = TestClient(create_app(served), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
        assert client.get(f"{API}/watches").json() == run(data, "watch", "list")
        page = client.get(f"{API}/watches/gun/hits", params={"limit": 1}).json()
        assert (len(page["hits"]), page["more"], page["notice"]) == (1, True, NOTICE)
        both = client.get(f"{API}/watches/gun/hits").json()
        assert both["hits"] == run(data, "watch", "hits", "gun")["hits"]

        seen = client.post(f"{API}/watches/gun/acknowledge", json={"hits": [both["hits"][0]["id"]], "note": "played"})
        assert seen.json() == {"acknowledged": 1}
        (new,) = client.get(f"{API}/watches/gun/hits", params={"new": "true"}).json()["hits"]
        assert new["id"] == both["hits"][1]["id"]
        elsewhere = client.post(f"{API}/watches/threats/acknowledge", json={"hits": [new["id"]]})
        assert (elsewhere.status_code, elsewhere.json()["type"]) == (404, "urn:earwitness:problem:watch-hit-unknown")
        assert client.post(f"{API}/watches/gun/acknowledge", json={"all": True}).json() == {"acknowledged": 1}


def test_wrong_requests_about_watches_change_nothing(data: Path, catalog: Catalog) -> None:
    """Each is refused with its reason, and so is what the page of another site sends."""
    watch(data, catalog)
    with opened(data, catalog) as served:
        client = TestClient(create_app(served), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
        new = {"name": "knife", "q": '"knife"'}
        for body, status, name in (
            ({**new, "name": "gun"}, 409, "watch-exists"),
            ({**new, "name": "no/name"}, 422, "watch-name-wrong"),
            ({**new, "q": '"knife" OR'}, 422, "query-wrong"),
            ({**new, "mode": "meaning"}, 422, "parameter-wrong"),
            ({**new, "officr": "Ann"}, 422, "parameter-wrong"),
            ({**new, "detector": "threats"}, 422, "parameter-wrong"),
            ({"detector": "knives"}, 422, "detector-unknown"),
        ):
            refused = client.post(f"{API}/watches", json=body)
            assert (refused.status_code, refused.json()["type"]) == (status, f"urn:earwitness:problem:{name}"), body
        assert client.get(f"{API}/watches/knife/hits").status_code == 404
        assert client.post(f"{API}/watches/gun/acknowledge", json={}).status_code == 422
        for origin, status in (("http://evil.example", 403), ("null", 403), ("http://127.0.0.1:8000", 201)):
            sent = client.post(f"{API}/watches", json={**new, "name": f"k{status}"}, headers={"Origin": origin})
            assert sent.status_code == status, origin
    assert [state.watch.name for state in catalog.watches.states()] == ["gun", "k201"]
