"""A backup: one folder with the catalog, every transcript and the index as they were together, and a manifest.

    backup.json        what is in it, when and by which version it was made, SHA-256 of catalog and index
    catalog.sqlite     a snapshot by SQLite's online backup; voices in it are sealed, and their key is nowhere here
    transcripts/       as in the store; each file is named by the hash of its contents
    index/             the Qdrant Edge folder; left out while a service has it open, and then made again on restore

The audit trail is not in it: a restored archive must not bring back an older one. Nor is footage: the catalog knows
where it lies and which SHA-256 it has.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from search.errors import IndexBusy
from service.catalog import Catalog
from service.errors import BackupRefused, BackupUnusable
from service.index_folder import hold_index_folder, patience
from service.owner import running_service
from service.settings import Settings
from service.transcripts import TranscriptStore

FORMAT = 1  # of backup.json and the folder around it
MANIFEST, CATALOG, TRANSCRIPTS, INDEX = "backup.json", "catalog.sqlite", "transcripts", "index"
BLOCK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Backup:
    """What `backup.json` says."""

    made_at: str  # ISO 8601, UTC
    earwitness: str
    recordings: int
    indexed: int
    transcripts: int  # files
    index_left_out: str | None  # why; None: it is in
    sha256: Mapping[str, str]  # of each file of catalog and index, by its path in the backup

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "made_at": self.made_at,
            "versions": {"earwitness": self.earwitness},
            "counts": {"recordings": self.recordings, "indexed": self.indexed, "transcripts": self.transcripts},
            "index": {"included": self.index_left_out is None, "left_out": self.index_left_out},
            "sha256": dict(self.sha256),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Backup:
        counts = data["counts"]
        return Backup(
            data["made_at"],
            data["versions"]["earwitness"],
            counts["recordings"],
            counts["indexed"],
            counts["transcripts"],
            data["index"]["left_out"],
            dict(data["sha256"]),
        )


def back_up(settings: Settings, catalog: Catalog, transcripts: TranscriptStore, target: Path) -> Backup:
    """Write a backup into a folder that is empty or does not exist; ingests and searches may go on meanwhile.

    It is written beside its place and renamed at the end: a folder of that name is a whole backup.

    Raises:
        BackupRefused: the folder holds something, or cannot be written.
        CatalogUnusable: the catalog is PostgreSQL's.
    """
    target = target.resolve()
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise BackupRefused(target, "something is there already")
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
        aside.mkdir(parents=True)
    except OSError as error:
        raise BackupRefused(target, error.strerror or str(error)) from error
    try:
        backup = _write(settings, catalog, transcripts, aside)
        os.sync()  # a name promises contents, after a power cut too
        aside.rename(target)
    except OSError as error:
        raise BackupRefused(target, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return backup


def _write(settings: Settings, catalog: Catalog, transcripts: TranscriptStore, folder: Path) -> Backup:
    sha256: dict[str, str] = {}
    left_out = None
    if settings.qdrant_url:
        left_out = "the index is on a Qdrant server"
        catalog.snapshot(folder / CATALOG)
    else:
        serves = running_service(settings.data) is not None
        try:
            # Catalog and index of one moment: who writes to the index notes it in the catalog before letting go.
            with hold_index_folder(settings, patience(settings)) as index:
                catalog.snapshot(folder / CATALOG)
                if index.exists():
                    sha256 |= {f"{INDEX}/{name}": digest for name, digest in copy_folder(index, folder / INDEX).items()}
        except IndexBusy:
            left_out = "a running service has the index open" if serves else "another process has the index open"
            catalog.snapshot(folder / CATALOG)
    sha256[CATALOG] = file_sha256(folder / CATALOG)
    # Transcripts after the catalog: they are only ever added, so nothing it names can be missing.
    (folder / TRANSCRIPTS).mkdir()
    n_transcripts = 0
    for key in transcripts.keys():  # noqa: SIM118 -- not a dict
        transcripts.fetch(key, folder / TRANSCRIPTS / key)
        n_transcripts += 1
    with Catalog.open(f"sqlite:///{folder / CATALOG}") as copied:
        summary = copied.summary()
    return _finish(folder, summary.recordings, summary.indexed, n_transcripts, left_out, sha256)


def _finish(
    folder: Path, recordings: int, indexed: int, n_transcripts: int, left_out: str | None, sha256: Mapping[str, str]
) -> Backup:
    (folder / f"{CATALOG}.lock").unlink(missing_ok=True)  # of having looked into the copy
    backup = Backup(
        datetime.now(UTC).isoformat(timespec="seconds"),
        version("earwitness"),
        recordings,
        indexed,
        n_transcripts,
        left_out,
        {**sha256, CATALOG: file_sha256(folder / CATALOG)},
    )
    (folder / MANIFEST).write_text(json.dumps(backup.to_json(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return backup


def read_backup(folder: Path) -> Backup:
    """The manifest of a backup, every file of it checked against its hash, every transcript against its name.

    Raises:
        BackupUnusable: names the first file that is missing, changed or too many.
    """
    try:
        data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise BackupUnusable(folder, f"it has format {data['format']}, and this version reads {FORMAT}")
        backup = Backup.from_json(data)
    except FileNotFoundError as error:
        raise BackupUnusable(folder, f"there is no {MANIFEST} in it") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupUnusable(folder, f"its {MANIFEST} cannot be read ({type(error).__name__})") from error
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    found = {name for name in files if name != MANIFEST and not name.startswith(f"{TRANSCRIPTS}/")}
    for name in sorted(found ^ backup.sha256.keys()):
        raise BackupUnusable(folder, f"{name} is {'missing' if name not in found else 'not listed in ' + MANIFEST}")
    for name, digest in backup.sha256.items():
        if file_sha256(folder / name) != digest:
            raise BackupUnusable(folder, f"{name} is not what was backed up")
    store = TranscriptStore(str(folder / TRANSCRIPTS))
    keys = list(store.keys())
    if len(keys) != backup.transcripts:
        raise BackupUnusable(folder, f"it has {len(keys)} of {backup.transcripts} transcript files")
    for key in keys:
        if fault := store.fault(key):
            raise BackupUnusable(folder, f"transcript {key}: {fault}")
    return backup


def copy_folder(source: Path, target: Path) -> dict[str, str]:
    """Copy a folder of plain files, holes kept (an index is mostly holes); SHA-256 by path below it."""
    target.mkdir(parents=True)
    digests = {}
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            digests[path.relative_to(source).as_posix()] = _copy_file(path, place)
    return digests


def _copy_file(source: Path, target: Path) -> str:
    digest, hole = hashlib.sha256(), bytes(BLOCK_BYTES)
    with source.open("rb") as reading, target.open("wb") as writing:
        while block := reading.read(BLOCK_BYTES):
            digest.update(block)
            if block == hole[: len(block)]:
                writing.seek(len(block), os.SEEK_CUR)
            else:
                writing.write(block)
        writing.truncate()
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
