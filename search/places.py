"""Every place a phrase was said, complete and in order: how often in all, any page of it, or one after another.

The order is that of recorded time: by when a recording was made, then by when it was said; footage of unknown time
last, by recording. Two places never share a rank, so that pages neither repeat nor skip while the index stays as
it is.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace

from search.deadline import NEVER, Deadline
from search.phrase import Occurrence, occurrences
from search.protocols import Index, Payload
from search.query import Query
from transcribe.transcript import RecordingId

Rank = tuple[bool, int, str]


@dataclass(frozen=True, slots=True)
class Places:
    """One page of the places, and how many there are.

    `left_out` counts those that match only with doubtful words, where these were not asked for. `is_complete` is
    False where time ran out: then both counts are of what was looked at, and earlier places may be missing.
    """

    page: list[Occurrence]
    total: int
    left_out: int
    is_complete: bool


def find_places(index: Index, query: Query, deadline: Deadline = NEVER) -> Places:
    """The places from `query.offset` on, at most `query.limit`.

    Cost: every place is counted; in memory are `offset + limit` of them, for a common word is said in millions.
    """
    total = left_out = 0

    def counted() -> Iterator[Occurrence]:
        nonlocal total, left_out
        for occurrence in occurrences(index, query.tokens, query.filters, deadline):
            if query.doubtful or not occurrence.doubts:
                total += 1
                yield occurrence
            else:
                left_out += 1

    first = heapq.nsmallest(query.offset + query.limit, counted(), key=_rank)
    return Places(first[query.offset :], total, left_out, not deadline.has_cut)


def every_place(index: Index, query: Query) -> Iterator[Occurrence]:
    """All of them, whatever `query.limit` and `query.offset` say.

    Cost: one pass over the index to know the recordings, of which it holds rank and id in memory, and one question
    for each of them.
    """
    ranks: dict[str, Rank] = {}
    for occurrence in occurrences(index, query.tokens, query.filters):
        if query.doubtful or not occurrence.doubts:
            ranks[occurrence.payload["recording_id"]] = _recording_rank(occurrence.payload)
    for _unknown, _recorded, recording_id in sorted(ranks.values()):
        here = replace(query.filters, recording_id=RecordingId(recording_id))
        found = (one for one in occurrences(index, query.tokens, here) if query.doubtful or not one.doubts)
        yield from sorted(found, key=_rank)


def _recording_rank(payload: Payload) -> Rank:
    moment = payload["moment_ms"]
    return moment is None, 0 if moment is None else moment - payload["start_ms"], payload["recording_id"]


def _rank(occurrence: Occurrence) -> tuple[Rank, int, int, int]:
    """Two speakers may say it in the same moment: then by passage."""
    payload = occurrence.payload
    return _recording_rank(payload), occurrence.start_ms, occurrence.end_ms, payload["ordinal"]
