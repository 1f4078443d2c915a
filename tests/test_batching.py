"""The batcher answers every request once, in batches of one bucket, whatever fails beside it."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu.batching import Batcher

WAIT = 20.0


@dataclass(frozen=True, slots=True)
class Ask:
    """A number to double; `size` is its bucket."""

    number: int
    size: int = 0

    @property
    def bucket(self) -> int:
        return self.size


CUDA_FULL = RuntimeError("CUDA failed with error out of memory")


class Doubler:
    """Answers, and remembers its batches. Numbers in `poison` break every batch they are in."""

    def __init__(self, poison: frozenset[int] = frozenset(), fits: int = 1 << 30, full: Exception = CUDA_FULL) -> None:
        self.poison, self.fits, self.full = poison, fits, full
        self.batches: list[tuple[Ask, ...]] = []

    def run(self, asked: Sequence[Ask]) -> Sequence[int]:
        self.batches.append(tuple(asked))
        if len(asked) > self.fits:
            raise self.full
        if bad := [one.number for one in asked if one.number in self.poison]:
            raise ValueError(f"cannot double {bad[0]}")
        return [2 * one.number for one in asked]


Doubling = Generator[Sequence[Ask], Sequence[int], list[int]]


def double(*steps: Sequence[Ask]) -> Doubling:
    """Asks step by step; returns all answers."""
    answers: list[int] = []
    for asked in steps:
        answers += yield asked
    return answers


@contextmanager
def batcher(doubler: Doubler, most: int = 4, runners: int = 1) -> Iterator[Batcher[Ask, int]]:
    made: Batcher[Ask, int] = Batcher(doubler.run, lambda _request: most, runners, preparers=2)
    try:
        yield made
    finally:
        made.close()


steps = st.lists(st.lists(st.builds(Ask, st.integers(0, 99), st.integers(0, 2)), max_size=6), max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=6), st.integers(1, 5), st.integers(1, 3))
def test_every_task_gets_its_own_answers_in_order(tasks: list[list[list[Ask]]], most: int, runners: int) -> None:
    """However many tasks run together, and however they ask."""
    doubler = Doubler()
    with batcher(doubler, most, runners) as together:
        futures = [together.submit(double(*task)) for task in tasks]
        answers = [future.result(WAIT) for future in futures]

    assert answers == [[2 * ask.number for asked in task for ask in asked] for task in tasks]
    for batch in doubler.batches:
        assert 1 <= len(batch) <= most
        assert len({ask.size for ask in batch}) == 1
    assert sum(map(len, doubler.batches)) == sum(len(asked) for task in tasks for asked in task)


def test_requests_of_several_tasks_fill_one_batch() -> None:
    """Four recordings of one window each are one batch, not four."""
    doubler = Doubler()
    begun = threading.Barrier(2, timeout=WAIT)  # the last tasks start while the first are being prepared

    def patient(ask: Ask) -> Doubling:
        begun.wait()
        return (yield from double([ask]))

    with batcher(doubler) as together:
        futures = [together.submit(patient(Ask(n))) for n in range(4)]
        assert [future.result(WAIT) for future in futures] == [[0], [2], [4], [6]]

    assert len(doubler.batches) <= 3  # two are prepared at a time, so at least some share


def test_a_request_that_breaks_its_batch_costs_only_its_own_task() -> None:
    """The others of the batch are answered; the bad one's task gets the error itself."""
    doubler = Doubler(poison=frozenset({13}))
    with batcher(doubler, most=8) as together:
        good = together.submit(double([Ask(n) for n in range(5)]))
        bad = together.submit(double([Ask(12), Ask(13)]))
        after = together.submit(double([Ask(40)], [Ask(41)]))

        assert good.result(WAIT) == [0, 2, 4, 6, 8]
        assert after.result(WAIT) == [80, 82]
        with pytest.raises(ValueError, match="cannot double 13"):
            bad.result(WAIT)


def test_a_task_that_fails_by_itself_costs_nobody_else() -> None:
    """Neither its own error nor one it raises over an answer reaches another task."""

    def broken() -> Doubling:
        yield [Ask(1)]
        raise OSError("no such tape")

    with batcher(Doubler()) as together:
        failed: Future[list[int]] = together.submit(broken())
        fine = together.submit(double([Ask(2)], [Ask(3)]))

        assert fine.result(WAIT) == [4, 6]
        with pytest.raises(OSError, match="no such tape"):
            failed.result(WAIT)


@pytest.mark.parametrize(
    "full",
    [
        CUDA_FULL,
        RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        MemoryError("std::bad_alloc"),
    ],
)
def test_a_batch_that_does_not_fit_in_memory_is_halved_and_not_tried_again(full: Exception) -> None:
    """Everything is answered, and later batches of the bucket are as large as what fitted."""
    doubler = Doubler(fits=2, full=full)
    with batcher(doubler, most=8) as together:
        assert together.submit(double([Ask(n) for n in range(8)], [Ask(n) for n in range(8)])).result(WAIT) == [
            *range(0, 16, 2),
            *range(0, 16, 2),
        ]

    sizes = [len(batch) for batch in doubler.batches]
    assert sizes[0] == 8
    assert max(sizes[sizes.index(2) :]) <= 4  # the other half was cut before the limit was known
    assert sizes[-4:] == [2, 2, 2, 2]


def test_a_larger_batch_is_tried_again_much_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that somebody else filled for a moment does not slow a long run down for ever."""
    monkeypatch.setattr("gpu.batching.CAUTION", 4)
    doubler = Doubler(fits=2)
    with batcher(doubler, most=8) as together:
        together.submit(double([Ask(n) for n in range(8)])).result(WAIT)
        doubler.fits = 8
        answers = together.submit(double(*[[Ask(n) for n in range(8)] for _ in range(8)])).result(WAIT)

    assert answers == [*range(0, 16, 2)] * 8
    sizes = [len(batch) for batch in doubler.batches]
    assert sizes[-1] == 8
    assert sizes.index(8, 1) - sizes.index(2) > 2


def test_a_rare_bucket_does_not_wait_for_ever() -> None:
    """One odd request is answered while full batches of others keep coming."""
    doubler = Doubler()
    with batcher(doubler, most=2) as together:
        odd = together.submit(double([Ask(7, size=1)]))
        busy = [together.submit(double(*[[Ask(n), Ask(n)] for n in range(40)])) for _ in range(4)]
        assert odd.result(WAIT) == [14]
        for one in busy:
            one.result(WAIT)

    place = next(n for n, batch in enumerate(doubler.batches) if batch[0].size == 1)
    assert place <= 60
