"""`earwitness ingest`: hear everything in the sources, and make it searchable."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from service.cli.main import EXIT_CANNOT_RUN, EXIT_INTERRUPTED, EXIT_SOME_FAILED, Globals, common
from service.cli.output import console, length, print_json

if TYPE_CHECKING:
    from service.ingest import Report
    from service.settings import Settings


@click.command("ingest")
@click.argument("sources", nargs=-1, metavar="SOURCE…")
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    help="CSV with a line per file: path,recorded_at,officer,badge,unit,incident_id,category,camera_serial,restricted.",
)
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="Where to hear."
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where models run. [default: auto]")
@click.option("--asr-model", metavar="NAME|DIR", help="Speech model. [default: whisper-base; on a GPU large-v3-turbo]")
@click.option(
    "--vocabulary",
    type=click.Path(path_type=Path),
    help="Names and words to expect in this run, one a line, besides those of the setting `vocabulary`.",
)
@click.option(
    "--speakers", type=click.IntRange(min=1), metavar="N", help="How many people speak in each recording, if known."
)
@click.option("--min-speakers", type=click.IntRange(min=1), metavar="N", help="The fewest people in each recording.")
@click.option("--max-speakers", type=click.IntRange(min=1), metavar="N", help="The most people in each recording.")
@click.option("--retry-failed", is_flag=True, help="Try again what rests as failed after three attempts.")
@common
@click.pass_obj
def command(
    options: Globals,
    sources: tuple[str, ...],
    manifest: Path | None,
    engine: str,
    device: str | None,
    asr_model: str | None,
    vocabulary: Path | None,
    speakers: int | None,
    min_speakers: int | None,
    max_speakers: int | None,
    retry_failed: bool,
) -> None:
    """Hear every recording in SOURCE (files, folders, URLs) and index what was said.

    What was heard before is skipped; with another number of speakers, speakers are told apart again, and words
    stay. Ctrl-C finishes the recordings in flight and stops; running the same command again goes on from there.
    """
    if not sources and manifest is None:
        raise click.UsageError("nothing to ingest: name a file, a folder or a URL, or give --manifest FILE.csv")
    if engine == "ray":
        raise click.UsageError("--engine ray is not part of this version; --engine local hears on this machine")
    bounds = _bounds(speakers, min_speakers, max_speakers)
    settings = options.settings(device=device, asr_model=asr_model)
    report = _run(settings, sources, manifest, vocabulary, bounds, retry_failed, options.json)
    if options.json:
        print_json(report.to_json())
    else:
        _show(report)
    if report.interrupted:
        sys.exit(EXIT_INTERRUPTED)
    if report.failures:
        # Nothing but wrong paths on the command line: there was no run to speak of.
        sys.exit(EXIT_CANNOT_RUN if report.found == 0 and manifest is None else EXIT_SOME_FAILED)


def _bounds(speakers: int | None, least: int | None, most: int | None) -> tuple[int, int | None]:
    """The fewest and the most people there may be; None: any number."""
    if speakers is not None:
        if least is not None or most is not None:
            raise click.UsageError("--speakers is the exact number: leave out --min-speakers and --max-speakers")
        return speakers, speakers
    if least is not None and most is not None and least > most:
        raise click.UsageError(f"--min-speakers {least} is more than --max-speakers {most}: swap them")
    return least or 1, most


def _run(
    settings: Settings,
    sources: tuple[str, ...],
    manifest: Path | None,
    vocabulary: Path | None,
    bounds: tuple[int, int | None],
    retry_failed: bool,
    quiet: bool,
) -> Report:
    from gpu.devices import pick_device
    from gpu.engine import LocalEngine
    from gpu.errors import ModelMissing
    from gpu.listener import HearingModels, HearingOptions, Listener
    from gpu.offline import stay_offline
    from service.catalog import Catalog
    from service.data import prepare_data
    from service.deferring import DeferringIndexer
    from service.ingest import Ingest, find_sources
    from service.progress import watch
    from service.transcripts import TranscriptStore
    from service.voices import VoiceKeeper, open_seal
    from transcribe.clustering import ClusterOptions
    from transcribe.diarization import DiarizationOptions
    from transcribe.vocabulary import NOTHING, read_vocabulary

    expected = sum((read_vocabulary(path) for path in (vocabulary, settings.vocabulary) if path), NOTHING)
    found = find_sources(sources, manifest, settings)
    stay_offline(settings.allow_hub)
    prepare_data(settings)
    stop = threading.Event()
    with _finish_on_interrupt(stop), Catalog.open(settings.catalog) as catalog, watch(sys.stderr) as progress:
        device = pick_device(settings.device, settings.threads)
        models = HearingModels.find(settings.asr_model, device, settings.model_places, settings.translator_model)
        hearing = HearingOptions(
            diarization=DiarizationOptions(clusters=ClusterOptions(min_speakers=bounds[0], max_speakers=bounds[1])),
            vocabulary=expected,
            names=settings.vocabulary_names,
            voices=settings.voices.enabled and models.voice_model is not None,
        )
        voices = None
        if settings.voices.enabled:
            seal = open_seal(settings, catalog)
            voices = VoiceKeeper(seal, models.voice_model) if models.voice_model else None
        transcripts = TranscriptStore(settings.transcripts)
        with closing(Listener(models, hearing, device, keep_voices=voices.keep if voices else None)) as listener:
            ingest = Ingest(
                catalog,
                transcripts,
                DeferringIndexer(settings, catalog, transcripts, stop),
                LocalEngine(listener, stop),
                models.fingerprints(hearing),
                progress,
                stop,
                voices,
            )
            if isinstance(models.speakers, ModelMissing):
                ingest.note(f"speakers are not told apart: {models.speakers}; an ingest after that does it")
            elif settings.voices.enabled and voices is None:
                ingest.note("no voices are kept: the installed diarization pipeline tells none")
            left_out = models.left_out(expected)
            if left_out:
                ingest.note(
                    f"the vocabulary is longer than the speech model takes: {len(left_out)} of {len(expected.entries)} "
                    f"entries, from {left_out[0]!r} on, are left out; put those that matter first"
                )
            return ingest.run(found, retry_failed)


class _finish_on_interrupt:  # noqa: N801 -- used as a with-block
    """The first Ctrl-C asks the ingest to stop after what is in flight, the second one stops at once."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, self._asked)
        self._before_term = signal.signal(signal.SIGTERM, self._asked)

    def __exit__(self, *_exc: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        signal.signal(signal.SIGTERM, self._before_term)

    def _asked(self, _signal: int, _frame: FrameType | None) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt
        self._stop.set()
        click.echo("finishing the recordings in flight; Ctrl-C again stops at once", err=True)


def _show(report: Report) -> None:
    out = console()
    counts = report.to_json()["recordings"]
    out.print(
        f"{counts['found']} found, {counts['done']} done, {counts['skipped']} skipped, {counts['failed']} failed; "
        f"{length(report.audio_ms)} of audio, {length(report.speech_ms)} of speech, in {report.wall_seconds:.0f} s",
        soft_wrap=True,
    )
