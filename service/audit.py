"""The audit trail: who asked for what, and what became of it; written before anything is answered.

`DATA/audit.jsonl`, one JSON object a line, only ever added to. A file rather than a table of the catalog: restoring a
backup of the catalog takes nothing out of it, the operating system can forbid all but adding (`chattr +a`), and what
reads logs can read it. Nobody can write who may not write there: then there is no answer.
"""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock

from service.errors import AuditUnwritable

AUDIT_FILE = "audit.jsonl"
DONE = "done"


@dataclass(slots=True)
class Event:
    """Something that is being asked for. Who asks for it fills in what comes to light.

    on: what it is about; facts: what came of it, in numbers.
    """

    what: str
    on: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)


class AuditTrail:
    """The trail of one data folder. Processes and threads may share it."""

    def __init__(self, data: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path, self._clock = data.resolve() / AUDIT_FILE, clock

    @contextmanager
    def recorded(self, what: str, **on: str) -> Iterator[Event]:
        """Record what happens in the block when it ends, however it ends; only then is there an answer to give.

        Raises:
            AuditUnwritable: it cannot be recorded, so that the block is not entered; or could not be in the end. What
                it found must not be told.
        """
        with self._opened():
            pass
        event = Event(what, on)
        try:
            yield event
        except BaseException as error:
            self._write(event, type(error).__name__)
            raise
        self._write(event, DONE)

    def _write(self, event: Event, outcome: str) -> None:
        line = json.dumps(
            {
                "at": _hundredths(self._clock()),
                "by": operating_system_user(),
                "what": event.what,
                "on": event.on,
                "outcome": outcome,
                **event.facts,
            },
            ensure_ascii=False,
        ).encode()
        with self._opened() as file:
            torn = file.tell() > 0 and not _ends_line(self._path)  # of a process that died while it wrote
            file.write((b"\n" if torn else b"") + line + b"\n")
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """At its end, for this process alone, and for the eyes of this user."""
        try:
            with (
                FileLock(f"{self._path}.lock"),
                os.fdopen(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file,
            ):
                yield file
        except OSError as error:
            raise AuditUnwritable(self._path, error.strerror or str(error)) from error


def operating_system_user() -> str:
    """The name of the user this process really runs as, whatever the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container, often nobody has that number
        return str(os.getuid())


def _hundredths(moment: datetime) -> str:
    """UTC, to the hundredth of a second: 2026-03-14T21:05:00.07Z."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 10_000:02d}Z"


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
