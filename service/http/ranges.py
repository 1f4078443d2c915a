"""Files by parts: HTTP range requests (RFC 9110, section 14) over a file that is streamed, never loaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

BLOCK_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


class Unsatisfiable(Exception):
    """A range that lies outside of the file."""


@dataclass(frozen=True, slots=True)
class Served:
    """A file to send.

    Attributes:
        sha256: of its bytes: a strong entity tag.
        headers: beside those of ranges and caching.
    """

    open: Callable[[], AbstractContextManager[Any]]
    size_bytes: int
    media_type: str
    sha256: str
    name: str
    headers: dict[str, str]


def parse_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None: the whole file.

    Several ranges, other units and what makes no sense are ignored, as the RFC allows.

    Raises:
        Unsatisfiable
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:  # the last so many bytes
        if int(last) == 0 or size_bytes == 0:
            raise Unsatisfiable
        return max(0, size_bytes - int(last)), size_bytes
    start = int(first)
    end = min(size_bytes, int(last) + 1) if last else size_bytes
    if last and int(last) < start:
        return None
    if start >= size_bytes:
        raise Unsatisfiable
    return start, end


def send(request: Request, served: Served) -> Response:
    """200, 206, 304 or 416, for GET and HEAD."""
    etag = f'"{served.sha256}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(served.name, safe='')}",
        **served.headers,
    }
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known or known == ["*"]:
        return Response(status_code=304, headers=headers)
    asked = request.headers.get("range")
    if request.headers.get("if-range", etag) != etag:
        asked = None
    try:
        part = parse_range(asked, served.size_bytes)
    except Unsatisfiable:
        from service.http.errors import problem

        refusal = problem(416, "range-unsatisfiable", f"the file has {served.size_bytes} bytes", "Range")
        refusal.headers.update({"Content-Range": f"bytes */{served.size_bytes}", "Accept-Ranges": "bytes"})
        return refusal
    start, end = part or (0, served.size_bytes)
    headers["Content-Length"] = str(end - start)
    if part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{served.size_bytes}"
    status = 206 if part else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=served.media_type)
    return StreamingResponse(_blocks(served, start, end), status, headers, served.media_type)


def _blocks(served: Served, start: int, end: int) -> Iterator[bytes]:
    with served.open() as file:
        file.seek(start)
        while start < end:
            block = file.read(min(BLOCK_BYTES, end - start))
            if not block:  # the file was cut while it was read: the client sees too few bytes, and says so
                return
            start += len(block)
            yield block
