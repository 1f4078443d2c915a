"""Watches, and which recordings they are yet to be matched with.

A recording becomes due for every watch in the transaction that notes its new version as indexed, and is done in the
one that enters the hits: a process killed in between only means "again", and a hit is never there twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    literal,
    not_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from search.access import ALL, Grants
from service.catalog import labels
from service.catalog import watch_hits as hits
from service.catalog.models import recordings, watch_hits, watch_matches, watches
from service.catalog.registration import insert_missing
from service.catalog.watch_entries import DueMatch, Watch, WatchHit, WatchSpan, WatchState
from service.errors import WatchExists, WatchUnknown
from transcribe.transcript import RecordingId

RETRY_MS = 60_000  # after a failure, doubled with each further one: what is broken today may be mended tomorrow
MAX_DOUBLINGS = 8  # at most four hours apart

Transaction = Callable[[], AbstractContextManager[Connection]]


class Watches:
    """The watches of one catalog. Every method is one transaction, and raises `CatalogUnusable` as the catalog's."""

    def __init__(self, writing: Transaction, reading: Transaction, now_ms: Callable[[], int]) -> None:
        self._writing, self._reading, self._now_ms = writing, reading, now_ms

    def add(self, watch: Watch) -> None:
        """Keep a watch; what is indexed from now on becomes due for it.

        Raises:
            WatchExists
        """
        columns = {name: getattr(watch, name) for name in ("name", "mode", "doubtful", "detector", "created_by")}
        columns |= {"queries": list(watch.queries), "filters": dict(watch.filters), "created_ms": watch.created_ms}
        with self._writing() as connection:
            if not insert_missing(connection, watches, [columns]):
                raise WatchExists(watch.name)

    def remove(self, name: str) -> int:
        """Forget a watch and its hits, acknowledgements included; returns how many hits.

        Raises:
            WatchUnknown
        """
        with self._writing() as connection:
            watch_id = _id_of(connection, name)
            n_hits = connection.execute(delete(watch_hits).where(watch_hits.c.watch_id == watch_id)).rowcount
            connection.execute(delete(watch_matches).where(watch_matches.c.watch_id == watch_id))
            connection.execute(delete(watches).where(watches.c.id == watch_id))
        return n_hits

    def states(self, grants: Grants = ALL) -> list[WatchState]:
        """All of them, sorted by name; counted is what the grants admit."""
        seen = select(recordings.c.id).where(labels.granted(recordings, grants))
        counts = (
            select(
                watch_hits.c.watch_id,
                func.count().label("n_hits"),
                func.sum(case((watch_hits.c.acknowledged_ms.is_(None), 1), else_=0)).label("n_new"),
            )
            .where(watch_hits.c.superseded_ms.is_(None), watch_hits.c.recording_id.in_(seen))
            .group_by(watch_hits.c.watch_id)
            .subquery()
        )
        matches = (
            select(
                watch_matches.c.watch_id,
                func.sum(case((watch_matches.c.due_ms.is_(None), 1), else_=0)).label("n_matched"),
                func.count(watch_matches.c.due_ms).label("n_due"),
                func.max(watch_matches.c.error).label("error"),
            )
            .where(watch_matches.c.recording_id.in_(seen))
            .group_by(watch_matches.c.watch_id)
            .subquery()
        )
        every = (
            select(watches, counts.c.n_hits, counts.c.n_new, matches.c.n_matched, matches.c.n_due, matches.c.error)
            .outerjoin(counts, counts.c.watch_id == watches.c.id)
            .outerjoin(matches, matches.c.watch_id == watches.c.id)
            .order_by(watches.c.name)
        )
        with self._reading() as connection:
            return [
                WatchState(
                    _watch(row),
                    int(row.n_hits or 0),
                    int(row.n_new or 0),
                    int(row.n_matched or 0),
                    int(row.n_due or 0),
                    row.error,
                )
                for row in connection.execute(every)
            ]

    def make_due(self, name: str | None) -> int:
        """Let a watch, or each, be matched with what is indexed and was never matched; returns how many matches.

        What failed and rests is tried again at once.

        Raises:
            WatchUnknown
        """
        with self._writing() as connection:
            chosen = _chosen(connection, name)
            now_ms = self._now_ms()
            again = update(watch_matches).where(
                watch_matches.c.due_ms > now_ms, watch_matches.c.watch_id.in_(select(watches.c.id).where(chosen))
            )
            connection.execute(again.values(due_ms=now_ms))
            known = exists().where(
                watch_matches.c.watch_id == watches.c.id, watch_matches.c.recording_id == recordings.c.id
            )
            columns = (watches.c.id, recordings.c.id, recordings.c.transcript_version, literal(now_ms), literal(0))
            each = select(*columns).select_from(watches.join(recordings, true()))
            missing = each.where(chosen, recordings.c.transcript_version.is_not(None), not_(known))
            _enter(connection, missing)
            due = select(func.count()).where(
                watch_matches.c.due_ms.is_not(None), watch_matches.c.watch_id.in_(select(watches.c.id).where(chosen))
            )
            return int(connection.execute(due).scalar_one())

    def due(self, limit: int) -> list[DueMatch]:
        """What is to be matched now, in the version the index holds; what waits longest comes first."""
        waiting = (
            select(watches, watch_matches.c.recording_id, watch_matches.c.version)
            .join(watch_matches, watch_matches.c.watch_id == watches.c.id)
            .join(recordings, recordings.c.id == watch_matches.c.recording_id)
            .where(
                watch_matches.c.due_ms <= self._now_ms(),
                # Not in the index just now, or another version: it becomes due again once that is indexed.
                recordings.c.transcript_version == watch_matches.c.version,
            )
            .order_by(watch_matches.c.due_ms, watch_matches.c.recording_id, watch_matches.c.watch_id)
            .limit(limit)
        )
        with self._reading() as connection:
            return [
                DueMatch(row.id, _watch(row), RecordingId(row.recording_id), row.version)
                for row in connection.execute(waiting)
            ]

    def matched(self, match: DueMatch, spans: Sequence[WatchSpan]) -> int:
        """Enter all that a watch found in a recording; returns how many hits were not there before.

        Hits of other versions are superseded, and their acknowledgements carried over. A match that is no longer due,
        because somebody else entered it or the watch or the version is gone, changes nothing.
        """
        with self._writing() as connection:
            mine = _mine(match)
            if connection.execute(select(watch_matches.c.version).where(mine).with_for_update()).first() is None:
                return 0
            n_new = hits.replace(connection, match, spans, self._now_ms())
            connection.execute(update(watch_matches).where(mine).values(due_ms=None, attempts=0, error=None))
        return n_new

    def failed(self, match: DueMatch, error: str) -> None:
        """Let a match rest for a while, with the reason it failed for."""
        with self._writing() as connection:
            mine = _mine(match)
            attempts = connection.execute(select(watch_matches.c.attempts).where(mine).with_for_update()).scalar()
            if attempts is None:
                return
            due_ms = self._now_ms() + (RETRY_MS << min(attempts, MAX_DOUBLINGS))
            resting = {"due_ms": due_ms, "attempts": attempts + 1, "error": error}
            connection.execute(update(watch_matches).where(mine).values(resting))

    def hits(
        self,
        name: str | None = None,
        only_new: bool = False,
        superseded: bool = False,
        limit: int | None = None,
        offset: int = 0,
        grants: Grants = ALL,
    ) -> list[WatchHit]:
        """Hits of one watch or of all, by watch, then by when the recording was made, unknown times last.

        Every recording is matched, sealed ones too; of what the grants do not admit, nothing is listed or counted.

        Args:
            only_new: only those nobody has acknowledged.
            superseded: also those of earlier versions.

        Raises:
            WatchUnknown
        """
        with self._reading() as connection:
            return hits.listed(connection, _chosen(connection, name), only_new, superseded, limit, offset, grants)

    def acknowledge(
        self, ids: Sequence[str], by: str, note: str | None, name: str | None = None, grants: Grants = ALL
    ) -> int:
        """Note that somebody has looked at these hits; returns at how many nobody had before.

        Who was first stays. `name`: of this watch alone.

        Raises:
            WatchHitUnknown: of one of them there is none that the grants admit; then nothing is noted.
            WatchUnknown
        """
        with self._writing() as connection:
            watch_id = None if name is None else _id_of(connection, name)
            return hits.acknowledge(connection, ids, watch_id, by, note, self._now_ms(), grants)

    def acknowledge_all(self, name: str, by: str, note: str | None, grants: Grants = ALL) -> int:
        """The same for every hit of a watch's current versions that the grants admit.

        Raises:
            WatchUnknown
        """
        with self._writing() as connection:
            return hits.acknowledge_all(connection, _id_of(connection, name), by, note, self._now_ms(), grants)


def newly_indexed(connection: Connection, recording_id: RecordingId, version: str, now_ms: int) -> None:
    """Let every watch be matched with a version that the index did not hold before, unless that was its last match."""
    other = and_(watch_matches.c.recording_id == recording_id, watch_matches.c.version != version)
    due = {"version": version, "due_ms": now_ms, "attempts": 0, "error": None}
    connection.execute(update(watch_matches).where(other).values(due))
    known = exists().where(watch_matches.c.watch_id == watches.c.id, watch_matches.c.recording_id == recording_id)
    missing = select(watches.c.id, literal(recording_id), literal(version), literal(now_ms), literal(0))
    _enter(connection, missing.where(not_(known)))


def _enter(connection: Connection, missing: Select[Any]) -> None:
    """Another process may enter the same at this moment."""
    into = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    columns = ["watch_id", "recording_id", "version", "due_ms", "attempts"]
    connection.execute(into(watch_matches).from_select(columns, missing).on_conflict_do_nothing())


def _id_of(connection: Connection, name: str) -> int:
    found = connection.execute(select(watches.c.id).where(watches.c.name == name)).scalar()
    if found is None:
        raise WatchUnknown(name)
    return int(found)


def _chosen(connection: Connection, name: str | None) -> ColumnElement[bool]:
    """That one watch, which must exist; or any."""
    return true() if name is None else watches.c.id == _id_of(connection, name)


def _mine(match: DueMatch) -> ColumnElement[bool]:
    """The match, as long as it is due."""
    return and_(
        watch_matches.c.watch_id == match.watch_id,
        watch_matches.c.recording_id == match.recording_id,
        watch_matches.c.version == match.version,
        watch_matches.c.due_ms.is_not(None),
    )


def _watch(row: Row[Any]) -> Watch:
    return Watch(
        row.name,
        tuple(row.queries),
        row.mode,
        row.filters,
        row.doubtful,
        row.detector,
        row.created_by,
        row.created_ms,
    )
