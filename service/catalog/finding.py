"""Finding one recording by what a person types: an id, the beginning of one, a path, a URL, a file name."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Connection, or_, select

from service.catalog.models import recordings, sources
from service.errors import RecordingAmbiguous, RecordingUnknown
from transcribe.transcript import RecordingId

MIN_PREFIX = 4  # fewer characters of an id are more likely a mistake
MAX_CANDIDATES = 20


def find(connection: Connection, text: str) -> RecordingId:
    """The one recording `text` names: as an id or source first, then as the beginning of an id, then as a file name.

    Raises:
        RecordingUnknown: nothing goes by it, or a source that has not been read yet.
        RecordingAmbiguous: several recordings do.
    """
    as_path = text if "://" in text else str(Path(text).expanduser().resolve())
    source = connection.execute(
        select(sources.c.recording_id).where(or_(sources.c.url == text, sources.c.url == as_path))
    ).first()
    if source is not None and source.recording_id is not None:
        return RecordingId(source.recording_id)
    if re.fullmatch(rf"[0-9a-fA-F]{{{MIN_PREFIX},64}}", text):
        start = text.lower()
        by_id = select(recordings.c.id).where(recordings.c.id.startswith(start)).order_by(recordings.c.id)
        ids = list(connection.execute(by_id.limit(MAX_CANDIDATES)).scalars())
        if ids:
            return _only(text, ids)
    by_name = (
        select(sources.c.recording_id)
        .where(sources.c.name == text, sources.c.recording_id.is_not(None))
        .distinct()
        .order_by(sources.c.recording_id)
    )
    ids = [str(found) for found in connection.execute(by_name.limit(MAX_CANDIDATES)).scalars()]
    if ids:
        return _only(text, ids)
    named = select(sources.c.id).where(sources.c.name == text).limit(1)
    raise RecordingUnknown(text, unread=source is not None or connection.execute(named).first() is not None)


def _only(text: str, ids: list[str]) -> RecordingId:
    if len(ids) > 1:
        raise RecordingAmbiguous(text, ids)
    return RecordingId(ids[0])
