"""Voices as the catalog keeps them: sealed, one row for each speaker who was heard long enough.

Every function takes a connection; those that change something, inside a writing transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import Connection, delete, insert, select, update

from service.catalog.entries import SealedVoice, Stage
from service.catalog.models import stages, voices
from transcribe.speaker_voices import VOICES_KEPT
from transcribe.transcript import RecordingId

BATCH = 1_000  # rows read at a time: 1 MB


def replace(connection: Connection, recording_id: RecordingId, sealed: Collection[SealedVoice]) -> None:
    """The voices of a recording whose speakers were told apart anew: those of the old labels go."""
    connection.execute(delete(voices).where(voices.c.recording_id == recording_id))
    if sealed:
        connection.execute(insert(voices), [_row(voice) for voice in sealed])


def of_recording(connection: Connection, recording_id: RecordingId) -> list[SealedVoice]:
    """Sorted by speaker."""
    mine = select(voices).where(voices.c.recording_id == recording_id).order_by(voices.c.speaker)
    return [_voice(row) for row in connection.execute(mine)]


def comparable(connection: Connection, voice: SealedVoice) -> Iterator[SealedVoice]:
    """Every other voice of the same model, in no order that means anything; read a batch at a time."""
    others = select(voices).where(
        voices.c.model == voice.model,
        (voices.c.recording_id != voice.recording_id) | (voices.c.speaker != voice.speaker),
    )
    for row in connection.execution_options(yield_per=BATCH).execute(others):
        yield _voice(row)


def other_keys(connection: Connection, key_id: str) -> bool:
    """Whether some voice was sealed with another key."""
    other = select(voices.c.key_id).where((voices.c.key_id < key_id) | (voices.c.key_id > key_id)).limit(1)
    return connection.execute(other).first() is not None


def forget(connection: Connection, recording_id: RecordingId | None) -> int:
    """Delete the voices of a recording, or all; returns how many there were.

    What else telling speakers apart gave stays. Its fingerprint no longer says that voices are kept: with voices
    enabled, the next ingest makes them again; without, there is nothing to do.
    """
    due = stages.c.stage == Stage.TURNS
    gone = delete(voices)
    if recording_id is not None:
        due &= stages.c.recording_id == recording_id
        gone = gone.where(voices.c.recording_id == recording_id)
    kept = select(stages.c.fingerprint).where(due, stages.c.fingerprint.endswith(VOICES_KEPT)).distinct()
    for fingerprint in list(connection.execute(kept).scalars()):
        without = fingerprint.removesuffix(VOICES_KEPT)
        changed = update(stages).where(due, stages.c.fingerprint == fingerprint)
        connection.execute(changed.values(fingerprint=without, tried=without))
    return connection.execute(gone).rowcount


def _row(voice: SealedVoice) -> dict[str, object]:
    return {name: getattr(voice, name) for name in voices.c.keys()}  # noqa: SIM118 -- not a dict


def _voice(row: object) -> SealedVoice:
    return SealedVoice(**{name: getattr(row, name) for name in voices.c.keys()})  # noqa: SIM118 -- not a dict
