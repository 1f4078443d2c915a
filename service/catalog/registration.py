"""Registering what a scan saw: new sources, changed ones, and what the agency now says about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from service.catalog import metadata
from service.catalog.entries import Registered, SourceSeen
from service.catalog.models import sources

BATCH = 500  # sources per transaction: short enough not to hold up those who hear meanwhile
REGISTER_LOCK = 0x6561727769746E66  # next to `database.MIGRATION_LOCK`


def insert_missing(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Insert the rows whose key is not there yet, and count them: safe when two processes insert the same."""
    if not rows:
        return 0
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).on_conflict_do_nothing().returning(next(iter(table.primary_key.columns)))
    return len(connection.execute(statement, rows).all())


def register(connection: Connection, seen: Sequence[SourceSeen], now_ms: int) -> Registered:
    """Enter one batch of sources with distinct urls; one whose size or modification changed is to be read again."""
    if connection.dialect.name == "postgresql":
        # One at a time, as SQLite has it: two that enter the same files in different order would deadlock.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": REGISTER_LOCK})
    by_url = {source.url: source for source in seen}
    known = _known(connection, by_url)
    known_urls = {row.url for row in known}
    missing = [source for url, source in by_url.items() if url not in known_urls]
    n_new = insert_missing(connection, sources, [_new(source, now_ms) for source in missing])
    n_changed = 0
    for row in known:
        source = by_url[row.url]
        changes: dict[str, Any] = {}
        if (row.size_bytes, row.modified) != (source.size_bytes, source.modified):
            n_changed += 1
            changes |= {"size_bytes": source.size_bytes, "modified": source.modified, "recording_id": None}
            changes |= {"attempts": 0, "interruptions": 0, "error": None, "transient": False, "failed_by": ""}
        if source.metadata is not None and dict(source.metadata) != row.metadata:
            changes |= metadata.columns(source.metadata)
        if changes:
            connection.execute(update(sources).where(sources.c.id == row.id).values(changes))
            if row.recording_id is not None:
                metadata.refresh(connection, row.recording_id)
    connection.execute(update(sources).where(sources.c.id.in_([row.id for row in known])).values(seen_ms=now_ms))
    return Registered(len(by_url), n_new, n_changed, len(by_url) - n_new - n_changed)


def _known(connection: Connection, urls: Iterable[str]) -> Sequence[Row[Any]]:
    columns = ("id", "url", "size_bytes", "modified", "recording_id", "metadata")
    return connection.execute(
        select(*(sources.c[name] for name in columns))
        .where(sources.c.url.in_(list(urls)))
        .order_by(sources.c.id)  # everyone locks in one order: no deadlock
        .with_for_update()
    ).all()


def _new(source: SourceSeen, now_ms: int) -> dict[str, Any]:
    return {
        "url": source.url,
        "name": source.url.rstrip("/").rpartition("/")[2],
        "size_bytes": source.size_bytes,
        "modified": source.modified,
        **metadata.columns(source.metadata or {}),
        "interruptions": 0,
        "attempts": 0,
        "transient": False,
        "failed_by": "",
        "seen_ms": now_ms,
    }
