"""Corrections of transcripts: kept as versions, searched at once, and taken back by another.

    store      the new version is written, whole; nothing names it yet
    catalog    one transaction makes it the current one, if what it corrects still is, and its passages due
    index      whoever owns the index replaces the recording's rows; until then it holds the earlier version

Killed between any two, either the earlier or the new version is indexed, and where it is the earlier one, the next
ingest or the service goes on.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gpu.errors import GpuError
from search.errors import IndexBusy
from service.catalog import Catalog, RecordingRow, Stage
from service.deferring import DeferringIndexer
from service.errors import CorrectionUnreadable, NotHeardYet, VersionUnknown
from service.export import row_of
from service.indexing import Indexer
from service.settings import Settings
from service.transcripts import TranscriptStore
from transcribe import correction as corrections
from transcribe.correction import Correction, Edit
from transcribe.correction_forms import base_of, edits_of
from transcribe.errors import CorrectionOutdated
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import RecordingId, Transcript

PATIENCE_SECONDS = 30.0  # for another process to let the index go, or a service to index the correction


@dataclass(frozen=True, slots=True)
class Corrected:
    """What became of a correction."""

    recording_id: RecordingId
    version: str
    base: str
    waits: str | None  # why the index does not hold it yet; None: it does

    def to_json(self) -> dict[str, Any]:
        return {
            "recording_id": self.recording_id,
            "version": self.version,
            "base": self.base,
            "indexed": self.waits is None,
            "waits": self.waits,
        }


def correct(
    catalog: Catalog, transcripts: TranscriptStore, recording_id: RecordingId, correction: Correction
) -> Transcript:
    """Make the corrected version the current one. It is due to be indexed: `index` does it now.

    Raises:
        NotHeardYet: there is nothing to correct.
        CorrectionOutdated: it is not of the current version.
        CorrectionWrong, TranscriptMissing, TranscriptNotKept
    """
    current = _current(row_of(catalog, recording_id))
    if correction.base != current:
        raise CorrectionOutdated(correction.base, current)
    return _keep(catalog, transcripts, corrections.correct(transcripts.get(recording_id, current), correction))


def revert(
    catalog: Catalog,
    transcripts: TranscriptStore,
    recording_id: RecordingId,
    version: str,
    author: str,
    note: str | None = None,
) -> Transcript:
    """Put the content of another version, people's or a machine's, in place of the current one's, as a new version.

    Args:
        version: the whole of it, or the first digits that no other has.

    Raises:
        VersionUnknown, and as `correct`.
    """
    row = row_of(catalog, recording_id)
    current = _current(row)
    found = [one.version for one in catalog.versions(recording_id) if version and one.version.startswith(version)]
    if len(found) != 1:
        raise VersionUnknown(_name(row), version)
    base, earlier = (transcripts.get(recording_id, one) for one in (current, found[0]))
    return _keep(catalog, transcripts, corrections.restore(base, earlier, author, now(), note))


def index(indexer: Indexer, catalog: Catalog, recording_id: RecordingId) -> str | None:
    """Index one recording's current version now; returns why that has to wait, None where it is done."""
    failed: list[str] = []
    try:
        indexer.index_pending(
            StageSeconds(), PATIENCE_SECONDS, lambda _state, error: failed.append(error), recording_id
        )
    except IndexBusy as error:
        return str(error)
    row = row_of(catalog, recording_id)  # a service may have been faster
    if row.transcript_version == row.current_version and row.stages[Stage.PASSAGES].fingerprint:
        return None
    return failed[0] if failed else "the recording is being heard, or the service indexes nothing"


def index_here(
    settings: Settings, catalog: Catalog, transcripts: TranscriptStore, recording_id: RecordingId
) -> str | None:
    """As `index`, by the service of the data folder where one runs, else in this process."""
    try:
        indexer = DeferringIndexer(settings, catalog, transcripts, threading.Event())
    except GpuError as error:  # the text model is not here: another machine's ingest, or a service, has it
        return str(error)
    return index(indexer, catalog, recording_id)


def read_correction(
    path: Path, catalog: Catalog, transcripts: TranscriptStore, recording_id: RecordingId, author: str, note: str | None
) -> Correction:
    """The correction in a file: edits, or an exported transcript that was edited.

    Raises:
        CorrectionUnreadable, CorrectionWrong, CorrectionOutdated, NotHeardYet, TranscriptMissing
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CorrectionUnreadable(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise CorrectionUnreadable(path, f"it is not JSON ({error})") from error
    base, current = base_of(data), _current(row_of(catalog, recording_id))
    if base != current:
        raise CorrectionOutdated(base, current)
    edits: Sequence[Edit] = edits_of(data, transcripts.get(recording_id, current))
    return Correction(base, tuple(edits), author, now(), note)


def now() -> str:
    """As amendments have it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _keep(catalog: Catalog, transcripts: TranscriptStore, corrected: Transcript) -> Transcript:
    version = transcripts.put(corrected)
    catalog.corrected(corrected.recording.id, version, corrected.amendments[-1])
    return corrected


def _current(row: RecordingRow) -> str:
    if row.current_version is None:
        raise NotHeardYet(_name(row), "; ".join(row.errors) or None)
    return row.current_version


def _name(row: RecordingRow) -> str:
    return row.sources[0] if row.sources else row.id
