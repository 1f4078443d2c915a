"""The index made again from the transcripts: after damage, or in another format. Nothing is heard again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.catalog import Catalog
from service.index_folder import PATIENCE_SECONDS, hold_index_folder, move_aside, patience, remove_aside
from service.indexing import Indexer, open_index
from service.settings import Settings
from service.transcripts import TranscriptStore
from transcribe.stage_seconds import StageSeconds


@dataclass(frozen=True, slots=True)
class Indexed:
    """What was indexed again, and of which sources it could not be."""

    recordings: int
    failures: tuple[tuple[str, str], ...]  # source, error

    def to_json(self) -> dict[str, Any]:
        return {
            "indexed": self.recordings,
            "failures": [{"source": source, "error": error} for source, error in self.failures],
        }


def rebuild(settings: Settings, catalog: Catalog, transcripts: TranscriptStore) -> Indexed:
    """Throw the index away and index everything heard again.

    Killed on the way, the next rebuild or ingest goes on; searches find what is indexed so far, and say so.

    Raises:
        IndexBusy: another process, such as a running service, has the index open.
        ModelMissing, ModelDamaged: before anything was thrown away.
    """
    indexer = Indexer(settings, catalog, transcripts)
    if settings.qdrant_url:
        with open_index(settings) as index:
            catalog.unindexed()
            for recording_id in index.versions():
                index.remove(recording_id)
            index.flush()
    else:
        with hold_index_folder(settings, patience(settings)) as folder:
            # The catalog first: killed in between, the old index is written to again, which changes nothing.
            catalog.unindexed()
            move_aside(folder)
    indexed = index_pending(indexer)
    remove_aside(settings.index)
    return indexed


def index_pending(indexer: Indexer) -> Indexed:
    """Index what is due, and keep what could not be."""
    failures: list[tuple[str, str]] = []
    n_indexed = indexer.index_pending(
        StageSeconds(), PATIENCE_SECONDS, lambda state, error: failures.append((state.source, error))
    )
    return Indexed(n_indexed, tuple(failures))
