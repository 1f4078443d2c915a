"""Watch-lists as they go into the catalog and come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from transcribe.transcript import RecordingId


@dataclass(frozen=True, slots=True)
class Watch:
    """A query that is kept, to be asked of every recording once.

    What is looked for is personal data, and stays out of logs: none of it is in `repr`.
    """

    name: str
    queries: tuple[str, ...] = field(repr=False)  # as typed; at least one, a place of any of them is a hit
    mode: str  # auto or exact
    filters: Mapping[str, str] = field(repr=False)  # names as in a search
    doubtful: bool
    detector: str | None  # whose queries these are; None: somebody's own
    created_by: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class WatchState:
    """A watch and what became of it; its hits are those of the current versions."""

    watch: Watch
    n_hits: int
    n_new: int  # not acknowledged
    n_matched: int  # recordings, in their current version
    n_due: int  # recordings yet to be matched
    error: str | None  # of one that failed last; it is tried again


@dataclass(frozen=True, slots=True)
class DueMatch:
    """One recording, in the version the index holds, to be matched against one watch."""

    watch_id: int
    watch: Watch
    recording_id: RecordingId
    version: str


@dataclass(frozen=True, slots=True)
class WatchSpan:
    """A moment to play that a watch found; its words stay in the transcript. `legs` as of a `search.hit.Hit`."""

    start_ms: int
    end_ms: int
    speaker: str | None
    language: str
    score: float
    legs: Mapping[str, float | None]
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody has looked at a hit. It says that, and nothing about what they found."""

    by: str
    at_ms: int
    note: str | None


@dataclass(frozen=True, slots=True)
class WatchHit:
    """A span of one version of a recording's transcript, and what became of it since."""

    id: str  # 16 hexadecimal digits
    watch: str
    recording_id: RecordingId
    source: str  # empty where none is left
    metadata: Mapping[str, str]  # the recording's
    version: str
    span: WatchSpan
    found_ms: int
    superseded_ms: int | None  # since when another version of the transcript is matched
    acknowledged: Acknowledgement | None
