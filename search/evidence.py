"""Evidence: what each leg knows of the passages a query brings up, in numbers that an archive's size does not change.

- `exact`: the query's words stand in the passage in their order.
- `words`: BM25 as a share of the most it could be: what each of the query's words is worth where it is worth most,
  added up. A word nobody said is worth as much as the rarest, so a passage that lacks it never looks like a find.
- `sounds`: how much of each of the query's words can be heard in the passage, beyond what can be heard in any, rare
  words counting more.
- `together`: the same of the whole query in one stretch.
- `meaning`: the cosine.

Each leg brings up candidates; then every leg is asked about those of the others, for what a passage lacks says as
much as what it has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from search.bm25 import QUERY_LANGUAGES, rarity, words_vector
from search.deadline import Deadline
from search.embedding import Embedder
from search.errors import LegUnavailable
from search.passages import CONTINUATION_WORDS
from search.phrase import Occurrence, occurrences_from
from search.protocols import Filters, Index, Leg, LegHit, LegQuery, Payload, PointId
from search.query import Query
from search.rarity import rarities
from search.schema import PHRASE_FIELD, holds
from search.sounds import beyond_chance, pronunciations, query_vector, shares, stored
from search.understanding import Understanding

EXACT_CANDIDATES = 300  # passages with the phrase besides those the other legs brought up; exact mode finds them all
CANDIDATES = 100  # of each leg: a passage deep in one list can be first in all together
MAX_TOGETHER_WORDS = 12  # a longer query is seldom said as it is typed


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one passage, each 0..1 (`meaning` -1..1); None: the leg did not run."""

    exact: float | None = None
    words: float | None = None
    sounds: float | None = None
    together: float | None = None
    meaning: float | None = None


@dataclass(frozen=True, slots=True)
class Brought:
    """What the legs brought up, by passage. `said`: where the query's very words are."""

    payloads: dict[PointId, Payload]
    evidence: dict[PointId, Evidence]
    said: dict[PointId, Occurrence]
    worth: tuple[float, ...]  # of the query's words, in their order; together 1
    degraded: tuple[str, ...]  # legs that could not run, and why


class Gathering:
    """The evidence for one query, leg by leg."""

    def __init__(
        self,
        index: Index,
        embedder: Embedder | None,
        query: Query,
        asked: Understanding,
        legs: Collection[str],
        deadline: Deadline,
        languages: Sequence[str] = QUERY_LANGUAGES,
        by_word: bool = True,
    ) -> None:
        """
        Args:
            by_word: whether each of the query's words is listened for alone; `sounds` costs half of the time of a
                search, and is None otherwise.
        """
        self._languages, self._by_word = languages, by_word
        self._index, self._query, self._asked, self._legs, self._deadline = index, query, asked, legs, deadline
        self._limit = max(CANDIDATES, query.limit)  # whatever the page: pages neither repeat nor skip
        self._degraded: list[str] = []
        # What is asked about is what the asker may see: with officer or time, a word would be worth something else.
        self._visible = Filters(grants=query.filters.grants, machine=query.filters.machine)
        self._rarities = rarities(index, {term for word in asked.words for term in word.terms}, self._visible)
        self._vector = self._meaning(embedder) if "meaning" in legs else None
        self._said = self._pronounced() if "sounds" in legs else None

    def gather(self) -> Brought:
        """Ask every leg that can run."""
        lists, most = self._candidates()
        payloads = {hit.id: hit.payload for hits in lists.values() for hit in hits}
        said = self._said_exactly(payloads) if "exact" in self._legs else {}
        payloads.update({key: place.payload for key, place in said.items()})
        worth = np.array(most) / sum(most)

        keys = list(payloads)
        words = self._scores(Leg.WORDS, lists, keys, sum(most)) if Leg.WORDS in lists else None
        meaning = self._scores(Leg.MEANING, lists, keys, 1.0) if Leg.MEANING in lists else None
        sounds = self._heard(payloads, worth, said) if self._by_word else None
        together = self._heard_together(payloads, said)
        evidence = {
            key: Evidence(
                float(key in said) if "exact" in self._legs else None,
                None if words is None else min(1.0, words.get(key, 0.0)),
                None if sounds is None else float(sounds[place]),
                None if together is None else float(together[place]),
                None if meaning is None else meaning.get(key, 0.0),
            )
            for place, key in enumerate(keys)
        }
        return Brought(payloads, evidence, said, tuple(worth.tolist()), tuple(self._degraded))

    def _meaning(self, embedder: Embedder | None) -> NDArray[np.float32] | None:
        if embedder is None:
            self._degraded.append("meaning: no text embedding model is installed")
        elif self._deadline.is_over:
            self._degraded.append(self._deadline.missed("meaning was asked"))
        else:
            return embedder.query(self._query.text)
        return None

    def _pronounced(self) -> list[tuple[str, ...]] | None:
        """How each of the query's telling words may sound, and last, where it is short, the whole of it."""
        try:
            ways = [pronunciations(word.text, self._languages, spelt=False) for word in self._asked.words]
            if len(self._query.tokens) <= MAX_TOGETHER_WORDS:
                ways.append(pronunciations(self._query.text, self._languages))
            return ways
        except LegUnavailable as error:
            self._degraded.append(f"sounds: {error.reason}")
            return None

    def _candidates(self) -> tuple[dict[Leg, list[LegHit]], list[float]]:
        """The best of each leg, and what each of the query's words is worth at most."""
        about = self._query.filters
        asked = []
        if "words" in self._legs:
            asked.append(LegQuery(Leg.WORDS, words_vector(self._asked.words, self._rarities), self._limit, about))
        if self._vector is not None:
            asked.append(LegQuery(Leg.MEANING, self._vector, self._limit, about))
        if self._said is not None:
            runs = query_vector({one for ways in self._said for one in ways})
            if runs.indices:
                asked.append(LegQuery(Leg.SOUNDS, runs, self._limit, about))
        single = [LegQuery(Leg.WORDS, words_vector([word], self._rarities), 1, about) for word in self._asked.words]
        answers = self._index.query_batch([*asked, *single])
        lists = {one.leg: hits for one, hits in zip(asked, answers, strict=False)}
        best = [hits[0].score if hits else None for hits in answers[len(asked) :]]
        unsaid = rarity(self._index.count(self._visible), 0) if None in best else 0.0
        return lists, [unsaid if score is None else score for score in best]

    def _scores(
        self, leg: Leg, lists: dict[Leg, list[LegHit]], keys: Sequence[PointId], whole: float
    ) -> dict[PointId, float]:
        """A leg's scores as shares of `whole`: of its own candidates, and of everybody else's."""
        scores = {hit.id: hit.score / whole for hit in lists[leg]}
        others = [key for key in keys if key not in scores]
        if others and self._deadline.is_over:
            self._degraded.append(self._deadline.missed(f"{leg.value} was asked about what other legs brought up"))
        elif others:
            vector = self._vector if leg is Leg.MEANING else words_vector(self._asked.words, self._rarities)
            assert vector is not None
            (hits,) = self._index.query_batch([LegQuery(leg, vector, len(others), self._visible, frozenset(others))])
            scores.update({hit.id: hit.score / whole for hit in hits})
        return scores

    def _heard(
        self, payloads: Mapping[PointId, Payload], worth: NDArray[np.float64], said: Collection[PointId]
    ) -> NDArray[np.float64] | None:
        """`sounds` of each passage; None where the leg did not run."""
        if self._said is None:
            return None
        ways_of = self._said[: len(self._asked.words)]
        found = _audible([way for ways in ways_of for way in ways], payloads, said)
        ends = np.cumsum([len(ways) for ways in ways_of])
        best = [
            part.max(axis=0) if len(part) else np.zeros(len(payloads)) for part in np.split(found, ends[:-1], axis=0)
        ]
        return np.asarray(worth @ np.stack(best))

    def _heard_together(
        self, payloads: Mapping[PointId, Payload], said: Collection[PointId]
    ) -> NDArray[np.float64] | None:
        """`together` of each passage, likewise; of a query too long to be said as it is typed, 0."""
        if self._said is None:
            return None
        whole = self._said[len(self._asked.words) :]
        return _audible(whole[0], payloads, said).max(axis=0) if whole and whole[0] else np.zeros(len(payloads))

    def _said_exactly(self, candidates: dict[PointId, Payload]) -> dict[PointId, Occurrence]:
        """Passages in which all words of the query stand in its order, each with the first place.

        A place without doubt goes before those with: asking for doubtful words as well makes no sure hit doubtful.
        """
        query, head = self._query, self._query.tokens[:CONTINUATION_WORDS]
        phrased = {key: payload for key, payload in candidates.items() if holds(payload[PHRASE_FIELD], head)}
        for hit in islice(self._deadline.within(self._index.phrase(head, query.filters)), EXACT_CANDIDATES):
            phrased[hit.id] = hit.payload
        found: dict[PointId, Occurrence] = {}
        for key, payload in phrased.items():
            places = list(occurrences_from(self._index, payload, query.tokens))
            best = min(places, key=lambda place: bool(place.doubts), default=None)
            if best is not None and (query.doubtful or not best.doubts):
                found[key] = best
        if self._deadline.has_cut:
            self._degraded.append(self._deadline.missed("exact had looked at every passage"))
        return found


def _audible(
    ways: Sequence[str], payloads: Mapping[PointId, Payload], said: Collection[PointId]
) -> NDArray[np.float64]:
    """How much of each of these pronunciations can be heard in each passage, beyond chance: (ways, passages), 0..1.

    Where the phrase is `said`, all of it is heard: it may run on into the next passage.
    """
    found = beyond_chance(shares(ways, [stored(payload) or [] for payload in payloads.values()]), ways)
    found[:, [key in said for key in payloads]] = 1.0
    return found
