"""Search: the legs asked together, fused by us, each hit naming the legs that found it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from search.angles import LinksOf, Spot, Timeline, among, fold, no_links
from search.bm25 import QUERY_LANGUAGES
from search.context import Shown, around
from search.deadline import NEVER, Deadline
from search.embedding import Embedder
from search.errors import LegUnavailable
from search.evidence import Brought, Evidence, Gathering
from search.facets import Facet, facets_of
from search.fusion import fusion
from search.highlights import Highlight, highlights_of, highlights_said
from search.hit import Hit, as_one_moment, hit_of, joined, text_of
from search.moments import Answering, merged
from search.passages import DOUBTFUL
from search.phrase import Occurrence
from search.places import every_place, find_places
from search.protocols import Index, Payload, PointId
from search.query import Mode, Query, Sort
from search.rank import PlaceRank, passage_rank
from search.schema import TERMS_FIELD
from search.sounds import matches, pronunciations, stored
from search.text import tokens
from search.understanding import Kind, Understanding, understand
from transcribe.transcript import RecordingId

LEGS = ("exact", "words", "sounds", "meaning")
WEAKEST = 0.002  # a probability below it is not worth a look
NARROWED = 0.4  # `together` from which a name-like query's hit is the words that sound like it, not all of the passage


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits in the order of the query; how many there are in all; what could not be asked.

    `total` counts moments: in exact mode all of them where `total_is_exact`, or as far as the deadline let it;
    otherwise those of the passages any leg brought up with more than chance. `n_places` counts the places, or passages,
    that they were folded from: every camera's, and every passage of a moment.
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
    n_places: int = 0


class Searcher:
    """Asks one index. Without an embedder the leg `meaning` does not run, and answers say so."""

    def __init__(
        self,
        index: Index,
        embedder: Embedder | None,
        languages: Sequence[str] = QUERY_LANGUAGES,
        legs: Collection[str] = LEGS,
        links_of: LinksOf = no_links,
    ) -> None:
        """
        Args:
            languages: those queries may be typed in, for stemming and pronunciation.
            legs: those that may run in auto mode.
            links_of: the offsets between recordings of one scene, by which their hits become angles of one.
        """
        self._index, self._embedder, self._languages = index, embedder, languages
        self._legs, self._fusion, self._links_of = legs, fusion(), links_of

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
        """Of an exact query every place there is, one after another, in the order of its pages; not folded.

        `moment` says which of them are one. The seconds around them are not read.
        """
        assert query.is_exact, "the other modes rank what they bring up; they know no end"
        for moment, place in every_place(self._index, query, self._links_of):
            yield replace(_exact_hit(place), moment=moment)

    def _exact(self, query: Query, deadline: Deadline) -> Answer:
        found = find_places(self._index, query, deadline, self._links_of)
        unasked = "every passage was compared: the total counts what was, and earlier places may be missing"
        degraded = [] if found.is_complete else [deadline.missed(unasked)]
        moments = [[(_exact_hit(place), _shown_of(place)) for place in moment] for moment in found.page]
        page = self._page(moments, found.timeline, query.offset)
        return Answer(
            page,
            found.total,
            degraded,
            found.left_out,
            found.is_complete,
            found.facets,
            n_places=found.n_places,
        )

    def _page(self, moments: Sequence[Sequence[tuple[Hit, Shown]]], timeline: Timeline, offset: int) -> list[Hit]:
        """Each moment, all its angles, as one hit with what was said around it."""
        lines = iter(around(self._index, [shown for moment in moments for _hit, shown in moment]))
        hits = []
        for number, moment in enumerate(moments, offset + 1):
            angles = []
            for hit, _shown in moment:
                before, after = next(lines)
                angles.append(replace(hit, lines_before=before, lines_after=after, moment=number))
            hits.append(as_one_moment(angles, timeline))
        return hits

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
        scored.sort(key=lambda entry: (-entry[0], entry[1]))
        answering = [
            Answering(
                brought.payloads[key], score, key in brought.said, self._is_found(brought, query, asked, score, key)
            )
            for score, key in scored
        ]
        # All that was brought up is folded, whatever the page: no moment stands on two pages.
        passages = merged(answering)
        spots = [_spot([brought.payloads[scored[n][1]] for n in numbers]) for numbers in passages]
        here = {spot.recording_id for spot in spots}
        timeline = Timeline(among(self._links_of(here), here))
        moments = fold(spots, timeline)
        if query.order is not Sort.RELEVANCE:

            def rank(moment: Sequence[int]) -> PlaceRank:
                every = [scored[number][1] for passage in moment for number in passages[passage]]
                return min(passage_rank(brought.payloads[key], query.latest_first) for key in every)

            moments.sort(key=rank)
        every_payload = (brought.payloads[key] for _score, key in scored)
        page = [[passages[n] for n in moment] for moment in moments[query.offset : query.offset + query.limit]]
        hits = iter(self._hits(brought, query, asked, scored, [numbers for moment in page for numbers in moment]))
        return Answer(
            self._page([[next(hits) for _ in moment] for moment in page], timeline, query.offset),
            len(moments),
            list(brought.degraded),
            left_out,
            facets=facets_of(every_payload, query.facets_in) if query.facets_in else None,
            understood=_understood(asked, brought),
            n_places=len(scored),
        )

    def _score(self, evidence: Evidence, kind: Kind, mode: Mode) -> float:
        """Of all legs together the probability; of one alone what it says itself."""
        if mode is Mode.AUTO:
            return self._fusion.probability(evidence, kind)
        if mode is Mode.SOUNDS:
            return max(evidence.sounds or 0.0, evidence.together or 0.0)
        return (evidence.words if mode is Mode.WORDS else evidence.meaning) or 0.0

    def _is_found(self, brought: Brought, query: Query, asked: Understanding, score: float, key: PointId) -> bool:
        """A phrase that a passage's end cuts in two may score low; it was said all the same.

        So may a number said another way than it is written, and what stands beside it.
        """
        if query.mode is not Mode.AUTO:
            return False
        answered = asked.has_number and asked.is_answered(brought.payloads[key][TERMS_FIELD])
        return key in brought.said or answered or score >= self._fusion.found

    def _hits(
        self,
        brought: Brought,
        query: Query,
        asked: Understanding,
        scored: Sequence[tuple[float, PointId]],
        moments: Sequence[Sequence[int]],
    ) -> list[tuple[Hit, Shown]]:
        """Passages of one recording, numbers of `scored`, as one hit each, in the order given."""
        keys = [scored[number][1] for numbers in moments for number in numbers]
        payloads, saids = [brought.payloads[key] for key in keys], [brought.said.get(key) for key in keys]
        marked = highlights_of(
            payloads,
            saids,
            [text_of(payload, said) for payload, said in zip(payloads, saids, strict=True)],
            asked.words,
            any(brought.evidence[key].together is not None for key in keys),
            self._languages,
        )
        remaining = iter(marked)
        hits = []
        for numbers in moments:
            some = {number: self._hit(brought, query, asked, *scored[number], next(remaining)) for number in numbers}
            hit = joined(list(some.values()), some[min(numbers)])
            first, last = (scored[number][1] for number in (numbers[0], numbers[-1]))
            said = brought.said.get(last)
            runs_on = said is not None and bool(said.beyond)
            shown = Shown(brought.payloads[first], brought.payloads[last], hit.start_ms, hit.end_ms, runs_on)
            hits.append((hit, shown))
        return hits

    def _hit(
        self,
        brought: Brought,
        query: Query,
        asked: Understanding,
        score: float,
        key: PointId,
        marked: tuple[Highlight, ...],
    ) -> Hit:
        payload, evidence, said = brought.payloads[key], brought.evidence[key], brought.said.get(key)
        heard = None
        if said is None and asked.kind is Kind.NAME and (evidence.together or 0.0) >= NARROWED:
            (heard,) = matches(pronunciations(query.text, self._languages), [stored(payload) or []])
        adds = self._fusion.explain(evidence, asked.kind) if query.mode is Mode.AUTO else None
        found = self._is_found(brought, query, asked, score, key)
        return hit_of(payload, score, found, evidence, adds, said, heard, marked)


def _spot(payloads: Sequence[Payload]) -> Spot:
    """Passages of one moment, in the order of time."""
    words = tuple(token for payload in payloads for token in tokens(payload["text"]))
    end_ms = max(payload["end_ms"] for payload in payloads)
    return Spot(RecordingId(payloads[0]["recording_id"]), payloads[0]["start_ms"], end_ms, words)


def _understood(asked: Understanding, brought: Brought) -> dict[str, Any]:
    worth = zip((word.text for word in asked.words), brought.worth, strict=True)
    return {
        "kind": asked.kind.value,
        "reason": asked.reason,
        "words": [{"text": text, "worth": round(share, 3)} for text, share in worth],
    }


def _shown_of(place: Occurrence) -> Shown:
    return Shown(place.payload, place.payload, place.start_ms, place.end_ms, bool(place.beyond))


def _exact_hit(occurrence: Occurrence) -> Hit:
    payload = occurrence.payload
    marked = highlights_said(payload, text_of(payload, occurrence), occurrence)
    return hit_of(payload, 1.0, True, Evidence(exact=1.0), said=occurrence, highlights=marked)
