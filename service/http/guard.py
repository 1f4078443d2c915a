"""Around every request: only this machine's names are answered to, headers keep other sites out, one log line."""

from __future__ import annotations

import re
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.errors import problem, unforeseen

log = structlog.get_logger()

# Another site can point its own name at 127.0.0.1 and let a browser ask us under it (DNS rebinding). Any port
# will do: an SSH tunnel has its own.
_OUR_HOSTS = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",  # no other page may embed the footage
    "Cross-Origin-Opener-Policy": "same-origin",
}

_READING = ("GET", "HEAD", "OPTIONS")


def _from_here(headers: Headers) -> bool:
    """Whether what is to change something comes from our own page, or from no page.

    Browsers let any page send requests that it may not read the answers of, and say where it is from (RFC 6454).
    """
    origin = headers.get("origin")
    return origin is None or origin.lower() == f"http://{headers.get('host', '')}".lower()


class Guard:
    """ASGI middleware; the log has the route's template, never the query string."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0  # no response was begun

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            headers = Headers(scope=scope)
            if _OUR_HOSTS.fullmatch(headers.get("host", "")):
                if scope["method"] in _READING or _from_here(headers):
                    await self._app(scope, receive, send_guarded)
                else:
                    refusal = problem(403, "origin-refused", "pages of other sites may change nothing here")
                    await refusal(scope, receive, send_guarded)
            else:
                refusal = problem(421, "host-refused", "this service answers to localhost, 127.0.0.1 and [::1] only")
                await refusal(scope, receive, send_guarded)
        except Exception as error:  # noqa: BLE001 -- the server would log its message, and with it the question
            response = unforeseen(error)
            if status:  # part of it was sent: only breaking off tells the client
                raise ConnectionAbortedError("the response broke off; the line above says why") from None
            await response(scope, receive, send_guarded)
        finally:
            route = getattr(scope.get("route"), "path", None)
            took_ms = round((time.perf_counter() - started) * 1000)
            log.info("request", method=scope["method"], route=route or "none", status=status, ms=took_ms)
