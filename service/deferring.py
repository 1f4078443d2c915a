"""Indexing beside a service: whoever owns the index does it, and an ingest waits for that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from search.errors import IndexBusy
from service.catalog import Catalog, RecordingState, Stage, StageState
from service.client import ServiceClient, service_of
from service.errors import ServiceUnreachable
from service.indexing import Indexer
from service.settings import Settings
from service.transcripts import TranscriptStore
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import RecordingId

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
        only: RecordingId | None = None,
    ) -> int:
        """As `Indexer.index_pending`; where a service runs, wait until it has indexed what was heard up to now.

        Without patience there is nothing to wait for: 0. A wait ends early when `stop` is set.

        Raises:
            IndexBusy: another process holds the index, or the service does not answer.
        """
        service = service_of(self._settings.data)
        if service is None:
            return super().index_pending(spent, patience_seconds, failed, only)
        if not patience_seconds:
            return 0
        n_indexed = self._wait_for(service, failed, only)
        if service_of(self._settings.data) is None:  # it stopped on the way: the rest is ours
            n_indexed += super().index_pending(spent, patience_seconds, failed, only)
        return n_indexed

    def _wait_for(
        self, service: ServiceClient, failed: Callable[[RecordingState, str], Any], only: RecordingId | None
    ) -> int:
        try:
            fingerprint = service.passages_fingerprint()
        except ServiceUnreachable as error:
            if service_of(self._settings.data) is None:
                return 0
            raise IndexBusy(self._settings.index) from error
        if fingerprint is None:
            return 0
        n_indexed = 0
        for state in self._catalog.heard_not_indexed(fingerprint, EVERYTHING, only):
            passages = self._passages(state)
            while passages.fingerprint != fingerprint and not passages.resting:
                if self._stop.wait(LOOK_EVERY_SECONDS) or service_of(self._settings.data) is None:
                    return n_indexed
                passages = self._passages(state)
            if passages.fingerprint == fingerprint:
                n_indexed += 1
            else:
                failed(state, passages.error or "its passages could not be made")
        return n_indexed

    def _passages(self, state: RecordingState) -> StageState:
        (row,) = self._catalog.recordings({"recording_id": state.recording_id})
        return row.stages[Stage.PASSAGES]
