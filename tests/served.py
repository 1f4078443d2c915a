"""Small archives heard by ears that answer at once, and services that run over them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpu.engine import LocalEngine
from service.catalog import Catalog
from service.deferring import DeferringIndexer
from service.ingest import Failure, Ingest, Report, find_sources
from service.serving import listen, serve, url_of
from service.settings import Settings, load_settings
from service.transcripts import TranscriptStore
from transcribe.media import Audio
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import Covered, Kind, Segment, SpeakerKind, State, Turn, TurnsArtifact, Word, WordsArtifact

SENTENCE = "open the trunk"
SENTENCE_MS = 1_000  # where it begins


class Ears:
    """Hears one sentence in every recording, and `also`: segments that begin after it."""

    def __init__(self, also: Sequence[Segment] = ()) -> None:
        self._also = tuple(also)

    def words(self, audio: Audio, spent: StageSeconds, names: Sequence[str] = ()) -> WordsArtifact:
        words = tuple(
            Word(SENTENCE_MS + 300 * n, SENTENCE_MS + 300 * n + 280, text, 0.9)
            for n, text in enumerate(SENTENCE.split())
        )
        segment = Segment(SENTENCE_MS, words[-1].end_ms, SENTENCE, "en", 0.9, words)
        covered = Covered(0, audio.media.duration_ms, State.SPEECH)
        return WordsArtifact(audio.recording_id, audio.media, (segment, *self._also), (covered,), ())

    def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
        turns = (Turn(0, audio.media.duration_ms, "SPEAKER_00"),)
        return TurnsArtifact(audio.recording_id, turns, (), (), (SpeakerKind("SPEAKER_00", Kind.WEARER, 0.9),))


class Silent:
    """Watches without a word."""

    def started(self, n_sources: int) -> None: ...

    def heard(self, source: str, audio_ms: int) -> None: ...

    def failed(self, failure: Failure) -> None: ...

    def note(self, text: str) -> None: ...


def hear(data: Path, sources: Sequence[Path], manifest: Path | None = None, ears: Ears | None = None) -> Report:
    """Ingest, as the command line does, with `Ears`."""
    data.mkdir(exist_ok=True)
    settings = load_settings(data=data)
    stop = threading.Event()
    with Catalog.open(settings.catalog) as catalog:
        transcripts = TranscriptStore(settings.transcripts)
        ingest = Ingest(
            catalog,
            transcripts,
            DeferringIndexer(settings, catalog, transcripts, stop),
            LocalEngine(ears or Ears(), stop),
            {"words": "w1", "turns": "t1"},
            Silent(),
            stop,
        )
        return ingest.run(find_sources([str(source) for source in sources], manifest, settings))


@contextmanager
def running(data: Path) -> Iterator[str]:
    """A service over the data folder, in a thread of this process; its URL."""
    settings: Settings = load_settings(data=data)
    ready = threading.Event()
    server: list[Any] = []
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(
            target=serve, args=(settings, listening, lambda _url, _pid: ready.set(), server.append), daemon=True
        )
        thread.start()
        assert ready.wait(120)
        try:
            yield url_of(listening)
        finally:
            server[0].should_exit = True
            thread.join()
