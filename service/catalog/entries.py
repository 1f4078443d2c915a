"""What goes into the catalog and comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from search.labels import Labels
from transcribe.transcript import MediaFacts, RecordingId

METADATA_FIELDS = (
    "recorded_at",
    "officer",
    "badge",
    "unit",
    "incident_id",
    "category",
    "camera_serial",
    "restricted",
)


class Stage(StrEnum):
    """What is done to a recording; each stage has its own fingerprint and its own artifact."""

    WORDS = "words"
    TURNS = "turns"
    PASSAGES = "passages"


HEARING = (Stage.WORDS, Stage.TURNS)  # the stages that need the footage itself


@dataclass(frozen=True, slots=True)
class SourceSeen:
    """A media file as a scan saw it, without reading it."""

    url: str  # an absolute local path, or a URL
    size_bytes: int
    modified: str  # mtime in ns, or the store's ETag or time; only compared for equality
    metadata: Mapping[str, str] | None = None  # None: nothing was said this time, keep what is known


@dataclass(frozen=True, slots=True)
class Registered:
    """`found` = `new` + `changed` + `unchanged`; metadata alone does not make a source changed."""

    found: int
    new: int
    changed: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on a source, and on its recording once that is known: the owner's to hear, nobody else's."""

    source_id: int
    source: str
    recording_id: RecordingId | None  # None: never read as it is now
    stages: frozenset[Stage]  # of words and turns, those missing or out of date
    size_bytes: int = 0
    modified: str = ""
    interruptions: int = 0  # how many processes died over it before
    fingerprints: Mapping[Stage, str] = field(default_factory=dict, compare=False)
    names: tuple[str, ...] = ()  # people the metadata names

    @property
    def alone(self) -> bool:
        """Whether to hear it with nothing else in flight, so that the next death is its own."""
        return self.interruptions > 0


@dataclass(frozen=True, slots=True)
class RecordingState:
    """A recording whose words are known and whose passages are missing or made of something older."""

    recording_id: RecordingId
    source: str  # one source's url; the id where no source is left
    media: MediaFacts
    metadata: Mapping[str, str]
    words_artifact: str
    turns_artifact: str | None
    inputs: str  # to hand back to `Catalog.indexing` and `Catalog.indexed`
    labels: Labels
    correction: str | None = None  # the version people made, to be searched instead of what these artifacts make


@dataclass(frozen=True, slots=True)
class StageState:
    """One stage of one recording, whatever fingerprint is wanted now."""

    fingerprint: str  # empty: nothing made yet, or made of what has changed since
    artifact: str | None  # the last good one; passages have none
    attempts: int  # failed ones, since it last went right
    error: str | None
    resting: bool  # failed too often to be tried again by itself
    seconds: Mapping[str, float]
    facts: Mapping[str, Any]

    @property
    def state(self) -> str:
        """`done`, `failed` or `pending`; a failed attempt shows even where an older artifact serves on."""
        if self.error is not None:
            return "failed"
        return "done" if self.fingerprint else "pending"


@dataclass(frozen=True, slots=True)
class SealedVoice:
    """What one speaker of a recording sounds like, readable with the key it was sealed with alone."""

    recording_id: RecordingId
    speaker: str
    model: str  # of the voice; see `gpu.listener.HearingModels.voice_model`
    speech_ms: int  # how much speech it was heard in
    key_id: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """All the catalog knows of one recording; `None` means that the stage telling it has not run."""

    id: RecordingId
    sources: tuple[str, ...]  # urls, in the order they were registered
    size_bytes: int
    media: MediaFacts
    metadata: Mapping[str, str]
    stages: Mapping[Stage, StageState]  # all three
    n_words: int | None
    languages: tuple[str, ...]
    n_speakers: int | None
    speech_ms: int | None
    silent_ms: int | None
    not_processed_ms: int | None
    transcript_version: str | None  # what the index holds
    n_passages: int | None
    correction: str | None = None  # the version people made
    corrected_from: str | None = None  # the machine's that it goes back to
    machine_version: str | None = None  # what the index holds beside a correction
    n_machine_passages: int | None = None
    sealed: bool = False
    held: bool = False

    @property
    def current_version(self) -> str | None:
        """What is shown and exported: a correction at once, even before the index has it."""
        return self.correction or self.transcript_version

    @property
    def heard_again(self) -> bool:
        """Whether machines heard something else since the version that people corrected."""
        return self.machine_version is not None and self.machine_version != self.corrected_from

    @property
    def errors(self) -> list[str]:
        return [state.error for state in self.stages.values() if state.error is not None]


@dataclass(frozen=True, slots=True)
class TranscriptVersion:
    """One version of a recording's transcript."""

    version: str
    created_ms: int  # when it was first indexed, or corrected; UTC epoch
    base: str | None  # the version a person changed; None: a machine made it
    author: str | None
    note: str | None
    current: bool
    indexed: bool  # whether the index holds it, for searches or beside them

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search with these filters could and could not look at."""

    recordings: int  # in the index
    speech_ms: int
    silent_ms: int
    not_processed: int  # registered but not in the index: unread, unheard, failed, waiting
    awaiting_index: int  # of those, heard: they wait to be indexed, or could not be


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that went wrong and has not gone right since."""

    source: str
    error: str
    stage: str  # decode, words, turns, passages; hear: the process died over it
    attempts: int
    resting: bool  # not tried again until `retry_failed`
    transient: bool = False  # the error's own word on whether trying again can help


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts over the whole catalog."""

    sources: int
    unread: int  # sources never read as they are now
    recordings: int
    heard: int  # recordings with words
    speakers_known: int  # recordings with turns
    indexed: int
    in_flight: int  # sources under a lease that has not run out
    failing: int  # failures, those resting included
    resting: int
    duration_ms: int
    speech_ms: int
    silent_ms: int
    not_processed_ms: int
    n_words: int
    size_bytes: int
    corrected: int  # recordings whose current transcript people made
    heard_again: int  # of those, heard otherwise by machines since
