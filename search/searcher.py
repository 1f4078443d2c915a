"""Search: the legs asked in one batch, fused by us, each hit naming the legs that found it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from search.bm25 import QUERY_LANGUAGES, query_vector
from search.deadline import NEVER, Deadline
from search.embedding import Embedder
from search.errors import LegUnavailable
from search.passages import CONTINUATION_WORDS, DOUBTS, SpokenWord
from search.phrase import Occurrence, occurrences_from, own_words
from search.places import every_place, find_places
from search.protocols import Index, Leg, LegHit, LegQuery, Payload, PointId
from search.query import Mode, Query
from search.ranking import LegScores, content_terms, fuse, meaning_score, words_score
from search.schema import PHRASE_FIELD, holds
from transcribe.transcript import RecordingId

EXACT_CANDIDATES = 1_000  # `auto` looks for the phrase in so many passages besides those the other legs brought up
MIN_CANDIDATES = 100  # asked of each leg: a passage deep in one list can be first in both together
WEAKEST_SCORE = 0.05  # below it nothing but chance speaks for a passage


@dataclass(frozen=True, slots=True)
class Hit:
    """A moment that answers a query; `score` 0..1, `legs` by name, None where a leg did not match or run.

    `flags` are the passage's; but where the phrase itself was found, `doubtful` and `primed` speak of its words alone.
    """

    recording_id: RecordingId
    source: str
    start_ms: int
    end_ms: int
    text: str
    speaker: str | None
    speaker_kind: str | None
    language: str
    score: float
    legs: dict[str, float | None]
    recorded_at: str | None
    officer: str | None
    incident_id: str | None
    translation: str | None
    context_before: str
    context_after: str
    confidence: float
    flags: tuple[str, ...]
    version: str
    said: tuple[SpokenWord, ...]  # the words of the phrase where it was found, else the passage's

    def to_json(self) -> dict[str, Any]:
        """The form other systems rely on; `angles` is filled once cameras are linked."""
        return {
            "recording_id": self.recording_id,
            "source": self.source,
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "text": self.text,
            "speaker": self.speaker,
            "speaker_kind": self.speaker_kind,
            "language": self.language,
            "score": round(self.score, 4),
            "legs": {leg: None if score is None else round(score, 4) for leg, score in self.legs.items()},
            "recorded_at": self.recorded_at,
            "officer": self.officer,
            "incident_id": self.incident_id,
            "angles": [],
            "translation": self.translation,
            "context_before": self.context_before,
            "context_after": self.context_after,
            "confidence": self.confidence,
            "flags": list(self.flags),
            "version": self.version,
            "said": " ".join(word.text for word in self.said),
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits, best first (in exact mode by recorded time); how many there are in all; what could not be asked.

    `total` counts places in exact mode, all of them where `total_is_exact`, or as far as the deadline let it; otherwise
    the passages any leg brought up with more than chance.
    `left_out` counts, in exact mode, the places that would match if doubtful words had been asked for; the other
    modes leave no passage out, their exact leg alone is silent there.
    """

    hits: list[Hit]
    total: int
    degraded: list[str]
    left_out: int = 0
    total_is_exact: bool = False


class Searcher:
    """Asks one index. Without an embedder the leg `meaning` does not run, and answers say so."""

    def __init__(self, index: Index, embedder: Embedder | None, languages: Sequence[str] = QUERY_LANGUAGES) -> None:
        """`languages`: those queries may be typed in, for stemming."""
        self._index, self._embedder, self._languages = index, embedder, languages

    def search(self, query: Query, deadline: Deadline = NEVER) -> Answer:
        """Everything that matches, the best first; what there is when the deadline is over, and what was left unasked.

        Raises:
            LegUnavailable: the mode asks for a leg that cannot run here.
        """
        if query.mode is Mode.SOUNDS:
            raise LegUnavailable(
                "sounds", "this index holds no phonemes; --mode auto finds what is near in words and meaning"
            )
        if query.mode is Mode.MEANING and self._embedder is None:
            raise LegUnavailable("meaning", "no text embedding model is installed; see `earwitness models`")
        return self._exact(query, deadline) if query.is_exact else self._fused(query, deadline)

    def every_hit(self, query: Query) -> Iterator[Hit]:
        """Of an exact query every place there is, one after another, in the order of its pages."""
        assert query.is_exact, "the other modes rank what they bring up; they know no end"
        return (_exact_hit(place) for place in every_place(self._index, query))

    def _exact(self, query: Query, deadline: Deadline) -> Answer:
        found = find_places(self._index, query, deadline)
        unasked = "every passage was compared: the total counts what was, and earlier places may be missing"
        degraded = [] if found.is_complete else [deadline.missed(unasked)]
        page = [_exact_hit(place) for place in found.page]
        return Answer(page, found.total, degraded, found.left_out, found.is_complete)

    def _fused(self, query: Query, deadline: Deadline) -> Answer:
        by_leg, late = self._ask(query, deadline)
        payloads = {hit.id: hit.payload for hits in by_leg.values() for hit in hits}
        exact = self._said_exactly(query, payloads, deadline) if query.mode is Mode.AUTO else {}
        if deadline.has_cut:
            late.append(deadline.missed("exact had looked at every passage"))
        payloads.update({key: occurrence.payload for key, occurrence in exact.items()})

        content = content_terms(query.text, self._languages)
        words = {hit.id: hit.score for hit in by_leg.get(Leg.WORDS, [])}
        meaning = {hit.id: hit.score for hit in by_leg.get(Leg.MEANING, [])}
        best_words = max(words.values(), default=1.0)
        scored: list[tuple[float, PointId, LegScores]] = []
        for key, payload in payloads.items():
            scores = LegScores(
                1.0 if key in exact else None,
                words_score(words[key], best_words, payload, content) if key in words else None,
                meaning_score(meaning[key]) if key in meaning else None,
            )
            score = _single(scores, query.mode) if query.mode is not Mode.AUTO else fuse(scores, Leg.MEANING in by_leg)
            if score >= WEAKEST_SCORE:
                scored.append((score, key, scores))
        scored.sort(key=lambda entry: (-entry[0], entry[1]))
        page = scored[query.offset : query.offset + query.limit]
        degraded = ["meaning: no text embedding model is installed"] if self._embedder is None else []
        return Answer(
            [_hit(payloads[key], score, scores, exact.get(key)) for score, key, scores in page],
            len(scored),
            [*(degraded if query.mode is Mode.AUTO else []), *late],
        )

    def _said_exactly(
        self, query: Query, candidates: Mapping[PointId, Payload], deadline: Deadline
    ) -> dict[PointId, Occurrence]:
        """Passages in which all words of the query stand in its order, each with the first place.

        A place without doubt goes before those with: asking for doubtful words as well makes no sure hit doubtful.
        """
        head = query.tokens[:CONTINUATION_WORDS]
        phrased = {key: payload for key, payload in candidates.items() if holds(payload[PHRASE_FIELD], head)}
        for hit in islice(deadline.within(self._index.phrase(head, query.filters)), EXACT_CANDIDATES):
            phrased[hit.id] = hit.payload
        found: dict[PointId, Occurrence] = {}
        for key, payload in phrased.items():
            places = list(occurrences_from(self._index, payload, query.tokens))
            best = min(places, key=lambda place: bool(place.doubts), default=None)
            if best is not None and (query.doubtful or not best.doubts):
                found[key] = best
        return found

    def _ask(self, query: Query, deadline: Deadline) -> tuple[dict[Leg, list[LegHit]], list[str]]:
        """What each leg brought up, and for which it was too late."""
        limit = max(MIN_CANDIDATES, 5 * query.limit)
        asked: list[LegQuery] = []
        late: list[str] = []
        if query.mode in (Mode.AUTO, Mode.WORDS):
            asked.append(LegQuery(Leg.WORDS, query_vector(query.text, self._languages), limit, query.filters))
        if query.mode in (Mode.AUTO, Mode.MEANING) and self._embedder is not None:
            if deadline.is_over:
                late.append(deadline.missed("meaning was asked"))
            else:
                asked.append(LegQuery(Leg.MEANING, self._embedder.query(query.text), limit, query.filters))
        answers = self._index.query_batch(asked)
        return {leg_query.leg: hits for leg_query, hits in zip(asked, answers, strict=True)}, late


def _single(scores: LegScores, mode: Mode) -> float:
    return (scores.words if mode is Mode.WORDS else scores.meaning) or 0.0


def _exact_hit(occurrence: Occurrence) -> Hit:
    return _hit(occurrence.payload, 1.0, LegScores(exact=1.0), occurrence)


def _hit(payload: Payload, score: float, scores: LegScores, occurrence: Occurrence | None) -> Hit:
    """A passage as a hit; where the phrase itself was found, the span is that of exactly its words.

    The text is the passage's, and the words of a phrase that runs beyond it.
    """
    metadata = payload["metadata"]
    flags = list(payload["flags"])
    if occurrence is not None:
        flags = [*(flag for flag in flags if flag not in DOUBTS), *occurrence.doubts]
        flags += ["across_speakers"] if occurrence.across_speakers else []
    return Hit(
        RecordingId(payload["recording_id"]),
        payload["source"],
        occurrence.start_ms if occurrence else payload["start_ms"],
        occurrence.end_ms if occurrence else payload["end_ms"],
        f"{payload['text']} {occurrence.beyond}" if occurrence and occurrence.beyond else payload["text"],
        payload["speaker"],
        payload.get("speaker_kind"),  # rows made before there were kinds are searched until they are made again
        payload["language"],
        score,
        {"exact": scores.exact, "words": scores.words, "sounds": None, "meaning": scores.meaning},
        metadata.get("recorded_at"),
        metadata.get("officer"),
        metadata.get("incident_id"),
        payload["translation"],
        payload["context_before"],
        payload["context_after"],
        payload["confidence"],
        tuple(flags),
        payload["version"],
        occurrence.said if occurrence else tuple(own_words(payload)),
    )
