"""The formats a transcript is exported in: one function from `Transcript` to text for each.

Every file says that it is a machine transcript nobody verified, or who corrected it, which models made it and which
version of the transcript it shows, where the format has room (SubRip has none).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from transcribe.errors import TranscribeError
from transcribe.formats.captions import srt, vtt
from transcribe.formats.nist import ctm, rttm, stm
from transcribe.formats.plain import json_text, txt
from transcribe.transcript import Transcript

__all__ = ["FORMATS", "Format", "FormatUnknown", "render"]


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a transcript down; the file is UTF-8, its lines end with LF."""

    name: str  # as in `--format`; the file's suffix is a dot and this
    media_type: str
    definition: str  # where the format is defined
    write: Callable[[Transcript], str]


class FormatUnknown(TranscribeError):
    """A format was asked for that we do not write."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"cannot write a transcript as {self.name!r}: no such format. Choose one of {', '.join(FORMATS)}."


_SCTK = "https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm"

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        format.name: format
        for format in (
            Format("json", "application/json", "https://www.rfc-editor.org/rfc/rfc8259", json_text),
            Format("txt", "text/plain", "transcribe/formats/plain.py", txt),
            Format(
                "srt", "application/x-subrip", "https://www.matroska.org/technical/subtitles.html#srt-subtitles", srt
            ),
            Format("vtt", "text/vtt", "https://www.w3.org/TR/webvtt1/", vtt),
            Format(
                "rttm",
                "text/plain",
                "https://www.nist.gov/system/files/documents/itl/iad/mig/KWS15-evalplan-v05.pdf",
                rttm,
            ),
            Format("ctm", "text/plain", _SCTK + "#ctm_fmt_name_0", ctm),
            Format("stm", "text/plain", _SCTK + "#stm_fmt_name_0", stm),
        )
    }
)


def render(transcript: Transcript, format: str) -> str:
    """The whole file as text, ending with a newline.

    Args:
        format: a key of `FORMATS`.

    Raises:
        FormatUnknown: the name is none of them.
    """
    if format not in FORMATS:
        raise FormatUnknown(format)
    return FORMATS[format].write(transcript)
