"""The footage itself: the original's bytes, and what a browser can play."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import PurePosixPath
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from service.archive import OpenArchive
from service.catalog import RecordingRow
from service.http.dependencies import API, Archive, Recording
from service.http.models import Preparing
from service.http.ranges import Served, send
from service.original import Original, find_original
from service.proxies import Proxy
from service.proxy import Kind, Plan, plan

PATIENCE_SECONDS = 20.0  # a copy that takes longer goes on being made, and the client asks again
_PARTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"video/*": {}, "audio/*": {}}},
    206: {"description": "the part that was asked for"},
    304: {"description": "the bytes are known already"},
    416: {"description": "the part lies outside of the file"},
}

router = APIRouter(prefix=API, tags=["media"])


@router.head("/recordings/{recording_id}/media", include_in_schema=False)
@router.get(
    "/recordings/{recording_id}/media",
    response_class=Response,
    responses=_PARTS,
    summary="The original's bytes",
)
def media(request: Request, archive: Archive, row: Recording) -> Response:
    """Whole or a range; the entity tag is their SHA-256, the recording's id."""
    return _send_original(request, find_original(row, archive.catalog.sources_of(row.id)), row, {})


@router.head("/recordings/{recording_id}/playable", include_in_schema=False)
@router.get(
    "/recordings/{recording_id}/playable",
    response_class=Response,
    responses={**_PARTS, 202: {"model": Preparing, "description": "a copy is being made: ask again"}},
    summary="What a browser can play",
)
def playable(request: Request, archive: Archive, row: Recording) -> Response:
    """The original where it can be played, else a copy on the same time, made at the first request.

    `X-Earwitness-Proxy` says of a copy whether streams were only put into another container (`remux`) or made
    anew (`transcode`).
    """
    original = find_original(row, archive.catalog.sources_of(row.id))
    how = _plan(row)
    if how.kind is Kind.ORIGINAL:
        return _send_original(request, original, row, {})
    proxy = archive.proxies.get(row.id, original, how, PATIENCE_SECONDS)
    if proxy is None:
        return JSONResponse(Preparing().model_dump(), 202, {"Retry-After": "2", "Cache-Control": "no-store"})
    name = f"{PurePosixPath(original.name).stem}.{proxy.kind}.mp4"
    headers = {"X-Earwitness-Proxy": proxy.kind.value}
    served = Served(_opener(proxy), proxy.size_bytes, proxy.media_type, proxy.sha256, name, headers)
    return send(request, served)


def playable_json(archive: OpenArchive, row: RecordingRow) -> dict[str, Any]:
    """How a recording is played, without making anything."""
    how = _plan(row)
    if how.kind is Kind.ORIGINAL:
        return {"kind": how.kind.value, "media_type": how.media_type, "sha256": row.id, "state": "ready"}
    proxy = archive.proxies.ready(row.id, how)
    if proxy is not None:
        return {"kind": proxy.kind.value, "media_type": proxy.media_type, "sha256": proxy.sha256, "state": "ready"}
    state = "making" if archive.proxies.is_making(row.id) else "not_made"
    return {"kind": how.kind.value, "media_type": how.media_type, "sha256": None, "state": state}


def _plan(row: RecordingRow) -> Plan:
    return plan(row.media, row.sources[0] if row.sources else row.id)


def _send_original(request: Request, original: Original, row: RecordingRow, headers: dict[str, str]) -> Response:
    served = Served(original.open, original.size_bytes, original.media_type, row.id, original.name, headers)
    return send(request, served)


def _opener(proxy: Proxy) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: proxy.path.open("rb")
