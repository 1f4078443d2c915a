"""Links as the catalog keeps them: one row for each two recordings of one scene, `first` the smaller id.

A link was told from two versions of transcripts, and holds while the index serves these: a recording that is heard
anew is linked anew. Every function takes a connection; those that change something, inside a writing transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select

from search.angles import Link
from service.catalog.models import links, recordings
from transcribe.transcript import RecordingId

BATCH = 500  # rows named per statement: below SQLite's limit on parameters


def keep(connection: Connection, link: Link, versions: Mapping[RecordingId, str]) -> None:
    """Keep a link told from these versions, in place of what was known of the two; sound is not replaced by words."""
    first, second = sorted((link.first, link.second))
    told = link if link.first == first else link.turned()
    pair = (links.c.first == first) & (links.c.second == second)
    same = (links.c.first_version == versions[first]) & (links.c.second_version == versions[second])
    measured = select(links.c.first).where(pair, same, links.c.measured_by == "sound")
    if link.by == "words" and connection.execute(measured).first() is not None:
        return
    connection.execute(delete(links).where(pair))
    connection.execute(
        insert(links).values(
            first=first,
            second=second,
            first_version=versions[first],
            second_version=versions[second],
            offset_ms=told.offset_ms,
            error_ms=told.error_ms,
            measured_by=told.by,
            confidence=told.confidence,
        )
    )


def forget_older(connection: Connection, recording_id: RecordingId, version: str) -> None:
    """Delete what was told from other versions of a recording."""
    as_first = (links.c.first == recording_id) & (links.c.first_version != version)
    as_second = (links.c.second == recording_id) & (links.c.second_version != version)
    connection.execute(delete(links).where(or_(as_first, as_second)))


def of(connection: Connection, recording_ids: Collection[RecordingId]) -> list[Link]:
    """Every link with an end among these that the index serves both versions of, sorted."""
    one, other = recordings.alias("one"), recordings.alias("other")
    served = (
        select(links)
        .join(one, (one.c.id == links.c.first) & (one.c.transcript_version == links.c.first_version))
        .join(other, (other.c.id == links.c.second) & (other.c.transcript_version == links.c.second_version))
    )
    found: dict[tuple[str, str], Link] = {}
    ordered = sorted(recording_ids)
    for start in range(0, len(ordered), BATCH):
        some = ordered[start : start + BATCH]
        for end in (links.c.first, links.c.second):
            for row in connection.execute(served.where(end.in_(some))):
                found[row.first, row.second] = _link(row)
    return [found[pair] for pair in sorted(found)]


def _link(row: Row[Any]) -> Link:
    return Link(
        RecordingId(row.first), RecordingId(row.second), row.offset_ms, row.error_ms, row.measured_by, row.confidence
    )
