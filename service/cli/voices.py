"""`earwitness voices`: who sounds alike in several recordings, and forgetting it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.cli.main import Globals, common
from service.cli.output import clock, console, print_json

if TYPE_CHECKING:
    from service.voices import Heard, VoicesFound


@click.group("voices")
def command() -> None:
    """Compare voices across recordings, where the settings allow it (`voices.enabled`), and delete them."""


@command.command("find")
@click.option("--recording", required=True, help="The recording: an id, its beginning, or a source path.")
@click.option("--speaker", required=True, help="The speaker in it: a label, such as SPEAKER_00.")
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Matches to return.")
@common
@click.pass_obj
def find_command(options: Globals, recording: str, speaker: str, limit: int) -> None:
    """Find speakers of any recording who sound like SPEAKER of RECORDING, with a score each and a span to play.

    A score is the chance that two voices as alike are one person's, had it been as likely as not before. Nobody is
    identified. Every use is recorded in DATA/audit.jsonl before it is answered.
    """
    from service.voices import find_voices

    found = find_voices(options.settings(), recording, speaker, limit)
    if options.json:
        print_json(found.to_json())
    else:
        _show(found)


@command.command("forget")
@click.option("--recording", help="Only those of this recording: an id, its beginning, or a source path.")
@common
@click.pass_obj
def forget_command(options: Globals, recording: str | None) -> None:
    """Delete every voice that is kept. Transcripts stay; while voices are enabled, an ingest makes voices again.

    Backups hold what was kept when they were made, sealed: without the key nobody can read it.
    """
    from service.voices import forget_voices

    n_deleted = forget_voices(options.settings(), recording)
    if options.json:
        print_json({"deleted": n_deleted})
    else:
        click.echo(f"{n_deleted} voices deleted")


def _show(found: VoicesFound) -> None:
    from rich.table import Table

    from service.voices import NOTICE

    out = console()
    table = Table("score", "source", "speaker", "longest turn", "speech", "recording")
    table.add_row("asked", *_cells(found.asked))
    for score, heard in found.matches:
        table.add_row(f"{score:.2f}", *_cells(heard))
    out.print(table)
    shown = f"{found.total} alike, {len(found.matches)} shown" if found.matches else "None alike"
    out.print(f"{shown}; compared with {found.compared} voices. {NOTICE}", markup=False, soft_wrap=True)


def _cells(heard: Heard) -> tuple[str, ...]:
    span = f"{clock(heard.turn.start_ms)}–{clock(heard.turn.end_ms)}" if heard.turn else ""
    name = heard.source.rstrip("/").rsplit("/", 1)[-1]
    return name, heard.speaker, span, f"{heard.speech_ms / 1000:.0f} s", heard.recording_id[:8]
