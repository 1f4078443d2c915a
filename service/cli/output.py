"""How results are shown: JSON for programs, tables and lines for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console


def print_json(data: Any) -> None:
    """One JSON object on stdout."""
    click.echo(json.dumps(data, ensure_ascii=False))


def write_blocks(blocks: Iterable[bytes], output: Path | None, as_json: bool) -> None:
    """To stdout, or to a file that appears whole or not at all, and whose name is then told.

    Raises:
        ExportRefused
    """
    if output is None:
        sys.stdout.buffer.writelines(blocks)
        sys.stdout.buffer.flush()
        return
    from service.errors import ExportRefused

    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as file:
            file.writelines(blocks)
            file.flush()
            os.fsync(file.fileno())
        part.replace(output)
    except OSError as error:
        raise ExportRefused(output, error.strerror or str(error)) from error
    finally:
        part.unlink(missing_ok=True)
    if as_json:
        print_json({"files": [str(output)]})
    else:
        click.echo(str(output))


def console(stderr: bool = False) -> Console:
    """rich, plain when piped: whole lines, no colour, tables as wide as they need."""
    from rich.console import Console

    target = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if target.isatty() else 200)


def clock(ms: int) -> str:
    """Recording time as a player shows it: 1:02:03.4 or 2:03.4."""
    tenths = ms // 100
    hours, rest = divmod(tenths, 36_000)
    minutes, rest = divmod(rest, 600)
    seconds = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def length(ms: int) -> str:
    """A duration for people: 42 s, 3 min 05 s, 2 h 07 min."""
    seconds = round(ms / 1000)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
