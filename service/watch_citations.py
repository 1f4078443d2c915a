"""Hits of watches as they are shown and exported: with the words of their span, from the transcript of their version.

The catalog keeps spans, no words: what somebody said is kept once, in the transcript.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from service.catalog import WatchHit
from service.citations import CitationFormat, csv_row, moment
from service.errors import TranscriptMissing
from service.transcripts import TranscriptStore
from transcribe.formats.lines import clock
from transcribe.transcript import MACHINE_NOTICE, Segment, Transcript

COLUMNS = (
    "id",
    "watch",
    "recording_id",
    "source",
    "source_sha256",
    "transcript_version",
    "start_ms",
    "end_ms",
    "start",
    "end",
    "said_at",
    "said",
    "speaker",
    "language",
    "score",
    "flags",
    "recorded_at",
    "officer",
    "incident_id",
    "found_at",
    "superseded_at",
    "acknowledged_at",
    "acknowledged_by",
    "acknowledgement",
    "note",
)


@dataclass(frozen=True, slots=True)
class WatchCitation:
    """A hit of a watch, and all that was said from its start to its end; None: its transcript is gone.

    `notice`: what whoever reads it must know first.
    """

    hit: WatchHit
    said: str | None
    notice: str

    def to_json(self) -> dict[str, Any]:
        """The fields of `COLUMNS`, and `legs`."""
        hit, span, seen = self.hit, self.hit.span, self.hit.acknowledged
        recorded_at = hit.metadata.get("recorded_at")
        return {
            "id": hit.id,
            "watch": hit.watch,
            "recording_id": hit.recording_id,
            "source": hit.source,
            "source_sha256": hit.recording_id,  # a recording's id is the SHA-256 of its bytes
            "transcript_version": hit.version,
            "start_ms": span.start_ms,
            "end_ms": span.end_ms,
            "start": clock(span.start_ms),
            "end": clock(span.end_ms),
            "said_at": moment(recorded_at, span.start_ms),
            "said": self.said,
            "speaker": span.speaker,
            "language": span.language,
            "score": span.score,
            "legs": dict(span.legs),
            "flags": list(span.flags),
            "recorded_at": recorded_at,
            "officer": hit.metadata.get("officer"),
            "incident_id": hit.metadata.get("incident_id"),
            "found_at": utc(hit.found_ms),
            "superseded_at": None if hit.superseded_ms is None else utc(hit.superseded_ms),
            "acknowledged_at": None if seen is None else utc(seen.at_ms),
            "acknowledged_by": None if seen is None else seen.by,
            "acknowledgement": None if seen is None else seen.note,
            "note": self.notice,
        }


def cite_watch_hits(hits: Iterable[WatchHit], transcripts: TranscriptStore) -> Iterator[WatchCitation]:
    """Each hit with its words.

    Cost: one transcript is read, and kept, while hits of its recording follow each other.
    """
    read: tuple[str, str] | None = None
    transcript: Transcript | None = None
    for hit in hits:
        if read != (hit.recording_id, hit.version):
            read = hit.recording_id, hit.version
            try:
                transcript = transcripts.get(hit.recording_id, hit.version)
            except TranscriptMissing:  # `earwitness index verify` says so; what was found stays found
                transcript = None
        said = None if transcript is None else _said(transcript.segments, hit.span.start_ms, hit.span.end_ms)
        yield WatchCitation(hit, said, MACHINE_NOTICE if transcript is None else transcript.notice)


def watch_lines(citations: Iterable[WatchCitation], format: CitationFormat) -> Iterator[str]:
    """The file, line by line, each with its end: as the citations of a search."""
    if format == "jsonl":
        for citation in citations:
            yield json.dumps(citation.to_json(), ensure_ascii=False) + "\n"
        return
    yield csv_row(COLUMNS)
    for citation in citations:
        fields = citation.to_json()
        fields["flags"] = " ".join(fields["flags"])
        yield csv_row(fields[column] for column in COLUMNS)


def utc(ms: int) -> str:
    """A moment for people and programs: 2026-03-14T21:05:00.071+00:00."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def _said(segments: Iterable[Segment], start_ms: int, end_ms: int) -> str:
    """The words that lie in the span, in order of their start; all of a segment whose words have no times."""
    spoken: list[tuple[int, str]] = []
    for segment in segments:
        for one in segment.words or (segment,):
            if one.start_ms < end_ms and start_ms < one.end_ms:
                spoken.append((one.start_ms, one.text.strip()))
    return " ".join(text for _start_ms, text in sorted(spoken, key=lambda one: one[0]))
