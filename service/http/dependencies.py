"""What routes are given: the archive, and the recording an id in the path stands for."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request

from service.archive import OpenArchive
from service.catalog import RecordingRow
from service.errors import RecordingUnknown
from transcribe.transcript import RecordingId

API = "/api/v1"


def _archive(request: Request) -> OpenArchive:
    archive: OpenArchive = request.app.state.archive
    return archive


Archive = Annotated[OpenArchive, Depends(_archive)]


def row_of_id(archive: OpenArchive, recording_id: str) -> RecordingRow:
    """Ids only: no path, name or prefix leads to a recording here.

    Raises:
        RecordingUnknown
    """
    rows = archive.catalog.recordings({"recording_id": RecordingId(recording_id)})
    if not rows or rows[0].id != recording_id:
        raise RecordingUnknown(recording_id[:64])
    return rows[0]


def _row(archive: Archive, recording_id: Annotated[str, Path(description="all 64 digits of the id")]) -> RecordingRow:
    return row_of_id(archive, recording_id)


Recording = Annotated[RecordingRow, Depends(_row)]
