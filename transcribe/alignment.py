"""When two recordings of one scene heard it: the offset between their clocks, told from their words alone.

Words that both heard vote for the difference of their start times. A word counts the less the more often it is said, a
run of words counts as each word, pair and triple in it, and no ten seconds count for more than a few votes, so that a
warning which every officer recites does not outweigh the rest. An offset is believed when runs in enough places agree
on it, and no other offset comes near.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transcribe.transcript import Word
from transcribe.vocabulary import key

BIN_MS = 300  # votes within two neighbouring bins agree; Whisper's starts of one word differ by up to about as much
MATCH_MS = 500  # a word heard by both starts this close to where the offset puts it
PLACE_MS = 10_000  # what is heard alike within so long is one place
PLACE_VOTES = 3.0  # what one place can add at most: a rare word with its neighbours
RUN_WORDS = 3
MIN_PLACES = 6  # a Miranda warning of half a minute, recited twice at one pace, is heard alike in four
FEW_PLACES = 3  # enough where so much of all that was said while both ran is heard alike:
MIN_SHARE = 0.4  # half is, when both mishear 30 %; of strangers 0.07 (dev patrol), with a warning in two minutes 0.31
MIN_CONFIDENCE = 0.5  # the next best offset has at most half of the votes; of strangers' meetings (QMSum) 94 %
MAX_PAIRS = 100  # words said so often that they could pair in more ways say nothing of when


@dataclass(frozen=True, slots=True)
class WordAlignment:
    """Where the words of one recording lie in another.

    Attributes:
        offset_ms: own time of the second recording = time in the first + offset; None: the two do not share a scene.
        spread_ms: half of the words heard by both lie at most this far from the offset.
        matches: start of each word heard by both, in the first recording and in the second; sorted.
        n_runs: stretches of at least `RUN_WORDS` such words, one after the other in both.
        places: centres of the `PLACE_MS` of the first recording in which words of such runs begin; sorted.
        share: of the words of whichever heard fewer while both ran, those heard by both.
        confidence: 1 - the votes of the next best offset, as a share of this one's; 0 without an offset.
        reason: in words, why the offset is believed or not.

    Without an offset the counts are those of the best one, which was not believed.
    """

    offset_ms: int | None
    spread_ms: int
    matches: tuple[tuple[int, int], ...]
    n_runs: int
    places: tuple[int, ...]
    share: float
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True)
class _Heard:
    """The words of one recording, in order of time."""

    keys: list[str]
    starts_ms: list[int]

    @staticmethod
    def of(words: Iterable[Word]) -> _Heard:
        keyed = sorted((word.start_ms, key(word.text)) for word in words)
        return _Heard([text for _, text in keyed if text], [start for start, text in keyed if text])

    def runs(self, n_words: int) -> dict[tuple[str, ...], list[int]]:
        """Every succession of so many words, to where it begins: indexes of words."""
        found: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for index, run in enumerate(zip(*(self.keys[n:] for n in range(n_words)), strict=False)):
            found[run].append(index)
        return found


def align_words(first: Sequence[Word], second: Sequence[Word]) -> WordAlignment:
    """Find the offset of a second recording against a first from what both heard.

    Args:
        first, second: in any order. Misheard words cost votes, not accuracy; either recording may be much longer.

    Swapping the two negates the offset, up to the width of a bin.
    Cost: one pass over both, and the ways in which their words pair (at most `MAX_PAIRS` for each run of words).
    """
    a, b = _Heard.of(first), _Heard.of(second)
    if not a.keys or not b.keys:
        reason = "one of the recordings has no words" if a.keys or b.keys else "neither recording has words"
        return WordAlignment(None, 0, (), 0, (), 0.0, 0.0, reason)
    starts, differences, weights = _votes(a, b)
    if not len(starts):
        return WordAlignment(
            None, 0, (), 0, (), 0.0, 0.0, "no word is heard in both, but for those said again and again"
        )
    peak_ms, confidence = _best(starts, differences, weights)
    matched = _matched(a, b, peak_ms)
    runs = [run for run in _runs(matched) if len(run) >= RUN_WORDS]
    in_runs = [pair for run in runs for pair in run]
    trusted = in_runs or matched
    apart = np.array([b.starts_ms[j] - a.starts_ms[i] for i, j in trusted])
    offset_ms = round(float(np.median(apart))) if trusted else peak_ms
    spread_ms = round(float(np.median(np.abs(apart - offset_ms)))) if trusted else 0
    places = sorted({a.starts_ms[i] // PLACE_MS * PLACE_MS + PLACE_MS // 2 for i, _ in in_runs})
    share = len(matched) / max(1, _while_both_ran(a, b, offset_ms))
    believed, reason = _judged(len(matched), len(places), share, confidence)
    return WordAlignment(
        offset_ms if believed else None,
        spread_ms,
        tuple((a.starts_ms[i], b.starts_ms[j]) for i, j in matched),
        len(runs),
        tuple(places),
        share,
        confidence if believed else 0.0,
        reason,
    )


def _votes(a: _Heard, b: _Heard) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """For each way in which words of both pair: when in `a`, how much later in `b`, and what it is worth."""
    starts: list[int] = []
    differences: list[int] = []
    weights: list[float] = []
    for n_words in range(1, RUN_WORDS + 1):
        there = b.runs(n_words)
        for run, here in a.runs(n_words).items():
            n_pairs = len(here) * len(there.get(run, ()))
            if not 0 < n_pairs <= MAX_PAIRS:
                continue
            for i in here:
                for j in there[run]:
                    starts.append(a.starts_ms[i])
                    differences.append(b.starts_ms[j] - a.starts_ms[i])
                    weights.append(1 / n_pairs)
    return np.array(starts, np.int64), np.array(differences, np.int64), np.array(weights)


def _best(starts: NDArray[np.int64], differences: NDArray[np.int64], weights: NDArray[np.float64]) -> tuple[int, float]:
    """The difference with most votes, and how far it stands out from every other."""
    bins, places = differences // BIN_MS, starts // PLACE_MS
    bins, places = bins - bins.min(), places - places.min()
    n_places = int(places.max()) + 1
    # Window n holds bins n - 1 and n, so that what agrees is not cut apart by an edge between two bins.
    windows = np.concatenate([bins, bins + 1])
    cells, cell_of = np.unique(windows * n_places + np.tile(places, 2), return_inverse=True)
    held = np.minimum(np.bincount(cell_of, np.tile(weights, 2)), PLACE_VOTES)
    window, window_of = np.unique(cells // n_places, return_inverse=True)
    votes = np.bincount(window_of, held)
    best = int(np.argmax(votes))
    elsewhere = np.abs(window - window[best]) > 2
    runner_up = float(votes[elsewhere].max()) if elsewhere.any() else 0.0
    agreeing = (bins == window[best]) | (bins == window[best] - 1)
    return round(float(np.median(differences[agreeing]))), 1 - runner_up / float(votes[best])


def _matched(a: _Heard, b: _Heard, offset_ms: int) -> list[tuple[int, int]]:
    """Indexes of the words heard by both at an offset: the nearest of the same words, each taken once."""
    places: dict[str, list[int]] = defaultdict(list)
    for j, text in enumerate(b.keys):
        places[text].append(j)
    near: list[tuple[int, int, int]] = []
    for i, (text, start_ms) in enumerate(zip(a.keys, a.starts_ms, strict=True)):
        there = places.get(text, ())
        at = bisect_left(there, start_ms + offset_ms - MATCH_MS, key=b.starts_ms.__getitem__)
        for j in there[at:]:
            apart_ms = b.starts_ms[j] - start_ms - offset_ms
            if apart_ms > MATCH_MS:
                break
            near.append((abs(apart_ms), i, j))
    taken_a: set[int] = set()
    taken_b: set[int] = set()
    matched: list[tuple[int, int]] = []
    for _, i, j in sorted(near):
        if i not in taken_a and j not in taken_b:
            taken_a.add(i)
            taken_b.add(j)
            matched.append((i, j))
    return sorted(matched)


def _runs(matched: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Matched words that follow each other in both recordings."""
    run: list[tuple[int, int]] = []
    for i, j in matched:
        if run and (i, j) != (run[-1][0] + 1, run[-1][1] + 1):
            yield run
            run = []
        run.append((i, j))
    if run:
        yield run


def _while_both_ran(a: _Heard, b: _Heard, offset_ms: int) -> int:
    """Words between the later of the first words and the earlier of the last, of whichever heard fewer there."""
    start_ms = max(a.starts_ms[0], b.starts_ms[0] - offset_ms) - MATCH_MS
    end_ms = min(a.starts_ms[-1], b.starts_ms[-1] - offset_ms) + MATCH_MS
    return min(
        bisect_right(a.starts_ms, end_ms) - bisect_left(a.starts_ms, start_ms),
        bisect_right(b.starts_ms, end_ms + offset_ms) - bisect_left(b.starts_ms, start_ms + offset_ms),
    )


def _judged(n_words: int, n_places: int, share: float, confidence: float) -> tuple[bool, str]:
    """Whether what agrees is enough to believe in, and why, in words."""
    heard = (
        f"{n_words} words heard by both at one offset, {share:.0%} of those said while both ran, with runs of "
        f"{RUN_WORDS} and more in {n_places} place{'' if n_places == 1 else 's'}"
    )
    if n_places < (FEW_PLACES if share >= MIN_SHARE else MIN_PLACES):
        return False, f"too little agrees at the best offset: {heard}"
    if confidence < MIN_CONFIDENCE:
        return False, f"no offset stands out: the next best has {1 - confidence:.0%} of the votes of the best; {heard}"
    return True, f"{heard}; the next best offset has {1 - confidence:.0%} of the votes"
