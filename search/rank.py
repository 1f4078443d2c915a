"""The order in time: by when a recording was made, then by when it was said; footage of unknown time last.

Two places never share a rank, so that pages neither repeat nor skip while the index stays as it is.
"""

from __future__ import annotations

from search.phrase import Occurrence
from search.protocols import Payload

Rank = tuple[bool, int, str]
PlaceRank = tuple[Rank, int, int, int]


def recording_rank(payload: Payload) -> Rank:
    """Of the recording a passage is from; last its id."""
    moment = payload["moment_ms"]
    return moment is None, 0 if moment is None else moment - payload["start_ms"], payload["recording_id"]


def latest(rank: Rank) -> Rank:
    """The same of a recording where the last recorded comes first; of one moment still by id."""
    is_unknown, recorded_ms, recording_id = rank
    return is_unknown, -recorded_ms, recording_id


def passage_rank(payload: Payload, latest_first: bool = False) -> PlaceRank:
    """Of a passage as a whole."""
    return _rank(payload, payload["start_ms"], payload["end_ms"], latest_first)


def place_rank(occurrence: Occurrence, latest_first: bool = False) -> PlaceRank:
    """Two speakers may say it in the same moment: then by passage."""
    return _rank(occurrence.payload, occurrence.start_ms, occurrence.end_ms, latest_first)


def latest_place(rank: PlaceRank) -> PlaceRank:
    """The same of a place where the last comes first."""
    recording, start_ms, end_ms, ordinal = rank
    return latest(recording), -start_ms, -end_ms, -ordinal


def _rank(payload: Payload, start_ms: int, end_ms: int, latest_first: bool) -> PlaceRank:
    rank = (recording_rank(payload), start_ms, end_ms, payload["ordinal"])
    return latest_place(rank) if latest_first else rank
