"""An ingest that takes no models: ears and an embedder that answer at once, everything else as it is.

`python -m tests.quick_ingest DATA MEDIA` runs one in a process of its own, to be killed; a line `heard N` follows
each recording.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpu.engine import LocalEngine
from search.embedding import Vectors
from service.catalog import Catalog
from service.indexing import Indexer
from service.ingest import Failure, Ingest, Report, find_sources
from service.settings import load_settings
from service.transcripts import TranscriptStore
from tests.media_maker import mono, write_media
from transcribe.media import Audio
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import Covered, ModelUse, Segment, State, Turn, TurnsArtifact, Word, WordsArtifact

SENTENCE = ("open", "the", "trunk")


class QuickEmbedder:
    """Vectors as long as those of the default model; all alike, which no test here minds."""

    use = ModelUse("quick", "1", "00" * 32)
    dimension = 384

    def passages(self, texts: Sequence[str]) -> Vectors:
        return np.full((len(texts), self.dimension), self.dimension**-0.5, np.float32)

    def query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.passages([text])[0]
        return vector


class QuickEars:
    """Hears one made-up sentence in every recording; `heard` gets their ids, and `before` is called first."""

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        self.heard: list[str] = []
        self._before = before

    def words(self, audio: Audio, spent: StageSeconds, names: Sequence[str] = ()) -> WordsArtifact:
        self._before()
        self.heard.append(audio.recording_id)
        words = tuple(Word(100 * n, 100 * n + 90, text, 0.9) for n, text in enumerate(SENTENCE))
        segment = Segment(0, words[-1].end_ms, " ".join(SENTENCE), "en", 0.9, words)
        covered = Covered(0, audio.media.duration_ms, State.SPEECH)
        return WordsArtifact(audio.recording_id, audio.media, (segment,), (covered,), ())

    def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
        return TurnsArtifact(audio.recording_id, (Turn(0, 500, "SPEAKER_00"),), ())


class Watched:
    """Tells a listener how many recordings are heard."""

    def __init__(self, heard: Callable[[int], object] = lambda _n: None) -> None:
        self._tell, self._n_heard = heard, 0

    def started(self, n_sources: int) -> None: ...

    def heard(self, source: str, audio_ms: int) -> None:
        self._n_heard += 1
        self._tell(self._n_heard)

    def failed(self, failure: Failure) -> None: ...

    def note(self, text: str) -> None: ...


def quick_ingest(
    data: Path,
    media: Path,
    ears: QuickEars | None = None,
    heard: Callable[[int], object] = lambda _n: None,
    clock: Callable[[], float] = time.time,
) -> Report:
    """Ingest everything in a folder into a data folder, there or not."""
    settings, stop = load_settings(data=data), threading.Event()
    with Catalog.open(settings.catalog, clock) as catalog:
        transcripts = TranscriptStore(settings.transcripts)
        run = Ingest(
            catalog,
            transcripts,
            Indexer(settings, catalog, transcripts, embedder=QuickEmbedder()),
            LocalEngine(ears or QuickEars(), stop),
            {"words": "w1", "turns": "t1"},
            Watched(heard),
            stop,
        )
        return run.run(find_sources([str(media)], None, settings))


def make_media(folder: Path, n: int) -> Path:
    """`n` distinct recordings of a second, as WAV."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n):
        tone = mono([100 + 5 * number], 1_000, 16_000, "pcm_s16le")
        write_media(folder / f"{number:03d}.wav", tone)
    return folder


if __name__ == "__main__":
    quick_ingest(Path(sys.argv[1]), Path(sys.argv[2]), heard=lambda n: print(f"heard {n}", flush=True))
