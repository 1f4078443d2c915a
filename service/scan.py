"""Scanning: which media files there are, told from names, sizes and times. Contents are never read.

A source is a file (any extension is taken: it was named), a folder (searched recursively for media
extensions), or a URL that fsspec understands, of a file or of a prefix.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from service.catalog.entries import SourceSeen
from service.remote import RemoteFile, list_remote

if TYPE_CHECKING:
    from service.manifest import Manifest

# What a folder is searched for: video and audio containers that FFmpeg reads and cameras, phones, dispatch
# recorders and evidence systems write (https://ffmpeg.org/general.html#File-Formats). Case does not matter.
# fmt: off
VIDEO_EXTENSIONS = frozenset({
    "3g2", "3gp", "asf", "avi", "dav", "divx", "dv", "f4v", "flv", "h264", "h265", "hevc", "ismv", "lrv",
    "m2ts", "m2v", "m4v", "mj2", "mk3d", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ogm", "ogv", "rm",
    "rmvb", "ts", "vob", "webm", "wmv", "wtv",
})
AUDIO_EXTENSIONS = frozenset({
    "aac", "ac3", "aif", "aifc", "aiff", "amr", "ape", "au", "awb", "caf", "dss", "eac3", "flac", "gsm", "m4a",
    "m4b", "mka", "mp2", "mp3", "mpa", "oga", "ogg", "opus", "ra", "spx", "tta", "vox", "w64", "wav", "weba",
    "wma", "wv",
})
# fmt: on
MEDIA_EXTENSIONS = VIDEO_EXTENSIONS | AUDIO_EXTENSIONS


@dataclass(frozen=True, slots=True)
class ScanFailure:
    """Something named that cannot be ingested, and why."""

    source: str
    error: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan saw."""

    seen: list[SourceSeen]  # each url once; sources in the order given, folders sorted by name
    failures: list[ScanFailure]  # the manifest's own first
    ignored: int = 0  # other files in the folders
    outside: int = 0  # rows of the manifest whose file exists, but not in the sources given


@dataclass(slots=True)
class Found:
    """What is found while scanning; keys are urls."""

    seen: dict[str, SourceSeen] = field(default_factory=dict)
    failures: list[ScanFailure] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)

    def fail(self, source: str, error: str) -> None:
        self.failures.append(ScanFailure(source, error))


def scan(sources: Sequence[str], manifest: Manifest | None = None) -> Scan:
    """List the media the sources hold, with what the manifest says about them.

    Without sources, the manifest's rows are the sources. A file whose row was rejected is not listed: it would
    be ingested without its metadata. A file no row names has `metadata=None`: what is known of it stays.
    """
    found = Found()
    for source in sources:
        _look(source, found)
    if manifest is None:
        return Scan(list(found.seen.values()), found.failures, len(found.ignored))
    from service.matching import match

    outside = match(manifest, sources, found)
    return Scan(list(found.seen.values()), [*manifest.failures, *found.failures], len(found.ignored), outside)


def is_url(source: str) -> bool:
    """Whether fsspec is to find it; `file://` is a local path."""
    return "://" in source and not source.startswith("file://")


def local_url(path: str) -> str:
    """How the catalog names a local file: its absolute path, links resolved."""
    if path.startswith("file://"):
        path = unquote(urlsplit(path).path)
    return os.path.realpath(Path(path).expanduser())


def see_file(path: str) -> SourceSeen:
    """One local file. Raises OSError when it is not there."""
    url = local_url(path)
    status = Path(url).stat()
    return SourceSeen(url, status.st_size, str(status.st_mtime_ns))


def _look(source: str, found: Found) -> None:
    if is_url(source):
        _look_remote(source, found)
        return
    path = Path(local_url(source))
    try:
        if path.is_dir():
            _look_folder(path, source, found)
        elif path.is_file():
            _keep(str(path), found)
        elif path.exists():
            found.fail(source, f"{source} is neither a file nor a folder")
        else:
            found.fail(source, f"{source} does not exist: check the path, or whether the share is mounted")
    except OSError as error:
        found.fail(source, _refusal(source, error))


def _look_folder(folder: Path, source: str, found: Found) -> None:
    n_before, n_failures = len(found.seen), len(found.failures)
    n_media = 0
    for path in _walk(folder, set(), found):
        if _is_media(path):
            n_media += 1
            _keep(path, found)
        else:
            found.ignored.add(path)
    if n_media == 0 and (len(found.seen), len(found.failures)) == (n_before, n_failures):
        found.fail(source, f"no media files in {source} (looked for .mp4, .mkv, .mov, .avi, .wav, .mp3, …)")


def _walk(folder: Path, visited: set[tuple[int, int]], found: Found) -> Iterator[str]:
    """Files below a folder, sorted by name; hidden ones left out; each folder once, however links lead to it."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in visited:
            return
        visited.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
    except OSError as error:
        found.fail(str(folder), _refusal(str(folder), error))
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file() or entry.is_symlink()
        except OSError:
            is_folder, is_file = False, True  # a link to itself; whoever looks at it as a file says so
        if is_folder:
            yield from _walk(folder / entry.name, visited, found)
        elif is_file:
            yield entry.path


def _keep(path: str, found: Found) -> None:
    try:
        path.encode()
        seen = see_file(path)
        seen.url.encode()
    except UnicodeEncodeError:
        shown = path.encode(errors="replace").decode()
        found.fail(shown, f"the name of {shown} is not UTF-8: rename the file")
    except OSError as error:
        found.fail(path, _refusal(path, error))
    else:
        found.seen.setdefault(seen.url, seen)


def _refusal(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist"
    if isinstance(error, PermissionError):
        return f"{path} may not be read by this user: grant read permission and run again"
    return f"{path} cannot be looked at: {error.strerror or error}"


def _look_remote(source: str, found: Found) -> None:
    listed = list_remote(source)
    if isinstance(listed, str):
        found.fail(source, listed)
        return
    if isinstance(listed, RemoteFile):
        found.seen.setdefault(listed.url, listed.seen())
        return
    media = [file for file in listed if _is_media(file.url)]
    found.ignored.update(file.url for file in listed if not _is_media(file.url))
    for file in media:
        found.seen.setdefault(file.url, file.seen())
    if not media:
        found.fail(source, f"no media files in {source} (looked for .mp4, .mkv, .mov, .avi, .wav, .mp3, …)")


def _is_media(path: str) -> bool:
    return os.path.splitext(path)[1][1:].lower() in MEDIA_EXTENSIONS  # noqa: PTH122 - a URL is no Path
