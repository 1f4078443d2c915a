"""Citations: every place something was said, as lines that can be laid before somebody, and traced back.

CSV is made for spreadsheets, so a cell that one would take for a formula gets an apostrophe in front; JSON lines are
made for programs, hold everything as it was said, and the confidence of each word.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any, Literal

from search.hit import Hit
from search.protocols import Edition
from service.errors import TranscriptMissing
from service.transcripts import TranscriptStore
from transcribe.formats.lines import clock
from transcribe.transcript import CORRECTED, CORRECTED_NOTICE, MACHINE_NOTICE, Transcript

CitationFormat = Literal["csv", "jsonl"]
MEDIA_TYPES: Mapping[CitationFormat, str] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}

BLOCK_BYTES = 32_768

# Spreadsheets run what begins like this (OWASP, "CSV Injection"): the full-width forms count, too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

COLUMNS = (
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
    "confidence",
    "lowest_confidence",
    "text",
    "translation",
    "speaker",
    "speaker_kind",
    "language",
    "flags",
    "recorded_at",
    "officer",
    "incident_id",
    "note",
    "edition",
    "moment",
)


@dataclass(frozen=True, slots=True)
class CitedWord:
    """A word that was found; `confidence` None: its transcript is gone, or a person wrote it."""

    start_ms: int
    end_ms: int
    text: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Citation:
    """A hit, and exactly the words it was found by: those of the phrase, else those of the passage."""

    hit: Hit
    words: tuple[CitedWord, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields of `COLUMNS`, and `words`. Confidences are null where they are not known."""
        hit, known = self.hit, [word.confidence for word in self.words if word.confidence is not None]
        return {
            "recording_id": hit.recording_id,
            "source": hit.source,
            "source_sha256": hit.recording_id,  # a recording's id is the SHA-256 of its bytes
            "transcript_version": hit.version,
            "start_ms": hit.start_ms,
            "end_ms": hit.end_ms,
            "start": clock(hit.start_ms),
            "end": clock(hit.end_ms),
            "said_at": moment(hit.recorded_at, hit.start_ms),
            "said": " ".join(word.text for word in self.words),
            "confidence": round(fmean(known), 4) if known else None,
            "lowest_confidence": round(min(known), 4) if known else None,
            "text": hit.text,
            "translation": hit.translation,
            "speaker": hit.speaker,
            "speaker_kind": hit.speaker_kind,
            "language": hit.language,
            "flags": list(hit.flags),
            "recorded_at": hit.recorded_at,
            "officer": hit.officer,
            "incident_id": hit.incident_id,
            "note": CORRECTED_NOTICE if hit.edition is Edition.CORRECTED else MACHINE_NOTICE,
            "edition": hit.edition.value,
            "moment": hit.moment,  # what several cameras heard at once has one number; each angle is a line
            "words": [
                {"start_ms": w.start_ms, "end_ms": w.end_ms, "text": w.text, "confidence": w.confidence}
                for w in self.words
            ],
        }


def cite(hits: Iterable[Hit], transcripts: TranscriptStore) -> Iterator[Citation]:
    """Each hit with the confidence of its words, from the transcript of its version.

    Cost: one transcript is read, and kept, while hits of its recording follow each other.
    """
    read: tuple[str, str] | None = None
    confidences: dict[tuple[int, int, str], float] = {}
    for hit in hits:
        if read != (hit.recording_id, hit.version):
            read = hit.recording_id, hit.version
            try:
                confidences = _confidences(transcripts.get(hit.recording_id, hit.version))
            except TranscriptMissing:  # `earwitness index verify` says so; what was found stays found
                confidences = {}
        words = (
            CitedWord(w.start_ms, w.end_ms, w.text, confidences.get((w.start_ms, w.end_ms, w.text))) for w in hit.said
        )
        yield Citation(hit, tuple(words))


def _confidences(transcript: Transcript) -> dict[tuple[int, int, str], float]:
    """By span and text; where two speakers said the same at once, the lower. A segment without words is one word.

    What a person wrote has none: no machine measured it.
    """
    found: dict[tuple[int, int, str], float] = {}
    for segment in transcript.segments:
        for word in segment.words:
            if CORRECTED in word.flags:
                continue
            key = word.start_ms, word.end_ms, word.text
            found[key] = min(word.confidence, found.get(key, 1.0))
        if not segment.words and CORRECTED not in segment.flags:
            found[segment.start_ms, segment.end_ms, segment.text.strip()] = segment.confidence
    return found


def lines(citations: Iterable[Citation], format: CitationFormat) -> Iterator[str]:
    """The file, line by line, each with its end: RFC 4180 with a header, or one JSON object a line."""
    if format == "jsonl":
        for citation in citations:
            yield json.dumps(citation.to_json(), ensure_ascii=False) + "\n"
        return
    yield csv_row(COLUMNS)
    for citation in citations:
        fields = citation.to_json() | {"flags": " ".join(citation.hit.flags)}
        yield csv_row(fields[column] for column in COLUMNS)


def blocks(file_lines: Iterable[str]) -> Iterator[bytes]:
    """The same in UTF-8, some at a time: a step between threads for every line would cost more than the line."""
    block = bytearray()
    for line in file_lines:
        block += line.encode()
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def csv_row(cells: Iterable[Any]) -> str:
    """A line for spreadsheets (RFC 4180), none of whose cells is taken for a formula."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([_defused(cell) for cell in cells])
    return line.getvalue()


def _defused(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def moment(recorded_at: str | None, start_ms: int) -> str | None:
    """When something was said, on the clock and with the offset that the recording's time was given in."""
    if recorded_at is None:
        return None
    try:
        return (datetime.fromisoformat(recorded_at) + timedelta(milliseconds=start_ms)).isoformat(
            timespec="milliseconds"
        )
    except (ValueError, OverflowError):
        return None
