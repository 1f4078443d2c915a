"""Serving: one process listens, opens the archive, tells its address, and answers until it is asked to stop."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gpu.offline import stay_offline
from service.errors import AddressRefused
from service.owner import announced, sole_service
from service.settings import Settings

if TYPE_CHECKING:
    import uvicorn

GRACE_SECONDS = 5  # for what is being sent when the service is asked to stop


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A socket of this machine that takes connections; port 0 takes a free one.

    Raises:
        AddressRefused: others could reach it, or it is taken.
    """
    if not _is_loopback(host):
        raise AddressRefused(
            host, "this version knows no users, so only this machine may reach it: use 127.0.0.1, ::1 or localhost"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen(128)
        except OSError as error:
            reason = f"{error.strerror or error}; another --port may be free"
            raise AddressRefused(f"{host}:{port}", reason) from error
        yield listening


def url_of(listening: socket.socket) -> str:
    """Where a socket can be reached, without a slash at the end."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    settings: Settings,
    listening: socket.socket,
    ready: Callable[[str, int], None],
    started: Callable[[uvicorn.Server], None] = lambda _server: None,
) -> None:
    """Answer until a signal comes or the server is told to exit.

    Args:
        ready: told the URL and the process when the archive is open; requests from then on are answered.
        started: given the server just before, so that another thread can stop it.

    Raises:
        ServiceRunning: another process serves this data folder.
        IndexBusy, CatalogUnusable, CatalogNewer, DataUnusable
    """
    import uvicorn

    from service.archive import open_archive
    from service.http import create_app

    stay_offline(settings.allow_hub)
    url = url_of(listening)
    # Announced first: who asks while the archive is being opened is answered when it is, as the socket keeps them.
    with sole_service(settings.data), announced(settings.data, url) as running, open_archive(settings) as archive:
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(archive),
                log_config=None,
                access_log=False,  # it would hold what was searched for
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        started(server)
        ready(url, running.pid)
        server.run(sockets=[listening])


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
