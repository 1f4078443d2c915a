"""Fusion: one score from what each leg knows.

Ranks throw away what scores know, so scores are fused (on Spoken-SQuAD at 44 % WER reciprocal rank fusion
loses 6 points of MRR against it). Each leg's score is first brought to 0..1 so that it means the same
whatever the size of the archive:

- `words`: BM25 over the best BM25 of the list, times the share of the query's content words that the passage
  holds. Without the share, the best of a bad list would look like a find.
- `meaning`: cosine between the level of unrelated sentences and that of close paraphrases.
- `exact`: the phrase was said; nothing can be surer, so its passage scores at least 0.9.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from search.bm25 import QUERY_LANGUAGES, query_terms, query_words, terms
from search.protocols import Payload

WORDS_WEIGHT = 0.5
UNRELATED_COSINE, PARAPHRASE_COSINE = 0.1, 0.7  # all-MiniLM-L6-v2 on short utterances
EXACT_FLOOR = 0.9

# Words that say how something is said rather than what; a question is full of them, an answer of others.
FUNCTION_WORDS = frozenset(
    """
    a an and are as at be been but by did do does for from had has have he her him his how i if in is it its me my
    no not of on or our she so that the their them there they this to us was we were what when where which who whom
    why will with would you your
    el la los las un una unos unas y o de del al en con por para que se su sus lo le les me mi tu es fue era son si
    """.split()  # noqa: SIM905 -- a list of a hundred quoted words is harder to read
)


@dataclass(frozen=True, slots=True)
class LegScores:
    """What each leg made of one passage, 0..1; None: it did not match, or did not run."""

    exact: float | None = None
    words: float | None = None
    meaning: float | None = None


def content_terms(query: str, languages: Sequence[str] = QUERY_LANGUAGES) -> list[dict[str, float]]:
    """The query's content words, each as the terms that answer it and how far; all its words if it has no other."""
    words = query_words(query, languages)
    return [word for word in words if _function_stems().isdisjoint(word)] or words


def words_score(bm25: float, best_bm25: float, payload: Payload, content: list[dict[str, float]]) -> float:
    """BM25 relative to the list's best, times the share of content words held."""
    held = set(terms(payload["text"], payload["language"]))
    if payload["translation"]:
        held |= set(terms(payload["translation"], "en"))
    answered = sum(max((word[term] for term in held & word.keys()), default=0.0) for word in content)
    return bm25 / best_bm25 * answered / len(content)


def meaning_score(cosine: float) -> float:
    """Where a cosine lies between unrelated and paraphrase."""
    return min(1.0, max(0.0, (cosine - UNRELATED_COSINE) / (PARAPHRASE_COSINE - UNRELATED_COSINE)))


def fuse(scores: LegScores, meaning_ran: bool) -> float:
    """One score, 0..1; higher is likelier to be what was meant."""
    words, meaning = scores.words or 0.0, scores.meaning or 0.0
    fused = WORDS_WEIGHT * words + (1 - WORDS_WEIGHT) * meaning if meaning_ran else words
    if scores.exact is not None:
        return EXACT_FLOOR + (1 - EXACT_FLOOR) * fused
    return EXACT_FLOOR * fused


@cache
def _function_stems() -> frozenset[str]:
    return frozenset(stem for word in FUNCTION_WORDS for stem in query_terms(word))
