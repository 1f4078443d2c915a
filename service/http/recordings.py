"""Recordings and their transcripts, and how far the archive was heard."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from service.alignment import align
from service.export import current_transcript
from service.finding import parse_time
from service.http.dependencies import API, Archive, Recording, row_of_id
from service.http.media import playable_json
from service.http.models import (
    AlignmentAnswer,
    AlignmentQuestion,
    IndexingAnswer,
    ListQuestion,
    RecordingDetail,
    RecordingPage,
    StatusAnswer,
)
from service.status import recording_json, status_json
from transcribe.formats import FORMATS, render

router = APIRouter(prefix=API, tags=["recordings"])

FormatName = Literal["json", "txt", "srt", "vtt", "rttm", "ctm", "stm"]  # the keys of FORMATS; a test holds them equal


@router.get("/recordings", response_model=RecordingPage, summary="Recordings, the last recorded first")
def recordings(archive: Archive, question: Annotated[ListQuestion, Query()]) -> dict[str, Any]:
    """One page of what the filters leave; recordings of unknown time come last."""
    zone = archive.settings.zone
    since, until = (parse_time(getattr(question, name), name, zone) for name in ("since", "until"))
    named = {
        "officer": question.officer,
        "badge": question.badge,
        "unit": question.unit,
        "incident_id": question.incident,
        "category": question.category,
    }
    filters = {name: value for name, value in named.items() if value is not None}
    total, rows = archive.catalog.page(filters, since, until, question.limit, question.offset)
    return {"total": total, "offset": question.offset, "recordings": [recording_json(row) for row in rows]}


@router.get("/recordings/{recording_id}", response_model=RecordingDetail, summary="One recording")
def recording(archive: Archive, row: Recording) -> dict[str, Any]:
    """What is known of it, and how it can be played."""
    return {**recording_json(row), "playable": playable_json(archive, row)}


@router.get(
    "/recordings/{recording_id}/transcript",
    response_class=Response,
    responses={200: {"content": {format.media_type: {} for format in FORMATS.values()}}},
    summary="The transcript, in any format",
)
def transcript(archive: Archive, row: Recording, format: FormatName = "json") -> Response:
    """The current version: a machine transcript that nobody verified, or one that people corrected. It says which."""
    text = render(current_transcript(row, archive.transcripts), format)
    return Response(text, media_type=FORMATS[format].media_type)


@router.get(
    "/recordings/{recording_id}/captions.vtt",
    response_class=Response,
    responses={200: {"content": {"text/vtt": {}}}},
    summary="The transcript as captions",
)
def captions(archive: Archive, row: Recording) -> Response:
    """WebVTT for a `<track>`, on the time of both the original and its playable copy."""
    return transcript(archive, row, "vtt")


@router.get(
    "/recordings/{recording_id}/alignment",
    response_model=AlignmentAnswer,
    summary="The offset to another recording of the scene",
)
def alignment(archive: Archive, row: Recording, question: Annotated[AlignmentQuestion, Query()]) -> dict[str, Any]:
    """By the words both heard, and by their sound, which is read for it: seconds for each hour."""
    return align(archive.catalog, archive.transcripts, row, row_of_id(archive, question.other)).to_json()


@router.get("/status", response_model=StatusAnswer, summary="How far the archive was heard")
def status(archive: Archive) -> dict[str, Any]:
    """Every recording and every failure, as `earwitness status --json` prints them."""
    return status_json(archive.catalog)


@router.get("/indexing", response_model=IndexingAnswer, summary="How indexing stands")
def indexing(archive: Archive) -> dict[str, Any]:
    """What an ingest needs to know that leaves indexing to this service."""
    return {"passages_fingerprint": archive.passages_fingerprint, "error": archive.indexing_error}
