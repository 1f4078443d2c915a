"""Labels of recordings: what the catalog says about them, and which of it the index says as well.

A recording whose labels the index does not have yet is left out of every answer until it has them: what was sealed is
gone at once, whoever holds the index. Functions that write take a connection inside a writing transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, false, func, not_, or_, select, update

from search.access import LIMITED, Grants, Scope
from search.folding import fold
from search.labels import Labels
from service.catalog.models import UNLABELLED, recordings
from transcribe.transcript import RecordingId

BATCH = 500  # recordings looked up per query: below SQLite's limit on parameters


class Mark(StrEnum):
    """What a person sets on a recording, beside its metadata, and takes off again."""

    SEALED = "sealed"  # nobody sees it who is not granted sealed footage
    HELD = "held"  # it is kept from deletion


def mark(connection: Connection, recording_id: RecordingId, which: Mark, by: str, reason: str, now_ms: int) -> bool:
    """Set a mark; False where it was set before, which stays as it was."""
    time = recordings.c[f"{which}_ms"]
    changes = {f"{which}_ms": now_ms, f"{which}_by": by, f"{which}_reason": reason}
    marked = update(recordings).where(recordings.c.id == recording_id, time.is_(None)).values(changes)
    return _noted(connection, recording_id, connection.execute(marked).rowcount)


def unmark(connection: Connection, recording_id: RecordingId, which: Mark) -> bool:
    """Take a mark off; False where there was none."""
    time = recordings.c[f"{which}_ms"]
    changes = {f"{which}_ms": None, f"{which}_by": None, f"{which}_reason": None}
    unmarked = update(recordings).where(recordings.c.id == recording_id, time.is_not(None)).values(changes)
    return _noted(connection, recording_id, connection.execute(unmarked).rowcount)


def _noted(connection: Connection, recording_id: RecordingId, n_changed: int) -> bool:
    if n_changed:
        note(connection, recording_id)
    return n_changed > 0


def note(connection: Connection, recording_id: str) -> None:
    """Note what the recording's labels are now; to be called when one may have changed."""
    row = connection.execute(select(recordings).where(recordings.c.id == recording_id).with_for_update()).one()
    digest = labels_of(row).digest
    if digest != row.labels:
        connection.execute(update(recordings).where(recordings.c.id == recording_id).values(labels=digest))


def indexing(connection: Connection, recording_id: RecordingId, digest: str) -> None:
    """The index is about to be given its first rows of a recording: from here on it may say these labels."""
    note(connection, recording_id)
    first = and_(recordings.c.id == recording_id, recordings.c.indexed_labels == "")
    connection.execute(update(recordings).where(first).values(indexed_labels=digest))


def indexed(connection: Connection, recording_id: RecordingId, digest: str) -> None:
    """Every row the index has of a recording says these labels."""
    note(connection, recording_id)
    connection.execute(update(recordings).where(recordings.c.id == recording_id).values(indexed_labels=digest))


def due(connection: Connection, limit: int) -> list[tuple[RecordingId, Labels]]:
    """Recordings of which the index says something else, and what it should say."""
    rows = connection.execute(select(recordings).where(UNLABELLED).order_by(recordings.c.id).limit(limit))
    return [(RecordingId(row.id), labels_of(row)) for row in rows]


def unlabelled(connection: Connection) -> frozenset[RecordingId]:
    """All of those recordings."""
    return frozenset(
        RecordingId(found) for found in connection.execute(select(recordings.c.id).where(UNLABELLED)).scalars()
    )


def settled(connection: Connection, ids: Collection[RecordingId]) -> dict[RecordingId, Labels]:
    """The labels of those of these recordings of which the index says the same."""
    ordered = sorted(ids)
    return {
        RecordingId(row.id): labels_of(row)
        for start in range(0, len(ordered), BATCH)
        for row in connection.execute(
            select(recordings).where(recordings.c.id.in_(ordered[start : start + BATCH]), not_(UNLABELLED))
        )
    }


def labels_of(row: Row[Any]) -> Labels:
    """Of a row of `recordings`."""
    metadata: Mapping[str, str] = row.metadata
    return Labels(metadata, sealed=row.sealed_ms is not None, held=row.held_ms is not None)


def granted(table: Table, grants: Grants) -> ColumnElement[bool]:
    """Rows of `recordings` or `sources` that these grants admit. A source alone is not sealed: nobody has heard it."""
    said = func.coalesce(func.trim(table.c.metadata["restricted"].as_string()), "")

    def within(scope: Scope) -> ColumnElement[bool]:
        limits = {name: value for name in LIMITED if (value := getattr(scope, name)) is not None}
        conditions: list[ColumnElement[bool]] = [table.c[name] == fold(value) for name, value in limits.items()]
        if not scope.restricted:
            conditions.append(said == "")
        if not scope.sealed and table is recordings:
            conditions.append(recordings.c.sealed_ms.is_(None))
        return and_(*conditions) if conditions else table.c.id.is_not(None)

    return or_(*(within(scope) for scope in grants.scopes)) if grants.scopes else false()
