"""`earwitness backup`: one consistent copy of an archive."""

from __future__ import annotations

from pathlib import Path

import click

from service.cli.main import Globals, common
from service.cli.output import print_json


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@common
@click.pass_obj
def command(options: Globals, folder: Path) -> None:
    """Copy catalog, transcripts and index into DIR, which must be empty or not exist. Ingests may go on meanwhile.

    Footage is not copied. On one file system transcripts are stored once: for a second disk, back up to it.
    """
    from service.backup import back_up
    from service.finding import open_catalog
    from service.transcripts import TranscriptStore

    settings = options.settings()
    with open_catalog(settings) as catalog:
        backup = back_up(settings, catalog, TranscriptStore(settings.transcripts), folder)
    if options.json:
        print_json(backup.to_json())
        return
    click.echo(
        f"{folder}: {backup.recordings} recordings, {backup.transcripts} transcript files, {backup.indexed} indexed"
    )
    if backup.index_left_out:
        click.echo(f"without the index ({backup.index_left_out}); `earwitness restore` makes it again", err=True)
