"""Hits of watches: entered with the version they were found in, superseded by the next, acknowledged by people.

Every function takes a connection; those that change something, inside a writing transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, update

from search.access import Grants
from service.catalog import labels
from service.catalog.models import recordings, sources, watch_hits, watches
from service.catalog.registration import insert_missing
from service.catalog.watch_entries import Acknowledgement, DueMatch, WatchHit, WatchSpan
from service.errors import WatchHitUnknown
from transcribe.transcript import RecordingId

BATCH = 500  # ids looked up per query: below SQLite's limit on parameters

_ACKNOWLEDGED = ("acknowledged_ms", "acknowledged_by", "note")


def replace(connection: Connection, match: DueMatch, spans: Sequence[WatchSpan], now_ms: int) -> int:
    """Make the spans all current hits of a watch in a recording; returns how many were not there before.

    A hit of another version is superseded. If every one that a span overlaps was acknowledged, so is the hit there.
    """
    mine = (watch_hits.c.watch_id == match.watch_id) & (watch_hits.c.recording_id == match.recording_id)
    current = connection.execute(select(watch_hits).where(mine, watch_hits.c.superseded_ms.is_(None))).all()
    old = [row for row in current if row.version != match.version]
    rows = [_row(match, span, old, now_ms) for span in spans]
    n_new = insert_missing(connection, watch_hits, rows)
    # A version that came back: its hits are there, and count again.
    again = update(watch_hits).where(mine, watch_hits.c.version == match.version)
    connection.execute(again.values(superseded_ms=None))
    superseded = update(watch_hits).where(mine, watch_hits.c.version != match.version)
    connection.execute(superseded.where(watch_hits.c.superseded_ms.is_(None)).values(superseded_ms=now_ms))
    for row in rows:
        if row["acknowledged_ms"] is not None:
            fresh = update(watch_hits).where(watch_hits.c.id == row["id"], watch_hits.c.acknowledged_ms.is_(None))
            connection.execute(fresh.values({name: row[name] for name in _ACKNOWLEDGED}))
    return n_new


def listed(
    connection: Connection,
    chosen: ColumnElement[bool],
    only_new: bool,
    superseded: bool,
    limit: int | None,
    offset: int,
    grants: Grants,
) -> list[WatchHit]:
    """As `Watches.hits`; `chosen`: of which watches."""
    source = (
        select(sources.c.url)
        .where(sources.c.recording_id == recordings.c.id)
        .order_by(sources.c.id)
        .limit(1)
        .scalar_subquery()
    )
    some = (
        select(watch_hits, watches.c.name, recordings.c.metadata, source.label("source"))
        .join(watches, watches.c.id == watch_hits.c.watch_id)
        .join(recordings, recordings.c.id == watch_hits.c.recording_id)
        .where(chosen, labels.granted(recordings, grants))
        .order_by(
            watches.c.name,
            recordings.c.recorded_ms.nulls_last(),
            watch_hits.c.recording_id,
            watch_hits.c.start_ms,
            watch_hits.c.id,
        )
    )
    if not superseded:
        some = some.where(watch_hits.c.superseded_ms.is_(None))
    if only_new:
        some = some.where(watch_hits.c.acknowledged_ms.is_(None))
    return [_hit(row) for row in connection.execute(some.limit(limit).offset(offset or None))]


def acknowledge(
    connection: Connection,
    ids: Sequence[str],
    watch_id: int | None,
    by: str,
    note: str | None,
    now_ms: int,
    grants: Grants,
) -> int:
    """As `Watches.acknowledge`."""
    n_new = 0
    for start in range(0, len(ids), BATCH):
        some = watch_hits.c.id.in_(ids[start : start + BATCH]) & _granted(grants)
        if watch_id is not None:
            some &= watch_hits.c.watch_id == watch_id
        known = set(connection.execute(select(watch_hits.c.id).where(some)).scalars())
        for hit_id in ids[start : start + BATCH]:
            if hit_id not in known:
                raise WatchHitUnknown(hit_id)
        n_new += _acknowledge(connection, some, by, note, now_ms)
    return n_new


def acknowledge_all(
    connection: Connection, watch_id: int, by: str, note: str | None, now_ms: int, grants: Grants
) -> int:
    """As `Watches.acknowledge_all`."""
    current = (watch_hits.c.watch_id == watch_id) & watch_hits.c.superseded_ms.is_(None) & _granted(grants)
    return _acknowledge(connection, current, by, note, now_ms)


def _acknowledge(connection: Connection, which: ColumnElement[bool], by: str, note: str | None, now_ms: int) -> int:
    noted = update(watch_hits).where(which, watch_hits.c.acknowledged_ms.is_(None))
    return connection.execute(noted.values(acknowledged_ms=now_ms, acknowledged_by=by, note=note)).rowcount


def _granted(grants: Grants) -> ColumnElement[bool]:
    """Hits in recordings that these grants admit."""
    return watch_hits.c.recording_id.in_(select(recordings.c.id).where(labels.granted(recordings, grants)))


def _row(match: DueMatch, span: WatchSpan, old: Sequence[Row[Any]], now_ms: int) -> dict[str, Any]:
    """A hit to be entered; `old`: those it takes the place of."""
    before = [row for row in old if row.start_ms < span.end_ms and span.start_ms < row.end_ms]
    seen = bool(before) and all(row.acknowledged_ms is not None for row in before)
    last = max(before, key=lambda row: row.acknowledged_ms) if seen else None
    return {
        "id": _id(match, span),
        "watch_id": match.watch_id,
        "recording_id": match.recording_id,
        "version": match.version,
        "start_ms": span.start_ms,
        "end_ms": span.end_ms,
        "speaker": span.speaker,
        "language": span.language,
        "score": span.score,
        "legs": dict(span.legs),
        "flags": list(span.flags),
        "found_ms": now_ms,
        **{name: getattr(last, name) if last is not None else None for name in _ACKNOWLEDGED},
    }


def _id(match: DueMatch, span: WatchSpan) -> str:
    """The same for the same span, and never that of a watch that was removed: its number may be given out again."""
    parts = (match.watch_id, match.watch.created_ms, match.recording_id, match.version, span.start_ms, span.end_ms)
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()[:16]


def _hit(row: Row[Any]) -> WatchHit:
    acknowledged = (
        None if row.acknowledged_ms is None else Acknowledgement(row.acknowledged_by, row.acknowledged_ms, row.note)
    )
    return WatchHit(
        row.id,
        row.name,
        RecordingId(row.recording_id),
        row.source or "",
        row.metadata,
        row.version,
        WatchSpan(row.start_ms, row.end_ms, row.speaker, row.language, row.score, row.legs, tuple(row.flags)),
        row.found_ms,
        row.superseded_ms,
        acknowledged,
    )
