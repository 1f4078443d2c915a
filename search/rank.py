"""The order of places: by when a recording was made, then by when it was said; footage of unknown time last.

Two places never share a rank, so that pages neither repeat nor skip while the index stays as it is.
"""

from __future__ import annotations

from search.phrase import Occurrence
from search.protocols import Payload

Rank = tuple[bool, int, str]


def recording_rank(payload: Payload) -> Rank:
    """Of the recording a passage is from; last its id."""
    moment = payload["moment_ms"]
    return moment is None, 0 if moment is None else moment - payload["start_ms"], payload["recording_id"]


def place_rank(occurrence: Occurrence) -> tuple[Rank, int, int, int]:
    """Two speakers may say it in the same moment: then by passage."""
    payload = occurrence.payload
    return recording_rank(payload), occurrence.start_ms, occurrence.end_ms, payload["ordinal"]
