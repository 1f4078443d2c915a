"""A data folder held open by the service: its catalog, index and embedder stay in memory, threads share them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import structlog
from numpy.typing import NDArray

from search.embedding import Embedder, Vectors
from search.errors import IndexBusy
from search.protocols import Index
from service.catalog import Catalog, RecordingState
from service.citations import Citation, cite
from service.data import prepare_data
from service.finding import (
    INDEX_PATIENCE_SECONDS,
    Found,
    answer,
    ask,
    deadline_of,
    embedder_or_none,
    hits_to_export,
)
from service.indexing import Indexer, open_index
from service.labelling import relabel_pending
from service.proxies import Proxies
from service.question import Question
from service.settings import Settings
from service.transcripts import TranscriptStore
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import ModelUse

INDEX_EVERY_SECONDS = 2.0  # what an ingest heard is searchable this soon; an idle look costs one query
TEXTS_AT_ONCE = 32  # a search waits for at most so many passages to be embedded
log = structlog.get_logger()


class OpenArchive:
    """What the service answers from. `index` may be read by many threads; only the indexing thread writes."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        transcripts: TranscriptStore,
        index: Index,
        embedder: Embedder | None,
        proxies: Proxies,
    ) -> None:
        self.settings, self.catalog, self.transcripts, self.proxies = settings, catalog, transcripts, proxies
        self.index = index
        self._embedder = None if embedder is None else _InTurn(embedder)
        self._ended = threading.Event()
        self._indexer = (
            None if embedder is None else Indexer(settings, catalog, transcripts, self._lend_index, self._embedder)
        )
        self.indexing_error: str | None = None  # of the last attempt

    @property
    def passages_fingerprint(self) -> str | None:
        """What passages are made with here; None: no text model is installed, nothing is indexed."""
        return self._indexer.fingerprint if self._indexer else None

    def find(self, question: Question) -> Found:
        """As `service.finding.find`, without opening anything."""
        query = ask(self.catalog, self.settings.zone, question)
        return answer(query, self.catalog, self.index, self._embedder, deadline_of(self.settings, question))

    def cite(self, question: Question) -> Iterator[Citation]:
        """As `service.finding.find_citations`, without opening anything; a wrong question raises at once."""
        query = ask(self.catalog, self.settings.zone, question)
        return cite(hits_to_export(query, self.catalog, self.index, self._embedder), self.transcripts)

    def index_pending(self) -> int:
        """Index everything heard that is not; returns how many recordings."""
        if self._indexer is None:
            relabel_pending(self.catalog, self._lend_index)
            return 0
        return self._indexer.index_pending(StageSeconds(), failed=_say_failed)

    def keep_indexing(self) -> None:
        """Index what is heard, every few seconds, until `end`. An error is told and tried again."""
        while not self._ended.wait(INDEX_EVERY_SECONDS):
            try:
                n_indexed = self.index_pending()
                self.indexing_error = None
            except Exception as error:  # noqa: BLE001 -- a full disk or a busy database now; searches go on
                if not self._ended.is_set():
                    self.indexing_error = f"{type(error).__name__}: {error}".splitlines()[0]
                    log.error("indexing failed", error=self.indexing_error)
            else:
                if n_indexed:
                    log.info("indexed", recordings=n_indexed)

    def end(self) -> None:
        """Let indexing and the making of proxies stop at the next good moment."""
        self._ended.set()
        self.proxies.end()

    @contextmanager
    def _lend_index(self, _patience_seconds: float) -> Iterator[Index]:
        if self._ended.is_set():
            raise IndexBusy(self.settings.index)
        yield self.index


@contextmanager
def open_archive(settings: Settings) -> Iterator[OpenArchive]:
    """Open a data folder, made when missing, and keep its index up to date until the block ends.

    Raises:
        DataUnusable, CatalogUnusable, CatalogNewer
        IndexBusy: an ingest or a search of another process still holds the index after half a minute.
    """
    prepare_data(settings)
    embedder = embedder_or_none(settings)
    with Catalog.open(settings.catalog) as catalog, open_index(settings, INDEX_PATIENCE_SECONDS) as index:
        archive = OpenArchive(
            settings,
            catalog,
            TranscriptStore(settings.transcripts),
            index,
            embedder,
            Proxies(settings.data.resolve() / "proxies"),
        )
        keeper = threading.Thread(target=archive.keep_indexing, name="indexing", daemon=True)
        keeper.start()
        try:
            yield archive
        finally:
            archive.end()
            keeper.join()


def _say_failed(state: RecordingState, error: str) -> None:
    log.error("recording not indexed", recording=state.recording_id, error=error)


class _InTurn:
    """An embedder that threads use one after the other: fast tokenizers are not made for more."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self._lock = embedder, threading.Lock()

    @property
    def use(self) -> ModelUse:
        return self._embedder.use

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    def passages(self, texts: Sequence[str]) -> Vectors:
        vectors = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            with self._lock:
                vectors.append(self._embedder.passages(texts[start : start + TEXTS_AT_ONCE]))
        return np.concatenate(vectors) if vectors else self._embedder.passages([])

    def query(self, text: str) -> NDArray[np.float32]:
        with self._lock:
            return self._embedder.query(text)
