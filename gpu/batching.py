"""Batches across recordings: many hearings share one model.

A *task* is what hears one recording, written as if it were alone: a generator that yields requests to the
model and is sent their results. The batcher runs many tasks at once and gathers requests of all of them into
batches, so that short recordings, retries and the last windows of a file fill batches too. A task's own work
(voice activity, features, placing words) is done on other threads than the model's, ahead of it.

What a request yields may depend on nothing but the request: a recording then reads the same alone and in any
company.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

PATIENCE = 16  # batches run while a request waits; then its bucket goes first, full or not
# Batches after which twice the size is tried again in a bucket that did not fit: what filled the memory (the diarizer,
# another process) may be gone, and a try that fails costs about one batch.
CAUTION = 256
# "CUDA failed with error out of memory" (CTranslate2), "CUDA out of memory. …" (torch), and
# "cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED" (CTranslate2).
OUT_OF_MEMORY = ("out of memory", "alloc_failed")


class Request(Protocol):
    """One question to a model."""

    @property
    def bucket(self) -> Hashable:
        """Requests of one bucket may be answered in one batch."""
        ...


RequestT = TypeVar("RequestT", bound=Request)
ResultT = TypeVar("ResultT")
DoneT = TypeVar("DoneT")
Task = Generator[Sequence[RequestT], Sequence[ResultT], DoneT]
Run = Callable[[Sequence[RequestT]], Sequence[ResultT]]
BatchSize = Callable[[RequestT], int]


@dataclass(slots=True)
class _Step(Generic[ResultT]):
    """Requests a task yielded together, and the results it still waits for."""

    task: Task[Any, ResultT, Any]
    future: Future[Any]
    results: list[ResultT | None]
    missing: int
    error: Exception | None = None


@dataclass(slots=True)
class _Queued(Generic[RequestT, ResultT]):
    request: RequestT
    step: _Step[ResultT]
    place: int  # in the step's results
    since: int  # batches run before it came


class Batcher(Generic[RequestT, ResultT]):
    """Runs tasks together; close it when done.

    A full batch goes first, the one that waited longest among several. A partial one goes only when no
    task is at work that might fill it: nothing waits for company that cannot come.
    """

    def __init__(
        self, run: Run[RequestT, ResultT], batch_size: BatchSize[RequestT], runners: int = 1, preparers: int = 1
    ) -> None:
        """
        Args:
            run: answers requests of one bucket, in order; called from `runners` threads at once. When it
                raises, the batch is halved until one request is left, whose task gets the error. A batch that
                did not fit in memory is not tried again at that size in its bucket for `CAUTION` batches.
            batch_size: the most requests in one batch of the bucket of this one.
            preparers: threads that advance the tasks.
        """
        self._run, self._batch_size = run, batch_size
        self._queues: dict[Hashable, deque[_Queued[RequestT, ResultT]]] = {}
        self._fits: dict[Hashable, tuple[int, int]] = {}  # a size, and how many batches had run
        self._advancing = 0
        self._n_batches = 0
        self._closed = False
        self._changed = threading.Condition()
        self._preparers = ThreadPoolExecutor(preparers, thread_name_prefix="prepare")
        self._runners = [threading.Thread(target=self._answer, name=f"batch-{n}", daemon=True) for n in range(runners)]
        for runner in self._runners:
            runner.start()

    def submit(self, task: Task[RequestT, ResultT, DoneT]) -> Future[DoneT]:
        """Start a task; the future gets what it returns or raises."""
        future: Future[DoneT] = Future()
        with self._changed:
            self._advancing += 1
        self._preparers.submit(self._resume, _Step(task, future, [], 0))
        return future

    def close(self) -> None:
        """End the threads, once what was submitted is done; tasks still waiting are left alone."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for runner in self._runners:
            runner.join()
        self._preparers.shutdown()

    def _resume(self, step: _Step[ResultT]) -> None:
        """Give a task its results, and queue what it asks next. A step without results starts it."""
        try:
            queued = self._next(step)
        except StopIteration as done:
            step.future.set_result(done.value)
            queued = []
        except Exception as error:  # noqa: BLE001 -- it belongs to whoever waits for this task
            step.future.set_exception(error)
            queued = []
        with self._changed:
            for one in queued:
                one.since = self._n_batches
                self._queues.setdefault(one.request.bucket, deque()).append(one)
            self._advancing -= 1
            self._changed.notify_all()

    def _next(self, step: _Step[ResultT]) -> list[_Queued[RequestT, ResultT]]:
        results: Any = step.results or None  # a generator is started by sending None
        error = step.error
        while True:
            requests = step.task.throw(error) if error else step.task.send(results)
            if requests:
                break
            results, error = [], None
        following: _Step[ResultT] = _Step(step.task, step.future, [None] * len(requests), len(requests))
        return [_Queued(request, following, place, 0) for place, request in enumerate(requests)]

    def _answer(self) -> None:
        while True:
            with self._changed:
                while not (batch := self._take()):
                    if self._closed and not self._advancing:
                        return
                    self._changed.wait()
                self._n_batches += 1
            self._run_batch(batch)

    def _take(self) -> list[_Queued[RequestT, ResultT]]:
        """The next batch; empty when there is none, or when waiting may fill one. Called with the lock held."""
        waiting = {bucket: queue for bucket, queue in self._queues.items() if queue}
        if not waiting:
            return []
        sizes = {bucket: self._size(queue[0].request) for bucket, queue in waiting.items()}
        ready = [
            bucket
            for bucket, queue in waiting.items()
            if len(queue) >= sizes[bucket] or self._n_batches - queue[0].since >= PATIENCE
        ]
        if not ready:
            if self._advancing:
                return []
            ready = list(waiting)
        bucket = min(ready, key=lambda one: waiting[one][0].since)
        queue = waiting[bucket]
        return [queue.popleft() for _ in range(min(sizes[bucket], len(queue)))]

    def _size(self, request: RequestT) -> int:
        most = self._batch_size(request)
        if request.bucket in self._fits:
            fits, since = self._fits[request.bucket]
            most = min(most, fits << (self._n_batches - since) // CAUTION)
        return max(1, most)

    def _run_batch(self, batch: list[_Queued[RequestT, ResultT]]) -> None:
        bucket = batch[0].request.bucket
        failure: Exception | None = None
        try:
            results = self._run([one.request for one in batch])
        except Exception as error:  # noqa: BLE001 -- found by halving: whose it is
            failure = error
        if failure and len(batch) > 1:
            self._halve(batch, bucket, failure)
        elif failure:
            self._settle(batch[0], None, failure)
        else:
            for one, result in zip(batch, results, strict=True):
                self._settle(one, result, None)

    def _halve(self, batch: list[_Queued[RequestT, ResultT]], bucket: Hashable, failure: Exception) -> None:
        half = len(batch) // 2
        if _ran_out_of_memory(failure):
            with self._changed:
                fits, _since = self._fits.get(bucket, (half, 0))
                self._fits[bucket] = (min(half, fits), self._n_batches)
        self._run_batch(batch[:half])
        self._run_batch(batch[half:])

    def _settle(self, one: _Queued[RequestT, ResultT], result: ResultT | None, error: Exception | None) -> None:
        step = one.step
        with self._changed:
            step.results[one.place] = result
            step.error = step.error or error
            step.missing -= 1
            complete = step.missing == 0
            self._advancing += complete
        if complete:
            self._preparers.submit(self._resume, step)


def _ran_out_of_memory(error: Exception) -> bool:
    """Of the device, or of this process (`std::bad_alloc` comes as MemoryError)."""
    return isinstance(error, MemoryError) or any(text in str(error).lower() for text in OUT_OF_MEMORY)
