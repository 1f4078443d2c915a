"""Our own BM25: term weights of passages and queries, and what the rarity of a term (IDF) is among given passages.

Formula: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from threading import Lock
from typing import Any

from search.numbers import codes
from search.text import tokens

AVG_PASSAGE_WORDS = 30  # passages are short; the usual default of 256 would flatten term frequency
K1, B = 1.2, 0.75
QUERY_LANGUAGES = ("en", "es")

_SNOWBALL = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "fi": "finnish", "fr": "french", "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term numbers, ascending and distinct, and their weights."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class AskedWord:
    """A word of a query, or the words that make one number. `terms` that answer it, and how far: above 0, at most 1."""

    text: str
    terms: Mapping[str, float]


def terms(text: str, language: str) -> list[str]:
    """Tokens by their stems, where there is a stemmer for the language; and numbers however said, as written."""
    said = tokens(text)
    written = [code.text for code in codes(said, language) if [code.text] != said[code.start : code.end]]
    return [_stem(token, language) for token in (*said, *written)]


def passage_vector(text: str, language: str, translation: str | None = None) -> SparseVector:
    """Weights of a passage's terms; those of its English translation count too.

    A term in both takes the greater weight: neither text makes the other look long. No terms: an empty vector.
    """
    weights = _weights(text, language)
    for term, weight in _weights(translation or "", "en").items():
        weights[term] = max(weight, weights.get(term, 0.0))
    return _vector(weights)


def passage_terms(text: str, language: str, translation: str | None = None) -> list[str]:
    """The terms that have a weight in `passage_vector`, sorted."""
    return sorted({*terms(text, language), *terms(translation or "", "en")})


def rarity(n_passages: int, n_holding: int) -> float:
    """What a term is worth (IDF) that so many of so many passages hold; above 0. One that none holds: the most."""
    return math.log((n_passages - n_holding + 0.5) / (n_holding + 0.5) + 1)


def query_words(text: str, languages: Iterable[str] = QUERY_LANGUAGES) -> list[AskedWord]:
    """What the words of a query ask for, in order.

    A word is answered by its stem in any of the languages (nobody says which one they type in), and by the numbers
    it is part of. Where several words make one number ("forty-two fifteen"), the number counts, not its words: said
    apart they are common. A part of it counts by the square of its share, so that all its parts, said apart, weigh
    less than itself. Words that ask for the same are one.
    """
    said = tokens(text)
    found = {language: codes(said, language) for language in languages}
    every = [code for language in found for code in found[language]]
    asked: list[AskedWord] = []
    for position, token in enumerate(said):
        covering = [code for code in every if code.start <= position < code.end]
        sure = [code for code in covering if code.sure]
        length = max((len(code.text) for code in sure), default=1)
        word: dict[str, float] = {}
        for language in found:
            if all(code.end - code.start == 1 for code in sure):
                word[_stem(token, language)] = 1.0
            for code in covering:
                term = _stem(code.text, language)
                word[term] = max(word.get(term, 0.0), min(1.0, len(code.text) / length) ** 2)
        same = next((number for number, other in enumerate(asked) if other.terms == word), None)
        if same is None:
            asked.append(AskedWord(token, word))
        elif sure:
            asked[same] = AskedWord(f"{asked[same].text} {token}", word)
    return asked


def query_terms(text: str, languages: Iterable[str] = QUERY_LANGUAGES) -> set[str]:
    """All terms that answer a word of the query."""
    return {term for word in query_words(text, languages) for term in word.terms}


def query_vector(text: str, languages: Iterable[str] = QUERY_LANGUAGES) -> SparseVector:
    """Each distinct term once, by how far it answers."""
    return words_vector(query_words(text, languages))


def words_vector(words: Iterable[AskedWord], rarities: Mapping[str, float] | None = None) -> SparseVector:
    """`query_vector` of some words of a query, each term multiplied by its rarity; None: all weigh the same."""
    weights: dict[str, float] = {}
    for word in words:
        for term, answered in word.terms.items():
            rare = 1.0 if rarities is None else rarities[term]
            weights[term] = max(answered * rare, weights.get(term, 0.0))
    return _vector(weights)


def term_number(term: str) -> int:
    """A stable 32-bit number; at archive vocabularies (a million terms) one in four thousand collides."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=4).digest(), "big")


def _vector(weights: dict[str, float]) -> SparseVector:
    numbered: dict[int, float] = {}
    for term, weight in weights.items():
        number = term_number(term)
        numbered[number] = numbered.get(number, 0.0) + weight
    ordered = sorted(numbered.items())
    return SparseVector(tuple(number for number, _ in ordered), tuple(weight for _, weight in ordered))


def _weights(text: str, language: str) -> dict[str, float]:
    norm = K1 * (1 - B + B * len(tokens(text)) / AVG_PASSAGE_WORDS)
    return {term: count * (K1 + 1) / (count + norm) for term, count in Counter(terms(text, language)).items()}


@lru_cache(maxsize=65_536)  # speech repeats itself
def _stem(token: str, language: str) -> str:
    stemmer = _stemmer(language)
    if stemmer is None:
        return token
    with _STEMMING:
        return str(stemmer.stemWord(token))


_STEMMING = Lock()  # a stemmer keeps the word it works on in itself


@cache
def _stemmer(language: str) -> Any:
    import snowballstemmer

    name = _SNOWBALL.get(language)
    return snowballstemmer.stemmer(name) if name else None
