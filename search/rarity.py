"""Rarity: what each term is worth among the passages that somebody may see."""

from __future__ import annotations

from collections.abc import Collection

from search.bm25 import rarity
from search.protocols import Filters, Index


def rarities(index: Index, terms: Collection[str], visible: Filters) -> dict[str, float]:
    """Of each of these terms of `search.bm25`. `visible`: what counts; a filter that somebody typed does not."""
    n_passages = index.count(visible)
    return {
        term: rarity(n_passages, min(n, n_passages))  # a write may come between the two counts
        for term, n in index.document_frequencies(terms, visible).items()
    }
