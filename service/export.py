"""Transcripts as files: the current version of each, with the metadata known now."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath

from service.catalog import Catalog, RecordingRow
from service.errors import ExportRefused, NotHeardYet
from service.transcripts import TranscriptStore
from transcribe.formats import render
from transcribe.transcript import Recording, RecordingId, Transcript


def current_transcript(row: RecordingRow, transcripts: TranscriptStore) -> Transcript:
    """The version the index serves, or is to serve once a correction is in it, under today's metadata.

    Raises:
        NotHeardYet: no version exists.
        TranscriptMissing: the store lost it.
    """
    name = row.sources[0] if row.sources else row.id
    if row.current_version is None:
        raise NotHeardYet(name, "; ".join(row.errors) or None)
    kept = transcripts.get(row.id, row.current_version)
    return kept.with_recording(Recording(row.id, name, row.media, row.metadata))


def row_of(catalog: Catalog, recording_id: RecordingId) -> RecordingRow:
    """What the catalog knows of one recording."""
    (row,) = catalog.recordings({"recording_id": recording_id})
    return row


def file_names(rows: list[RecordingRow], format: str) -> dict[RecordingId, str]:
    """One file name per recording: its source's stem, with `.<first 8 of the id>` where stems collide."""
    stems = {row.id: PurePosixPath(row.sources[0]).stem if row.sources else row.id for row in rows}
    uses = Counter(stem.casefold() for stem in stems.values())  # some file systems ignore case
    return {
        row.id: f"{stems[row.id]}{'.' + row.id[:8] if uses[stems[row.id].casefold()] > 1 else ''}.{format}"
        for row in rows
    }


def write_file(path: Path, transcript: Transcript, format: str) -> None:
    """Write one transcript.

    Raises:
        ExportRefused: the folder is missing or closed to us, or the disk is full.
    """
    try:
        path.write_text(render(transcript, format), encoding="utf-8")
    except OSError as error:
        raise ExportRefused(path, error.strerror or str(error)) from error
