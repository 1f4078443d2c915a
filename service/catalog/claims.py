"""Claims: who hears what. A lease on a source, and on its recording once that is known.

Every function takes a connection inside a writing transaction and the time in UTC epoch ms. A lease ends when
its owner gives it back, when its owner is known to be dead, or when `now` has reached its end; a clock set
back ends none.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Set
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, case, not_, or_, select, true, update

from service.catalog.entries import HEARING, Claim, Stage
from service.catalog.metadata import people
from service.catalog.models import recordings, sources, stages
from service.catalog.owners import is_gone
from transcribe.transcript import RecordingId

LEASE_SECONDS = 60  # heartbeats come every few seconds; a minute survives a machine that swaps
MAX_ATTEMPTS = 3  # then it rests as failed until someone asks for it again
MAX_INTERRUPTIONS = 5  # more than attempts: whoever was in flight beside the culprit counts one too
PAGE = 64  # candidates looked at per query

NO_LEASE = {"lease_owner": None, "lease_until_ms": None}
CALMED = {"interruptions": 0}


def lease(owner: str, now_ms: int) -> dict[str, Any]:
    return {"lease_owner": owner, "lease_until_ms": now_ms + LEASE_SECONDS * 1000}


def is_free(table: Table, now_ms: int) -> ColumnElement[bool]:
    return or_(table.c.lease_owner.is_(None), table.c.lease_until_ms <= now_ms)


def not_failed_by(table: Table, owner: str) -> ColumnElement[bool]:
    return not_(table.c.failed_by.contains(f"\n{owner}\n", autoescape=True))


def is_due(fingerprints: Mapping[Stage, str], owner: str | None) -> ColumnElement[bool]:
    """The rows of `stages` to be heard: missing or of another fingerprint, and not resting.

    With an owner, those that failed under it are left out too: a run tries a thing once.
    """
    conditions = []
    for stage in HEARING:
        if stage in fingerprints:
            wanted = fingerprints[stage]
            patience = stages.c.attempts < MAX_ATTEMPTS
            if owner is not None:
                patience = and_(patience, not_failed_by(stages, owner))
            outdated = or_(stages.c.fingerprint < wanted, stages.c.fingerprint > wanted)  # two index ranges
            conditions.append(and_(stages.c.stage == stage, outdated, or_(stages.c.tried != wanted, patience)))
    return or_(*conditions) if conditions else not_(true())


def free_dead(connection: Connection) -> None:
    """Give back what processes of this machine held when they died; it stays counted as an interruption."""
    for table in (sources, recordings):
        owners = connection.execute(select(table.c.lease_owner).where(table.c.lease_owner.is_not(None)).distinct())
        for owner in [owner for owner in owners.scalars() if is_gone(owner)]:
            held = select(table.c.id).where(table.c.lease_owner == owner).with_for_update(skip_locked=True)
            ids = list(connection.execute(held).scalars())
            connection.execute(update(table).where(table.c.id.in_(ids)).values(NO_LEASE))


def claim(
    connection: Connection,
    owner: str,
    fingerprints: Mapping[Stage, str],
    limit: int,
    wanted: Collection[str] | None,
    now_ms: int,
) -> list[Claim]:
    """Lease up to `limit` sources, never interrupted ones first, then by id.

    What a process died over before comes alone, as the only claim of a call, so that it takes nothing with it.
    """
    free_dead(connection)
    urls = wanted if wanted is None or isinstance(wanted, Set) else frozenset(wanted)
    claimed: list[Claim] = []
    for interrupted in (False, True):
        if interrupted and claimed:
            break
        room = min(limit, 1) if interrupted else limit
        candidates = heapq.merge(
            _pages(connection, _unread(owner, interrupted, now_ms)),
            _pages(connection, _known(owner, fingerprints, interrupted, now_ms)),
            key=lambda row: int(row.id),
        )
        for row in candidates:
            if len(claimed) >= room:
                break
            if urls is not None and row.url not in urls:
                continue
            leased = _lease(connection, row, owner, fingerprints, now_ms)
            if leased is not None:
                claimed.append(leased)
    return claimed


def finish(connection: Connection, claim: Claim, owner: str) -> None:
    """Give the claim's leases back; its owner lives, so the interruption counted in advance is taken back."""
    held = and_(recordings.c.lease_owner == owner, recordings.c.lease_source_id == claim.source_id)
    give_back(connection, sources, and_(sources.c.id == claim.source_id, sources.c.lease_owner == owner))
    give_back(connection, recordings, held)


def release(connection: Connection, owner: str) -> None:
    """Give back all the owner holds, as if it had never claimed it."""
    for table in (sources, recordings):
        give_back(connection, table, table.c.lease_owner == owner)


def extend(connection: Connection, owner: str, now_ms: int) -> int:
    """Extend the owner's leases, never shorten one; returns on how many sources it still has one."""
    until = now_ms + LEASE_SECONDS * 1000
    n_extended = []
    for table in (sources, recordings):  # everyone locks in this order: no deadlock
        later = case((table.c.lease_until_ms > until, table.c.lease_until_ms), else_=until)
        held = connection.execute(update(table).where(table.c.lease_owner == owner).values(lease_until_ms=later))
        n_extended.append(held.rowcount)
    return n_extended[0]


def give_back(connection: Connection, table: Table, held: ColumnElement[bool]) -> None:
    """End the leases this condition finds, and take back the interruption each counted in advance."""
    one_less = case((table.c.interruptions > 0, table.c.interruptions - 1), else_=0)
    connection.execute(update(table).where(held).values(NO_LEASE | {"interruptions": one_less}))


def _pages(connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
    after = -1
    while page := connection.execute(query.where(sources.c.id > after).order_by(sources.c.id).limit(PAGE)).all():
        yield from page
        after = page[-1].id


def _readable(owner: str, now_ms: int) -> ColumnElement[bool]:
    return and_(is_free(sources, now_ms), sources.c.attempts < MAX_ATTEMPTS, not_failed_by(sources, owner))


def _suspect(table: Table, interrupted: bool) -> ColumnElement[bool]:
    if interrupted:
        return table.c.interruptions.between(1, MAX_INTERRUPTIONS - 1)
    return table.c.interruptions == 0


_CLAIMED_COLUMNS = (
    sources.c.id,
    sources.c.url,
    sources.c.size_bytes,
    sources.c.modified,
    sources.c.recording_id,
    sources.c.metadata,
)


def _unread(owner: str, interrupted: bool, now_ms: int) -> Select[Any]:
    return select(*_CLAIMED_COLUMNS, sources.c.interruptions).where(
        sources.c.recording_id.is_(None), _suspect(sources, interrupted), _readable(owner, now_ms)
    )


def _known(owner: str, fingerprints: Mapping[Stage, str], interrupted: bool, now_ms: int) -> Select[Any]:
    due = select(stages.c.recording_id).where(is_due(fingerprints, owner))
    return (
        select(*_CLAIMED_COLUMNS, recordings.c.interruptions)
        .join(recordings, recordings.c.id == sources.c.recording_id)
        .where(
            recordings.c.id.in_(due),
            _suspect(recordings, interrupted),
            is_free(recordings, now_ms),
            _readable(owner, now_ms),
        )
    )


def _lease(
    connection: Connection, row: Row[Any], owner: str, fingerprints: Mapping[Stage, str], now_ms: int
) -> Claim | None:
    """Lease one candidate, or None if another owner, or another claim on its recording, was faster."""
    same = sources.c.recording_id.is_(None) if row.recording_id is None else sources.c.recording_id == row.recording_id
    lock = select(sources.c.id).where(sources.c.id == row.id, same, is_free(sources, now_ms))
    if connection.execute(lock.with_for_update(skip_locked=True)).first() is None:
        return None
    due = frozenset(stage for stage in HEARING if stage in fingerprints)
    counted = {"interruptions": row.interruptions + 1}
    if row.recording_id is not None:
        lock = select(recordings.c.id).where(recordings.c.id == row.recording_id, is_free(recordings, now_ms))
        if connection.execute(lock.with_for_update(skip_locked=True)).first() is None:
            return None
        found = connection.execute(
            select(stages.c.stage).where(stages.c.recording_id == row.recording_id, is_due(fingerprints, owner))
        )
        due = frozenset(Stage(stage) for stage in found.scalars())
        if not due:
            return None
        connection.execute(
            update(recordings)
            .where(recordings.c.id == row.recording_id)
            .values(lease(owner, now_ms) | {"lease_source_id": row.id} | counted)
        )
        counted = {}
    connection.execute(update(sources).where(sources.c.id == row.id).values(lease(owner, now_ms) | counted))
    recording_id = None if row.recording_id is None else RecordingId(row.recording_id)
    return Claim(
        row.id,
        row.url,
        recording_id,
        due,
        row.size_bytes,
        row.modified,
        row.interruptions,
        dict(fingerprints),
        people(row.metadata),
    )
