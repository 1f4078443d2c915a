"""Archives to search: text of any origin as transcripts, with questions whose answers are known.

Everything goes through the product's own passages and rows into an index of its own kind, so that what is measured
is what an ingest makes.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.corpus import LabelledQuery
from benchmarks.measures import SEED
from search.embedding import Embedder
from search.passages import build_passages
from search.protocols import EVERYTHING, Filters, Index
from search.rows import rows
from transcribe.transcript import (
    Covered,
    MediaFacts,
    ModelUse,
    Recording,
    RecordingId,
    Segment,
    SpeakerKind,
    State,
    Transcript,
)

LABELS = ModelUse("labels", "1", "")  # what a transcript says it was heard with, where nothing was heard


@dataclass(frozen=True, slots=True)
class Question:
    """A labelled query as it is asked. `group` is the row of the report it counts in."""

    group: str
    query: LabelledQuery
    filters: Filters = EVERYTHING


@dataclass(frozen=True, slots=True)
class Archive:
    """Transcripts that are searched together, and what is asked of them.

    names: what answers call a recording, by its id; one that is missing holds no answer.
    near_ms: how far from an answer a right hit may start.
    """

    name: str
    transcripts: tuple[Transcript, ...]
    questions: tuple[Question, ...]
    names: Mapping[RecordingId, str] = field(default_factory=dict)
    near_ms: int = 0


def recording_id(name: str) -> RecordingId:
    """An id for what has no bytes to hash."""
    return RecordingId(hashlib.sha256(name.encode()).hexdigest())


def make_transcript(
    name: str,
    segments: Sequence[Segment],
    duration_ms: int,
    metadata: Mapping[str, str] | None = None,
    kinds: Sequence[SpeakerKind] = (),
    coverage: Sequence[Covered] | None = None,
) -> Transcript:
    """A transcript of a recording that nobody recorded. `coverage`: None is speech from start to end."""
    whole = (Covered(0, duration_ms, State.SPEECH),) if duration_ms else ()
    return Transcript(
        Recording(recording_id(name), name, MediaFacts(duration_ms, "labels"), metadata or {}),
        tuple(segments),
        (),
        whole if coverage is None else tuple(coverage),
        (LABELS,),
        kinds=tuple(kinds),
    )


def untimed_segment(text: str, start_ms: int, end_ms: int, speaker: str | None = None, language: str = "en") -> Segment:
    """Something said, nobody knows when each of its words was."""
    return Segment(start_ms, end_ms, text, language, 1.0, speaker=speaker)


def fill(index: Index, transcripts: Sequence[Transcript], embedder: Embedder) -> int:
    """Index transcripts as an ingest does; returns how many rows."""
    n_rows = 0
    for transcript in transcripts:
        made = rows(transcript, build_passages(transcript), embedder)
        index.replace(transcript.recording.id, transcript.version, made)
        n_rows += len(made)
    return n_rows


@contextmanager
def indexed(transcripts: Sequence[Transcript], embedder: Embedder, folder: Path) -> Iterator[Index]:
    """A Qdrant Edge shard of these transcripts in an empty folder: filled, closed, and opened as a search finds it."""
    from search.indexes.edge import EdgeIndex

    filling = EdgeIndex.open(folder / "index")
    try:
        fill(filling, transcripts, embedder)
    finally:
        filling.close()
    index = EdgeIndex.open(folder / "index")
    try:
        yield index
    finally:
        index.close()


def sampled(archive: Archive, sample: int | None) -> Archive:
    """The archive with at most so many questions of each group, in their order; None: all of them."""
    if sample is None:
        return archive
    random_ = random.Random(SEED)
    groups: dict[str, list[int]] = {}
    for number, question in enumerate(archive.questions):
        groups.setdefault(question.group, []).append(number)
    chosen = {one for some in groups.values() for one in random_.sample(some, min(sample, len(some)))}
    return replace(archive, questions=tuple(one for number, one in enumerate(archive.questions) if number in chosen))
