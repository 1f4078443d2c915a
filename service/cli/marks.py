"""`earwitness seal`, `unseal`, `hold`, `release`: what a person decides about recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.cli.main import Globals, common
from service.cli.output import print_json

if TYPE_CHECKING:
    from service.catalog import Mark

RECORDINGS = click.argument("recordings", metavar="RECORDING...", nargs=-1, required=True)
DECIDED = click.option("--reason", required=True, help="Why: an order, a case. Kept in catalog and audit trail.")
TAKEN_BACK = click.option("--reason", default="", help="Why. Kept in the audit trail.")


@click.command("seal")
@RECORDINGS
@DECIDED
@common
@click.pass_obj
def seal(options: Globals, recordings: tuple[str, ...], reason: str) -> None:
    """Take recordings out of every search at once; `earwitness search --sealed` finds them.

    RECORDING is an id, its beginning, or a source path. Who did it, when and why is recorded in DATA/audit.jsonl.
    """
    from service.catalog import Mark

    _mark(options, recordings, Mark.SEALED, True, reason)


@click.command("unseal")
@RECORDINGS
@TAKEN_BACK
@common
@click.pass_obj
def unseal(options: Globals, recordings: tuple[str, ...], reason: str) -> None:
    """Let searches find sealed recordings again. Recorded in DATA/audit.jsonl."""
    from service.catalog import Mark

    _mark(options, recordings, Mark.SEALED, False, reason)


@click.command("hold")
@RECORDINGS
@DECIDED
@common
@click.pass_obj
def hold(options: Globals, recordings: tuple[str, ...], reason: str) -> None:
    """Mark recordings as to be kept: evidence that must not be deleted. Searches find them, flagged `held`.

    Recorded in DATA/audit.jsonl.
    """
    from service.catalog import Mark

    _mark(options, recordings, Mark.HELD, True, reason)


@click.command("release")
@RECORDINGS
@TAKEN_BACK
@common
@click.pass_obj
def release(options: Globals, recordings: tuple[str, ...], reason: str) -> None:
    """Take the hold off recordings. Recorded in DATA/audit.jsonl."""
    from service.catalog import Mark

    _mark(options, recordings, Mark.HELD, False, reason)


def _mark(options: Globals, recordings: tuple[str, ...], which: Mark, on: bool, reason: str) -> None:
    from service.marking import mark

    marked = mark(options.settings(), recordings, which, on, reason)
    if options.json:
        print_json(marked.to_json())
        return
    for recording_id, changed in marked.recordings:
        state = which.value if on else f"not {which.value}"
        click.echo(f"{recording_id[:8]} {'is now' if changed else 'was already'} {state}")
    if marked.waiting:
        click.echo(
            f"{marked.waiting} recordings are in no answer until the index has their labels. The next ingest or a "
            f"running service sees to it; now {marked.waiting_for}",
            err=True,
        )
