"""What goes wrong around an ingest: kills, company, a full disk, a closed folder, a wrong clock, a locked catalog.

The long versions, with the real models and real mounts, are `python -m benchmarks.hardening`.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.catalog import Catalog, SourceSeen, Stage, new_owner
from service.data import RESERVE_BYTES
from service.errors import CatalogUnusable, TooLittleSpace, TranscriptNotKept
from service.settings import load_settings
from service.transcripts import TranscriptStore
from service.verify import Verification, verify
from tests.conftest import earwitness
from tests.quick_ingest import QuickEars, make_media, quick_ingest

ROOT = Path(__file__).parent.parent
DAY_SECONDS = 86_400.0


def verified(data: Path) -> Verification:
    settings = load_settings(data=data)
    with Catalog.open(settings.catalog) as catalog:
        return verify(settings, catalog, TranscriptStore(settings.transcripts))


def assert_whole(data: Path, n_recordings: int) -> None:
    """Everything is indexed, once, and catalog, transcripts and index agree."""
    verification = verified(data)
    assert verification.differences == ()
    assert (verification.recordings, verification.rows, verification.waiting) == (n_recordings, n_recordings, 0)


def start_ingest(data: Path, media: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.quick_ingest", str(data), str(media)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_kills_lose_nothing_finished_and_index_nothing_twice(tmp_path: Path) -> None:
    """kill -9 after some recordings, at once or a moment later; then a run that is left alone."""
    media, data, chance = make_media(tmp_path / "media", 30), tmp_path / "data", random.Random(3)
    finished: set[str] = set()
    for _ in range(3):
        with start_ingest(data, media) as process:
            assert process.stdout is not None
            for _line in zip(range(chance.randint(1, 6)), process.stdout, strict=False):
                pass
            threading.Event().wait(chance.uniform(0.0, 0.1))
            process.send_signal(signal.SIGKILL)
        before, finished = finished, words_done(data)
        assert before <= finished
    ears = QuickEars()
    report = quick_ingest(data, media, ears)

    assert finished
    assert report.failures == []
    assert finished.isdisjoint(ears.heard)
    assert_whole(data, 30)


def words_done(data: Path) -> set[str]:
    """The recordings whose words are done, each with its file."""
    settings = load_settings(data=data)
    store = TranscriptStore(settings.transcripts)
    with Catalog.open(settings.catalog) as catalog:
        done = {row.id: row.stages[Stage.WORDS].artifact for row in catalog.recordings()}
    kept = {recording_id: key for recording_id, key in done.items() if key is not None}
    assert all(store.fault(key) is None for key in kept.values())
    return set(kept)


def test_two_processes_at_once_share_the_work(tmp_path: Path) -> None:
    """Both end well, and nothing is there twice."""
    media, data = make_media(tmp_path / "media", 12), tmp_path / "data"
    processes = [start_ingest(data, media) for _ in range(2)]
    heard = [len(process.communicate()[0].splitlines()) for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    assert sum(heard) == 12
    assert_whole(data, 12)


# A full disk


def test_a_full_disk_ends_the_ingest_with_a_reason_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transcript that finds no room leaves no half file; what was finished is kept and not heard again."""
    media, data = make_media(tmp_path / "media", 5), tmp_path / "data"
    ears = QuickEars()
    with full_disk(monkeypatch, after=4), pytest.raises(TranscriptNotKept, match=r"No space left.*Free space"):
        quick_ingest(data, media, ears)
    kept = words_done(data)
    again = QuickEars()
    quick_ingest(data, media, again)

    assert list(data.rglob("*.part")) == []
    assert len(kept) < 5  # somebody's words found no room
    assert kept.isdisjoint(again.heard)
    assert len(kept) + len(again.heard) == 5
    assert_whole(data, 5)


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, after: int) -> Iterator[None]:
    """The disk is full once `after` files of the store are written: fsync is where the system says so at the latest."""
    written = 0

    def fsync(_descriptor: int) -> None:
        nonlocal written
        written += 1
        if written > after:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("service.transcripts.os.fsync", fsync)
        yield


def test_a_nearly_full_disk_is_refused_before_the_index_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index maps its files: a full disk would kill the process in the middle. What was heard is kept."""
    media, data = make_media(tmp_path / "media", 3), tmp_path / "data"
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr("service.data.shutil.disk_usage", lambda _path: usage(10**9, 9 * 10**8, RESERVE_BYTES - 1))
        with pytest.raises(TooLittleSpace, match=r"255 MB left.*free space"):
            quick_ingest(data, media)
    assert len(words_done(data)) == 3
    assert not (data / "index").exists()
    ears = QuickEars()
    quick_ingest(data, media, ears)

    assert ears.heard == []
    assert_whole(data, 3)


# A folder that may not be written


def test_a_read_only_data_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    """Tried as a user without rights where we are root (root writes everywhere)."""
    media, data = make_media(tmp_path / "media", 1), tmp_path / "data"
    data.mkdir(mode=0o555)
    for folder in (tmp_path, *tmp_path.parents[:3]):  # those pytest makes: side by side, tests are a folder deeper
        folder.chmod(folder.stat().st_mode | 0o755)
    modules = "gpu.listener, service.indexing, service.ingest, service.progress, service.scan, fsspec, json, signal"
    drop = "os.setgid(65534); os.setuid(65534); " if os.geteuid() == 0 else ""
    code = f"import os, {modules}, fsspec.implementations.local; from service.cli import main; {drop}main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--data", str(data), "ingest", str(media)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert str(data) in done.stderr
    assert "may not write there" in done.stderr
    assert list(data.iterdir()) == []


# The clock


def test_a_clock_set_back_a_day_stops_nobody(tmp_path: Path) -> None:
    """What a process of this machine held when it died is free at once, whatever the clock says."""
    media, data = make_media(tmp_path / "media", 4), tmp_path / "data"
    quick_ingest(data, media)
    dead = claims_and_dies(data, tmp_path / "never heard.wav")
    make_media(tmp_path / "media", 6)
    report = quick_ingest(data, media, clock=lambda: time.time() - DAY_SECONDS)
    with Catalog.open(load_settings(data=data).catalog, lambda: time.time() - DAY_SECONDS) as catalog:
        claimed = catalog.claim(new_owner(), {Stage.WORDS: "w1"}, 10)

    assert report.done == 2
    assert report.failures == []
    assert [claim.source for claim in claimed] == [dead]
    assert_whole(data, 6)


def claims_and_dies(data: Path, source: Path) -> str:
    """A source that a process claimed, and then ended without giving it back."""
    with Catalog.open(load_settings(data=data).catalog) as catalog:
        catalog.register([SourceSeen(str(source), 1, "1")])
    code = (
        "import sys; from service.catalog import Catalog, Stage, new_owner; catalog = Catalog.open(sys.argv[1]); "
        "assert catalog.claim(new_owner(), {Stage.WORDS: 'w1'}, 1)"
    )
    url = load_settings(data=data).catalog
    subprocess.run([sys.executable, "-c", code, url], cwd=ROOT, check=True)
    return str(source)


# A locked catalog


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """The catalog's write lock is held by another process until the block ends."""
    code = (
        "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "connection.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", code, str(data / "catalog.sqlite")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "locked\n"
        yield
        holder.stdin.close()


def test_an_ingest_waits_for_a_locked_catalog_and_completes(tmp_path: Path) -> None:
    """As long as another program holds it, nothing is lost and nothing fails."""
    media, data = make_media(tmp_path / "media", 2), tmp_path / "data"
    quick_ingest(data, media)
    make_media(tmp_path / "media", 4)
    reports = []
    run = threading.Thread(target=lambda: reports.append(quick_ingest(data, media)))
    with locked(data):
        run.start()
        run.join(timeout=1.0)
        assert run.is_alive()
    run.join()

    assert [(report.done, report.failures) for report in reports] == [(2, [])]
    assert_whole(data, 4)


def test_a_catalog_locked_for_too_long_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its patience the error says that trying again can help."""
    media, data = make_media(tmp_path / "media", 1), tmp_path / "data"
    quick_ingest(data, media)
    monkeypatch.setattr("service.catalog.database.BUSY_SECONDS", 0.1)
    with locked(data), pytest.raises(CatalogUnusable, match=r"locked.*again in a moment") as refused:
        quick_ingest(data, media)

    assert refused.value.transient
    assert "\n" not in str(refused.value)


def test_a_damaged_catalog_is_named_in_one_line(tmp_path: Path) -> None:
    """No traceback where the file is not a database."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "catalog.sqlite").write_text("not a database" * 100)
    done = earwitness("status", data=data)

    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "catalog.sqlite" in done.err
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(data / "catalog.sqlite").execute("SELECT 1 FROM recordings")
