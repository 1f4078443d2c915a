"""Search: the legs asked together, fused by us, each hit naming the legs that found it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.bm25 import QUERY_LANGUAGES
from search.deadline import NEVER, Deadline
from search.embedding import Embedder
from search.errors import LegUnavailable
from search.evidence import Brought, Evidence, Gathering
from search.facets import Facet, facets_of
from search.fusion import fusion
from search.hit import Hit, hit_of
from search.passages import DOUBTFUL
from search.phrase import Occurrence
from search.places import every_place, find_places
from search.protocols import Index, PointId
from search.query import Mode, Query, Sort
from search.rank import passage_rank
from search.sounds import matches, pronunciations, stored
from search.understanding import Kind, Understanding, understand

LEGS = ("exact", "words", "sounds", "meaning")
WEAKEST = 0.002  # a probability below it is not worth a look
NARROWED = 0.4  # `together` from which a name-like query's hit is the words that sound like it, not all of the passage


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits in the order of the query; how many there are in all; what could not be asked.

    `total` counts places in exact mode, all of them where `total_is_exact`, or as far as the deadline let it; otherwise
    the passages any leg brought up with more than chance.
    `left_out` counts the places, and in the other modes the passages, that would be in the total if doubtful words
    had been asked for.
    """

    hits: list[Hit]
    total: int
    degraded: list[str]
    left_out: int = 0
    total_is_exact: bool = False
    facets: Mapping[str, Facet] | None = None  # of all that is in the total; None: not asked for
    understood: dict[str, Any] | None = None  # what the query was taken for; None in exact mode


class Searcher:
    """Asks one index. Without an embedder the leg `meaning` does not run, and answers say so."""

    def __init__(
        self,
        index: Index,
        embedder: Embedder | None,
        languages: Sequence[str] = QUERY_LANGUAGES,
        legs: Collection[str] = LEGS,
    ) -> None:
        """
        Args:
            languages: those queries may be typed in, for stemming and pronunciation.
            legs: those that may run in auto mode.
        """
        self._index, self._embedder, self._languages = index, embedder, languages
        self._legs, self._fusion = legs, fusion()

    def search(self, query: Query, deadline: Deadline = NEVER) -> Answer:
        """Everything that matches, as the query orders it; what there is when time is over, and what was left unasked.

        Raises:
            LegUnavailable: the mode asks for a leg that cannot run here.
        """
        if query.mode is Mode.SOUNDS:
            pronunciations(query.text, self._languages)  # raises where it cannot
        if query.mode is Mode.MEANING and self._embedder is None:
            raise LegUnavailable("meaning", "no text embedding model is installed; see `earwitness models`")
        return self._exact(query, deadline) if query.is_exact else self._ranked(query, deadline)

    def every_hit(self, query: Query) -> Iterator[Hit]:
        """Of an exact query every place there is, one after another, in the order of its pages."""
        assert query.is_exact, "the other modes rank what they bring up; they know no end"
        return (_exact_hit(place) for place in every_place(self._index, query))

    def _exact(self, query: Query, deadline: Deadline) -> Answer:
        found = find_places(self._index, query, deadline)
        unasked = "every passage was compared: the total counts what was, and earlier places may be missing"
        degraded = [] if found.is_complete else [deadline.missed(unasked)]
        page = [_exact_hit(place) for place in found.page]
        return Answer(page, found.total, degraded, found.left_out, found.is_complete, found.facets)

    def _ranked(self, query: Query, deadline: Deadline) -> Answer:
        asked = understand(query.text, self._languages)
        legs = self._legs if query.mode is Mode.AUTO else (query.mode.value,)
        by_word = query.mode is Mode.SOUNDS or self._fusion.weighs("sounds", asked.kind)
        brought = Gathering(
            self._index, self._embedder, query, asked, legs, deadline, self._languages, by_word
        ).gather()
        scored: list[tuple[float, PointId]] = []
        left_out = 0
        for key, evidence in brought.evidence.items():
            score = self._score(evidence, asked.kind, query.mode)
            if score < WEAKEST:
                continue
            if DOUBTFUL in brought.payloads[key]["flags"] and not query.doubtful:
                left_out += 1
            else:
                scored.append((score, key))
        if query.order is Sort.RELEVANCE:
            scored.sort(key=lambda entry: (-entry[0], entry[1]))
        else:
            scored.sort(key=lambda entry: (passage_rank(brought.payloads[entry[1]], query.latest_first), entry[1]))
        payloads = (brought.payloads[key] for _score, key in scored)
        facets = facets_of(payloads, query.facets_in) if query.facets_in else None
        page = scored[query.offset : query.offset + query.limit]
        hits = [self._hit(brought, query, asked, score, key) for score, key in page]
        return Answer(
            hits,
            len(scored),
            list(brought.degraded),
            left_out,
            facets=facets,
            understood=_understood(asked, brought),
        )

    def _score(self, evidence: Evidence, kind: Kind, mode: Mode) -> float:
        """Of all legs together the probability; of one alone what it says itself."""
        if mode is Mode.AUTO:
            return self._fusion.probability(evidence, kind)
        if mode is Mode.SOUNDS:
            return max(evidence.sounds or 0.0, evidence.together or 0.0)
        return (evidence.words if mode is Mode.WORDS else evidence.meaning) or 0.0

    def _hit(self, brought: Brought, query: Query, asked: Understanding, score: float, key: PointId) -> Hit:
        payload, evidence, said = brought.payloads[key], brought.evidence[key], brought.said.get(key)
        heard = None
        if said is None and asked.kind is Kind.NAME and (evidence.together or 0.0) >= NARROWED:
            (heard,) = matches(pronunciations(query.text, self._languages), [stored(payload) or []])
        fused = query.mode is Mode.AUTO
        adds = self._fusion.explain(evidence, asked.kind) if fused else None
        # A phrase that a passage's end cuts in two may score low; it was said all the same.
        found = fused and (said is not None or score >= self._fusion.found)
        return hit_of(payload, score, found, evidence, adds, said, heard)


def _understood(asked: Understanding, brought: Brought) -> dict[str, Any]:
    worth = zip((word.text for word in asked.words), brought.worth, strict=True)
    return {
        "kind": asked.kind.value,
        "reason": asked.reason,
        "words": [{"text": text, "worth": round(share, 3)} for text, share in worth],
    }


def _exact_hit(occurrence: Occurrence) -> Hit:
    return hit_of(occurrence.payload, 1.0, True, Evidence(exact=1.0), said=occurrence)
