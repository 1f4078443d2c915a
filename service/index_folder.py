"""The folder of a Qdrant Edge index, held as files: nobody has it open while it is copied, moved or replaced."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from search.errors import IndexBusy
from service.owner import running_service
from service.settings import Settings

PATIENCE_SECONDS = 120.0  # an ingest or a search holds the index for a moment at a time


def patience(settings: Settings) -> float:
    """How long to wait for the index, in seconds: not at all for a service, which holds it for as long as it runs."""
    return 0.0 if running_service(settings.data) else PATIENCE_SECONDS


@contextmanager
def hold_index_folder(settings: Settings, patience_seconds: float) -> Iterator[Path]:
    """The index's folder, there or not; until the block ends, opening the index says `IndexBusy` to everybody.

    Works on a damaged index too: nothing in the folder is read.

    Raises:
        IndexBusy: another process, or this one, still has it open after `patience_seconds`.
    """
    folder = settings.index
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))  # the one `search.indexes.edge` holds while it is open
    try:
        lock.acquire(timeout=patience_seconds)
    except Timeout as error:
        raise IndexBusy(folder) from error
    try:
        yield folder
    finally:
        lock.release()


def move_aside(folder: Path) -> None:
    """Take the folder, held and there or not, out of the way; `remove_aside` ends it."""
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}.old-{uuid.uuid4().hex[:8]}"))


def remove_aside(folder: Path) -> None:
    """Delete everything that was moved aside, by this or an earlier process that did not get so far."""
    for old in folder.parent.glob(f"{folder.name}.old-*"):
        shutil.rmtree(old, ignore_errors=True)
