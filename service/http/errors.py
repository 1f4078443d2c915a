"""Our errors as RFC 9457 problems: those a request can meet have their row here, any other is a 500 with its words."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gpu import errors as gpu
from search import errors as search
from service import errors as service
from service.http.models import Problem
from transcribe import errors as transcribe
from transcribe.formats import FormatUnknown

PROBLEM_TYPE = "application/problem+json"
RETRY_SECONDS = "5"
log = structlog.get_logger()

# Status, a name that stays, and the parameter at fault where it is one.
PROBLEMS: dict[type[Exception], tuple[int, str, str | None]] = {
    search.EmptyQuery: (422, "empty-query", "q"),
    search.QueryWrong: (422, "query-wrong", "q"),
    search.PageTooDeep: (422, "page-too-deep", "offset"),
    search.LegUnavailable: (422, "leg-unavailable", "mode"),
    search.IndexBusy: (503, "index-busy", None),
    search.IndexDamaged: (503, "index-damaged", None),
    search.IndexOutdated: (503, "index-outdated", None),
    search.DimensionMismatch: (503, "index-of-another-model", None),
    service.RecordingUnknown: (404, "recording-unknown", None),
    service.VersionUnknown: (404, "version-unknown", None),
    service.RecordingAmbiguous: (422, "recording-ambiguous", "recording"),
    service.SameRecording: (422, "same-recording", "with"),
    service.TimeWrong: (422, "time-wrong", None),
    service.NotHeardYet: (404, "not-heard-yet", None),
    service.TranscriptMissing: (503, "transcript-missing", None),
    service.MediaChanged: (409, "media-changed", None),
    service.ProxyRefused: (503, "proxy-refused", None),
    service.CatalogUnusable: (503, "catalog-unusable", None),
    service.DataUnusable: (503, "data-unusable", None),
    service.WatchUnknown: (404, "watch-unknown", None),
    service.WatchExists: (409, "watch-exists", "name"),
    service.WatchNameWrong: (422, "watch-name-wrong", "name"),
    service.WatchHitUnknown: (404, "watch-hit-unknown", "hits"),
    service.DetectorUnknown: (422, "detector-unknown", "detector"),
    service.AuditUnwritable: (503, "audit-unwritable", None),
    transcribe.MediaMissing: (404, "media-missing", None),
    transcribe.MediaForbidden: (503, "media-forbidden", None),
    transcribe.ModelUnusable: (503, "model-unusable", None),
    transcribe.MediaUnreadable: (503, "media-unreadable", None),
    transcribe.VocabularyUnreadable: (503, "vocabulary-unreadable", None),
    transcribe.CorrectionWrong: (422, "correction-wrong", None),
    transcribe.CorrectionOutdated: (409, "correction-outdated", None),
    FormatUnknown: (422, "format-unknown", "format"),
}


def problem(status: int, name: str, detail: str, field: str | None = None, position: int | None = None) -> JSONResponse:
    """The response a client gets: `title` says the name in words."""
    body = Problem(
        type=f"urn:earwitness:problem:{name}",
        title=name.replace("-", " ").capitalize(),
        status=status,
        detail=detail,
        field=field,
        position=position,
    )
    headers = {"Retry-After": RETRY_SECONDS} if status == 503 else {}
    return JSONResponse(body.model_dump(exclude_none=True), status, headers, PROBLEM_TYPE)


def add_error_handlers(app: FastAPI) -> None:
    """Let every error leave as a problem; those nobody foresaw are the `Guard`'s."""
    for base in (search.SearchError, service.ServiceError, transcribe.TranscribeError, gpu.GpuError):
        app.add_exception_handler(base, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def _ours(_request: Request, error: Exception) -> JSONResponse:
    status, name, field = PROBLEMS.get(type(error), (500, "service-failed", None))
    if status >= 500:
        log.error("request failed", problem=name, error=str(error))
    if isinstance(error, service.TimeWrong):
        return problem(status, name, str(error).removeprefix("--"), error.name)
    position = error.position if isinstance(error, search.QueryWrong) else None
    return problem(status, name, str(error), field, position)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first: Any = error.errors()[0]
    field = str(first["loc"][-1])
    reason = "no such parameter" if first["type"] == "extra_forbidden" else str(first["msg"])
    return problem(422, "parameter-wrong", f"{field}: {reason}. /api/v1/openapi.json describes them all.", field)


def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    names = {404: "not-found", 405: "method-not-allowed"}
    response = problem(error.status_code, names.get(error.status_code, "refused"), str(error.detail))
    response.headers.update(error.headers or {})
    return response


def unforeseen(error: Exception) -> JSONResponse:
    """A 500. The message of a foreign error may quote what was asked: only its type and place are told, to the log."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    log.error("unforeseen error", error=type(error).__name__, place=place)
    return problem(500, "unforeseen", "the service failed at this request; its log says where")
