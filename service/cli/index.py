"""`earwitness index`: is the index what the catalog and the transcripts say, and make it so."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from service.cli.main import EXIT_SOME_FAILED, Globals, common
from service.cli.output import print_json

if TYPE_CHECKING:
    from service.rebuild import Indexed
    from service.verify import Verification


@click.group("index")
def command() -> None:
    """Verify the index against catalog and transcripts, or make it again."""


@command.command("verify")
@click.option("--repair", "mend", is_flag=True, help="Mend what differs, then verify again.")
@common
@click.pass_obj
def verify_command(options: Globals, mend: bool) -> None:
    """Compare catalog, transcripts and index, both ways. Exit code 3 when something differs."""
    from gpu.offline import stay_offline
    from service.finding import open_catalog
    from service.transcripts import TranscriptStore
    from service.verify import repair, verify

    settings = options.settings()
    stay_offline(settings.allow_hub)
    with open_catalog(settings) as catalog:
        transcripts = TranscriptStore(settings.transcripts)
        verification, indexed = verify(settings, catalog, transcripts), None
        if mend and (verification.differences or verification.waiting):
            indexed = repair(settings, catalog, transcripts, verification.differences)
            verification = verify(settings, catalog, transcripts)
    if options.json:
        print_json({**verification.to_json(), **({"repaired": indexed.to_json()} if indexed else {})})
    else:
        show(verification, indexed)
    if verification.differences:
        sys.exit(EXIT_SOME_FAILED)


@command.command("rebuild")
@common
@click.pass_obj
def rebuild_command(options: Globals) -> None:
    """Throw the index away and make it again from the transcripts. Nothing is heard again, nothing heard is lost."""
    from gpu.offline import stay_offline
    from service.finding import open_catalog
    from service.rebuild import rebuild
    from service.transcripts import TranscriptStore

    settings = options.settings()
    stay_offline(settings.allow_hub)
    with open_catalog(settings) as catalog:
        indexed = rebuild(settings, catalog, TranscriptStore(settings.transcripts))
    if options.json:
        print_json(indexed.to_json())
    else:
        _show_indexed(indexed)
    if indexed.failures:
        sys.exit(EXIT_SOME_FAILED)


def show(verification: Verification, indexed: Indexed | None) -> None:
    """A line per difference, and one that says what was compared."""
    if indexed is not None:
        _show_indexed(indexed)
    for difference in verification.differences:
        name = f"{difference.recording_id[:8]} " if difference.recording_id else ""
        click.echo(f"{difference.kind.value}: {name}{difference.says}")
    n_different = len(verification.differences)
    click.echo(
        f"{verification.recordings} recordings, {verification.rows} passages in the index, "
        f"{verification.transcripts} transcript files: {n_different or 'no'} "
        f"difference{'s' if n_different != 1 else ''}; {verification.waiting} waiting to be indexed"
    )
    if n_different:
        click.echo("`earwitness index verify --repair` mends what can be mended.", err=True)


def _show_indexed(indexed: Indexed) -> None:
    click.echo(f"{indexed.recordings} recordings indexed again")
    for source, error in indexed.failures:
        click.echo(f"not indexed: {source}: {error}", err=True)
