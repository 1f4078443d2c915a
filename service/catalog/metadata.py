"""Metadata: what the agency says about footage, merged over a recording's sources.

Metadata belongs to a source. The recording's is the merge over its sources, oldest first: the first that has a
value wins, except for `restricted`, where every distinct value counts: who may see it is the most restrictive.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select, update

from service.catalog import labels
from service.catalog.entries import Stage
from service.catalog.models import FOLDED_FIELDS, recordings, sources, stages
from transcribe.transcript import canonical_json

RESTRICTED_SEPARATOR = "; "

# What stands before an officer's name, in English and Spanish, in full and abbreviated. One that is missing here costs
# little: the decoder is told a word more.
RANKS = frozenset(
    [
        *("officer", "ofc", "police", "agent", "detective", "det", "deputy", "dep", "trooper", "tpr", "constable"),
        *("corporal", "cpl", "sergeant", "sgt", "lieutenant", "lt", "captain", "capt", "major", "maj", "commander"),
        *("chief", "sheriff", "oficial", "agente", "cabo", "sargento", "teniente", "capitán", "comandante", "jefe"),
    ]
)


def merge(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """One recording's metadata from that of its sources, oldest first. Empty values do not count."""
    merged: dict[str, str] = {}
    restrictions: dict[str, None] = {}
    for part in parts:
        for name, value in part.items():
            if not value:
                continue
            if name == "restricted":
                restrictions.update(dict.fromkeys(value.split(RESTRICTED_SEPARATOR)))
            merged.setdefault(name, value)
    if restrictions:
        merged["restricted"] = RESTRICTED_SEPARATOR.join(restrictions)
    return merged


def columns(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Metadata as the tables hold it: as given, and folded for filters."""
    folded: dict[str, Any] = {name: fold(metadata[name]) if name in metadata else None for name in FOLDED_FIELDS}
    return {"metadata": dict(metadata), **folded, "recorded_ms": recorded_ms(metadata.get("recorded_at", ""))}


def people(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the people the metadata names, as they are spoken: without rank, and "Okafor, Renee" turned round."""
    names = []
    for person in re.split(r"[;/&]", metadata.get("officer", "")):
        last, _, first = (part.strip() for part in person.partition(","))
        words = f"{first} {last}".split()
        while words and words[0].strip(".").casefold() in RANKS:
            words = words[1:]
        if words:
            names.append(" ".join(words))
    return tuple(dict.fromkeys(names))


def fold(value: str) -> str:
    """Two values are equal to a filter when this is."""
    return value.strip().casefold()


def recorded_ms(recorded_at: str) -> int | None:
    """ISO 8601 to UTC epoch ms; a time without offset is taken as UTC; None when it is no time."""
    try:
        time = datetime.fromisoformat(recorded_at)
        aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def refresh(connection: Connection, recording_id: str) -> None:
    """Merge the recording's metadata anew. With no source left, what was last known stays: so does a restriction."""
    rows = connection.execute(
        select(sources.c.metadata).where(sources.c.recording_id == recording_id).order_by(sources.c.id)
    ).all()
    if rows:
        connection.execute(
            update(recordings)
            .where(recordings.c.id == recording_id)
            .values(columns(merge(row.metadata for row in rows)))
        )
        labels.note(connection, recording_id)
        note_heard(connection, recording_id)


def note_heard(connection: Connection, recording_id: str) -> None:
    """Make the passages stage due again if what passages are made of has changed."""
    row = connection.execute(
        select(recordings.c.metadata, recordings.c.heard, recordings.c.correction).where(
            recordings.c.id == recording_id
        )
    ).one()
    made = select(stages.c.stage, stages.c.artifact).where(stages.c.recording_id == recording_id)
    artifacts: dict[str, str | None] = {stage.stage: stage.artifact for stage in connection.execute(made)}
    heard = heard_hash(artifacts.get(Stage.WORDS), artifacts.get(Stage.TURNS), row.metadata, row.correction)
    if heard == row.heard:
        return
    connection.execute(update(recordings).where(recordings.c.id == recording_id).values(heard=heard))
    connection.execute(
        update(stages)
        .where(stages.c.recording_id == recording_id, stages.c.stage == Stage.PASSAGES)
        .values(fingerprint="", tried="", attempts=0, error=None, transient=False)
    )


def heard_hash(words: str | None, turns: str | None, metadata: Mapping[str, str], correction: str | None = None) -> str:
    """What passages are made of, 16 hex digits: artifacts of words and turns, when it was recorded, and a correction.

    All other metadata is the same on each row: labels, which change without making passages anew.
    """
    corrected = [] if correction is None else [correction]
    parts = [words, turns, metadata.get("recorded_at"), *corrected]
    return hashlib.sha256(canonical_json(parts)).hexdigest()[:16]
