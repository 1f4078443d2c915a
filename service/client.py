"""The command line's side of a running service: the same questions, over HTTP, with the same answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.citations import CitationFormat
from service.errors import ServiceRefused, ServiceUnreachable
from service.owner import Running, running_service
from service.question import Question

TIMEOUT_SECONDS = 60.0


class ServiceClient:
    """Asks the service of one data folder.

    Every method raises `ServiceRefused` with the service's own words, or `ServiceUnreachable`.
    """

    def __init__(self, data: Path, running: Running) -> None:
        self._data, self._running = data, running

    def search(self, question: Question) -> dict[str, Any]:
        """As `Found.to_json`."""
        parameters, seconds = {**_asked(question), "offset": str(question.offset)}, question.deadline_seconds
        if question.facets:
            parameters["facets"] = "true"
        if seconds is not None:
            parameters["deadline_ms"] = str(round(seconds * 1000))
        return self._get("search", parameters, TIMEOUT_SECONDS + (seconds or 0))

    @contextmanager
    def export(self, question: Question, format: CitationFormat) -> Iterator[Iterator[bytes]]:
        """The file, in blocks; one that breaks off raises `ServiceUnreachable`, too."""
        import httpx

        parameters = {**_asked(question), "format": format}
        patience = httpx.Timeout(TIMEOUT_SECONDS, read=None)  # a whole archive may be looked at before the first line
        try:
            with (
                httpx.Client(trust_env=False, timeout=patience) as client,
                client.stream("GET", f"{self._running.url}/api/v1/search/export", params=parameters) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    response.read()
                    raise ServiceRefused(str(response.json().get("detail", response.reason_phrase)))
                yield response.iter_bytes()
        except (httpx.HTTPError, ValueError) as error:
            raise ServiceUnreachable(self._data, self._running.url, type(error).__name__) from error

    def status(self) -> dict[str, Any]:
        """As `service.status.status_json`."""
        return self._get("status", {})

    def passages_fingerprint(self) -> str | None:
        """What the service makes passages with; None: it indexes nothing."""
        fingerprint: str | None = self._get("indexing", {})["passages_fingerprint"]
        return fingerprint

    def _get(
        self, path: str, parameters: Mapping[str, str], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> dict[str, Any]:
        import httpx

        url = f"{self._running.url}/api/v1/{path}"
        try:
            # The service is on this machine: no proxy of the environment stands between.
            with httpx.Client(trust_env=False, timeout=timeout_seconds) as client:
                response = client.get(url, params=parameters)
            answer: dict[str, Any] = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ServiceUnreachable(self._data, self._running.url, type(error).__name__) from error
        if response.status_code != httpx.codes.OK:
            raise ServiceRefused(str(answer.get("detail", response.reason_phrase)))
        return answer


def _asked(question: Question) -> dict[str, str]:
    given = question.given
    if "recording" in given and Path(given["recording"]).exists():
        given["recording"] = str(Path(given["recording"]).absolute())  # the service works in another folder
    also = {"doubtful": "true"} if question.doubtful else {}
    also |= {"sort": question.sort.value} if question.sort else {}
    also |= {"machine": "true"} if question.machine else {}
    return {"q": question.text, "mode": question.mode.value, "limit": str(question.limit), **also, **given}


def service_of(data: Path) -> ServiceClient | None:
    """The running service of this data folder, if there is one."""
    running = running_service(data)
    return ServiceClient(data, running) if running else None
