"""Indexing beside a service: whoever owns the index does it, and an ingest waits for that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from service.catalog import Catalog, RecordingState, Stage
from service.client import ServiceClient, service_of
from service.indexing import Indexer
from service.settings import Settings
from service.transcripts import TranscriptStore
from transcribe.hearing import StageSeconds

LOOK_EVERY_SECONDS = 0.5
EVERYTHING = 1_000_000_000  # recordings


class DeferringIndexer(Indexer):
    """Indexes by itself only while no service runs on the data folder; one may start or stop at any time."""

    def __init__(
        self, settings: Settings, catalog: Catalog, transcripts: TranscriptStore, stop: threading.Event
    ) -> None:
        """`stop`: set when the user wants to wait no longer."""
        super().__init__(settings, catalog, transcripts)
        self._stop = stop

    def index_pending(
        self,
        spent: StageSeconds,
        patience_seconds: float = 0.0,
        failed: Callable[[RecordingState, str], Any] = lambda _state, _error: None,
    ) -> int:
        """As `Indexer.index_pending`; where a service runs, wait until it has indexed what was heard up to now.

        Without patience there is nothing to wait for: 0. A wait ends early when `stop` is set.
        """
        service = service_of(self._settings.data)
        if service is None:
            return super().index_pending(spent, patience_seconds, failed)
        if not patience_seconds:
            return 0
        n_indexed = self._wait_for(service, failed)
        # Nothing is left, or the service stopped on the way: then the rest is ours.
        return (
            n_indexed
            if service_of(self._settings.data)
            else n_indexed + super().index_pending(spent, patience_seconds, failed)
        )

    def _wait_for(self, service: ServiceClient, failed: Callable[[RecordingState, str], Any]) -> int:
        fingerprint = service.passages_fingerprint()
        if fingerprint is None:
            return 0
        waiting = {state.recording_id: state for state in self._catalog.heard_not_indexed(fingerprint, EVERYTHING)}
        n_indexed = 0
        told: set[str] = set()
        while waiting and not self._stop.is_set() and service_of(self._settings.data):
            pending = {state.recording_id for state in self._catalog.heard_not_indexed(fingerprint, EVERYTHING)}
            for recording_id in waiting.keys() - pending:
                state = waiting.pop(recording_id)
                (row,) = self._catalog.recordings({"recording_id": recording_id})
                error = row.stages[Stage.PASSAGES].error
                if error is None:
                    n_indexed += 1
                elif recording_id not in told:
                    told.add(recording_id)
                    failed(state, error)
            if waiting:
                self._stop.wait(LOOK_EVERY_SECONDS)
        return n_indexed
