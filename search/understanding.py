"""What a query asks for, plain to see: its words that say something, and whether it names or describes.

A name is asked for in a few words, which the recogniser may have spelt its own way: how it sounds says most. A
description or a question has more words, and what was said may share none of them: what it means says most. Fusion
weighs the legs by this; nothing is left out because of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from search.bm25 import QUERY_LANGUAGES, AskedWord, query_terms, query_words
from search.text import tokens

MIN_NUMBER = 3  # characters; "15" is said all the time
MAX_NAME_WORDS = 3  # content words; "Adalberto Montemayor", "Mecham Parkway North", "plate 419HQZ"

# Words that say how something is said rather than what; a question is full of them, an answer of others.
# As they are typed, in tokens ("what's" is "whats"). Spanish "son" is left to say something: it is somebody's child.
FUNCTION_WORDS = frozenset(
    """
    a about also an and any are as at be been being but by called can could did do does for from had has have he her
    here heres hers him his how hows i if in into is it its many may me might much my no not of on or other our out she
    should so some such than that thats the their them then there theres these they this those to up us was we were
    what whats when where wheres which who whom whos whose why will with would you your youre
    a al algo algun alguna como con cual cuando cuanto cuantos de del donde e el ella ellos en era es esa ese eso esta
    este esto estos fue ha habia hay la las le les lo los me mi mis no o para pero por porque que quien quienes se ser
    si sin sobre su sus te tu tus un una unas unos y ya yo
    """.split()  # noqa: SIM905 -- a list of a hundred quoted words is harder to read
)
QUESTION_WORDS = frozenset(
    """
    how hows what whats when where wheres which who whom whos whose why
    que cual cuando donde quien quienes cuanto cuantos como
    """.split()  # noqa: SIM905
)


class Kind(StrEnum):
    """What a query looks like."""

    NAME = "name"
    QUESTION = "question"
    DESCRIPTION = "description"


@dataclass(frozen=True, slots=True)
class Understanding:
    """`words`: those that say something, in order; all of the query's where it has no other. Never empty."""

    kind: Kind
    reason: str
    words: tuple[AskedWord, ...]

    @property
    def has_number(self) -> bool:
        """Whether it asks for a number or a plate that few passages hold by chance."""
        return any(
            len(term) >= MIN_NUMBER and any(map(str.isdigit, term)) and share == 1
            for word in self.words
            for term, share in word.terms.items()
        )

    def is_answered(self, terms: Collection[str]) -> bool:
        """Whether each of the words is among these terms of a passage, a number however it was said."""
        return all(any(share == 1 and term in terms for term, share in word.terms.items()) for word in self.words)


def understand(text: str, languages: Sequence[str] = QUERY_LANGUAGES) -> Understanding:
    """What a query asks for.

    Args:
        text: with at least one token (`search.query.Query` sees to it).
        languages: those it may be typed in.
    """
    every = query_words(text, languages)
    words = tuple(word for word in every if not _says_nothing(word, languages)) or tuple(every)
    n_words = len({_main_term(word) for word in words})
    count = f"{n_words} telling {'word' if n_words == 1 else 'words'}"
    if tokens(text)[0] in QUESTION_WORDS or text.rstrip().endswith("?"):
        return Understanding(Kind.QUESTION, f"it asks, in {count}", words)
    if n_words <= MAX_NAME_WORDS:
        return Understanding(Kind.NAME, f"only {count}", words)
    return Understanding(Kind.DESCRIPTION, count, words)


def _main_term(word: AskedWord) -> str:
    """Of the words that make one plate or number, the same for all."""
    return max(word.terms, key=lambda term: (word.terms[term], len(term), term))


def _says_nothing(word: AskedWord, languages: Sequence[str]) -> bool:
    """A function word as it is typed: "calle" has the stem of "call", "parada" that of "para". No letter of a plate."""
    return word.text in FUNCTION_WORDS and not query_terms(word.text, languages).isdisjoint(word.terms)
