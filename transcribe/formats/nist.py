"""The formats of NIST's evaluations, which scoring tools read: RTTM, CTM and STM.

RTTM: the KWS15 evaluation plan, https://www.nist.gov/system/files/documents/itl/iad/mig/KWS15-evalplan-v05.pdf
(ten fields, as since RT-09). CTM and STM: https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm.

All three name the recording by its source's stem and its channel always 1: scorers match files by both, and
a recording heard as a whole must not fall into two. Times are seconds with three decimals, so exact. White
space inside a field becomes `_`; a missing speaker is `unknown`. Rows are sorted by start, as SCTK wants. All
three have room for notice, models and version in comments.
"""

from __future__ import annotations

import re

from transcribe.formats.lines import UNKNOWN_SPEAKER, file_field, one_field, one_line, provenance, seconds
from transcribe.transcript import Transcript

# Braces delimit alternatives in STM, `<ALT>` in CTM; both files must still agree on every word.
_UNRESERVED = str.maketrans("{}<>", "[][]")
NULL_WORD = "@"  # SCTK's word for nothing


def rttm(transcript: Transcript) -> str:
    """Who held the floor: a `SPEAKER` row for each turn.

    A comment is a single field: pyannote reads a file as a table and stumbles over more than three; meeteval
    and NIST's tools skip any line that starts with `;;`.
    """
    file = file_field(transcript.recording.source)
    lines = [";;" + one_field(line).replace('"', "'") for line in provenance(transcript)]
    for turn in sorted(transcript.turns, key=lambda turn: (turn.start_ms, turn.end_ms)):
        start, duration = seconds(turn.start_ms), seconds(turn.span.duration_ms)
        lines.append(f"SPEAKER {file} 1 {start} {duration} <NA> <NA> {_speaker(turn.speaker)} <NA> <NA>")
    return "\n".join(lines) + "\n"


def ctm(transcript: Transcript) -> str:
    """Every word with its confidence, sorted by start. The format has no field for the speaker.

    Square brackets stand for braces and angle brackets, which the format reserves.
    """
    file = file_field(transcript.recording.source)
    lines = [f";; {line}" for line in provenance(transcript)]
    for word in sorted(transcript.words, key=lambda word: word.start_ms):
        text = one_field(_scorable(word.text)) or NULL_WORD
        start, duration = seconds(word.start_ms), seconds(word.span.duration_ms)
        lines.append(f"{file} 1 {start} {duration} {text} {word.confidence:.4f}")
    return "\n".join(lines) + "\n"


def stm(transcript: Transcript) -> str:
    """Every segment with its speaker, sorted by start; its language is the label, as `<es>`.

    Square brackets stand for braces and angle brackets, which the format reserves. A segment without text
    keeps its row.
    """
    file = file_field(transcript.recording.source)
    lines = [f";; {line}" for line in provenance(transcript)]
    labels = sorted({_label(segment.language) for segment in transcript.segments})
    lines += [f';; LABEL "{label}" "{label}" "language {label}"' for label in labels]
    for segment in sorted(transcript.segments, key=lambda segment: segment.start_ms):
        start, end = seconds(segment.start_ms), seconds(segment.end_ms)
        about = f"{file} 1 {_speaker(segment.speaker)} {start} {end} <{_label(segment.language)}>"
        lines.append(f"{about} {_scorable(segment.text)}".rstrip())
    return "\n".join(lines) + "\n"


def _speaker(speaker: str | None) -> str:
    return one_field(speaker or "").replace('"', "'") or UNKNOWN_SPEAKER


def _scorable(text: str) -> str:
    """The text on one line, without what SCTK reads as alternatives or as no word."""
    words = one_line(text).translate(_UNRESERVED).split(" ")
    return " ".join(f"[{word}]" if word == NULL_WORD else word for word in words)


def _label(language: str) -> str:
    return re.sub('[,<>"]', "_", one_field(language)) or "und"  # ISO 639: undetermined
