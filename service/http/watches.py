"""Watch-lists: kept, listed, their hits shown and acknowledged, by the functions that the command line uses."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from service.detectors import NOTICE
from service.http.dependencies import API, Archive
from service.http.watch_models import (
    AcknowledgedHits,
    AcknowledgementAnswer,
    NewWatch,
    WatchAnswer,
    WatchHitPage,
    WatchHitsQuestion,
    WatchList,
)
from service.watch_citations import cite_watch_hits
from service.watch_lists import acknowledge, acknowledge_all, add_detector, add_watch, watch_json

router = APIRouter(prefix=f"{API}/watches", tags=["watches"])


@router.get("", response_model=WatchList, summary="Every watch")
def watches(archive: Archive) -> dict[str, Any]:
    """By name; what each looks for, how many hits it has, and whether matching it works."""
    return {"watches": [watch_json(state) for state in archive.catalog.watches.states()]}


@router.post("", response_model=WatchAnswer, status_code=201, summary="Keep a query")
def add(archive: Archive, new: NewWatch) -> dict[str, Any]:
    """Recordings that are indexed from now on are matched with it, each once."""
    if new.detector is not None:
        watch = add_detector(archive.settings, archive.catalog, new.detector, new.name, new.filters, new.doubtful)
    else:
        assert new.name is not None, "the model lets no query through without a name"
        assert new.q is not None
        watch = add_watch(archive.settings, archive.catalog, new.name, new.q, new.mode, new.filters, new.doubtful)
    (state,) = (state for state in archive.catalog.watches.states() if state.watch.name == watch.name)
    return watch_json(state)


@router.get("/{name}/hits", response_model=WatchHitPage, summary="What a watch found")
def hits(archive: Archive, name: str, question: Annotated[WatchHitsQuestion, Query()]) -> dict[str, Any]:
    """Spans of machine transcripts, to be played; none is a verdict."""
    found = archive.catalog.watches.hits(name, question.new, question.superseded, question.limit + 1, question.offset)
    page = cite_watch_hits(found[: question.limit], archive.transcripts)
    return {
        "hits": [citation.to_json() for citation in page],
        "offset": question.offset,
        "more": len(found) > question.limit,
        "notice": NOTICE,
    }


@router.post("/{name}/acknowledge", response_model=AcknowledgementAnswer, summary="Note that somebody looked")
def acknowledge_hits(archive: Archive, name: str, seen: AcknowledgedHits) -> dict[str, int]:
    """At these hits of the watch, or at all. Who did so first, and when, stays."""
    if seen.hits is None:
        return {"acknowledged": acknowledge_all(archive.settings, archive.catalog, name, seen.note)}
    return {"acknowledged": acknowledge(archive.settings, archive.catalog, seen.hits, seen.note, name)}
