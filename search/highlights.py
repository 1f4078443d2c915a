"""Highlights: the words of a hit that answer the query, when each was said, and which leg says so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from search.bm25 import QUERY_LANGUAGES, AskedWord, terms
from search.errors import LegUnavailable
from search.numbers import codes
from search.passages import SpokenWord
from search.phrase import Occurrence, own_words
from search.protocols import Payload
from search.rows import UNTIMED
from search.sounds import beyond_chance, matches, pronunciations, stored
from search.text import tokens

_AROUND = re.compile(r"^\W+|\W+$")
SOUNDS_ALIKE = 0.5  # `beyond_chance` of one word from which it is shown as heard; below, most passages hold as much


@dataclass(frozen=True, slots=True)
class Highlight:
    """A word, in ms of the recording, and the leg it answers by: `exact`, `words` (its stem, or a number), `sounds`.

    `from_` and `to`: where it stands in the hit's text, in characters (code points); None where it is not found there.
    """

    start_ms: int
    end_ms: int
    text: str
    leg: str
    from_: int | None = None
    to: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "text": self.text,
            "leg": self.leg,
            "from": self.from_,
            "to": self.to,
        }

    def moved(self, by: int) -> Highlight:
        """The same in a text that has so many characters before."""
        if self.from_ is None or self.to is None:
            return self
        return replace(self, from_=self.from_ + by, to=self.to + by)


def highlights_said(payload: Payload, text: str, said: Occurrence) -> tuple[Highlight, ...]:
    """The very words of a phrase, or of phrases together."""
    return _highlights(payload, text, dict.fromkeys(said.said, "exact"))


def highlights_of(
    payloads: Sequence[Payload],
    saids: Sequence[Occurrence | None],
    texts: Sequence[str],
    asked: Sequence[AskedWord],
    sounds: bool,
    languages: Sequence[str] = QUERY_LANGUAGES,
) -> list[tuple[Highlight, ...]]:
    """Of each passage the words that answer one of the words asked, in the order of time; each word once.

    Args:
        saids: where the phrase itself was found; those words are `exact`.
        texts: as the hits show them.
        sounds: whether that leg ran. Words are compared by sound only where no other answers the asked word.
    """
    legs: list[dict[SpokenWord, str]] = [dict.fromkeys(said.said, "exact") if said else {} for said in saids]
    unanswered: list[list[int]] = [[] for _ in asked]
    for number, payload in enumerate(payloads):
        if UNTIMED in payload["flags"]:  # its text is one word, and which part of it answers is not known
            continue
        said = saids[number]
        heard = {token for word in (said.said if said else ()) for token in tokens(word.text)}
        by_term = _words_by_term(payload)
        for place, word in enumerate(asked):
            found = [spoken for term in word.terms for spoken in by_term.get(term, ())]
            for spoken in found:
                legs[number].setdefault(spoken, "words")
            if not found and heard.isdisjoint(tokens(word.text)) and word.terms:
                unanswered[place].append(number)
    if sounds:
        for place, word in enumerate(asked):
            some = unanswered[place]
            for number, spoken in _alike(word.text, [payloads[number] for number in some], languages):
                legs[some[number]].setdefault(spoken, "sounds")
    return [_highlights(payload, text, found) for payload, text, found in zip(payloads, texts, legs, strict=True)]


def _words_by_term(payload: Payload) -> dict[str, list[SpokenWord]]:
    """The passage's words by what they are indexed as: their stems, and the numbers that several make."""
    language, words = payload["language"], own_words(payload)
    found: dict[str, list[SpokenWord]] = {}
    spoken: list[tuple[str, SpokenWord]] = []
    for word in words:
        for token in tokens(word.text):
            spoken.append((token, word))
            found.setdefault(terms(token, language)[0], []).append(word)
    for code in codes([token for token, _ in spoken], language):
        of_code = [word for _, word in spoken[code.start : code.end]]
        for term in terms(code.text, language)[:1]:
            found.setdefault(term, []).extend(of_code)
    return found


def _alike(text: str, payloads: Sequence[Payload], languages: Sequence[str]) -> Iterator[tuple[int, SpokenWord]]:
    """The words of passages that sound like one, with the number of the passage."""
    try:
        ways = pronunciations(text, languages, spelt=False)
    except LegUnavailable:  # the answer is degraded, and says so
        return
    if not ways:
        return
    for number, match in enumerate(matches(ways, [stored(payload) or [] for payload in payloads])):
        if match is None:
            continue
        beyond = beyond_chance(np.array([[match.share]]), ["x" * match.n_phonemes])
        if beyond[0, 0] >= SOUNDS_ALIKE:
            payload = payloads[number]
            for start, end, word, *doubts in payload["words"][match.first_word : match.last_word + 1]:
                if tokens(word):
                    yield number, SpokenWord(start, end, word, payload["speaker"], tuple(doubts))


def _highlights(payload: Payload, text: str, legs: dict[SpokenWord, str]) -> tuple[Highlight, ...]:
    own = own_words(payload)
    beyond = [word for word in legs if word not in set(own)]
    places = _places(text, [_core(word) for word in own], [_core(word) for word in beyond])
    return tuple(
        sorted(
            (
                Highlight(word.start_ms, word.end_ms, word.text.strip(), legs[word], *place)
                for word, place in zip([*own, *beyond], places, strict=True)
                if word in legs
            ),
            key=lambda one: (one.start_ms, one.end_ms),
        )
    )


def _places(text: str, own: Sequence[str], beyond: Sequence[str]) -> Iterator[tuple[int, int] | tuple[None, None]]:
    """Where each word stands, one after another. Own words are all there; of what comes after, some may be left out."""
    at = 0
    for number, word in enumerate([*own, *beyond]):
        found = text.find(word, at)
        if number >= len(own):
            while found >= 0 and not _stands_alone(text, found, found + len(word)):
                found = text.find(word, found + 1)
        if found < 0:
            yield None, None
        else:
            at = found + len(word)
            yield found, at


def _core(word: SpokenWord) -> str:
    """Without the punctuation around it."""
    return _AROUND.sub("", word.text)


def _stands_alone(text: str, start: int, end: int) -> bool:
    return not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum()
