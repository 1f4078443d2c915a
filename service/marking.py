"""Sealing and holding recordings, and taking that back: in the catalog at once, in the index as soon as it is free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from search.errors import SearchError
from service.audit import AuditTrail, operating_system_user
from service.catalog import Catalog, Mark
from service.finding import open_catalog
from service.indexing import open_index
from service.labelling import relabel_pending
from service.settings import Settings
from transcribe.transcript import RecordingId

VERBS = {(Mark.SEALED, True): "seal", (Mark.SEALED, False): "unseal"} | {
    (Mark.HELD, True): "hold",
    (Mark.HELD, False): "release",
}


@dataclass(frozen=True, slots=True)
class Marked:
    """Which recordings were meant, and whether that changed them.

    waiting: recordings that are in no answer yet, because another process holds the index; it, or the next ingest,
    brings them their labels. waiting_for: what keeps them, in words; None: nothing does.
    """

    recordings: tuple[tuple[RecordingId, bool], ...]
    waiting: int
    waiting_for: str | None

    def to_json(self) -> dict[str, Any]:
        return {
            "recordings": [{"id": recording_id, "changed": changed} for recording_id, changed in self.recordings],
            "waiting": self.waiting,
            "waiting_for": self.waiting_for,
        }


def mark(settings: Settings, recordings: Sequence[str], which: Mark, on: bool, reason: str) -> Marked:
    """Set a mark on recordings, or take it off. Recorded in the audit trail, each with the reason.

    Args:
        recordings: ids, beginnings of ids, or source paths; all are looked up before the first is changed.

    Raises:
        NothingIngested, RecordingUnknown, RecordingAmbiguous
        AuditUnwritable: then nothing is changed.
    """
    with open_catalog(settings) as catalog:
        ids = [catalog.find(recording) for recording in recordings]
        trail, by, marked = AuditTrail(settings.data), operating_system_user(), []
        for recording_id in dict.fromkeys(ids):
            with trail.recorded(VERBS[which, on], recording=recording_id, reason=reason) as event:
                changed = catalog.mark(recording_id, which, by, reason) if on else catalog.unmark(recording_id, which)
                event.facts["changed"] = changed
            marked.append((recording_id, changed))
        waiting_for = _relabel(settings, catalog)
        return Marked(tuple(marked), len(catalog.unlabelled()), waiting_for)


def _relabel(settings: Settings, catalog: Catalog) -> str | None:
    """Bring the index its labels, or say what keeps them."""
    try:
        relabel_pending(catalog, partial(open_index, settings))
    except SearchError as error:  # busy, or to be made again: what is sealed is in no answer all the same
        return str(error)
    return None
