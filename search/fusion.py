"""Fusion: how likely a passage is what was asked for, from what each leg knows of it.

Fusing ranks throws away what scores know. Each leg's score is first made to mean the same whatever the size of the
archive (`search.evidence`); a weighted sum of these clues are log odds, and these a probability. The weights were
fitted on labelled queries (`python -m benchmarks.fusion --fit`): first so that right passages come before wrong ones
of the same query, then so that the probability is the share of such passages that are right. `fusion.json` holds them
with where they come from; docs/finding.md explains them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from search.evidence import Evidence
from search.understanding import Kind

FILE = Path(__file__).with_name("fusion.json")

# More of any clue speaks for a passage. Squared: most of the words are a find, a few are chance. In the answer to a
# question a few are more than that, and so are words that only sound like them; in what a name or a description is
# looked for among, they are not: with these two clues as well, paraphrases come out at an MRR of 0.25 on dev, not 0.36.
CLUES = ("exact", "words", "words_squared", "sounds", "together", "meaning")
ONLY_FOR_QUESTIONS = ("words", "sounds")
OF_LEG = {"exact": ("exact",), "words": ("words", "words_squared"), "sounds": ("sounds", "together")} | {
    "meaning": ("meaning",)
}


@dataclass(frozen=True, slots=True)
class Weights:
    """Of one kind of query. `usual`: what right passages mostly have, taken for a leg that did not run."""

    constant: float
    weights: Mapping[str, float]
    usual: Mapping[str, float]

    def odds(self, clues: Mapping[str, float | None]) -> float:
        """Log odds, never falling in any clue. A clue that is None did not run."""
        return self.constant + sum(self.shares(clues).values())

    def shares(self, clues: Mapping[str, float | None]) -> dict[str, float]:
        """What each clue adds to the log odds."""
        return {
            name: weight * (self.usual[name] if (value := clues[name]) is None else value)
            for name, weight in self.weights.items()
        }


@dataclass(frozen=True, slots=True)
class Fusion:
    """`found`: the probability from which a hit is called found; below it is perhaps what was meant."""

    by_kind: Mapping[Kind, Weights]
    found: float
    name: str

    def probability(self, evidence: Evidence, kind: Kind) -> float:
        """0..1, that a passage with this evidence answers a query of this kind."""
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, self.by_kind[kind].odds(clues(evidence))))))

    def weighs(self, clue: str, kind: Kind) -> bool:
        """Whether a clue says anything about queries of this kind."""
        return self.by_kind[kind].weights.get(clue, 0.0) > 0

    def explain(self, evidence: Evidence, kind: Kind) -> dict[str, float]:
        """What each leg adds to the log odds, by leg; and the constant they start from."""
        weights = self.by_kind[kind]
        shares = weights.shares(clues(evidence))
        adds = {leg: sum(shares.get(name, 0.0) for name in names) for leg, names in OF_LEG.items()}
        return {"constant": weights.constant, **adds}


def clues(evidence: Evidence) -> dict[str, float | None]:
    """What is known of a passage, by `CLUES`; None: the leg did not run."""
    words = evidence.words
    return {
        "exact": evidence.exact,
        "words": words,
        "words_squared": None if words is None else words**2,
        "sounds": evidence.sounds,
        "together": evidence.together,
        "meaning": evidence.meaning,
    }


@cache
def fusion() -> Fusion:
    """The one this version ships."""
    return parse(json.loads(FILE.read_text()))


def parse(stored: Mapping[str, object]) -> Fusion:
    """From the form of `fusion.json`."""
    kinds: Mapping[str, Mapping[str, object]] = stored["kinds"]  # type: ignore[assignment]
    return Fusion(
        {Kind(kind): Weights(**one) for kind, one in kinds.items()},  # type: ignore[arg-type]
        float(stored["found"]),  # type: ignore[arg-type]
        str(stored["name"]),
    )
