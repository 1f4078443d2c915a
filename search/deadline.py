"""When an answer is due: whoever works on one looks here between two steps, and gives what there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class Deadline:
    """So many seconds from now. What is under way when they are over is finished; nothing further is begun.

    `has_cut` tells whether something was left undone for it.
    """

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        """`seconds`: None for never; `clock` counts seconds from anywhere."""
        self.seconds, self._clock, self.has_cut = seconds, clock, False
        self._due = None if seconds is None else clock() + seconds

    @property
    def is_over(self) -> bool:
        return self._due is not None and self._clock() >= self._due

    def within(self, found: Iterable[T]) -> Iterator[T]:
        """What is found in time."""
        for one in found:
            if self.is_over:
                self.has_cut = True
                return
            yield one

    def missed(self, unasked: str) -> str:
        """The entry of `degraded` that says what was left unasked."""
        return f"deadline: {self.seconds:g} s were over before {unasked}"


NEVER = Deadline(None)
