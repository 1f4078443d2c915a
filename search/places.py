"""Every place a phrase was said, or phrases together, complete and in order (`search.rank`): how often in all, any page
of it, or one after another. What several cameras heard is one moment, and of words that hold a phrase more than once,
overlapping, the whole is one place: nothing is counted twice.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from operator import itemgetter

from search.angles import Link, LinksOf, Spot, Timeline, among, fold, no_links
from search.deadline import NEVER, Deadline
from search.facets import Facet, Tally, Values
from search.moments import MAX_GAP_MS
from search.passages import DOUBTS, SpokenWord
from search.phrase import Occurrence, occurrences, own_words
from search.places_of import places_of
from search.protocols import Index
from search.query import Query
from search.rank import PlaceRank, Rank, latest, latest_place, place_rank, recording_rank
from transcribe.transcript import RecordingId

BATCH = 512  # places in memory with their passages while it is asked which recordings are linked

Key = tuple[PlaceRank, bool]  # names a place of an answer; False: no word of it is doubtful
Moment = list[Occurrence]  # of linked recordings, each one's once, in order; at least one


@dataclass(frozen=True, slots=True)
class Places:
    """One page of the moments, and how many there are: `total` of moments, `n_places` of all their angles.

    `left_out` counts places that match only with doubtful words, where these were not asked for. `is_complete` is
    False where time ran out: then all counts are of what was looked at, and earlier moments may be missing.
    `timeline`: how the recordings of the page lie in time. `facets` are of every place in `n_places`; None: not asked
    for.
    """

    page: list[Moment]
    total: int
    n_places: int
    left_out: int
    is_complete: bool
    timeline: Timeline
    facets: Mapping[str, Facet] | None


@dataclass(slots=True)
class _Held:
    """A place without its passage: a hundredth of the memory."""

    rank: PlaceRank
    said: tuple[SpokenWord, ...]  # empty where the phrase cannot overlap itself
    doubtful: bool
    facets: Values = ()  # empty where they are not counted

    @staticmethod
    def of(one: Occurrence, said: bool, facets: Values = ()) -> _Held:
        """`said`: keep its words, to know which places share some."""
        return _Held(place_rank(one), one.said if said else (), bool(one.doubts), facets)

    @property
    def key(self) -> Key:
        return self.rank, self.doubtful

    @property
    def spot(self) -> Spot:
        (_unknown, _recorded, recording_id), start_ms, end_ms, _ordinal = self.rank
        return Spot(RecordingId(recording_id), start_ms, end_ms)


class _Holding:
    """What has to be seen together: places of linked recordings, and those of a phrase that can overlap itself.

    `left_out` counts places with doubtful words, where these were not asked for.
    """

    def __init__(self, query: Query, links_of: LinksOf, tally: Tally | None = None) -> None:
        self.left_out, self._tally = 0, tally
        self._doubtful, self._overlaps = query.doubtful, _can_overlap(query)
        self._links_of = links_of
        self._asked: set[RecordingId] = set()
        self._linked: set[RecordingId] = set()
        self._links: list[Link] = []
        self._held: list[_Held] = []

    def pass_on(self, found: Iterator[Occurrence]) -> Iterator[Occurrence]:
        """Those that need not be seen together with others; holds the rest."""
        while some := list(islice(found, BATCH)):
            self._ask({RecordingId(one.payload["recording_id"]) for one in some})
            for one in some:
                facets = self._tally.values(one.payload) if self._tally else ()
                if self._overlaps:
                    self._held.append(_Held.of(one, True, facets))
                elif one.doubts and not self._doubtful:
                    self.left_out += 1
                elif one.payload["recording_id"] in self._linked:
                    self._held.append(_Held.of(one, False, facets))
                else:
                    yield one

    def moments(self) -> tuple[list[list[_Held]], Timeline]:
        """What is held, folded, by the rank of the first place; each overlapping stretch once."""
        held = sorted(self._held, key=lambda one: one.rank)
        if self._overlaps:
            stretches = _without_overlaps(held)
            held = [one for one in stretches if self._doubtful or not one.doubtful]
            self.left_out += len(stretches) - len(held)
        here = {one.spot.recording_id for one in held}
        timeline = Timeline(among(self._links, here))
        return [[held[n] for n in numbers] for numbers in fold([one.spot for one in held], timeline)], timeline

    def _ask(self, recording_ids: set[RecordingId]) -> None:
        if new := recording_ids - self._asked:
            links = self._links_of(new)
            self._asked |= new
            self._links += links
            self._linked.update(end for link in links for end in (link.first, link.second))


def find_places(index: Index, query: Query, deadline: Deadline = NEVER, links_of: LinksOf = no_links) -> Places:
    """The moments from `query.offset` on, at most `query.limit`; each where its first place is.

    Cost: every place is counted; in memory are `offset + limit` of them, for a common word is said in millions, and of
    linked recordings each one's span. The passages of a page's folded moments are asked for again.
    """
    n_alone = 0
    tally = Tally(query.facets_in) if query.facets_in else None
    holding, order = _Holding(query, links_of, tally), _order(query)

    def alone() -> Iterator[tuple[PlaceRank, Occurrence]]:
        nonlocal n_alone
        for occurrence in holding.pass_on(_places(index, query, deadline)):
            n_alone += 1
            if tally:
                tally.add(occurrence.payload)
            yield order(place_rank(occurrence)), occurrence

    wanted = query.offset + query.limit
    first: list[tuple[PlaceRank, Occurrence | list[_Held]]] = [*heapq.nsmallest(wanted, alone(), key=itemgetter(0))]
    moments, timeline = holding.moments()
    for moment in moments:
        moment.sort(key=lambda held: order(held.rank))
        rank = order(moment[0].rank)
        if len(first) < wanted or (first and rank < first[-1][0]):
            insort(first, (rank, moment), key=itemgetter(0))
            del first[wanted:]
        if tally:
            for held in moment:
                tally.count(held.facets)
    return Places(
        _read(index, query, [entry for _rank, entry in first[query.offset :]]),
        n_alone + len(moments),
        n_alone + sum(map(len, moments)),
        holding.left_out,
        not deadline.has_cut,
        timeline,
        tally.facets() if tally else None,
    )


def every_place(index: Index, query: Query, links_of: LinksOf = no_links) -> Iterator[tuple[int, Occurrence]]:
    """All of them, whatever `query.limit` and `query.offset` say, each with the number of its moment, 1 the first.

    Cost: one pass over the index to know the recordings, of which it holds rank and id in memory, and of those that
    are linked each place's span; and one question for each of them.
    """
    ranks: dict[str, Rank] = {}
    holding = _Holding(query, links_of)

    def noted() -> Iterator[Occurrence]:
        for occurrence in _places(index, query):
            ranks[occurrence.payload["recording_id"]] = recording_rank(occurrence.payload)
            yield occurrence

    for _alone in holding.pass_on(noted()):
        pass
    moments, _timeline = holding.moments()
    moment_of = {held.key: number for number, moment in enumerate(moments) for held in moment if len(moment) > 1}
    numbers: dict[int, int] = {}
    last = 0
    for _unknown, _recorded, recording_id in sorted(ranks.values(), key=latest if query.latest_first else None):
        for occurrence in _in_recording(index, query, RecordingId(recording_id)):
            moment = moment_of.get(_key(occurrence))
            if moment is None or moment not in numbers:
                last += 1
                if moment is not None:
                    numbers[moment] = last
            yield (last if moment is None else numbers[moment]), occurrence


def _places(index: Index, query: Query, deadline: Deadline = NEVER) -> Iterator[Occurrence]:
    """With those that need doubtful words; of a pattern in order."""
    if query.pattern is None:
        return occurrences(index, query.tokens, query.filters, deadline)
    return places_of(index, query.pattern, query.filters, query.doubtful, deadline, query.latest_first)


def _order(query: Query) -> Callable[[PlaceRank], PlaceRank]:
    return latest_place if query.latest_first else lambda rank: rank


def _in_recording(index: Index, query: Query, recording_id: RecordingId) -> list[Occurrence]:
    """The places of one recording, in order; each overlapping stretch once."""
    here = replace(query, filters=replace(query.filters, recording_id=recording_id))
    found = sorted(_places(index, here), key=place_rank)
    if _can_overlap(query):
        by_key = {_key(one): one for one in found}
        stretches = _overlapping([_Held.of(one, said=True) for one in found])
        found = sorted((_stretch([by_key[one.key] for one in some]) for some in stretches), key=place_rank)
    order = _order(query)
    found.sort(key=lambda one: order(place_rank(one)))
    return [one for one in found if query.doubtful or not one.doubts]


def _read(index: Index, query: Query, entries: Sequence[Occurrence | list[_Held]]) -> list[Moment]:
    """Moments with their passages. One that is gone since it was counted is left out."""
    recordings = {held.spot.recording_id for entry in entries if isinstance(entry, list) for held in entry}
    known = {_key(one): one for recording in recordings for one in _in_recording(index, query, recording)}
    read = [
        [known[held.key] for held in entry if held.key in known] if isinstance(entry, list) else [entry]
        for entry in entries
    ]
    return [moment for moment in read if moment]


def _key(one: Occurrence) -> Key:
    return place_rank(one), bool(one.doubts)


def _can_overlap(query: Query) -> bool:
    """Whether a phrase ends as it begins: "no no" is in "no no no" twice. Patterns keep the shortest spans instead."""
    phrase = query.tokens
    return query.pattern is None and any(phrase[n:] == phrase[:-n] for n in range(1, len(phrase)))


def _overlapping(held: Sequence[_Held]) -> list[list[_Held]]:
    """Places that share words, together; `held` is in order. What is doubtful is apart from what is sure.

    A place with a long pause in it is none where words of it are in one without: "no no", and after a while "no".
    """

    def words(one: _Held) -> list[tuple[bool, str, SpokenWord]]:
        return [(one.doubtful, one.spot.recording_id, word) for word in one.said]

    tight = {word for one in held if not _pauses(one.said) for word in words(one)}
    stretches: list[list[_Held]] = []
    stretch_of: dict[tuple[bool, str, SpokenWord], list[_Held]] = {}
    for one in held:
        if _pauses(one.said) and not tight.isdisjoint(words(one)):
            continue
        stretch = next((stretch_of[word] for word in words(one) if word in stretch_of), None)
        if stretch is None:
            stretch = []
            stretches.append(stretch)
        stretch.append(one)
        stretch_of.update(dict.fromkeys(words(one), stretch))
    return stretches


def _pauses(said: Sequence[SpokenWord]) -> bool:
    return any(two.start_ms - one.end_ms > MAX_GAP_MS for one, two in pairwise(said))


def _without_overlaps(held: Sequence[_Held]) -> list[_Held]:
    """Each stretch as one place: it begins where its first does, and ends where its last does."""
    places = []
    for some in _overlapping(held):
        recording, start_ms, _end_ms, ordinal = some[0].rank
        end_ms = max(one.spot.end_ms for one in some)
        places.append(_Held((recording, start_ms, end_ms, ordinal), (), some[0].doubtful, some[0].facets))
    return sorted(places, key=lambda one: one.rank)


def _stretch(parts: Sequence[Occurrence]) -> Occurrence:
    """Overlapping places of a phrase as one."""
    if len(parts) == 1:
        return parts[0]
    said = tuple(dict.fromkeys(word for part in parts for word in part.said))
    own = set(own_words(parts[0].payload))
    return replace(
        parts[0],
        end_ms=max(part.end_ms for part in parts),
        across_speakers=any(part.across_speakers for part in parts),
        beyond=" ".join(word.text for word in said if word not in own),
        doubts=tuple(doubt for doubt in DOUBTS if any(doubt in word.doubts for word in said)),
        said=said,
    )
