"""Who serves a data folder: one process, which writes down its address so that the command line finds it.

service.lock     held by the service for as long as it runs; the system frees it when the process dies
service.json     its URL, process and start; written when it listens, removed when it stops
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from service.catalog.owners import is_here, new_owner
from service.errors import DataUnusable, ServiceRunning

ADDRESS_FILE = "service.json"


@dataclass(frozen=True, slots=True)
class Running:
    """A service: where it listens, and which process it is."""

    url: str  # without a slash at the end
    pid: int
    started_at: str  # ISO 8601, UTC
    owner: str  # as in the catalog's leases: tells this process from a later one with its number


@contextmanager
def sole_service(data: Path) -> Iterator[None]:
    """Be the only service of this data folder until the block ends.

    Raises:
        ServiceRunning: another process is.
    """
    lock = FileLock(data / "service.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        running = running_service(data)
        raise ServiceRunning(data, running.url if running else None) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def announced(data: Path, url: str) -> Iterator[Running]:
    """Let the command line find this process at `url` until the block ends. The file appears whole or not at all.

    Raises:
        DataUnusable: the address cannot be written.
    """
    running = Running(url, os.getpid(), datetime.now(UTC).isoformat(timespec="seconds"), new_owner())
    path = data / ADDRESS_FILE
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        aside.write_text(json.dumps(asdict(running)) + "\n", encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        raise DataUnusable(data, error.strerror or str(error)) from error
    try:
        yield running
    finally:
        path.unlink(missing_ok=True)


def running_service(data: Path) -> Running | None:
    """The service of this data folder; None where none runs on this machine, whatever an old file says."""
    try:
        stated = json.loads((data / ADDRESS_FILE).read_text(encoding="utf-8"))
        running = Running(stated["url"], stated["pid"], stated["started_at"], stated["owner"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # there is none, or nothing of ours
    return running if is_here(running.owner) else None
