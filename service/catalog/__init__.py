"""The catalog: recordings, their sources, states and leases, in SQLite or PostgreSQL."""

from service.catalog.catalog import Catalog
from service.catalog.claims import LEASE_SECONDS, MAX_ATTEMPTS, MAX_INTERRUPTIONS
from service.catalog.entries import (
    METADATA_FIELDS,
    Claim,
    Failure,
    RecordingRow,
    RecordingState,
    Registered,
    SealedVoice,
    Searched,
    SourceSeen,
    Stage,
    StageState,
    Summary,
    TranscriptVersion,
)
from service.catalog.labels import Mark
from service.catalog.owners import new_owner
from service.catalog.watch_entries import Acknowledgement, DueMatch, Watch, WatchHit, WatchSpan, WatchState

__all__ = [
    "LEASE_SECONDS",
    "MAX_ATTEMPTS",
    "MAX_INTERRUPTIONS",
    "METADATA_FIELDS",
    "Acknowledgement",
    "Catalog",
    "Claim",
    "DueMatch",
    "Failure",
    "Mark",
    "RecordingRow",
    "RecordingState",
    "Registered",
    "SealedVoice",
    "Searched",
    "SourceSeen",
    "Stage",
    "StageState",
    "Summary",
    "TranscriptVersion",
    "Watch",
    "WatchHit",
    "WatchSpan",
    "WatchState",
    "new_owner",
]
