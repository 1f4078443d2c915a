"""Terms: the names, streets, plates and numbers of a corpus, found in its labels by a fixed script.

A *name* is a run of capitalised words inside a sentence; the word a sentence begins with counts only where it is
capitalised inside one elsewhere, stands before such a word, or is part of a speaker's name. A run that ends in a word
such as Avenue, or follows one such as calle, is a *street*; letters and digits in one are a *plate*; three digits or
more, money and times of day are a *number*. What is dropped (`TITLES`, `CALENDAR`) holds for any footage in these
languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from benchmarks.corpus import Answer, Reference, Utterance
from benchmarks.normalise import normalise


def _words_in(text: str) -> frozenset[str]:
    return frozenset(text.split())


STREETS = _words_in("avenue street road drive court lane parkway boulevard highway way place circle terrace freeway")
STREETS_BEFORE = _words_in("calle avenida camino bulevar carretera")
TITLES = _words_in(
    "officer sergeant detective deputy lieutenant captain dispatch dispatcher police mister mr mrs ms miss doctor dr "
    "sir ma'am oficial señor señora señorita don doña policía god dios oh ay hey"
)
CALENDAR = _words_in(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
    "september october november december christmas thanksgiving easter english spanish"
)
NUMBER_WORDS = _words_in(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand first second third "
    "fourth fifth"
)
KINDS = ("name", "street", "plate", "number")

_WORD = re.compile(r"\$?[^\W_](?:[\w'’.:,-]*[^\W_])?")
_PLATE = re.compile(r"(?=[A-Z0-9]*[A-Z])(?=[A-Z0-9]*\d)[A-Z0-9]{3,}")
_NUMBER = re.compile(r"\$\d[\d,.]*|\d{3,}|\d+(?:[-,.]\d+)+|\d{1,2}:\d{2}")
_ENDS = re.compile(r"[.?!…¿¡:]")
_BREAKS = re.compile(r"[,;.?!…¿¡:\"“”()]")


@dataclass(frozen=True, slots=True)
class Term:
    """What is looked for, and every utterance that says it; one that says it twice counts once."""

    text: str
    kind: str
    occurrences: tuple[Answer, ...]


def find_terms(references: Sequence[Reference]) -> list[Term]:
    """Every term of these recordings, in order of first appearance."""
    kinds: dict[str, str] = {}
    texts: dict[str, str] = {}
    inside = _capitalised_inside(references)
    for utterance in (one for reference in references for one in reference.utterances):
        for text, kind in _terms_of(utterance.text, inside):
            kinds.setdefault(text.casefold(), kind)
            texts.setdefault(text.casefold(), text)
    return [Term(text, kinds[key], occurrences_of(text, references)) for key, text in texts.items()]


def occurrences_of(phrase: str, references: Sequence[Reference]) -> tuple[Answer, ...]:
    """Every utterance that says a phrase, in its written or in its spoken form, by recording and time."""
    return tuple(
        Answer(reference.name, said.span)
        for reference in references
        for said in reference.utterances
        if _says(said, _forms(phrase, "", said.language))
    )


def _says(said: Utterance, phrase: Sequence[str]) -> bool:
    return any(form and form in spoken for form in phrase for spoken in _forms(said.text, said.spoken, said.language))


@lru_cache(maxsize=65_536)  # every utterance is asked for every term
def _forms(written: str, spoken: str, language: str) -> tuple[str, ...]:
    """Text as comparable words, each between spaces: plain, and with its numbers in digits."""
    some = [text for text in (written, spoken) if text]
    plain = [" ".join(_plain(text)) for text in some]
    digits = [" ".join(_plain(normalise(text, language))) for text in some]
    return tuple(f" {text} " for text in dict.fromkeys([*plain, *digits]) if text)


def _plain(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", re.sub(r"(?<=\w)['’](?=\w)|(?<=\d),(?=\d{3})", "", text.casefold()))


def _terms_of(text: str, inside: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The terms of an utterance, and their kinds."""
    run: list[str] = []
    before = after_street_word = ""
    for word, begins, breaks in _words(text):
        if run and (breaks or not _is_name(word, begins, inside)):
            yield from _run(run, after_street_word)
            run = []
        if _PLATE.fullmatch(word):
            yield word, "plate"
        elif _NUMBER.fullmatch(word):
            yield word, "number"
        elif _is_name(word, begins, inside):
            after_street_word = after_street_word if run else before
            run.append(word)
        before = word.casefold()
    yield from _run(run, after_street_word)


def _run(run: Sequence[str], before: str) -> Iterator[tuple[str, str]]:
    """A run of capitalised words as a term, if it is one."""
    words = list(run)
    while words and words[0].casefold() in TITLES:
        words.pop(0)
    low = [word.casefold() for word in words]
    if not words or NUMBER_WORDS & set(low) or (len(low) == 1 and low[0] in STREETS):
        return  # "Twelve Adam" is a call sign: half of all radio traffic, and nobody's name
    kind = "street" if low[-1] in STREETS or before in STREETS_BEFORE else "name"
    yield re.sub(r"['’]s$", "", " ".join(words)), kind


def _is_name(word: str, begins: bool, inside: frozenset[str]) -> bool:
    low = re.sub(r"['’]s$", "", word).casefold()
    if len(low) < 2 or not word[0].isupper() or low in CALENDAR or "'" in low or "’" in low:
        return False
    if _PLATE.fullmatch(word):
        return False
    return not begins or low in inside


def _words(text: str) -> Iterator[tuple[str, bool, bool]]:
    """Each word, whether a sentence begins with it, and whether punctuation parts it from the word before."""
    found = list(_WORD.finditer(text))
    if found:
        yield found[0].group(), True, False
    for left, right in pairwise(found):
        between = text[left.end() : right.start()]
        yield right.group(), bool(_ENDS.search(between)), bool(_BREAKS.search(between))


def _capitalised_inside(references: Sequence[Reference]) -> frozenset[str]:
    """Words that are capitalised where no sentence begins, or before one that is, and never in lower case."""
    upper, lower = set[str](), set[str]()
    for reference in references:
        upper |= {part.casefold() for person in reference.people for part in person.name.split()}
        for said in reference.utterances:
            words = list(_words(said.text))
            for position, (word, begins, _) in enumerate(words):
                follower, follower_begins, breaks = (
                    words[position + 1] if position + 1 < len(words) else ("-", True, True)
                )
                leads = not breaks and not follower_begins and follower[0].isupper() and follower.casefold() != "i"
                low = re.sub(r"['’]s$", "", word).casefold()
                if word[0].islower():
                    lower.add(low)
                elif not begins or leads:
                    upper.add(low)
    return frozenset(upper - lower)
