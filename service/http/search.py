"""GET /api/v1/search: find the moment something was said; …/export: every such moment, as a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from service.citations import MEDIA_TYPES, blocks, lines
from service.http.dependencies import API, Archive
from service.http.models import ExportQuestion, SearchAnswer, SearchQuestion
from service.question import FILTERS, Question

router = APIRouter(prefix=API, tags=["search"])


@router.get("/search", response_model=SearchAnswer, summary="Find the moment something was said")
def search(archive: Archive, question: Annotated[SearchQuestion, Query()]) -> dict[str, Any]:
    """Hits, best first, in exact searches by recorded time, or as asked for; and what was searched to find them."""
    deadline_seconds = None if question.deadline_ms is None else question.deadline_ms / 1000
    asked = replace(_asked(question), offset=question.offset, deadline_seconds=deadline_seconds, facets=question.facets)
    return archive.find(asked).to_json()


@router.get(
    "/search/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}, "application/x-ndjson": {}}}},
    summary="Every moment something was said, as a file",
)
def export(archive: Archive, question: Annotated[ExportQuestion, Query()]) -> StreamingResponse:
    """Citations: of an exact search every place, of another the hits up to the limit. Sent as they are found."""
    citations = archive.cite(_asked(question))
    return StreamingResponse(
        blocks(lines(citations, question.format)),
        media_type=MEDIA_TYPES[question.format],
        headers={"Content-Disposition": f'attachment; filename="earwitness-citations.{question.format}"'},
    )


def _asked(question: SearchQuestion | ExportQuestion) -> Question:
    filters = question.model_dump(include=set(FILTERS))
    return Question(
        question.q,
        question.mode,
        question.limit,
        filters,
        question.doubtful,
        sort=question.sort,
        machine=question.machine,
    )
