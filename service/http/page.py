"""The page at `/`: a few files beside this package, no build step, nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

WEB = Path(__file__).parent.parent / "web"

router = APIRouter(include_in_schema=False)


@router.get("/")
def page() -> FileResponse:
    """One page: search, hits, a player."""
    return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})


def mount_assets(app: FastAPI) -> None:
    """Style, scripts and icon below /assets."""
    app.mount("/assets", StaticFiles(directory=WEB), name="assets")
