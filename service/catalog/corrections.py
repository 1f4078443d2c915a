"""Transcripts people corrected: which version is current, what it was made of, and by whom.

Every function takes a connection, `corrected` one inside a writing transaction.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from service.catalog import metadata
from service.catalog.entries import TranscriptVersion
from service.catalog.models import recordings, transcripts
from service.catalog.registration import insert_missing
from transcribe.errors import CorrectionOutdated
from transcribe.transcript import Amendment, RecordingId


def corrected(
    connection: Connection, recording_id: RecordingId, version: str, amendment: Amendment, now_ms: int
) -> None:
    """Make a version the current one, and the passages stage due.

    Raises:
        CorrectionOutdated: what it was made of is not the current version any more.
    """
    row = connection.execute(select(recordings).where(recordings.c.id == recording_id).with_for_update()).one()
    current = row.correction or row.transcript_version
    if current != amendment.base:
        raise CorrectionOutdated(amendment.base, current or "not known: the recording is to be indexed again")
    machine = _machine_of(connection, recording_id, amendment.restores or amendment.base)
    made = {"base": amendment.base, "machine": machine, "author": amendment.author, "note": amendment.note}
    entry = {"recording_id": recording_id, "version": version, "created_ms": now_ms}
    insert_missing(connection, transcripts, [entry | made])
    changed = {"correction": version, "corrected_from": machine}
    connection.execute(update(recordings).where(recordings.c.id == recording_id).values(changed))
    metadata.note_heard(connection, recording_id)


def versions(connection: Connection, recording_id: RecordingId) -> list[TranscriptVersion]:
    """Every version that ever was in the index or is to be, oldest first."""
    row = connection.execute(select(recordings).where(recordings.c.id == recording_id)).one()
    query = select(transcripts).where(transcripts.c.recording_id == recording_id)
    entries = connection.execute(query.order_by(transcripts.c.created_ms, transcripts.c.version))
    return [
        TranscriptVersion(
            entry.version,
            entry.created_ms,
            entry.base,
            entry.author,
            entry.note,
            entry.version == (row.correction or row.transcript_version),
            entry.version in (row.transcript_version, row.machine_version),
        )
        for entry in entries
    ]


def _machine_of(connection: Connection, recording_id: RecordingId, version: str) -> str:
    """The version the machine made that this one goes back to: itself, where the machine made it."""
    wanted = (transcripts.c.recording_id == recording_id) & (transcripts.c.version == version)
    machine = connection.execute(select(transcripts.c.machine).where(wanted)).scalar_one_or_none()
    return machine or version
