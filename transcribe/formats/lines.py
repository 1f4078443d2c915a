"""What the line-based formats share: text on one line, times, words with their spacing, provenance."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from transcribe.transcript import Amendment, Segment, Transcript

UNKNOWN_SPEAKER = "unknown"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")  # half of a pair: file names that are not UTF-8 hold them, files cannot


def one_line(text: str) -> str:
    """The text with every run of white space and control characters as one space, none at the ends."""
    return " ".join(_SURROGATE.sub("\ufffd", _CONTROL.sub(" ", text)).split())


def one_field(text: str) -> str:
    """The text as one field of a format whose fields white space separates; may be empty."""
    return one_line(text).replace(" ", "_")


def clock(ms: int, mark: str = ".") -> str:
    """`HH:MM:SS.mmm`; hours have as many digits as they need. `mark` stands before the milliseconds."""
    minutes, rest = divmod(ms, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"


def seconds(ms: int) -> str:
    """Seconds with three decimals: exact."""
    return f"{ms // 1000}.{ms % 1000:03d}"


def spacing(segment: Segment) -> list[str]:
    """What stands before each word in the segment's text: nothing (`T` + `-shirt`, Chinese) or a space.

    As many as there are words. A space where the text and the words differ.
    """
    spaces: list[str] = []
    position = 0
    for word in segment.words:
        found = segment.text.find(word.text, position)
        spaces.append("" if found == position and not word.text[:1].isspace() else " ")
        position = found + len(word.text) if found >= 0 else position
    return spaces


def file_field(source: str) -> str:
    """The stem of a path or URL as one field: what NIST's formats call the waveform's file name."""
    path = source.partition("?")[0] if "://" in source else source
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    # A leading semicolon would make the line a comment; a quote would open a quoted field for pandas.
    field = one_field(PurePosixPath(name).stem).replace('"', "'")
    return re.sub("^;+", lambda found: "_" * len(found[0]), field) or "recording"


def provenance(transcript: Transcript) -> list[str]:
    """What a file says about itself, one line each: notice, source, identity, version, who changed it, every model."""
    lines = [
        transcript.notice,
        f"source: {transcript.recording.source}",
        f"recording (SHA-256): {transcript.recording.id}",
        f"transcript version: {transcript.version}",
        *map(_amendment, transcript.amendments),
        *(f"model: {model.name} {model.revision} (SHA-256 {model.sha256})" for model in transcript.models),
    ]
    if not transcript.speakers_known:
        lines.append("speakers: not told apart")
    return [one_line(line) for line in lines]


def _amendment(one: Amendment) -> str:
    did = f"put version {one.restores} in place of" if one.restores else "corrected"
    note = f": {one.note}" if one.note else ""
    return f"{one.author} {did} version {one.base} at {one.at}{note}"
