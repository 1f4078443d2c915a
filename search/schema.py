"""What the index is made of, written once: the adapters over Qdrant create vectors and payload indexes from this."""

from __future__ import annotations

from collections.abc import Sequence

from search.access import ACCESS_FIELD, LIMITED
from search.folding import filter_field
from search.protocols import EDITION_FIELD, FILTERED, Leg

DENSE = Leg.MEANING.value  # cosine
SPARSE = (Leg.WORDS.value, Leg.SOUNDS.value)  # the store knows no IDF: it would count what an asker may not see
PHRASE_FIELD = "exact"  # our tokens joined by spaces: a whitespace tokenizer and nothing else
MOMENT_FIELD = "moment_ms"
CONFIDENCE_FIELD = "confidence"
ID_FIELD = filter_field("recording_id")
VERSION_FIELD = "version"
TERMS_FIELD = "terms"  # a list: those of `search.bm25`, each once, by which passages that hold one are counted
KEYWORD_FIELDS = (
    *(filter_field(name) for name in dict.fromkeys([*FILTERED, *LIMITED])),
    *(VERSION_FIELD, EDITION_FIELD, ACCESS_FIELD, TERMS_FIELD),
)


def holds(text: str, tokens: Sequence[str]) -> bool:
    """Whether the phrase field holds these tokens side by side in this order: what a store's phrase match must say."""
    return f" {' '.join(tokens)} " in f" {text} "
