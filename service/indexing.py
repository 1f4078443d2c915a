"""From transcripts to passages in the index: the part of the ingest only the index's owner does.

The index is opened for as long as a batch is written and closed again, so that searches and other ingests
on the same data get their turn. A service that holds the index open gives it to the `Indexer` instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from gpu.listener import use
from gpu.models import resolve
from search.embedding import Embedder, SentenceTransformerEmbedder
from search.errors import IndexBusy
from search.passages import build_passages
from search.protocols import Index, Row
from search.rows import editions, passages_fingerprint, rows
from service.catalog import Catalog, RecordingState
from service.data import require_space
from service.errors import TranscriptNotKept
from service.labelling import relabel_pending
from service.linking import Linker
from service.settings import Settings
from service.transcripts import TranscriptStore
from transcribe.speakers import assemble
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import Recording, RecordingId, Transcript

BATCH = 16  # recordings written while the index is held
WAIT_SECONDS = 0.2  # between two tries to open an index another process holds

log = structlog.get_logger()

Opener = Callable[[float], AbstractContextManager[Index]]  # given the seconds to wait, an open index for a while


@contextmanager
def open_index(settings: Settings, patience_seconds: float = 0.0) -> Iterator[Index]:
    """The index of this data folder, or the Qdrant server in the settings.

    Args:
        patience_seconds: how long to wait while another process holds a Qdrant Edge shard.

    Raises:
        IndexBusy: it is still held after that.
    """
    index = _open(settings, time.monotonic() + patience_seconds)
    try:
        yield index
    finally:
        index.close()


def _open(settings: Settings, deadline: float) -> Index:
    if settings.qdrant_url:
        from search.indexes.cluster import ClusterIndex

        return ClusterIndex.at(settings.qdrant_url, api_key=settings.qdrant_api_key)
    from search.indexes.edge import EdgeIndex

    while True:
        try:
            return EdgeIndex.open(settings.index)
        except IndexBusy:
            if time.monotonic() >= deadline:
                raise
            time.sleep(WAIT_SECONDS)


def load_embedder(settings: Settings) -> Embedder:
    """The text embedding model of the settings, loaded.

    Raises:
        ModelMissing, ModelDamaged
    """
    model = resolve(settings.text_model, settings.model_places)
    return SentenceTransformerEmbedder(model.path, use(model), threads=settings.threads)


@dataclass(frozen=True, slots=True)
class _Prepared:
    state: RecordingState
    transcript: Transcript
    rows: list[Row]  # of what is searched, and after it of what the machine heard instead, if anything
    n_passages: int  # of what is searched
    machine_version: str | None = None

    @property
    def machine(self) -> tuple[str, int] | None:
        """What is kept beside, as the catalog notes it."""
        return (self.machine_version, len(self.rows) - self.n_passages) if self.machine_version else None


class Indexer:
    """Brings the index up to what was heard."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        transcripts: TranscriptStore,
        opener: Opener | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        """Find the model; it is loaded with the first recording, unless it is given as `embedder`.

        Args:
            opener: for an index that is held open anyway; None: `open_index` of the settings.

        Raises:
            ModelMissing, ModelDamaged
        """
        self._settings, self._catalog, self._transcripts = settings, catalog, transcripts
        self._open = opener or partial(open_index, settings)
        self._model = resolve(settings.text_model, settings.model_places)
        self.fingerprint = passages_fingerprint(use(self._model))
        self._embedder = embedder
        self._linker = Linker(catalog, transcripts)

    def index_pending(
        self,
        spent: StageSeconds,
        patience_seconds: float = 0.0,
        failed: Callable[[RecordingState, str], Any] = lambda _state, _error: None,
        only: RecordingId | None = None,
    ) -> int:
        """Index everything heard that is not indexed as it should be; returns how many recordings.

        Where only labels differ, they are written on the rows there are; that does not count. Then what was indexed is
        matched with every watch; one that fails is told, and stops nothing.

        Args:
            spent: gets the seconds of `embed` and `index`.
            failed: told of a recording whose passages could not be made; the others go on.
            only: nothing but this recording.

        Raises:
            IndexBusy: another process holds the index, and still did after `patience_seconds`.
            TooLittleSpace, TranscriptNotKept: the disk is nearly full; what was indexed so far is kept.
        """
        relabel_pending(self._catalog, self._open, patience_seconds)
        n_indexed = 0
        while (batch := self._catalog.heard_not_indexed(self.fingerprint, BATCH, only)) or self._match(
            patience_seconds
        ):
            if not batch:
                continue  # what is heard meanwhile comes before further matches
            require_space(self._settings)
            started = time.perf_counter()
            prepared = []
            for state in batch:
                try:
                    prepared.append(self._prepare(state))
                except TranscriptNotKept:
                    raise  # the disk is full: that is the fault of no recording
                except Exception as error:  # noqa: BLE001 -- one bad transcript must not stop the others
                    reason = f"{type(error).__name__}: {error}".splitlines()[0]
                    self._catalog.index_failed(state.recording_id, reason, state.inputs)
                    failed(state, reason)
            spent.add("embed", time.perf_counter() - started)

            started = time.perf_counter()
            if prepared:
                with self._open(patience_seconds) as index:
                    self._catalog.indexing(one.state for one in prepared)
                    for one in prepared:
                        index.replace(one.state.recording_id, one.transcript.version, one.rows)
                    index.flush()
                    heard = {one.state.recording_id: one.transcript for one in prepared}
                    for one in prepared:
                        self._linker.link(index, one.transcript, one.rows, heard)
                    # Last: a crash before this only means "again", and replacing again changes nothing. Before the
                    # index is let go: whoever holds it finds it and the catalog agreeing.
                    for one in prepared:
                        self._catalog.indexed(
                            one.state.recording_id,
                            one.state.inputs,
                            one.transcript.version,
                            one.n_passages,
                            one.machine,
                        )
            spent.add("index", time.perf_counter() - started)
            n_indexed += len(prepared)
        return n_indexed

    def _prepare(self, state: RecordingState) -> _Prepared:
        words = self._transcripts.words(state.words_artifact)
        turns = self._transcripts.turns(state.turns_artifact) if state.turns_artifact else None
        recording = Recording(state.recording_id, state.source, state.media, state.metadata)
        heard = assemble(recording, words, turns)
        self._transcripts.put(heard)
        if state.correction is None:
            made = rows(heard, build_passages(heard), self._loaded(), state.labels)
            return _Prepared(state, heard, made, len(made))
        # What people made stays current, whatever is heard again; only they put something else in its place.
        corrected = self._transcripts.get(state.recording_id, state.correction).with_recording(recording)
        current, machine = editions(corrected, heard, self._loaded(), state.labels)
        return _Prepared(state, corrected, [*current, *machine], len(current), heard.version)

    def _match(self, patience_seconds: float) -> bool:
        """Match some of what is due with the watches; whether there was any."""
        from service.watching import (
            match_due,
        )  # which asks as searches do, and those open the index through this module

        try:
            matched = match_due(self._catalog, self._settings.zone, lambda: self._open(patience_seconds), self._loaded)
        except IndexBusy:
            return False  # it stays due
        except Exception as error:  # noqa: BLE001 -- recordings are indexed whatever happens to watches
            log.error("watches not matched", error=type(error).__name__)
            return False
        return matched.total > 0

    def _loaded(self) -> Embedder:
        if self._embedder is None:
            self._embedder = SentenceTransformerEmbedder(
                self._model.path, use(self._model), threads=self._settings.threads
            )
        return self._embedder
