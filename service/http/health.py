"""/healthz: the process answers. /readyz: it can find something."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service.http.dependencies import Archive
from service.http.models import Health

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Health, summary="Does the process answer?")
def healthz() -> Health:
    """Always ok."""
    return Health(status="ok")


@router.get("/readyz", response_model=Health, responses={503: {"model": Health}}, summary="Can it do its work?")
def readyz(archive: Archive, response: Response) -> Health:
    """Catalog and index answer."""
    try:
        archive.catalog.summary()
        archive.index.count()
    except Exception as error:  # noqa: BLE001 -- whatever it is, this is the place to say so
        response.status_code = 503
        return Health(status="not_ready", reason=f"{type(error).__name__}: {error}".splitlines()[0])
    return Health(status="ok", reason=archive.indexing_error and f"indexing: {archive.indexing_error}")
