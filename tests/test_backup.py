"""Laws of backup and restore: one consistent copy, whole or refused, and nothing overwritten."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from service.backup import MANIFEST, back_up, copy_folder, read_backup
from service.catalog import Catalog
from service.errors import BackupRefused, BackupUnusable, RestoreRefused
from service.indexing import open_index
from service.owner import announced
from service.restore import MARKER, Restored, restore
from service.settings import Settings, load_settings
from service.transcripts import TranscriptStore
from service.verify import verify
from tests.conftest import earwitness
from tests.quick_ingest import QuickEars, make_media, quick_ingest

N_RECORDINGS = 4


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `media`, `data` made of it, and a `backup` of that."""
    folder = tmp_path_factory.mktemp("backup")
    quick_ingest(folder / "data", make_media(folder / "media", N_RECORDINGS))
    backed_up(load_settings(data=folder / "data"), folder / "backup")
    return folder


@pytest.fixture
def backup(ingested: Path, tmp_path: Path) -> Path:
    """A copy of the backup, to be damaged."""
    copy_folder(ingested / "backup", tmp_path / "backup")
    return tmp_path / "backup"


@pytest.fixture
def new(tmp_path: Path) -> Settings:
    """A place where there is no archive yet."""
    return load_settings(data=tmp_path / "new")


def backed_up(settings: Settings, target: Path) -> None:
    with Catalog.open(settings.catalog) as catalog:
        back_up(settings, catalog, TranscriptStore(settings.transcripts), target)


def clean(settings: Settings) -> bool:
    with Catalog.open(settings.catalog) as catalog:
        verification = verify(settings, catalog, TranscriptStore(settings.transcripts))
    return not verification.differences and verification.rows == N_RECORDINGS and not verification.waiting


def test_what_was_backed_up_is_restored_and_nothing_is_heard_or_indexed_again(ingested: Path, new: Settings) -> None:
    """Catalog, transcripts and index come back as they were; an ingest of the same footage skips all of it."""
    restored = restore(new, ingested / "backup")
    ears = QuickEars()
    report = quick_ingest(new.data, ingested / "media", ears)

    assert restored.indexed is None
    assert clean(new)
    assert ears.heard == []
    assert report.to_json()["recordings"]["skipped"] == N_RECORDINGS


def test_the_manifest_counts_and_hashes(ingested: Path) -> None:
    """Time, versions, counts, a SHA-256 for each file of catalog and index."""
    said = json.loads((ingested / "backup" / MANIFEST).read_text())

    assert said["counts"] == {"recordings": N_RECORDINGS, "indexed": N_RECORDINGS, "transcripts": 3 * N_RECORDINGS}
    assert said["index"] == {"included": True, "left_out": None}
    assert said["made_at"].endswith("+00:00")
    assert {"catalog.sqlite", "index/edge_config.json"} <= said["sha256"].keys()


def test_a_backup_during_an_ingest_is_of_one_moment(tmp_path: Path) -> None:
    """Taken in the middle, it restores to an archive without differences, from which an ingest goes on."""
    media, settings = make_media(tmp_path / "media", N_RECORDINGS), load_settings(data=tmp_path / "data")
    taken: list[bool] = []

    def in_the_middle(n_heard: int) -> None:
        if n_heard == 2:
            backed_up(settings, tmp_path / "backup")
            taken.append(True)

    quick_ingest(settings.data, media, heard=in_the_middle)
    new = load_settings(data=tmp_path / "new")
    restored = restore(new, tmp_path / "backup")
    ears = QuickEars()
    quick_ingest(new.data, media, ears)

    assert taken
    assert restored.verification.differences == ()
    # The words of a third may have been heard before the voices of the second: they are in the copy, too.
    assert len(ears.heard) <= N_RECORDINGS - 2
    assert clean(new)


def test_the_index_of_a_running_service_is_left_out_and_made_again(
    ingested: Path, tmp_path: Path, new: Settings
) -> None:
    """The backup says so, without waiting for the service to end; restoring indexes from the transcripts."""
    settings = load_settings(data=ingested / "data")
    with announced(settings.data, "http://127.0.0.1:1"), open_index(settings):
        backed_up(settings, tmp_path / "without")
    restored = restore(new, tmp_path / "without")

    assert restored.backup.index_left_out == "a running service has the index open"
    assert not (tmp_path / "without" / "index").exists()
    assert restored.indexed is not None
    assert restored.indexed.recordings == N_RECORDINGS
    assert clean(new)


def test_an_index_of_another_format_in_a_backup_is_made_again(backup: Path, new: Settings) -> None:
    """An index format change means a rebuild, never loss."""
    config = backup / "index" / "edge_config.json"
    config.write_text(config.read_text().replace("Cosine", "Unheard"))
    sign_again(backup)

    assert restore(new, backup).indexed is not None
    assert clean(new)


def sign_again(backup: Path) -> None:
    from service.backup import file_sha256

    said = json.loads((backup / MANIFEST).read_text())
    said["sha256"] = {name: file_sha256(backup / name) for name in said["sha256"]}
    (backup / MANIFEST).write_text(json.dumps(said))


def test_a_folder_that_holds_something_is_no_place_for_a_backup(ingested: Path, tmp_path: Path) -> None:
    """Nothing is overwritten; an empty folder will do; nothing half written is left."""
    settings = load_settings(data=ingested / "data")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(BackupRefused):
        backed_up(settings, tmp_path / "full")
    backed_up(settings, tmp_path / "empty")

    assert read_backup(tmp_path / "empty").recordings == N_RECORDINGS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "full"]


def test_a_backup_that_breaks_off_leaves_nothing_by_its_name(
    ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half backup is never mistaken for one."""

    def full(_self: TranscriptStore, _key: str, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TranscriptStore, "fetch", full)
    with pytest.raises(BackupRefused, match="No space left"):
        backed_up(load_settings(data=ingested / "data"), tmp_path / "backup")

    assert list(tmp_path.iterdir()) == []


def change_catalog(backup: Path) -> None:
    with (backup / "catalog.sqlite").open("ab") as file:
        file.write(b"x")


def change_transcript(backup: Path) -> None:
    path = next((backup / "transcripts").rglob("transcript-*.json"))
    content = path.read_bytes()
    path.unlink()  # it may be one file with the archive's
    path.write_bytes(content.replace(b"trunk", b"drunk"))


def lose_transcript(backup: Path) -> None:
    next((backup / "transcripts").rglob("words-*.json")).unlink()


def lose_index_file(backup: Path) -> None:
    (backup / "index" / "edge_config.json").unlink()


def add_file(backup: Path) -> None:
    (backup / "index" / "more").touch()


def lose_manifest(backup: Path) -> None:
    (backup / MANIFEST).unlink()


def newer_format(backup: Path) -> None:
    (backup / MANIFEST).write_text((backup / MANIFEST).read_text().replace('"format": 1', '"format": 2'))


@pytest.mark.parametrize(
    "damage",
    [change_catalog, change_transcript, lose_transcript, lose_index_file, add_file, lose_manifest, newer_format],
)
def test_a_damaged_backup_is_refused_before_anything_is_written(
    backup: Path, new: Settings, damage: Callable[[Path], None]
) -> None:
    """Every file is checked, in both directions."""
    damage(backup)
    with pytest.raises(BackupUnusable, match="Nothing was restored"):
        restore(new, backup)

    assert not new.data.exists()


def test_an_archive_is_never_overwritten(ingested: Path, new: Settings) -> None:
    """Neither a whole one nor the transcripts of one."""
    with pytest.raises(RestoreRefused):
        restore(load_settings(data=ingested / "data"), ingested / "backup")
    (new.data / "transcripts").mkdir(parents=True)
    (new.data / "transcripts" / "something").touch()
    with pytest.raises(RestoreRefused):
        restore(new, ingested / "backup")


def test_a_restore_that_was_killed_begins_anew(ingested: Path, new: Settings) -> None:
    """Before the catalog there is no archive; half an index and half the transcripts do not stand in the way."""
    new.data.mkdir()
    (new.data / MARKER).touch()
    copy_folder(ingested / "backup" / "index", new.index)
    (new.index / "edge_config.json").unlink()
    key = next(iter(TranscriptStore(str(ingested / "backup" / "transcripts")).keys()))
    TranscriptStore(new.transcripts).adopt(key, (ingested / "backup" / "transcripts" / key).read_bytes())
    restored: Restored = restore(new, ingested / "backup")

    assert restored.verification.differences == ()
    assert clean(new)
    assert not (new.data / MARKER).exists()


def test_what_is_written_to_the_archive_later_does_not_reach_the_backup(tmp_path: Path) -> None:
    """The two may share the bytes of transcripts, which never change."""
    settings = load_settings(data=tmp_path / "data")
    quick_ingest(settings.data, make_media(tmp_path / "media", 2))
    backed_up(settings, tmp_path / "backup")
    quick_ingest(settings.data, make_media(tmp_path / "media", N_RECORDINGS))

    assert read_backup(tmp_path / "backup").recordings == 2


def test_a_copied_folder_is_equal_and_keeps_its_holes(tmp_path: Path) -> None:
    """An index is mostly holes: its copy takes no more room than it."""
    source = tmp_path / "source" / "deep"
    source.mkdir(parents=True)
    with (source / "sparse").open("wb") as file:
        file.write(b"begin")
        file.truncate(32 << 20)
    (source / "empty").touch()
    (source / "odd").write_bytes(bytes(70_000) + b"end")
    copy_folder(tmp_path / "source", tmp_path / "copy")

    for path in source.iterdir():
        assert (tmp_path / "copy" / "deep" / path.name).read_bytes() == path.read_bytes()
    assert (tmp_path / "copy" / "deep" / "sparse").stat().st_blocks * 512 < 1 << 20


def test_the_commands_back_up_and_restore(ingested: Path, tmp_path: Path) -> None:
    """Exit 0 with the counts; a second backup to the same place, and a second restore, are refused in one line."""
    taken = earwitness("backup", tmp_path / "b", "--json", data=ingested / "data")
    restored = earwitness("restore", tmp_path / "b", "--json", data=tmp_path / "new")
    again = [
        earwitness("backup", tmp_path / "b", data=ingested / "data"),
        earwitness("restore", tmp_path / "b", data=tmp_path / "new"),
    ]

    assert (taken.code, restored.code) == (0, 0), taken.err + restored.err
    assert taken.json["counts"]["recordings"] == N_RECORDINGS
    assert restored.json["verification"]["clean"]
    assert [refused.code for refused in again] == [1, 1]
    assert all(refused.err.count("\n") == 1 for refused in again)


def test_two_backups_at_once_do_not_disturb_each_other(ingested: Path, tmp_path: Path) -> None:
    """Each is whole."""
    settings = load_settings(data=ingested / "data")
    places = [tmp_path / "one", tmp_path / "two"]
    threads = [threading.Thread(target=backed_up, args=(settings, place)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [read_backup(place).recordings for place in places] == [N_RECORDINGS] * 2
