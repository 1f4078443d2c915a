"""The manifest: a CSV file in which an evidence system says what it knows about each media file.

Columns: `path` and any of `recorded_at`, `officer`, `badge`, `unit`, `incident_id`, `category`,
`camera_serial`, `restricted`, in any order and case; unknown columns are kept as metadata under their own name.
Comma or semicolon, UTF-8 with or without a byte-order mark, quoting as in RFC 4180.
"""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from service.catalog.entries import METADATA_FIELDS
from service.errors import ManifestUnreadable, ZoneUnknown
from service.scan import ScanFailure
from transcribe.transcript import MediaFacts

TIME_EXAMPLE = "2026-03-14T21:05:00 or 2026-03-14T21:05:00-05:00"
MAX_CELL = 1 << 17  # characters; the csv module's own limit, said here so that it holds everywhere

# A transcript's `recording` holds these beside the metadata.
_TAKEN = {"id", "source", *(each.name for each in fields(MediaFacts))}


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """What the manifest says about one file."""

    line: int  # 1 is the header
    path: str  # as written
    metadata: Mapping[str, str]  # without empty cells; `recorded_at` with its offset


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that could be read; each bad row is in `failures`."""

    path: Path  # absolute
    rows: list[ManifestRow]  # in the order of the file, each path once
    failures: list[ScanFailure]
    rejected: list[ManifestRow] = field(default_factory=list)
    """Rows with a failure that name a file: it is not ingested without its metadata."""


def read_manifest(path: str | Path, zone: str) -> Manifest:
    """Read a manifest; media is neither looked for nor read.

    Args:
        zone: IANA name; a `recorded_at` without offset is local time there (the first of the two, where clocks
            are set back).

    Raises:
        ManifestUnreadable: no such file, not CSV in UTF-8, or no `path` column.
        ZoneUnknown: no such zone.
    """
    agency_zone = _zone(zone)
    manifest = Path(path).expanduser().absolute()
    reader, header = _open(manifest, _text(manifest))
    names = _columns(manifest, header)
    result = Manifest(manifest, [], [])
    first_lines: dict[str, int] = {}
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise ManifestUnreadable(str(manifest), f"line {line} is not CSV ({error})") from error
        if cells is None:
            return result
        if any(cell.strip() for cell in cells):
            _add(result, line, names, cells, agency_zone, first_lines)


def _add(
    manifest: Manifest, line: int, names: list[str], cells: list[str], zone: tzinfo, first_lines: dict[str, int]
) -> None:
    values = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name and cell.strip()}
    path = values.pop("path", "")
    where = f"{manifest.path.name} line {line}"
    if not path:
        manifest.failures.append(ScanFailure(str(manifest.path), f"{where} has no path: name the file it is about"))
        return
    problem = None
    if any(cell.strip() for cell in cells[len(names) :]):
        problem = (
            f"{where} has {len(cells)} cells, but the header has {len(names)}: quote a cell that holds a delimiter"
        )
    elif "recorded_at" in values:
        try:
            values["recorded_at"] = _time(values["recorded_at"], zone).isoformat()
        except (ValueError, OverflowError):
            problem = (
                f"{where}, column recorded_at: {values['recorded_at']!r} is not a time that exists; "
                f"write it as {TIME_EXAMPLE}"
            )
    row = ManifestRow(line, path, values)
    if problem is not None:
        manifest.failures.append(ScanFailure(path, problem))
        manifest.rejected.append(row)
        return
    first = first_lines.setdefault(path if "://" in path else posixpath.normpath(path), line)
    if first != line:
        again = f"{where} names {path} again, after line {first}: keep one of the two rows"
        manifest.failures.append(ScanFailure(path, again))
        return
    manifest.rows.append(row)


def _zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        return UTC  # known without a time zone database
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ZoneUnknown(name) from error


def _time(text: str, zone: tzinfo) -> datetime:
    """Raises ValueError or OverflowError when there is no such moment."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is not None:
        time.astimezone(UTC)
        return time
    local = time.replace(tzinfo=zone)
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != time:
        raise ValueError("clocks were set forward over this time")
    return local


def _text(manifest: Path) -> str:
    try:
        text = manifest.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ManifestUnreadable(str(manifest), "it does not exist") from error
    except IsADirectoryError as error:
        raise ManifestUnreadable(str(manifest), "it is a folder") from error
    except OSError as error:
        raise ManifestUnreadable(str(manifest), (error.strerror or str(error)).lower()) from error
    except UnicodeDecodeError as error:
        raise ManifestUnreadable(str(manifest), f"byte {error.start} is not UTF-8") from error
    if "\0" in text:
        raise ManifestUnreadable(str(manifest), "it holds NUL characters, which no CSV file does")
    return text


def _open(manifest: Path, text: str) -> tuple[_Reader, list[str]]:
    """A reader past the header, with the delimiter that makes the header a header."""
    if not text.strip():
        raise ManifestUnreadable(str(manifest), "it is empty")
    found: list[tuple[_Reader, list[str]]] = []
    problems: list[csv.Error] = []
    for delimiter in (",", ";"):
        reader = _Reader(text, delimiter)
        try:
            found.append((reader, next(reader, [])))
        except csv.Error as error:
            problems.append(error)
    if not found:
        raise ManifestUnreadable(str(manifest), f"line 1 is not CSV ({problems[0]})") from problems[0]
    return max(found, key=lambda each: (_has_path(each[1]), len(each[1])))


class _Reader:
    """`csv.reader` over text, with strict quoting."""

    def __init__(self, text: str, delimiter: str) -> None:
        csv.field_size_limit(MAX_CELL)
        self._rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)

    @property
    def line_num(self) -> int:
        return self._rows.line_num

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> list[str]:
        return next(self._rows)


def _has_path(header: list[str]) -> bool:
    return any(name.strip().lower() == "path" for name in header)


def _columns(manifest: Path, header: list[str]) -> list[str]:
    """Names by position: ours in lower case, the agency's as written; a nameless column is empty text.

    A column that is called as one of a transcript's own fields is kept as `manifest_NAME`: neither hides the other.
    """
    ours = ("path", *METADATA_FIELDS)
    names = [name.strip().lower() if name.strip().lower() in ours else name.strip() for name in header]
    if "path" not in names:
        shown = ", ".join(name for name in names[:12] if name)[:200]
        raise ManifestUnreadable(str(manifest), f"it has no `path` column (its first line reads: {shown})")
    for name in names:
        if name and names.count(name) > 1:
            raise ManifestUnreadable(str(manifest), f"column {name!r} appears twice")
    return [f"manifest_{name}" if name in _TAKEN else name for name in names]
