"""Is a word as likely to be right as it says? Labels, scores, and the fit of `transcribe.confidence`.

- ECE: words sorted by what they claim, in ten bins of as many words each; the mean distance between what a bin claims
  and how many of its words are right, weighted by words (Naeini et al. 2015, with equal mass instead of width).
- Brier: the mean squared distance of a claim from what came out, 1 or 0.
- AUC: how often a right word claims more than a wrong one; ties count half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import Utterance
from benchmarks.hypothesis import Hypothesis
from benchmarks.normalise import normalise
from benchmarks.words import heard_text, language_at
from transcribe.transcript import Segment, Word

BINS = 10
RIDGE = 1.0  # on standardised clues: some wrong words, hundreds of right ones, nothing to overfit
MAX_STEPS = 50

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bin:
    """Words that claim about the same: the mean claim, the share that is right, how many there are."""

    claimed: float
    right: float
    n_words: int


def reliability(claims: Numbers, right: Truths, n_bins: int = BINS) -> list[Bin]:
    """Bins of equally many words, from the least sure to the surest; fewer bins than asked for few words."""
    order = np.argsort(claims, kind="stable")
    return [
        Bin(float(claims[some].mean()), float(right[some].mean()), len(some))
        for some in np.array_split(order, n_bins)
        if len(some)
    ]


def expected_calibration_error(claims: Numbers, right: Truths, n_bins: int = BINS) -> float:
    bins = reliability(claims, right, n_bins)
    return sum(one.n_words * abs(one.claimed - one.right) for one in bins) / max(1, len(claims))


def brier_score(claims: Numbers, right: Truths) -> float:
    return float(np.mean((claims - right) ** 2))


def area_under_curve(claims: Numbers, right: Truths) -> float | None:
    """None where all words are right, or all wrong."""
    n_right, n_wrong = int(right.sum()), int((~right).sum())
    if not n_right or not n_wrong:
        return None
    _, place, counts = np.unique(claims, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # of equal claims, the mean
    return float((ranks[right].sum() - n_right * (n_right + 1) / 2) / (n_right * n_wrong))


def fit(clues: Numbers, right: Truths, counts: Numbers | None = None) -> tuple[float, tuple[float, ...]]:
    """Logistic regression with a small L2 penalty, by Newton's method; no weight below 0.

    Every clue is made so that more of it speaks for the word: one that the data would have the other way round
    is left out (its weight is 0), and a claim stays monotone in each of them.

    Args:
        clues: (words, clues).
        counts: how often each word counts; None: once.

    Returns:
        The constant, and a weight for each clue.
    """
    mean, spread = clues.mean(axis=0), np.maximum(clues.std(axis=0), 1e-9)
    inputs = np.column_stack([np.ones(len(clues)), (clues - mean) / spread])
    used = np.ones(inputs.shape[1], dtype=bool)
    while True:
        weights = np.zeros(inputs.shape[1])
        weights[used] = _newton(inputs[:, used], right, np.ones(len(right)) if counts is None else counts)
        negative = (weights < 0) & (np.arange(len(weights)) > 0)
        if not negative.any():
            break
        used[np.argmin(np.where(negative, weights, 0))] = False
    slopes = weights[1:] / spread
    return float(weights[0] - slopes @ mean), tuple(map(float, slopes))


def _newton(inputs: Numbers, right: Truths, counts: Numbers) -> Numbers:
    penalty = RIDGE * np.eye(inputs.shape[1])
    penalty[0, 0] = RIDGE / 100  # enough for a fit on words that are all right to end
    weights = np.zeros(inputs.shape[1])
    for _ in range(MAX_STEPS):
        claims = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (counts * (right - claims)) - penalty @ weights
        curve = (inputs * (counts * claims * (1 - claims))[:, None]).T @ inputs + penalty
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def labelled(utterances: Sequence[Utterance], hypothesis: Hypothesis) -> list[tuple[Word, bool]]:
    """Every heard word that says something, and whether it was said: all words heard against all said, as for WER.

    A segment is normalised as a whole, as it is for WER; what became of each word in it is found by comparing with
    the same words normalised one by one. Words that become one number are right together. Fillers and punctuation
    get no label. A word where nobody says anything is wrong.
    """
    import jiwer

    words: list[Word] = []
    tokens: list[str] = []
    owners: list[list[int]] = []  # of each token, the places in `words`
    for segment in sorted(hypothesis.segments, key=lambda one: one.span):
        for token, mine in _owned(segment, utterances):
            tokens.append(token)
            owners.append([len(words) + place for place in mine])
        words += segment.words
    said = [
        token
        for one in sorted(utterances, key=lambda one: one.span)
        for token in normalise(one.text, one.language).split()
    ]
    equal = [False] * len(tokens)
    if said and tokens:
        (alignment,) = jiwer.process_words(" ".join(said), " ".join(tokens)).alignments
        for chunk in alignment:
            for place in range(chunk.hyp_start_idx, chunk.hyp_end_idx):
                equal[place] = chunk.type == "equal"
    verdicts: dict[int, bool] = {}
    for right, mine in zip(equal, owners, strict=True):
        for place in mine:
            verdicts[place] = verdicts.get(place, True) and right
    return [(words[place], right) for place, right in sorted(verdicts.items())]


def _owned(segment: Segment, utterances: Sequence[Utterance]) -> list[tuple[str, list[int]]]:
    """The tokens of a normalised segment, each with the places of the words that became it."""
    language = language_at(segment.span, utterances)
    alone = [
        (token, place) for place, word in enumerate(segment.words) for token in normalise(word.text, language).split()
    ]
    together = heard_text(segment, utterances).split()
    owned: list[tuple[str, list[int]]] = []
    matcher = SequenceMatcher(None, [token for token, _ in alone], together, autojunk=False)
    for kind, first, last, start, end in matcher.get_opcodes():
        if kind == "equal":
            owned += [(together[start + n], [alone[first + n][1]]) for n in range(end - start)]
        else:
            mine = sorted({place for _, place in alone[first:last]})
            owned += [(token, mine) for token in together[start:end]]
    return owned
