"""Every place a phrase was said, or phrases together, complete and in order (`search.rank`): how often in all, any page
of it, or one after another.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from search.deadline import NEVER, Deadline
from search.facets import Facet, Tally
from search.phrase import Occurrence, occurrences
from search.places_of import places_of
from search.protocols import Index
from search.query import Query
from search.rank import PlaceRank, Rank, latest, place_rank, recording_rank
from transcribe.transcript import RecordingId


@dataclass(frozen=True, slots=True)
class Places:
    """One page of the places, and how many there are.

    `left_out` counts those that match only with doubtful words, where these were not asked for. `is_complete` is
    False where time ran out: then all counts are of what was looked at, and earlier places may be missing. `facets`
    are of every place in `total`; None: not asked for.
    """

    page: list[Occurrence]
    total: int
    left_out: int
    is_complete: bool
    facets: Mapping[str, Facet] | None


def find_places(index: Index, query: Query, deadline: Deadline = NEVER) -> Places:
    """The places from `query.offset` on, at most `query.limit`.

    Cost: every place is counted; in memory are `offset + limit` of them, for a common word is said in millions.
    """
    total = left_out = 0
    tally = Tally(query.facets_in) if query.facets_in else None

    def counted() -> Iterator[Occurrence]:
        nonlocal total, left_out
        for occurrence in _places(index, query, deadline):
            if query.doubtful or not occurrence.doubts:
                total += 1
                if tally:
                    tally.add(occurrence.payload)
                yield occurrence
            else:
                left_out += 1

    first = heapq.nsmallest(query.offset + query.limit, counted(), key=_rank(query))
    return Places(first[query.offset :], total, left_out, not deadline.has_cut, tally.facets() if tally else None)


def every_place(index: Index, query: Query) -> Iterator[Occurrence]:
    """All of them, whatever `query.limit` and `query.offset` say.

    Cost: one pass over the index to know the recordings, of which it holds rank and id in memory, and one question
    for each of them.
    """
    if query.pattern is not None:
        yield from (one for one in _places(index, query) if query.doubtful or not one.doubts)
        return
    ranks: dict[str, Rank] = {}
    for occurrence in occurrences(index, query.tokens, query.filters):
        if query.doubtful or not occurrence.doubts:
            ranks[occurrence.payload["recording_id"]] = recording_rank(occurrence.payload)
    for _unknown, _recorded, recording_id in sorted(ranks.values(), key=latest if query.latest_first else None):
        here = replace(query.filters, recording_id=RecordingId(recording_id))
        found = (one for one in occurrences(index, query.tokens, here) if query.doubtful or not one.doubts)
        yield from sorted(found, key=_rank(query))


def _rank(query: Query) -> Callable[[Occurrence], PlaceRank]:
    return partial(place_rank, latest_first=query.latest_first)


def _places(index: Index, query: Query, deadline: Deadline = NEVER) -> Iterator[Occurrence]:
    """With those that need doubtful words; of a pattern in order."""
    if query.pattern is None:
        return occurrences(index, query.tokens, query.filters, deadline)
    return places_of(index, query.pattern, query.filters, query.doubtful, deadline, query.latest_first)
