"""What the catalog has to forget, because the index or the store no longer has it, or another machine took over.

Every function takes a connection inside a writing transaction.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, update

from service.catalog import claims
from service.catalog.entries import Stage
from service.catalog.models import recordings, sources, stages
from transcribe.transcript import RecordingId

BATCH = 500  # rows named per statement: below SQLite's limit on parameters

_TO_DO = {"fingerprint": "", "tried": "", "attempts": 0, "error": None, "transient": False, "failed_by": ""}

_NOT_THERE = dict.fromkeys(("transcript_version", "n_passages", "machine_version", "n_machine_passages"))


def unindexed(connection: Connection, ids: Collection[RecordingId] | None) -> int:
    """The index holds nothing of these recordings: their passages are to be made again. Returns how many it knew."""
    if ids is None:
        connection.execute(update(stages).where(stages.c.stage == Stage.PASSAGES).values(_TO_DO))
        return connection.execute(update(recordings).values(_NOT_THERE)).rowcount
    n_known = 0
    ordered = sorted(ids)
    for start in range(0, len(ordered), BATCH):
        some = ordered[start : start + BATCH]
        known = update(recordings).where(recordings.c.id.in_(some)).values(_NOT_THERE)
        n_known += connection.execute(known).rowcount
        due = stages.c.recording_id.in_(some) & (stages.c.stage == Stage.PASSAGES)
        connection.execute(update(stages).where(due).values(_TO_DO))
    return n_known


def lost(connection: Connection, recording_id: RecordingId, stage: Stage) -> None:
    """The artifact of a stage is gone: it is to be heard again. What the index holds of the recording serves on."""
    connection.execute(
        update(stages)
        .where(stages.c.recording_id == recording_id, stages.c.stage == stage)
        .values(_TO_DO | {"artifact": None})
    )


def free_all(connection: Connection) -> None:
    """Give back every lease, as if nothing had been claimed."""
    for table in (sources, recordings):
        claims.give_back(connection, table, table.c.lease_owner.is_not(None))
