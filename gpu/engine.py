"""The engine: a parallel map from claimed sources to what was heard in them.

Nothing outside this module knows where work happens. `LocalEngine` hears in this process: the words of several
recordings together, their voices together beside them, and the next recordings are decoded meanwhile. One bad
recording costs one `Failed` event, never the batch.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from gpu.errors import GpuError
from gpu.memory import return_free_memory
from transcribe.errors import TranscribeError
from transcribe.media import Audio, decode
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import TurnsArtifact, WordsArtifact

# torch.OutOfMemoryError and CTranslate2 on a GPU; torch's allocator on a CPU
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class Claimed(Protocol):
    """What an engine needs to know of a claim."""

    @property
    def source(self) -> str: ...

    @property
    def alone(self) -> bool:
        """Whether a process died over it before: nothing else may be in flight while it is heard."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """People its metadata names; they may be spoken of."""
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
    """What hears one recording; `gpu.listener.Listener` is one.

    Both are asked from several threads at once, so that recordings can share batches.
    """

    def words(self, audio: Audio, spent: StageSeconds, names: Sequence[str]) -> WordsArtifact: ...

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


@dataclass(slots=True)
class _InFlight(Generic[ClaimT]):
    """A recording being heard: the stages still missing."""

    claim: ClaimT
    seconds: float
    missing: int


class LocalEngine:
    """Hears in this process: words and turns of several recordings at once, `ahead` more being decoded.

    Side by side because neither kind of model gains from a second thread: on 2 cores, diarizing takes about twice
    as long with two threads as with one.
    """

    def __init__(
        self,
        listener: Listens,
        stop: threading.Event | None = None,
        ahead: int = 2,
        together: int = 16,
        together_seconds: float = 1_200.0,
    ) -> None:
        """
        Args:
            stop: once set, what is being heard finishes and nothing else is started.
            together: the most recordings in flight, and `together_seconds` the most audio in them; one longer
                recording is in flight alone.
        """
        self._listener, self._ahead = listener, ahead
        self._together, self._together_seconds = together, together_seconds
        self._stop = stop or threading.Event()

    def hear(self, claims: Iterable[ClaimT], admit: Admit[ClaimT]) -> Iterator[Event[ClaimT]]:
        with (
            ThreadPoolExecutor(1, thread_name_prefix="decode") as decoders,
            ThreadPoolExecutor(self._together, thread_name_prefix="words") as words,
            ThreadPoolExecutor(self._together, thread_name_prefix="turns") as turns,
        ):
            ahead: _Ahead[ClaimT] = _Ahead(iter(claims), decoders, self._ahead)
            flying: dict[Future[Heard[ClaimT] | Failed[ClaimT]], _InFlight[ClaimT]] = {}
            try:
                while True:
                    decoding = ahead.peek(idle=not flying) if self._has_room(flying.values()) else None
                    if decoding and (decoding.done() or not flying):
                        claim = ahead.take()
                        yield from self._start(claim, decoding, admit, {"words": words, "turns": turns}, flying)
                        continue
                    if not flying:
                        break
                    awaited: list[Future[object]] = [*flying, *([decoding] if decoding else [])]  # type: ignore[list-item]
                    for done in [one for one in wait(awaited, return_when=FIRST_COMPLETED).done if one in flying]:
                        yield from self._land(done, flying)  # type: ignore[arg-type]
            finally:
                ahead.cancel()
                for waiting in flying:  # left early: what has not begun need not
                    waiting.cancel()

    def _has_room(self, flying: Collection[_InFlight[ClaimT]]) -> bool:
        recordings = {id(one): one for one in flying}.values()
        return (
            not self._stop.is_set()
            and len(recordings) < self._together
            and sum(one.seconds for one in recordings) < self._together_seconds
            and not any(one.claim.alone for one in recordings)
        )

    def _start(
        self,
        claim: ClaimT,
        decoding: Future[tuple[Audio, float]],
        admit: Admit[ClaimT],
        hearers: Mapping[str, Executor],
        flying: dict[Future[Heard[ClaimT] | Failed[ClaimT]], _InFlight[ClaimT]],
    ) -> Iterator[Event[ClaimT]]:
        try:
            audio, seconds = decoding.result()
        except Exception as error:  # noqa: BLE001 -- a source nobody foresaw must not stop the others
            yield Failed(claim, "decode", _reason(error), _transient(error))
            yield Finished(claim)
            return
        yield Decoded(claim, audio, seconds)
        wanted = admit(claim, audio)
        stages = [stage for stage in hearers if stage in wanted]
        if not stages:
            yield Finished(claim)
        heard = _InFlight(claim, audio.media.duration_ms / 1000, len(stages))
        for stage in stages:
            flying[hearers[stage].submit(self._stage, claim, stage, audio)] = heard

    def _land(
        self,
        done: Future[Heard[ClaimT] | Failed[ClaimT]],
        flying: dict[Future[Heard[ClaimT] | Failed[ClaimT]], _InFlight[ClaimT]],
    ) -> Iterator[Event[ClaimT]]:
        recording = flying.pop(done)
        recording.missing -= 1
        yield done.result()
        if not recording.missing:
            return_free_memory()
            yield Finished(recording.claim)

    def _stage(self, claim: ClaimT, stage: str, audio: Audio) -> Heard[ClaimT] | Failed[ClaimT]:
        spent = StageSeconds()
        try:
            if stage == "words":
                return Heard(claim, self._listener.words(audio, spent, claim.names), spent.seconds)
            return Heard(claim, self._listener.turns(audio, spent), spent.seconds)
        except Exception as error:  # noqa: BLE001 -- see above; a failing diarizer costs no words
            return Failed(claim, stage, _reason(error), _transient(error))


class _Ahead(Generic[ClaimT]):
    """Claims being decoded, in order; one that must be alone waits until it is."""

    def __init__(self, claims: Iterator[ClaimT], pool: ThreadPoolExecutor, ahead: int) -> None:
        self._claims, self._pool, self._most = claims, pool, ahead + 1
        self._waiting: deque[tuple[ClaimT, Future[tuple[Audio, float]]]] = deque()
        self._alone: ClaimT | None = None

    def peek(self, idle: bool) -> Future[tuple[Audio, float]] | None:
        """The next claim's decoding, its successors being decoded already; None when there is none now.

        Args:
            idle: nothing is in flight: a claim that must be alone may start.
        """
        while self._alone is None and len(self._waiting) < self._most:
            if any(claim.alone for claim, _decoding in self._waiting):
                break
            claim = next(self._claims, None)
            if claim is None:
                break
            if claim.alone:
                self._alone = claim
            else:
                self._start(claim)
        if not self._waiting and self._alone is not None and idle:
            self._start(self._alone)
            self._alone = None
        return self._waiting[0][1] if self._waiting else None

    def take(self) -> ClaimT:
        """The claim `peek` spoke of; it is no longer here."""
        return self._waiting.popleft()[0]

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
    if isinstance(error, (TranscribeError, GpuError)):
        return str(error)
    text = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {text[0] if text else 'no message'}"
    if _is_out_of_memory(error):
        return f"out of memory ({reason}); free some, and ingest again"
    return reason


def _is_out_of_memory(error: Exception) -> bool:
    """Also of libraries that say so in words only."""
    says = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in says for words in OUT_OF_MEMORY)
    )


def _transient(error: Exception) -> bool:
    """Errors nobody foresaw may pass; ours say of themselves whether they can."""
    return error.transient if isinstance(error, (TranscribeError, GpuError)) else True
