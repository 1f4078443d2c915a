"""Queries by a seeded script: stretches of what was said, and names; their answers follow from the labels by rule."""

from __future__ import annotations

import random
from collections.abc import Sequence

from benchmarks.corpus import LabelledQuery, Reference
from benchmarks.terms import Term, occurrences_of

SEED = 6
MIN_WORDS, MAX_WORDS = 4, 7
MIN_CONTENT_WORDS = 2
CONTENT_LETTERS = 4  # a shorter word says little by itself


def exact_queries(references: Sequence[Reference], wanted: int, seed: int = SEED) -> list[LabelledQuery]:
    """Random stretches of utterances, at most one of each, each text once; fewer than `wanted` where there are no more.

    A stretch has four to seven words, two or more of which are not short, and keeps its punctuation inside. Relevant
    is every utterance that says it.
    """
    random_ = random.Random(seed)
    said = [one.text for reference in references for one in reference.utterances]
    random_.shuffle(said)
    queries: dict[str, LabelledQuery] = {}
    for text in said:
        if len(queries) >= wanted:
            break
        stretch = _stretch(text.split(), random_)
        if stretch and stretch.casefold() not in queries:
            found = occurrences_of(stretch, references)
            key = f"exact-{seed}-{len(queries)}"
            queries[stretch.casefold()] = LabelledQuery(key, "exact", stretch, found)
    return list(queries.values())


def _stretch(words: Sequence[str], random_: random.Random) -> str | None:
    length = random_.randint(MIN_WORDS, MAX_WORDS)
    places = list(range(len(words) - length + 1))
    random_.shuffle(places)
    for place in places:
        some = words[place : place + length]
        content = {stripped for word in some if len(stripped := word.strip(".,?!¿¡…:;").casefold()) >= CONTENT_LETTERS}
        if len(content) >= MIN_CONTENT_WORDS:
            return " ".join(some).strip(".,?!¿¡…:; ")
    return None


def name_queries(
    terms: Sequence[Term], wanted: int, asked: Sequence[str] = (), seed: int = SEED
) -> list[LabelledQuery]:
    """Terms, as they are written, in random order; those in `asked` are left out, whatever their case."""
    known = {text.casefold() for text in asked}
    some = [term for term in terms if term.text.casefold() not in known]
    random.Random(seed).shuffle(some)
    return [
        LabelledQuery(f"name-{seed}-{number}", "name", term.text, term.occurrences)
        for number, term in enumerate(some[:wanted])
    ]
