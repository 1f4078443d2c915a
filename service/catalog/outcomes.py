"""What became of a claim: read, heard, failed, indexed.

Every function takes a connection inside a writing transaction and the time in UTC epoch ms.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Table, and_, case, select, update

from service.catalog import claims, labels, metadata, voices, watches
from service.catalog.entries import Claim, SealedVoice, Stage
from service.catalog.models import recordings, sources, stages, transcripts
from service.catalog.registration import insert_missing
from transcribe.transcript import MediaFacts, RecordingId

DECODE = "decode"  # the stage of a source that could not be read

_WENT_RIGHT = {"attempts": 0, "error": None, "transient": False, "failed_by": ""}
_FACT_COLUMNS = ("speech_ms", "silent_ms", "not_processed_ms", "n_words", "languages", "n_speakers")


def admit(
    connection: Connection,
    claim: Claim,
    owner: str,
    recording_id: RecordingId,
    media: MediaFacts,
    size_bytes: int,
    fingerprints: Mapping[Stage, str],
    now_ms: int,
) -> frozenset[Stage]:
    """Link the source to the recording its bytes turned out to be; returns what is to be heard of it.

    Empty, and the claim given back, when that is nothing: all is done, another claim hears it at this moment,
    it rests as failed, or the source has changed or was lost to another owner since it was claimed.
    """
    source = connection.execute(select(sources).where(sources.c.id == claim.source_id).with_for_update()).one()
    ours = source.lease_owner == owner
    if not ours or (source.size_bytes, source.modified) != (claim.size_bytes, claim.modified):
        claims.finish(connection, claim, owner)
        return frozenset()
    created = _new_recording(recording_id, media, size_bytes, now_ms)
    if not insert_missing(connection, recordings, [created]):
        facts = {name: created[name] for name in ("media", "duration_ms", "size_bytes")}
        connection.execute(update(recordings).where(recordings.c.id == recording_id).values(facts))
    insert_missing(connection, stages, [_new_stage(recording_id, stage) for stage in Stage])
    connection.execute(
        update(sources)
        .where(sources.c.id == claim.source_id)
        .values(_WENT_RIGHT | claims.CALMED | {"recording_id": recording_id})
    )
    if source.recording_id is not None and source.recording_id != recording_id:
        _leave(connection, claim, owner, source.recording_id)
    metadata.refresh(connection, recording_id)

    recording = connection.execute(select(recordings).where(recordings.c.id == recording_id).with_for_update()).one()
    due = connection.execute(
        select(stages.c.stage).where(stages.c.recording_id == recording_id, claims.is_due(fingerprints, owner))
    )
    todo = frozenset(Stage(stage) for stage in due.scalars())
    mine = (recording.lease_owner, recording.lease_source_id) == (owner, claim.source_id)
    free = recording.lease_owner is None or recording.lease_until_ms <= now_ms
    rests = not mine and recording.interruptions >= claims.MAX_INTERRUPTIONS
    if not todo or rests or not (mine or free):
        claims.finish(connection, claim, owner)
        return frozenset()
    interruptions = recording.interruptions if mine else max(recording.interruptions + 1, source.interruptions)
    held = claims.lease(owner, now_ms) | {"lease_source_id": claim.source_id, "interruptions": interruptions}
    connection.execute(update(recordings).where(recordings.c.id == recording_id).values(held))
    return todo


def done(
    connection: Connection,
    recording_id: RecordingId,
    stage: Stage,
    fingerprint: str,
    artifact: str,
    seconds: Mapping[str, float],
    facts: Mapping[str, Any],
    sealed: Collection[SealedVoice],
    now_ms: int,
) -> None:
    """Keep a stage's artifact. What is done counts, whoever holds the lease by now: hearing is repeatable."""
    columns = {name: facts[name] for name in _FACT_COLUMNS if name in facts}
    connection.execute(update(recordings).where(recordings.c.id == recording_id).values(columns | claims.CALMED))
    connection.execute(
        update(stages)
        .where(stages.c.recording_id == recording_id, stages.c.stage == stage)
        .values(
            _WENT_RIGHT
            | {"fingerprint": fingerprint, "tried": fingerprint, "artifact": artifact}
            | {"seconds": dict(seconds), "facts": dict(facts), "updated_ms": now_ms}
        )
    )
    if stage is Stage.TURNS:
        voices.replace(connection, recording_id, sealed)
    metadata.note_heard(connection, recording_id)


def failed(
    connection: Connection,
    claim: Claim,
    owner: str,
    recording_id: RecordingId | None,
    stage_name: str,
    error: str,
    transient: bool,
) -> None:
    """Count a failed attempt: of the source when it could not be read, else of the stage.

    An owner that lost its lease meanwhile counts nothing: whoever took over will tell.
    """
    holder = connection.execute(select(sources.c.lease_owner).where(sources.c.id == claim.source_id)).scalar_one()
    if holder not in (owner, None):
        return
    if stage_name == DECODE or recording_id is None:
        changes = _failure(sources, owner, error, transient) | claims.CALMED
        connection.execute(update(sources).where(sources.c.id == claim.source_id).values(changes))
        claims.finish(connection, claim, owner)
        return
    stage = Stage(stage_name)
    connection.execute(update(recordings).where(recordings.c.id == recording_id).values(claims.CALMED))
    wanted = claim.fingerprints.get(stage, "")
    first = {"attempts": case((stages.c.tried == wanted, stages.c.attempts + 1), else_=1), "tried": wanted}
    connection.execute(
        update(stages)
        .where(stages.c.recording_id == recording_id, stages.c.stage == stage)
        .values(_failure(stages, owner, error, transient) | first)
    )


def indexed(
    connection: Connection,
    recording_id: RecordingId,
    inputs: str,
    transcript_version: str,
    n_passages: int,
    now_ms: int,
    machine: tuple[str, int] | None = None,
) -> None:
    """Note what the index now holds. If what passages are made of has changed since, the stage stays due."""
    machine_version, n_machine_passages = machine or (None, None)
    heard, fingerprint, labelled = inputs.split(":")
    row = connection.execute(
        select(recordings.c.heard, recordings.c.transcript_version)
        .where(recordings.c.id == recording_id)
        .with_for_update()
    ).one()
    connection.execute(
        update(recordings)
        .where(recordings.c.id == recording_id)
        .values(transcript_version=transcript_version, n_passages=n_passages)
        .values(machine_version=machine_version, n_machine_passages=n_machine_passages)
    )
    current = fingerprint if row.heard == heard else ""
    connection.execute(
        update(stages)
        .where(stages.c.recording_id == recording_id, stages.c.stage == Stage.PASSAGES)
        .values(_WENT_RIGHT | {"fingerprint": current, "tried": current, "updated_ms": now_ms})
    )
    labels.indexed(connection, recording_id, labelled)
    for version in filter(None, (transcript_version, machine_version)):
        entry = {"recording_id": recording_id, "version": version, "created_ms": now_ms}
        insert_missing(connection, transcripts, [entry])
    if row.transcript_version != transcript_version:
        watches.newly_indexed(connection, recording_id, transcript_version, now_ms)


def index_failed(connection: Connection, recording_id: RecordingId, error: str, inputs: str) -> None:
    """Count a failed attempt at the passages. Without `inputs` it counts whatever fingerprint is wanted."""
    wanted = inputs.split(":")[1] if inputs else ""
    attempts = case((stages.c.tried.in_(["", wanted]), stages.c.attempts + 1), else_=1)
    connection.execute(
        update(stages)
        .where(stages.c.recording_id == recording_id, stages.c.stage == Stage.PASSAGES)
        .values(attempts=attempts, tried=wanted, error=error, transient=False)
    )


def retry_failed(connection: Connection) -> int:
    """Forget attempts and interruptions; returns how many sources, recordings and stages had rested."""
    n_resting = 0
    for table, name, most, forgotten in (
        (sources, "interruptions", claims.MAX_INTERRUPTIONS, claims.CALMED),
        (sources, "attempts", claims.MAX_ATTEMPTS, _WENT_RIGHT),
        (recordings, "interruptions", claims.MAX_INTERRUPTIONS, claims.CALMED),
        (stages, "attempts", claims.MAX_ATTEMPTS, _WENT_RIGHT),
    ):
        resting = update(table).where(table.c[name] >= most).values(forgotten)
        n_resting += connection.execute(resting).rowcount
        connection.execute(update(table).where(table.c[name] > 0).values(forgotten))
    return n_resting


def _leave(connection: Connection, claim: Claim, owner: str, recording_id: str) -> None:
    """The source no longer holds this recording: give the recording back."""
    held = and_(recordings.c.id == recording_id, recordings.c.lease_source_id == claim.source_id)
    claims.give_back(connection, recordings, and_(held, recordings.c.lease_owner == owner))
    metadata.refresh(connection, recording_id)


def _failure(table: Table, owner: str, error: str, transient: bool) -> dict[str, Any]:
    return {
        "attempts": table.c.attempts + 1,
        "error": error,
        "transient": transient,
        "failed_by": table.c.failed_by + f"\n{owner}\n",
    }


def _new_recording(recording_id: RecordingId, media: MediaFacts, size_bytes: int, now_ms: int) -> dict[str, Any]:
    return {
        "id": recording_id,
        "size_bytes": size_bytes,
        "media": asdict(media),
        "duration_ms": media.duration_ms,
        "metadata": {},
        "heard": "",
        "interruptions": 0,
        "created_ms": now_ms,
    }


def _new_stage(recording_id: RecordingId, stage: Stage) -> dict[str, Any]:
    return {
        "recording_id": recording_id,
        "stage": stage,
        "fingerprint": "",
        "tried": "",
        **_WENT_RIGHT,
        "seconds": {},
        "facts": {},
    }
