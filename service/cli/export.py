"""`earwitness export`: transcripts as files other tools read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.cli.main import EXIT_SOME_FAILED, Globals, common
from service.cli.output import print_json

if TYPE_CHECKING:
    from service.catalog import RecordingRow
    from service.transcripts import TranscriptStore


@click.command("export")
@click.argument("recording", required=False)
@click.option("--all", "everything", is_flag=True, help="Every recording, one file each.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["json", "txt", "srt", "vtt", "rttm", "ctm", "stm"]),
    required=True,
    help="json: everything; txt: to read; srt, vtt: captions; rttm, ctm, stm: for NIST scoring tools.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File, or with --all the folder. [default: stdout; with --all the current folder]",
)
@common
@click.pass_obj
def command(options: Globals, recording: str | None, everything: bool, format_: str, output: Path | None) -> None:
    """Write the transcript of RECORDING: an id, the beginning of one, or a source path.

    It is the current version: a machine transcript that nobody verified, or one that people corrected. Every file says
    which, and who did, where its format has room.
    """
    if (recording is None) != everything:
        raise click.UsageError("name one RECORDING, or give --all")
    from service.export import current_transcript, row_of, write_file
    from service.finding import open_catalog
    from service.transcripts import TranscriptStore
    from transcribe.formats import render

    settings = options.settings()
    with open_catalog(settings) as catalog:
        transcripts = TranscriptStore(settings.transcripts)
        if everything:
            _export_all(options, catalog.recordings(), transcripts, format_, output or Path())
            return
        assert recording is not None
        transcript = current_transcript(row_of(catalog, catalog.find(recording)), transcripts)
    if output is None:
        click.echo(render(transcript, format_), nl=False)
        return
    target = output / f"{Path(transcript.recording.source).stem}.{format_}" if output.is_dir() else output
    write_file(target, transcript, format_)
    if options.json:
        print_json({"files": [str(target)], "failures": []})
    else:
        click.echo(str(target))


def _export_all(
    options: Globals, rows: list[RecordingRow], transcripts: TranscriptStore, format_: str, folder: Path
) -> None:
    from service.errors import ExportRefused, ServiceError
    from service.export import current_transcript, file_names, write_file

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportRefused(folder, error.strerror or str(error)) from error
    names = file_names(rows, format_)
    written: list[str] = []
    failures: list[dict[str, str]] = []
    for row in rows:
        target = folder / names[row.id]
        try:
            write_file(target, current_transcript(row, transcripts), format_)
        except ServiceError as error:
            failures.append({"source": row.sources[0] if row.sources else row.id, "error": str(error)})
            click.echo(f"not exported: {error}", err=True)
        else:
            written.append(str(target))
    if options.json:
        print_json({"files": written, "failures": failures})
    else:
        for path in written:
            click.echo(path)
    if failures:
        sys.exit(EXIT_SOME_FAILED)
