"""The engine: a parallel map from claimed sources to what was heard in them.

Nothing outside this module knows where work happens. `LocalEngine` hears in this process, words and voices
side by side, and decodes the next recordings meanwhile. One bad recording costs one `Failed` event, never
the batch.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from transcribe.errors import TranscribeError
from transcribe.hearing import StageSeconds
from transcribe.media import Audio, decode
from transcribe.transcript import TurnsArtifact, WordsArtifact


class Claimed(Protocol):
    """What an engine needs to know of a claim."""

    @property
    def source(self) -> str: ...

    @property
    def alone(self) -> bool:
        """Whether a process died over it before: nothing else may be in flight while it is heard."""
        ...


ClaimT = TypeVar("ClaimT", bound=Claimed)


@dataclass(frozen=True, slots=True)
class Decoded(Generic[ClaimT]):
    """A source was read; `audio.recording_id` is known now."""

    claim: ClaimT
    audio: Audio
    seconds: float


@dataclass(frozen=True, slots=True)
class Heard(Generic[ClaimT]):
    """One stage of one recording is done. `seconds` by part of the report."""

    claim: ClaimT
    artifact: WordsArtifact | TurnsArtifact
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed(Generic[ClaimT]):
    """A stage of one recording could not be done: `decode`, `words` or `turns`."""

    claim: ClaimT
    stage: str
    error: str
    transient: bool


@dataclass(frozen=True, slots=True)
class Finished(Generic[ClaimT]):
    """Nothing more comes for this claim."""

    claim: ClaimT


Event = Decoded[ClaimT] | Heard[ClaimT] | Failed[ClaimT] | Finished[ClaimT]
Admit = Callable[[ClaimT, Audio], Collection[str]]


class Listens(Protocol):
    """What hears one recording; `gpu.listener.Listener` is one. Both are asked at once, from two threads."""

    def words(self, audio: Audio, spent: StageSeconds) -> WordsArtifact: ...

    def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact: ...


class Engine(Protocol):
    """Hears claimed sources in any order."""

    def hear(self, claims: Iterable[ClaimT], admit: Admit[ClaimT]) -> Iterator[Event[ClaimT]]:
        """Events of every claim, each claim's last one being `Finished`.

        Args:
            claims: pulled one by one, a few ahead of the hearing.
            admit: asked once a source was read and its recording is known; says which of the stages
                `words` and `turns` are wanted. None of them is the answer for a recording that was
                heard before under another name.
        """
        ...


class LocalEngine:
    """Hears in this process, one recording at a time, its words and turns at once; decodes `ahead` more meanwhile.

    Side by side because neither model gains from a second thread: on 2 cores, diarizing takes about twice as
    long with two threads as with one.
    """

    def __init__(self, listener: Listens, stop: threading.Event | None = None, ahead: int = 2) -> None:
        """`stop`, once set, lets the recording that is being heard finish and starts no other."""
        self._listener, self._ahead = listener, ahead
        self._stop = stop or threading.Event()

    def hear(self, claims: Iterable[ClaimT], admit: Admit[ClaimT]) -> Iterator[Event[ClaimT]]:
        more = iter(claims)
        with (
            ThreadPoolExecutor(1, thread_name_prefix="decode") as decoders,
            ThreadPoolExecutor(2, thread_name_prefix="hear") as hearers,
        ):
            ahead: _Ahead[ClaimT] = _Ahead(more, decoders, self._ahead)
            try:
                while not self._stop.is_set() and (decoding := ahead.next()) is not None:
                    claim, audio = decoding
                    yield from self._one(claim, audio, admit, hearers)
                    yield Finished(claim)
            finally:
                ahead.cancel()

    def _one(
        self, claim: ClaimT, decoding: Future[tuple[Audio, float]], admit: Admit[ClaimT], hearers: Executor
    ) -> Iterator[Event[ClaimT]]:
        try:
            audio, seconds = decoding.result()
        except Exception as error:  # noqa: BLE001 -- a source nobody foresaw must not stop the others
            yield Failed(claim, "decode", _reason(error), _transient(error))
            return
        yield Decoded(claim, audio, seconds)
        stages = admit(claim, audio)
        hearing = [hearers.submit(self._stage, claim, stage, audio) for stage in ("words", "turns") if stage in stages]
        for heard in as_completed(hearing):
            yield heard.result()

    def _stage(self, claim: ClaimT, stage: str, audio: Audio) -> Heard[ClaimT] | Failed[ClaimT]:
        spent = StageSeconds()
        try:
            listen = self._listener.words if stage == "words" else self._listener.turns
            return Heard(claim, listen(audio, spent), spent.seconds)
        except Exception as error:  # noqa: BLE001 -- see above; a failing diarizer costs no words
            return Failed(claim, stage, _reason(error), _transient(error))


class _Ahead(Generic[ClaimT]):
    """Claims being decoded, in order; one that must be alone waits until it is."""

    def __init__(self, claims: Iterator[ClaimT], pool: ThreadPoolExecutor, ahead: int) -> None:
        self._claims, self._pool, self._most = claims, pool, ahead + 1
        self._waiting: deque[tuple[ClaimT, Future[tuple[Audio, float]]]] = deque()
        self._alone: ClaimT | None = None

    def next(self) -> tuple[ClaimT, Future[tuple[Audio, float]]] | None:
        """The next claim, its successors being decoded already; None when there are no more."""
        while self._alone is None and len(self._waiting) < self._most:
            claim = next(self._claims, None)
            if claim is None:
                break
            if claim.alone:
                self._alone = claim
            else:
                self._start(claim)
        if not self._waiting and self._alone is not None:
            self._start(self._alone)
            self._alone = None
        return self._waiting.popleft() if self._waiting else None

    def cancel(self) -> None:
        for _claim, decoding in self._waiting:
            decoding.cancel()

    def _start(self, claim: ClaimT) -> None:
        self._waiting.append((claim, self._pool.submit(_decode, claim.source)))


def _decode(source: str) -> tuple[Audio, float]:
    started = time.perf_counter()
    audio = decode(source)
    return audio, time.perf_counter() - started


def _reason(error: Exception) -> str:
    """One line for the catalog and the operator; errors of ours say what to do."""
    if isinstance(error, TranscribeError):
        return str(error)
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else 'no message'}"


def _transient(error: Exception) -> bool:
    """Errors nobody foresaw may pass; ours say of themselves whether they can."""
    return error.transient if isinstance(error, TranscribeError) else True
