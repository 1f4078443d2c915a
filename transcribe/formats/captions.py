"""Captions to play beside the footage: SubRip and WebVTT.

WebVTT: https://www.w3.org/TR/webvtt1/. SubRip has no standard; the form most players accept is described at
https://www.matroska.org/technical/subtitles.html#srt-subtitles.

A cue shows at most two lines of 42 characters and lasts at most 7 s, from its first word to its last; a
single word may exceed either. A segment without words is one cue over its whole span, of as many lines as it
needs: cutting it would invent times. Both formats want a cue to end after it starts: one that lasts no time
is shown for 1 ms. Captions show what was said, in its language; translations are in the text and JSON forms.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from transcribe.formats.lines import clock, one_line, provenance, spacing
from transcribe.transcript import Segment, Transcript

MAX_LINE_CHARS = 42  # Netflix Timed Text Style Guide and BBC subtitle guidelines: 37 to 42
MAX_CUE_LINES = 2
MAX_CUE_MS = 7_000  # the same guides: longer than 7 s is read twice


@dataclass(frozen=True, slots=True)
class Cue:
    """What is on the screen at once: plain text, not yet escaped for a format; lasts at least 1 ms."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None


def srt(transcript: Transcript) -> str:
    """SubRip. A cue starts with its speaker and a colon.

    The format has neither comments nor a way to write `<`, `>` and braces that every player shows, so `‹`,
    `›` and parentheses stand for them, and there is no room for notice, models and version: a file without
    any cue, which many players refuse, gets one that says nothing was heard.
    """
    visible = str.maketrans("<>{}", "‹›()")
    cues = _cues(transcript, name_speakers=True)
    if not cues:
        end_ms = max(1, min(transcript.recording.duration_ms, MAX_CUE_MS))
        cues = [Cue(0, end_ms, (f"[{transcript.notice}:", "no words heard]"), None)]
    blocks = [
        f"{number}\n{clock(cue.start_ms, ',')} --> {clock(cue.end_ms, ',')}\n"
        + "\n".join(line.translate(visible) for line in cue.lines)
        for number, cue in enumerate(cues, start=1)
    ]
    return "\n\n".join(blocks) + "\n"


def vtt(transcript: Transcript) -> str:
    """WebVTT. The speaker is a voice tag; notice, models and version stand in a comment at the top."""
    blocks = ["WEBVTT", "\n".join(["NOTE", *(line.replace("-->", "-- >") for line in provenance(transcript))])]
    for cue in _cues(transcript, name_speakers=False):
        voice = f"<v {_escaped(one_line(cue.speaker))}>" if cue.speaker else ""
        text = "\n".join(_escaped(line) for line in cue.lines)
        blocks.append(f"{clock(cue.start_ms)} --> {clock(cue.end_ms)}\n{voice}{text}")
    return "\n\n".join(blocks) + "\n"


def _escaped(text: str) -> str:
    """Also breaks up `-->`, which WebVTT forbids in cue text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cues(transcript: Transcript, *, name_speakers: bool) -> list[Cue]:
    """All cues, sorted by start; those of segments that overlap may overlap."""
    cues: list[Cue] = []
    for segment in transcript.segments:
        lead = f"{one_line(segment.speaker)}: " if name_speakers and segment.speaker else ""
        cues += _cut(segment, lead) if segment.words else _whole(segment, lead)
    return sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms))


def _cut(segment: Segment, lead: str) -> Iterator[Cue]:
    """The segment's words filled into cues that each start with `lead`; words without text are left out."""
    lines: list[str] = []
    start_ms = end_ms = 0
    for word, space in zip(segment.words, spacing(segment), strict=True):
        text = one_line(word.text)
        if not text:
            continue
        fits = bool(lines) and len(lines[-1] + space + text) <= MAX_LINE_CHARS
        too_long = max(end_ms, word.end_ms) - start_ms > MAX_CUE_MS
        if lines and (too_long or (not fits and len(lines) == MAX_CUE_LINES)):
            yield _cue(start_ms, end_ms, lines, segment.speaker)
            lines = []
        if not lines:
            lines, start_ms, end_ms = [lead + text], word.start_ms, word.end_ms
            continue
        if fits:
            lines[-1] += space + text
        else:
            lines.append(text)
        end_ms = max(end_ms, word.end_ms)
    if lines:
        yield _cue(start_ms, end_ms, lines, segment.speaker)


def _whole(segment: Segment, lead: str) -> Iterator[Cue]:
    text = one_line(segment.text)
    if text:
        lines = textwrap.wrap(lead + text, MAX_LINE_CHARS, break_long_words=False, break_on_hyphens=False)
        yield _cue(segment.start_ms, segment.end_ms, lines, segment.speaker)


def _cue(start_ms: int, end_ms: int, lines: list[str], speaker: str | None) -> Cue:
    return Cue(start_ms, max(end_ms, start_ms + 1), tuple(lines), speaker)
