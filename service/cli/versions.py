"""`earwitness versions`: what a recording's transcript was, and who changed it."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from service.cli.main import Globals, common
from service.cli.output import console, print_json


@click.command("versions")
@click.argument("recording")
@common
@click.pass_obj
def command(options: Globals, recording: str) -> None:
    """List the versions of RECORDING's transcript, oldest first: an id, the beginning of one, or a source path.

    Machines and people make versions; none is ever changed or lost. One is current: it is searched, shown and
    exported. Once people corrected it, what machines hear later is kept beside.
    """
    from service.export import row_of
    from service.finding import open_catalog

    with open_catalog(options.settings()) as catalog:
        row = row_of(catalog, catalog.find(recording))
        versions = catalog.versions(row.id)
    if options.json:
        known = {"recording_id": row.id, "heard_again": row.heard_again}
        print_json({**known, "versions": [version.to_json() for version in versions]})
        return
    from rich.table import Table

    table = Table("version", "made", "by", "of", "note", "")
    for one in versions:
        made = datetime.fromtimestamp(one.created_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        beside = "searched with --machine" if one.version == row.machine_version else ""
        state = "current" if one.current else beside
        table.add_row(one.version, made, one.author or "machine", one.base or "", one.note or "", state)
    console().print(table)
    if row.heard_again:
        text = (
            f"Machines heard version {row.machine_version} since this was corrected; it stays as corrected. "
            "`earwitness correct RECORDING --revert VERSION` takes theirs."
        )
        console().print(text, markup=False, soft_wrap=True)
