"""`earwitness restore`: an archive from a backup."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from service.cli.main import EXIT_SOME_FAILED, Globals, common
from service.cli.output import print_json


@click.command("restore")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@common
@click.pass_obj
def command(options: Globals, folder: Path) -> None:
    """Make the backup in DIR the archive in --data, where none may be yet; check every file of it, then verify all.

    Exit code 3 when catalog, transcripts and index differ afterwards.
    """
    from gpu.offline import stay_offline
    from service.cli.index import show
    from service.restore import restore

    settings = options.settings()
    stay_offline(settings.allow_hub)
    restored = restore(settings, folder)
    if options.json:
        print_json(restored.to_json())
    else:
        click.echo(f"{settings.data}: the archive of {restored.backup.made_at}")
        show(restored.verification, restored.indexed)
    if restored.verification.differences:
        sys.exit(EXIT_SOME_FAILED)
