"""A backup put in place as an archive: checked before anything is written, whole or not an archive at all."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.backup import CATALOG, INDEX, TRANSCRIPTS, Backup, copy_folder, read_backup
from service.catalog import Catalog
from service.data import prepare_data
from service.errors import RestoreRefused
from service.index_folder import hold_index_folder
from service.rebuild import Indexed
from service.settings import Settings
from service.transcripts import TranscriptStore
from service.verify import Verification, repair, verify

MARKER = "restore.part"  # in the data folder while a restore is under way: what is there may be half of it


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, what had to be indexed again (None: nothing), and what differs after that."""

    backup: Backup
    indexed: Indexed | None
    verification: Verification

    def to_json(self) -> dict[str, Any]:
        return {
            "backup": self.backup.to_json(),
            "indexed": self.indexed.to_json() if self.indexed else None,
            "verification": self.verification.to_json(),
        }


def restore(settings: Settings, folder: Path) -> Restored:
    """Make an archive of a backup. Where the index was left out, or cannot be used by this version, it is made again.

    The catalog comes last: killed before that, there is no archive, and running it again begins anew.

    Raises:
        BackupUnusable: something in the backup is missing or changed.
        RestoreRefused: an archive is there already, or the catalog's place is not a file.
        DataUnusable
        ModelMissing, ModelDamaged: restored, but the index has to be made again and cannot be.
    """
    if settings.catalog_url is not None:
        raise RestoreRefused(settings.data, "the setting catalog_url keeps the catalog elsewhere; unset it")
    _refuse_to_overwrite(settings)
    backup = read_backup(folder)
    prepare_data(settings)
    try:
        _put_in_place(settings, folder)
    except OSError as error:
        raise RestoreRefused(settings.data, error.strerror or str(error)) from error
    with Catalog.open(settings.catalog) as catalog:
        catalog.free_all()  # who held leases works on the archive this is a copy of
        if backup.index_left_out is not None:
            catalog.unindexed()
        transcripts = TranscriptStore(settings.transcripts)
        verification, indexed = verify(settings, catalog, transcripts), None
        if verification.differences or verification.waiting:
            indexed = repair(settings, catalog, transcripts, verification.differences)
            verification = verify(settings, catalog, transcripts)
    return Restored(backup, indexed, verification)


def _refuse_to_overwrite(settings: Settings) -> None:
    if (settings.data / CATALOG).exists():
        raise RestoreRefused(settings.data, "there is an archive already")
    if (settings.data / MARKER).exists():
        return
    for place in (settings.index, settings.data / TRANSCRIPTS):
        if place.exists() and any(place.iterdir()):
            raise RestoreRefused(settings.data, f"{place.name}/ is not empty")


def _put_in_place(settings: Settings, folder: Path) -> None:
    marker = settings.data / MARKER
    marker.touch()
    kept, transcripts = TranscriptStore(str(folder / TRANSCRIPTS)), TranscriptStore(settings.transcripts)
    for key in kept.keys():  # noqa: SIM118 -- not a dict
        transcripts.adopt(key, (folder / TRANSCRIPTS / key).read_bytes())
    if (folder / INDEX).exists() and not settings.qdrant_url:
        with hold_index_folder(settings, 0.0) as index:
            shutil.rmtree(index, ignore_errors=True)
            copy_folder(folder / INDEX, index)
    aside = settings.data / f"{CATALOG}.part"
    shutil.copyfile(folder / CATALOG, aside)
    aside.rename(settings.data / CATALOG)
    marker.unlink()
