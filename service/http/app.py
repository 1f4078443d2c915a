"""The application: routes, errors and guard put together over an open archive."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI

from service.archive import OpenArchive
from service.http import health, media, page, recordings, search, watches
from service.http.dependencies import API
from service.http.errors import PROBLEM_TYPE, add_error_handlers
from service.http.guard import Guard
from service.http.models import Problem


def create_app(archive: OpenArchive) -> FastAPI:
    """Everything the service answers. Whoever opened the archive closes it."""
    app = FastAPI(
        title="earwitness",
        summary="Finds the moment something was said in recorded footage.",
        description="Transcripts are made by machine and verified by nobody. Errors are problems (RFC 9457).",
        version=version("earwitness"),
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        responses={
            "4XX": {"description": "wrong request", "content": {PROBLEM_TYPE: {"schema": Problem.model_json_schema()}}},
            "5XX": {"description": "cannot now", "content": {PROBLEM_TYPE: {"schema": Problem.model_json_schema()}}},
        },
    )
    app.state.archive = archive
    for router in (search.router, recordings.router, media.router, watches.router):
        app.include_router(router)
    app.include_router(health.router)
    app.include_router(page.router)
    page.mount_assets(app)
    add_error_handlers(app)
    app.add_middleware(Guard)
    return app
