"""`earwitness models`: what is installed, where, its hash and licence, and what is missing."""

from __future__ import annotations

from typing import Any

import click

from gpu.errors import GpuError
from gpu.models import KNOWN, resolve
from service.cli.main import Globals, common
from service.cli.output import console, print_json


@click.command("models")
@common
@click.pass_obj
def command(options: Globals) -> None:
    """List models: where each was found, its SHA-256 and licence, or how to get it."""
    places = options.settings().model_places
    listed: list[dict[str, Any]] = []
    for known in KNOWN.values():
        entry: dict[str, Any] = {
            "name": known.name,
            "task": known.task,
            "licence": known.licence,
            "revision": known.revision,
        }
        try:
            model = resolve(known.name, places)
        except GpuError as error:
            entry |= {
                "found": False,
                "where": None,
                "path": None,
                "sha256": None,
                "pinned": False,
                "remedy": str(error),
            }
        else:
            entry |= {
                "found": True,
                "where": model.found_in,
                "path": str(model.path),
                "sha256": model.sha256,
                "pinned": model.sha256 == known.sha256,
                "remedy": None,
            }
        listed.append(entry)
    if options.json:
        print_json({"models": listed})
        return
    from rich.table import Table

    table = Table("name", "task", "licence", "where", "SHA-256")
    for entry in listed:
        checked = "matches the published hash" if entry["pinned"] else "not pinned"
        table.add_row(
            entry["name"],
            entry["task"],
            entry["licence"],
            f"{entry['where']}\n{entry['path']}" if entry["found"] else entry["remedy"],
            f"{entry['sha256'][:16]}…\n{checked}" if entry["found"] else "missing",
        )
    console().print(table)
