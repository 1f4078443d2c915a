"""Catalog, index and transcripts compared, in both directions, and what differs mended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from search.errors import DimensionMismatch, IndexDamaged
from service.catalog import Catalog, RecordingRow, Stage
from service.index_folder import patience
from service.indexing import Indexer, open_index
from service.rebuild import Indexed, index_pending, rebuild
from service.settings import Settings
from service.transcripts import TranscriptStore
from transcribe.transcript import RecordingId

Versions = Mapping[RecordingId, Mapping[str, int]]  # per recording the versions the index has rows of, and how many


class Kind(StrEnum):
    """What can differ."""

    INDEX_DAMAGED = "index_damaged"  # nothing of it can be compared
    MISSING_ROWS = "missing_rows"  # the catalog calls more indexed than the index holds
    EXTRA_ROWS = "extra_rows"  # the index holds a recording twice, or of a version that it should not
    UNKNOWN_RECORDING = "unknown_recording"  # rows of a recording the catalog does not know
    TRANSCRIPT = "transcript"  # a file of the store is missing, or not what was written


@dataclass(frozen=True, slots=True)
class Difference:
    kind: Kind
    recording_id: RecordingId | None  # None: the index as a whole
    key: str | None  # of a file in the transcript store
    says: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared, and what differs: nothing, where the archive is whole.

    `waiting` recordings are heard but not yet, or no longer rightly, indexed, and the catalog knows it: the
    next ingest indexes them. That is no difference.
    """

    recordings: int
    rows: int
    transcripts: int
    waiting: int
    differences: tuple[Difference, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "clean": not self.differences,
            "recordings": self.recordings,
            "rows": self.rows,
            "transcripts": self.transcripts,
            "waiting": self.waiting,
            "differences": [asdict(difference) for difference in self.differences],
        }


def verify(settings: Settings, catalog: Catalog, transcripts: TranscriptStore) -> Verification:
    """Compare all three; reads every transcript.

    Raises:
        IndexBusy: another process, such as a running service, has the index open.
    """
    differences: list[Difference] = []
    versions: Versions | None = None
    try:
        with open_index(settings, patience(settings)) as index:
            # Both while the index is held: whoever writes to it notes that in the catalog before letting it go.
            versions = index.versions()
            rows = catalog.recordings()
            cited = catalog.transcript_versions()
    except IndexDamaged as error:
        rows, cited = catalog.recordings(), catalog.transcript_versions()
        differences.append(Difference(Kind.INDEX_DAMAGED, None, None, str(error)))
    if versions is not None:
        differences += compare_index(rows, versions)
    n_files, faults = check_transcripts(transcripts, rows, cited)
    return Verification(
        len(rows),
        sum(n for held in (versions or {}).values() for n in held.values()),
        n_files,
        sum(_waits(row) for row in rows),
        (*differences, *faults),
    )


def compare_index(rows: Sequence[RecordingRow], versions: Versions) -> list[Difference]:
    """What the catalog calls indexed against what the index holds; recordings that wait are left out."""
    differences = []
    for row in rows:
        editions = ((row.transcript_version, row.n_passages), (row.machine_version, row.n_machine_passages))
        wanted = {version: n for version, n in editions if version and n}
        held = dict(versions.get(row.id, {}))
        if not row.stages[Stage.PASSAGES].fingerprint or held == wanted:
            continue
        short = any(held.get(version, 0) < n for version, n in wanted.items())
        kind = Kind.MISSING_ROWS if short else Kind.EXTRA_ROWS
        counts = " and ".join(f"{n} passages of version {version}" for version, n in wanted.items())
        says = f"the catalog counts {counts or 'no passages'}, the index holds " + (
            ", ".join(f"{n} of {version}" for version, n in sorted(held.items())) or "none"
        )
        differences.append(Difference(kind, row.id, None, says))
    known = {row.id for row in rows}
    for recording_id in sorted(versions.keys() - known):
        n_rows = sum(versions[recording_id].values())
        says = f"the index holds {n_rows} passages of a recording the catalog does not know"
        differences.append(Difference(Kind.UNKNOWN_RECORDING, recording_id, None, says))
    return differences


def check_transcripts(
    transcripts: TranscriptStore, rows: Iterable[RecordingRow], cited: Iterable[tuple[RecordingId, str]]
) -> tuple[int, list[Difference]]:
    """How many files the store has, and those that are damaged, or missing though the catalog names them."""
    named = {key: row.id for row in rows for key in _artifacts(row)}
    named |= {transcripts.transcript_key(recording_id, version): recording_id for recording_id, version in cited}
    kept = set(transcripts.keys())
    faults = []
    for key in sorted(kept | named.keys()):
        fault = transcripts.fault(key)
        if fault is not None:
            recording_id = named.get(key, RecordingId(key.split("/")[1]))
            faults.append(Difference(Kind.TRANSCRIPT, recording_id, key, f"transcript {key}: {fault}"))
    return len(kept), faults


def repair(
    settings: Settings, catalog: Catalog, transcripts: TranscriptStore, differences: Sequence[Difference]
) -> Indexed:
    """Mend what can be mended from what is whole; verify again to see what is left.

    Rows are made again from transcripts, a version from the words and turns it joins. Words and turns that are lost
    are marked to be heard again by the next ingest. An older version that is lost can only come from a backup.
    """
    rows = {row.id: row for row in catalog.recordings()}
    again: set[RecordingId] = set()
    for difference in differences:
        recording_id = difference.recording_id
        if difference.kind is Kind.TRANSCRIPT and recording_id is not None and difference.key is not None:
            transcripts.set_aside(difference.key)
            row = rows.get(recording_id)
            if row is not None and not _forget(catalog, row, difference.key):
                again.add(recording_id)
        elif difference.kind in (Kind.MISSING_ROWS, Kind.EXTRA_ROWS) and recording_id is not None:
            again.add(recording_id)
    if any(difference.kind is Kind.INDEX_DAMAGED for difference in differences):
        return rebuild(settings, catalog, transcripts)
    indexer = Indexer(settings, catalog, transcripts)
    unknown = [difference.recording_id for difference in differences if difference.kind is Kind.UNKNOWN_RECORDING]
    with open_index(settings, patience(settings)) as index:
        for recording_id in unknown:
            if recording_id is not None:
                index.remove(recording_id)
        index.flush()
        catalog.unindexed(again)
    try:
        return index_pending(indexer)
    except DimensionMismatch:  # rows of another embedding model: they cannot stand beside each other
        return rebuild(settings, catalog, transcripts)


def _forget(catalog: Catalog, row: RecordingRow, key: str) -> bool:
    """Mark the stage whose artifact this is as to be heard again; False: it is the artifact of none."""
    for stage in (Stage.WORDS, Stage.TURNS):
        if row.stages[stage].artifact == key:
            catalog.lost(row.id, stage)
            return True
    return False


def _artifacts(row: RecordingRow) -> list[str]:
    return [state.artifact for state in row.stages.values() if state.artifact is not None]


def _waits(row: RecordingRow) -> bool:
    return row.stages[Stage.WORDS].artifact is not None and not row.stages[Stage.PASSAGES].fingerprint
