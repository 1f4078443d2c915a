"""`earwitness serve`: the page and the HTTP API over one data folder."""

from __future__ import annotations

import logging
import signal
import sys
from types import FrameType

import click

from service.cli.main import Globals, common
from service.cli.output import print_json


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of this machine to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@common
@click.pass_obj
def command(options: Globals, host: str, port: int) -> None:
    """Serve the page and the HTTP API on this machine, and index what any ingest hears, until Ctrl-C.

    While it runs, `search`, `status` and `ingest` on the same data folder work through it.
    """
    from service.data import prepare_data
    from service.serving import listen, serve

    settings = options.settings()
    prepare_data(settings)
    _log_to_stderr()
    with listen(host, port) as listening, _stop_quietly():
        serve(settings, listening, lambda url, pid: _say(options, url, pid))


def _say(options: Globals, url: str, pid: int) -> None:
    if options.json:
        print_json({"url": url, "pid": pid})
        sys.stdout.flush()
    else:
        click.echo(f"earwitness serves {options.settings().data} at {url} (Ctrl-C stops)", err=True)


def _log_to_stderr() -> None:
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
    )


class _stop_quietly:  # noqa: N801 -- used as a with-block
    """The server stops on Ctrl-C and SIGTERM and then raises the signal again; nobody is to die of that."""

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, _noted) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *_exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _noted(_signal: int, _frame: FrameType | None) -> None:
    return None
