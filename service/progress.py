"""How an ingest is watched: a live line on a terminal, plain lines when piped. Both on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from service.cli.output import length
from service.ingest import Failure, Progress


@contextmanager
def watch(stream: TextIO) -> Iterator[Progress]:
    """A watcher that writes to `stream`: live where it is a terminal."""
    if not stream.isatty():
        yield PlainProgress(stream)
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(Text(""), console=Console(file=stream), refresh_per_second=4, transient=True) as live:

        class LiveProgress(PlainProgress):
            def _say(self, text: str) -> None:
                live.console.print(text, markup=False, highlight=False, soft_wrap=True)

            def heard(self, source: str, audio_ms: int) -> None:
                self._count(audio_ms)
                live.update(Text(f"{self.state()}  {_name(source)}"))

        yield LiveProgress(stream)


class PlainProgress:
    """One line per recording."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._n_sources = self._n_heard = self._audio_ms = 0
        self._started = time.monotonic()

    def started(self, n_sources: int) -> None:
        self._n_sources = n_sources
        self._started = time.monotonic()
        self._say(f"{n_sources} found")

    def heard(self, source: str, audio_ms: int) -> None:
        self._count(audio_ms)
        self._say(f"{self.state()}  {_name(source)}")

    def failed(self, failure: Failure) -> None:
        self._say(f"failed ({failure.stage}): {failure.error}")

    def note(self, text: str) -> None:
        self._say(f"note: {text}")

    def state(self) -> str:
        """Recordings, audio, real-time factor, and how long the rest takes if it is like what was heard."""
        seconds = time.monotonic() - self._started
        speed = self._audio_ms / 1000 / seconds if seconds else 0.0
        left = max(0, self._n_sources - self._n_heard)
        eta = length(round(1000 * left * seconds / self._n_heard)) if self._n_heard else "unknown"
        return f"{self._n_heard}/{self._n_sources} heard, {length(self._audio_ms)}, {speed:.1f}x, {eta} left"

    def _count(self, audio_ms: int) -> None:
        self._n_heard += 1
        self._audio_ms += audio_ms

    def _say(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


def _name(source: str) -> str:
    return source.rstrip("/").rsplit("/", 1)[-1]
