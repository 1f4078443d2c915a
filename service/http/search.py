"""GET /api/v1/search: find the moment something was said."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from service.http.dependencies import API, Archive
from service.http.models import SearchAnswer, SearchQuestion

router = APIRouter(prefix=API, tags=["search"])


@router.get("/search", response_model=SearchAnswer, summary="Find the moment something was said")
def search(archive: Archive, question: Annotated[SearchQuestion, Query()]) -> dict[str, Any]:
    """Hits, best first, and what was searched to find them."""
    filters = question.model_dump(exclude={"q", "mode", "limit", "doubtful"})
    return archive.find(question.q, question.mode.value, question.limit, filters, question.doubtful).to_json()
