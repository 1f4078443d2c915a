"""What a ranking is worth, and how surely: MRR, hits, recall, and intervals by bootstrap over the questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

RESAMPLES = 2_000
SEED = 6
MEASURES = ("mrr", "hit1", "hit10", "recall")


@dataclass(frozen=True, slots=True)
class Ranked:
    """One question as one system answered it.

    first: rank of the first right hit, 1 is first; None: none among those looked at.
    recall: the share of all answers that some hit stands for.
    """

    first: int | None
    recall: float
    n_hits: int
    n_found: int  # hits that the system marks as found, not only perhaps

    def value(self, measure: str) -> float:
        """0..1, of one of `MEASURES`."""
        if measure == "recall":
            return self.recall
        if self.first is None:
            return 0.0
        return {"mrr": 1 / self.first, "hit1": float(self.first <= 1), "hit10": float(self.first <= 10)}[measure]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over questions, and the middle 95 % of what other samples of questions would give."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of at least one value, with a percentile bootstrap; the same values give the same interval."""
    numbers: Numbers = np.asarray(values, np.float64)
    random = np.random.default_rng(SEED)
    means = np.array([numbers[random.integers(len(numbers), size=len(numbers))].mean() for _ in range(RESAMPLES)])
    low, high = np.percentile(means, (2.5, 97.5))
    return Estimate(float(numbers.mean()), float(low), float(high))


def estimates(ranked: Sequence[Ranked]) -> Mapping[str, Estimate]:
    """By measure."""
    return {measure: estimate([one.value(measure) for one in ranked]) for measure in MEASURES}


def difference(whole: Sequence[Ranked], less: Sequence[Ranked], measure: str) -> Estimate:
    """How much better `whole` is than `less` on the same questions, in the same order."""
    pairs = zip(whole, less, strict=True)
    return estimate([one.value(measure) - other.value(measure) for one, other in pairs])
