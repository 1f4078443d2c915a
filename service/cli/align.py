"""`earwitness align`: how two recordings of one scene lie in time."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import click

from service.cli.main import Globals, common
from service.cli.output import console, print_json

if TYPE_CHECKING:
    from service.alignment import Alignment
    from service.catalog import RecordingRow


@click.command("align")
@click.argument("a")
@click.argument("b")
@common
@click.pass_obj
def command(options: Globals, a: str, b: str) -> None:
    """Measure the offset between A and B, two recordings of one scene: own time of B = time in A + offset.

    Each is an id, the beginning of one, or a source path. The words that both heard tell it, whatever the clocks of the
    cameras say; the sound of both measures it more closely, where it can be read.
    """
    from service.alignment import align
    from service.export import row_of
    from service.finding import open_catalog
    from service.transcripts import TranscriptStore

    settings = options.settings()
    with open_catalog(settings) as catalog:
        first, second = (row_of(catalog, catalog.find(named)) for named in (a, b))
        alignment = align(catalog, TranscriptStore(settings.transcripts), first, second)
    if options.json:
        print_json(alignment.to_json())
    else:
        _show(alignment)


def _show(alignment: Alignment) -> None:
    lines = []
    a, b = _names(alignment.first, alignment.second)
    words, sound, offset_ms = alignment.words, alignment.sound, alignment.measured.offset_ms
    if offset_ms is None:
        lines.append(f"Not aligned: {a} and {b} do not seem to share a scene.")
        lines.append(f"Why: {words.reason}.")
    else:
        lines.append(f"What is at T in {a} is at T {_seconds(offset_ms)} in {b}.")
        by_words = f"the words say {_seconds(words.offset_ms or 0)}, spread {words.spread_ms} ms"
        if sound is None:
            lines.append(f"Measured by words: {by_words}.")
        else:
            lines.append(f"Measured by sound: {sound.n_stretches} stretches, spread {sound.spread_ms} ms; {by_words}.")
        lines.append(f"Why: {words.reason}.")
        lines.append(_clocks(alignment.clock_difference_ms, a, b))
    lines += [f"Degraded: {reason}" for reason in alignment.degraded]
    for line in lines:
        console().print(line, markup=False, soft_wrap=True)


def _clocks(difference_ms: int | None, a: str, b: str) -> str:
    if difference_ms is None:
        return "How the cameras' clocks differ is unknown: recorded_at of both would tell."
    if difference_ms == 0:
        return f"By recorded_at, the clocks of {a} and {b} agree."
    ahead = "ahead of" if difference_ms > 0 else "behind"
    return f"By recorded_at, the clock of {b} is about {abs(difference_ms) / 1000:.1f} s {ahead} that of {a}."


def _seconds(ms: int) -> str:
    """With its sign, set apart: + 7.620 s."""
    return f"{'-' if ms < 0 else '+'} {abs(ms) / 1000:.3f} s"


def _names(first: RecordingRow, second: RecordingRow) -> tuple[str, str]:
    """File names, or the beginning of ids where these are the same or unknown."""
    a, b = (PurePosixPath(row.sources[0]).name if row.sources else row.id[:12] for row in (first, second))
    return (a, b) if a != b else (first.id[:12], second.id[:12])
