"""Matching by sound: sparse vectors bring up candidates, an alignment says how well each matches, and where.

A recogniser writes a name it does not know as words it knows: "Kovalchik" as "call check". What they share is runs of
phonemes, whatever the words. Vectors hold those runs, across word boundaries; the store multiplies in their rarity.
How many runs are shared says little about how near the whole is, so each candidate is then aligned with the query, by
approximate matching within a text (Sellers, "The theory and computation of evolutionary distances", 1980).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.articulation import ALPHABET, confusions, gaps
from search.bm25 import QUERY_LANGUAGES, SparseVector, term_number
from search.phonemes import heard
from search.protocols import Payload

# On names in Spoken-SQuAD questions that its transcripts at 44 % WER spell otherwise, among 21,000 passages: 54 % have
# theirs in the first 100. Vowels, voicing and manner fail first, so consonants have runs of their own in which they do
# not count: alone they find 30 %, but it is they that "Kovalchik" and "call check" have in common.
RUN = 3
_CONSONANTS_ALIKE = str.maketrans("bdgvzJZCTm", "ptkfsSSStn", "aeiou@")
# A long passage shares runs by chance; full compensation (1) drowns it. 0.2 orders names heard rightly best, 0 and 0.4
# lose 12 and 2 of 100 in the first ten.
LENGTH_SHARE = 0.2
AVG_PASSAGE_PHONEMES = 110  # 30 words

_BARRIER = len(ALPHABET)  # stands between candidates: no match runs across it
_BARRIER_COST = 1_000_000  # more than all gaps of a query of ten thousand phonemes
_START_BITS = 32  # an alignment's start rides in the low bits of its cost, so that a minimum keeps both
_CODES = np.zeros(128, np.intp)
_CODES[[ord(phoneme) for phoneme in ALPHABET]] = range(len(ALPHABET))


@dataclass(frozen=True, slots=True)
class SoundMatch:
    """The stretch of a passage that sounds most like a query.

    `share` of the query's phonemes that were heard, 0..1, each weighed by how seldom it is missed; `n_phonemes` of
    the query's: short ones sound like much. Words are numbers of the passage's, both included.
    """

    share: float
    first_word: int
    last_word: int
    n_phonemes: int


def pronunciations(text: str, languages: Iterable[str] = QUERY_LANGUAGES) -> tuple[str, ...]:
    """How a query may sound, in phonemes, each way once: nobody says which language a name is from.

    Empty when it has no letter or digit.

    Raises:
        LegUnavailable: espeak-ng is not installed, or does not run here.
    """
    said = ("".join(heard(text.split(), language)) for language in languages)
    return tuple(dict.fromkeys(phonemes for phonemes in said if phonemes))


def passage_vector(words: Sequence[str]) -> SparseVector:
    """The runs of a passage's phonemes, given by word; all weigh the same, less the longer it is."""
    phonemes = "".join(words)
    return _vector(_runs(phonemes), 1 / (1 - LENGTH_SHARE + LENGTH_SHARE * len(phonemes) / AVG_PASSAGE_PHONEMES))


def stored(payload: Payload) -> list[str] | None:
    """The phonemes by word that a row keeps; None where none were made of it."""
    sounds = payload.get("sounds")
    return sounds.split(" ") if sounds else None


def query_vector(said: Iterable[str]) -> SparseVector:
    """The runs of all pronunciations; empty where they are shorter than a run, and then nothing can be asked."""
    return _vector({run for phonemes in said for run in _runs(phonemes)}, 1.0)


def _runs(phonemes: str) -> set[str]:
    consonants = phonemes.translate(_CONSONANTS_ALIKE)
    runs = {phonemes[at : at + RUN] for at in range(len(phonemes) - RUN + 1)}
    return runs | {f"-{consonants[at : at + RUN]}" for at in range(len(consonants) - RUN + 1)}


def _vector(runs: set[str], weight: float) -> SparseVector:
    indices = tuple(sorted({term_number(run) for run in runs}))
    return SparseVector(indices, (weight,) * len(indices))


def matches(said: Sequence[str], candidates: Sequence[Sequence[str]]) -> list[SoundMatch | None]:
    """Where each candidate sounds most like the query, in any of its pronunciations.

    Args:
        said: pronunciations.
        candidates: phonemes by word.

    Returns:
        As many, in the same order; None where nothing is alike. Of equally good places the first, and the shortest.

    Cost: a dozen NumPy passes over all candidates' phonemes per phoneme of the query.
    """
    best: list[SoundMatch | None] = [None] * len(candidates)
    for phonemes in said:
        for number, match in enumerate(_align(phonemes, candidates)):
            held = best[number]
            if match is not None and (held is None or match.share > held.share):
                best[number] = match
    return best


def _align(query: str, candidates: Sequence[Sequence[str]]) -> list[SoundMatch | None]:
    """`matches` for one pronunciation, of at least one phoneme."""
    if not candidates:
        return []
    texts = ["".join(words) for words in candidates]
    wanted, text = _codes(query), _joined(texts)
    costs, starts = _ends(wanted, text)
    worst = int(gaps()[wanted].sum())
    found: list[SoundMatch | None] = []
    first = 0
    for words, phonemes in zip(candidates, texts, strict=True):
        end = first + int(costs[first : first + len(phonemes) + 1].argmin())
        cost, start = int(costs[end]), int(starts[end])
        if cost < worst and start < end:
            ends = np.cumsum([len(word) for word in words])
            of_start, of_end = (int(np.searchsorted(ends, at - first, "right")) for at in (start, end - 1))
            found.append(SoundMatch(1 - cost / worst, of_start, of_end, len(query)))
        else:
            found.append(None)
        first += len(phonemes) + 1
    return found


def _codes(phonemes: str) -> NDArray[np.intp]:
    codes: NDArray[np.intp] = _CODES[np.frombuffer(phonemes.encode("ascii"), np.uint8)]
    return codes


def _joined(texts: Sequence[str]) -> NDArray[np.intp]:
    """All texts one after another, a barrier behind each."""
    codes = np.full(sum(len(text) + 1 for text in texts), _BARRIER, np.intp)
    at = 0
    for text in texts:
        codes[at : at + len(text)] = _codes(text)
        at += len(text) + 1
    return codes


def _ends(query: NDArray[np.intp], text: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each place of the text, shape (n + 1,): the cost of the best match that ends before it, and its start.

    A row of the table of Sellers' algorithm at a time. What hangs together within a row is a run of phonemes too many:
    the cheapest of all starts of the run is a running minimum, once what all before costs is taken off.
    """
    n = len(text)
    skipped = np.append(gaps(), _BARRIER_COST) << _START_BITS
    heard_as = np.column_stack([confusions(), np.full(len(ALPHABET), _BARRIER_COST)]) << _START_BITS
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(skipped[text])])
    row = np.arange(n, -1, -1, dtype=np.int64)  # a match may start anywhere for nothing; the later, the smaller
    following, replaced = np.empty_like(row), np.empty(n, np.int64)
    for phoneme in query:
        np.take(heard_as[phoneme], text, out=replaced)
        replaced += row[:-1]
        np.add(row, skipped[phoneme], out=following)
        np.minimum(following[1:], replaced, out=following[1:])
        following -= before
        np.minimum.accumulate(following, out=row)
        row += before
    return row >> _START_BITS, n - (row & ((1 << _START_BITS) - 1))
