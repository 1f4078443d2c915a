"""`earwitness correct`: what was really said, and who said it."""

from __future__ import annotations

from pathlib import Path

import click

from service.cli.main import Globals, common
from service.cli.output import print_json


@click.command("correct")
@click.argument("recording")
@click.option(
    "--from",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the correction: an exported transcript whose texts and speakers were edited, or edits. Both JSON.",
)
@click.option("--revert", metavar="VERSION", help="Put what VERSION says in place of what the current version says.")
@click.option("--note", help="Why: kept with the version, and in every export of it.")
@common
@click.pass_obj
def command(options: Globals, recording: str, file: Path | None, revert: str | None, note: str | None) -> None:
    """Correct the transcript of RECORDING: an id, the beginning of one, or a source path.

    `earwitness export RECORDING --format json -o FILE` writes the current version. Edit the text or the speaker of its
    segments, take out segments nobody said, and give the file to --from. It may also hold edits alone:

    \b
    {"base": VERSION, "edits": [
      {"segment": 3, "text": "I live on Alder Street."},
      {"segment": 4, "words": [2, 4], "text": "seven Lincoln"},
      {"segment": 5, "speaker": "SPEAKER_01"},
      {"segment": 6, "not_speech": true},
      {"speaker": "SPEAKER_00", "name": "Renee Okafor"},
      {"not_speech": [12000, 15500]}]}

    Segments and words are numbered from 0; words end before the second number; a span is in ms. The correction is a
    new version by you, the operating system's user, and is searched from now on; `earwitness search --machine` still
    searches what the machine heard. Nothing is lost: `earwitness versions RECORDING` lists all, --revert goes back.
    """
    if (file is None) == (revert is None):
        raise click.UsageError("give either --from FILE or --revert VERSION")
    from service.audit import AuditTrail, operating_system_user
    from service.corrections import Corrected, correct, index_here, read_correction
    from service.corrections import revert as put_back
    from service.finding import open_catalog
    from service.transcripts import TranscriptStore

    settings = options.settings()
    author = operating_system_user()
    with open_catalog(settings) as catalog:
        transcripts = TranscriptStore(settings.transcripts)
        recording_id = catalog.find(recording)
        with AuditTrail(settings.data).recorded("transcript.correct", recording=recording_id) as event:
            if file is not None:
                made = read_correction(file, catalog, transcripts, recording_id, author, note)
                version = correct(catalog, transcripts, recording_id, made)
            else:
                version = put_back(catalog, transcripts, recording_id, revert or "", author, note)
            event.facts.update(version=version.version, base=version.amendments[-1].base)
        waits = index_here(settings, catalog, transcripts, recording_id)
        corrected = Corrected(recording_id, version.version, version.amendments[-1].base, waits)
    if options.json:
        print_json(corrected.to_json())
    else:
        found = "search finds it" if waits is None else f"search finds it once it is indexed: {waits}"
        click.echo(f"version {corrected.version} in place of {corrected.base}; {found}")
