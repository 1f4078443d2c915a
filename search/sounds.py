"""Matching by sound: sparse vectors bring up candidates, an alignment says how well each matches, and where.

A recogniser writes a name it does not know as words it knows: "Kovalchik" as "call check". What they share is runs of
phonemes, whatever the words. Vectors hold those runs, across word boundaries; all weigh the same.
How many runs are shared says little about how near the whole is, so each candidate is then aligned with the query, by
approximate matching within a text (Sellers, "The theory and computation of evolutionary distances", 1980).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from search.articulation import ALPHABET, confusions, gaps
from search.bm25 import QUERY_LANGUAGES, SparseVector, term_number
from search.phonemes import heard
from search.protocols import Payload
from search.text import tokens

# How rare a run is would say something of passages an asker may not see, and it helps little: of 136 names that
# Spoken-SQuAD's transcripts at 44 % WER spell otherwise, the first 100 of 2,067 passages hold 42 % without rarity and
# 41 % with it, the first 10 hold 21 % and 20 %.
# On names in Spoken-SQuAD questions that its transcripts at 44 % WER spell otherwise, among 21,000 passages: 54 % have
# theirs in the first 100. Vowels, voicing and manner fail first, so consonants have runs of their own in which they do
# not count: alone they find 30 %, but it is they that "Kovalchik" and "call check" have in common.
RUN = 3
_CONSONANTS_ALIKE = str.maketrans("bdgvzJZCTm", "ptkfsSSStn", "aeiou@")
# A long passage shares runs by chance. Of the names that were spelt rightly there, by runs of phonemes alone, the first
# ten hold 80 % at 0.2, 68 % at 0 and 78 % at 0.4.
LENGTH_SHARE = 0.2
AVG_PASSAGE_PHONEMES = 110  # 30 words

# What 19 of 20 turns of meetings (QMSum, median 55 phonemes) hold of words and phrases they do not say: 0.94 of 3
# phonemes, 0.73 of 5, 0.64 of 8, 0.53 of 15, 0.41 of 36.
CHANCE, CHANCE_OF_SHORT, MOST_CHANCE = 0.22, 1.14, 0.95

_BARRIER = len(ALPHABET)  # stands between candidates: no match runs across it
Integer = TypeVar("Integer", np.int32, np.int64)
_START_BITS = 24  # an alignment's start, up to 16 million phonemes, rides below its cost: a minimum keeps both
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


def pronunciations(text: str, languages: Sequence[str] = QUERY_LANGUAGES, spelt: bool = True) -> tuple[str, ...]:
    """How a query may sound, in phonemes, each way once: nobody says which language a name is from.

    Empty when it has no letter or digit.

    Args:
        spelt: a single word may also have been spelt, as officers spell names to dispatch; that is in the first of
            the languages.

    Raises:
        LegUnavailable: espeak-ng is not installed, or does not run here.
    """
    said = ["".join(heard(text.split(), language)) for language in languages]
    word = text.strip()
    if spelt and word.isalpha() and "".join(tokens(word)).isascii():  # Latin letters: others are not read by name
        said += ["".join(heard(word.upper(), language)) for language in languages[:1]]
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


def shares(said: Sequence[str], candidates: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """How much of each pronunciation can be heard in each candidate, 0..1, shape (said, candidates).

    As `SoundMatch.share`, 0 where nothing is alike; without the place, which takes most of the time.
    """
    found = np.zeros((len(said), len(candidates)))
    if not candidates:
        return found
    texts = ["".join(words) for words in candidates]
    text = _joined(texts)
    firsts = np.cumsum([0, *(len(one) + 1 for one in texts[:-1])])
    for row, phonemes in zip(found, said, strict=True):
        wanted = _codes(phonemes)
        costs = _costs(wanted, text)
        np.maximum(row, 1 - np.minimum.reduceat(costs, firsts) / int(gaps()[wanted].sum()), out=row)
    return found


def beyond_chance(found: NDArray[np.float64], said: Sequence[str]) -> NDArray[np.float64]:
    """`shares` less what can be heard of so many phonemes in most passages of speech, stretched to 0..1 again."""
    lengths = np.array([len(phonemes) for phonemes in said], np.float64)
    chance = np.minimum(MOST_CHANCE, CHANCE + CHANCE_OF_SHORT / np.sqrt(lengths))[:, None]
    return np.asarray(np.clip((found - chance) / (1 - chance), 0.0, 1.0))


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
    """For each place of the text, shape (n + 1,): the cost of the best match that ends before it, and its start."""
    row = _last_row(query, text, np.int64, _START_BITS)
    return row >> _START_BITS, len(text) - (row & ((1 << _START_BITS) - 1))


def _costs(query: NDArray[np.intp], text: NDArray[np.intp]) -> NDArray[np.int32]:
    """For each place of the text, shape (n + 1,): the cost of the best match that ends before it."""
    return _last_row(query, text, np.int32, 0)


def _last_row(query: NDArray[np.intp], text: NDArray[np.intp], kind: type[Integer], bits: int) -> NDArray[Integer]:
    """Of the table of Sellers' algorithm, costs shifted left by `bits`; below them, how far before the end it starts.

    A row at a time. What hangs together within a row is a run of phonemes too many: the cheapest of all starts of the
    run is a running minimum, once what all before costs is taken off.
    """
    n = len(text)
    barrier = int(gaps()[query].sum()) + 1  # more than missing all of the query
    skipped = (np.append(gaps(), barrier) << bits).astype(kind)
    heard_as = (np.column_stack([confusions(), np.full(len(ALPHABET), barrier)]) << bits).astype(kind)
    before = np.zeros(n + 1, kind)
    np.cumsum(skipped[text], out=before[1:])
    # A match may start anywhere for nothing; the later, the smaller.
    row = np.arange(n, -1, -1, dtype=kind) if bits else np.zeros(n + 1, kind)
    following, replaced = np.empty_like(row), np.empty(n, kind)
    for phoneme in query:
        np.take(heard_as[phoneme], text, out=replaced)
        replaced += row[:-1]
        np.add(row, skipped[phoneme], out=following)
        np.minimum(following[1:], replaced, out=following[1:])
        following -= before
        np.minimum.accumulate(following, out=row)
        row += before
    return row
