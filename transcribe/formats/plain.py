"""JSON, which keeps everything, and plain text, which people read.

JSON is `Transcript.to_json` (RFC 8259, https://www.rfc-editor.org/rfc/rfc8259). The text has no standard; it
is defined here:

    machine transcript, not verified
    source: /footage/stop.mp4
    …one line each: recording, transcript version, models, duration

    [00:00:00.000 - 00:00:30.000] (digital silence)
    [00:01:02.345] SPEAKER_00 (es; low_confidence): ¿Dónde está?
        English, by machine: Where is he?

Segments and what could not be heard stand in the order they begin.
"""

from __future__ import annotations

import json
import re

from transcribe.formats.lines import UNKNOWN_SPEAKER, clock, one_line, provenance
from transcribe.transcript import Covered, Kind, Segment, State, Transcript

# Shorter pauses stand between almost any two sentences; naming them would bury the words. Every other state
# is always named: it says that we could not hear, not that nobody spoke.
MIN_NAMED_PAUSE_MS = 2_000


_LIKELY = {Kind.WEARER: "wears the camera", Kind.RADIO: "on the radio"}


def json_text(transcript: Transcript) -> str:
    """Everything we know, indented, in Unicode; `Transcript.from_json` reads it back."""
    text = json.dumps(transcript.to_json(), ensure_ascii=False, indent=2)
    # A file name that is not UTF-8 holds lone surrogates, which no UTF-8 file can; JSON escapes them.
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text) + "\n"


def txt(transcript: Transcript) -> str:
    """The transcript for a reader: provenance, then a line for each segment and each stretch not heard."""
    entries = [(segment.start_ms, 1, _segment_lines(segment)) for segment in transcript.segments]
    entries += [(gap.start_ms, 0, [_gap_line(gap)]) for gap in transcript.coverage if _is_named(gap)]
    lines = [*provenance(transcript), f"duration: {clock(transcript.recording.duration_ms)}"]
    lines += [f"{one_line(one.speaker)}: likely {_LIKELY[one.kind]}" for one in transcript.kinds if one.kind]
    lines.append("")
    for _, _, entry in sorted(entries, key=lambda entry: entry[:2]):
        lines += entry
    return "\n".join(lines).rstrip("\n") + "\n"


def _segment_lines(segment: Segment) -> list[str]:
    speaker = one_line(segment.speaker or UNKNOWN_SPEAKER)
    about = "; ".join(one_line(label) for label in (segment.language, *segment.flags))
    lines = [f"[{clock(segment.start_ms)}] {speaker} ({about}): {one_line(segment.text)}"]
    if segment.translation is not None:
        lines.append(f"    English, by machine: {one_line(segment.translation)}")
    return lines


def _is_named(covered: Covered) -> bool:
    if covered.state is State.SPEECH:
        return False
    return covered.state is not State.NO_SPEECH or covered.span.duration_ms >= MIN_NAMED_PAUSE_MS


def _gap_line(gap: Covered) -> str:
    return f"[{clock(gap.start_ms)} - {clock(gap.end_ms)}] ({gap.state.value.replace('_', ' ')})"
