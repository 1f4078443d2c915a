"""The original file of a recording: found among its sources, and refused when it is not what was heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from service.catalog import RecordingRow, SourceSeen
from service.errors import MediaChanged
from service.remote import RemoteFile, list_remote
from service.scan import is_url, see_file
from transcribe.errors import MediaForbidden, MediaMissing, TranscribeError
from transcribe.transcript import MediaFacts

# FFmpeg's name of the container to its media type, for pictures with sound and for sound alone.
_TYPES = {
    "mov,mp4,m4a,3gp,3g2,mj2": ("video/mp4", "audio/mp4"),
    "matroska,webm": ("video/x-matroska", "audio/x-matroska"),
    "mpegts": ("video/mp2t", "video/mp2t"),
    "avi": ("video/x-msvideo", "video/x-msvideo"),
    "asf": ("video/x-ms-asf", "audio/x-ms-wma"),
    "flv": ("video/x-flv", "video/x-flv"),
    "mpeg": ("video/mpeg", "video/mpeg"),
    "ogg": ("video/ogg", "audio/ogg"),
    "mp3": ("audio/mpeg", "audio/mpeg"),
    "wav": ("audio/wav", "audio/wav"),
    "flac": ("audio/flac", "audio/flac"),
    "aac": ("audio/aac", "audio/aac"),
    "amr": ("audio/amr", "audio/amr"),
}
_TYPES_BY_SUFFIX = {".mov": ("video/quicktime", "video/quicktime"), ".webm": ("video/webm", "audio/webm")}
UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Original:
    """Bytes that are, as far as size and time of change tell, those the recording's id is the SHA-256 of."""

    source: str  # local path or URL
    size_bytes: int
    media_type: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.source).name

    @contextmanager
    def open(self) -> Iterator[Any]:
        """A seekable binary file."""
        if is_url(self.source):
            import fsspec

            with fsspec.open(self.source, "rb") as file:
                yield file
        else:
            with Path(self.source).open("rb") as file:
                yield file


def find_original(row: RecordingRow, sources: Sequence[SourceSeen]) -> Original:
    """The first of the recording's sources that is as it was when it was read.

    Raises:
        MediaMissing: none is there any more.
        MediaForbidden: one is there but may not be looked at.
        MediaChanged: one is there but holds something else.
    """
    problem: Exception = MediaMissing(row.sources[0] if row.sources else row.id)
    for read in sources:
        try:
            now = _see(read.url)
        except TranscribeError as error:
            problem = error if isinstance(problem, MediaMissing) else problem
            continue
        if (now.size_bytes, now.modified) == (read.size_bytes, read.modified) and now.size_bytes == row.size_bytes:
            return Original(read.url, now.size_bytes, media_type(row.media, read.url))
        problem = MediaChanged(read.url)
    raise problem


def media_type(media: MediaFacts, name: str) -> str:
    """The media type of a recording's file, told from its contents; from its name where containers share a form."""
    suffix = PurePosixPath(name).suffix.lower()
    types = _TYPES.get(media.container, (UNKNOWN_TYPE, UNKNOWN_TYPE))
    if media.container.startswith(("mov,", "matroska,")):
        types = _TYPES_BY_SUFFIX.get(suffix, types)
    return types[0] if media.video_codecs else types[1]


def _see(url: str) -> SourceSeen:
    if not is_url(url):
        try:
            return see_file(url)
        except PermissionError as error:
            raise MediaForbidden(url) from error
        except OSError as error:
            raise MediaMissing(url) from error
    listed = list_remote(url)
    if isinstance(listed, RemoteFile):
        return listed.seen()
    raise MediaMissing(url)
