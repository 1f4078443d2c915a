"""Who wears the camera and who is on the radio: `python -m benchmarks.speaker_kinds --corpus DIR --report FILE.json`.

Marks the speakers of `patrol/` with the true turns of its labels: what the marking itself gets right. With `--heard`,
with the turns our diarization hears as well: what reaches a transcript. Whoever shares most time with a label is who
it stands for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.corpus import Corpus, CorpusWrong, Reference, read_corpus
from benchmarks.machine import describe
from benchmarks.report import Report, write_report
from benchmarks.table import Column, Table, Value
from benchmarks.turns_alone import load_diarizer
from gpu.errors import GpuError
from gpu.offline import stay_offline
from transcribe.errors import TranscribeError
from transcribe.media import Audio, decode
from transcribe.speaker_kinds import speaker_kinds
from transcribe.transcript import Kind, SpeakerKind, Turn

TRUE, HEARD = "true", "heard"
Hear = Callable[[Audio], list[Turn]]


@dataclass(frozen=True, slots=True)
class Marked:
    """A speaker as marked, and the kind they truly are; `recording` for those who look after an error."""

    recording: str
    truth: Kind | None
    found: SpeakerKind


@click.command()
@click.option("--corpus", "folder", type=click.Path(path_type=Path), envvar="EARWITNESS_CORPUS", required=True)
@click.option("--report", "report_file", type=click.Path(path_type=Path), required=True, help="JSON; Markdown beside.")
@click.option("--heard", is_flag=True, help="Also with the turns that our diarization hears.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads of diarization.")
@click.option("--limit", type=click.IntRange(1), help="At most so many recordings, for a quick check.")
def command(folder: Path, report_file: Path, heard: bool, threads: int, limit: int | None) -> None:
    """Measure how often the wearer and the radio are marked, and how often that is right."""
    stay_offline()
    try:
        corpus = read_corpus(folder, limit)
        if not corpus.patrol:
            raise CorpusWrong(folder, "it holds no patrol/*.json")
        report = measure(corpus, _diarization(threads) if heard else None, threads)
    except (CorpusWrong, GpuError, TranscribeError) as error:
        click.echo(f"benchmarks.speaker_kinds: {error}", err=True)
        sys.exit(1)
    for path in write_report(report, report_file):
        click.echo(str(path))


def measure(corpus: Corpus, hear: Hear | None, threads: int) -> Report:
    """Mark every patrol recording with the true turns and, given something to hear them with, those heard.

    Raises:
        TranscribeError: a recording cannot be heard.
    """
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    facts = describe(threads)
    marked: dict[str, list[Marked]] = {turns: [] for turns in ((TRUE, HEARD) if hear else (TRUE,))}
    for reference in corpus.patrol:
        audio = decode(str(reference.media))
        marked[TRUE] += mark(reference, audio, reference.turns)
        if hear:
            marked[HEARD] += mark(reference, audio, hear(audio))
    wrong = {turns: [line for one in some if (line := _error(one))] for turns, some in marked.items()}
    run = {"corpus": corpus.name, "recordings": {"patrol": len(corpus.patrol)}}
    return Report(made_at, facts, run, (kinds_table(marked),), wrong, title="Wearer and radio")


def mark(reference: Reference, audio: Audio, turns: Sequence[Turn]) -> list[Marked]:
    """The speakers of some turns as marked, beside the kinds they truly are."""
    return [
        Marked(reference.name, _true_kind(reference, [turn for turn in turns if turn.speaker == found.speaker]), found)
        for found in speaker_kinds(audio.waveform, audio.channel_levels, turns)
    ]


def _true_kind(reference: Reference, own: Sequence[Turn]) -> Kind | None:
    """The kind of whom these turns share most time with, from how most of that time was heard."""
    shared: dict[tuple[str | None, str], int] = {}
    for one in reference.utterances:
        who = (one.speaker, one.channel)
        shared[who] = shared.get(who, 0) + sum(turn.span.overlap_ms(one.span) for turn in own)
    speaker, channel = max(shared, key=lambda who: shared[who], default=(None, "mic"))
    if channel != "mic":
        return Kind.RADIO
    return Kind.WEARER if speaker is not None and speaker == reference.wearer else None


def kinds_table(marked: dict[str, list[Marked]]) -> Table:
    """A row per source of turns and kind: how many are marked, how many of those rightly, how many were missed."""
    rows: list[dict[str, Value]] = []
    for turns, some in marked.items():
        for kind in Kind:
            truly = [one for one in some if one.truth is kind]
            given = [one for one in some if one.found.kind is kind]
            right = [one for one in given if one.truth is kind]
            rows.append(
                {
                    "turns": turns,
                    "kind": kind.value,
                    "speakers": len(truly),
                    "marked": len(given),
                    "right": round(100 * len(right) / len(given), 1) if given else None,
                    "found": round(100 * len(right) / len(truly), 1) if truly else None,
                    "confidence": round(sum(one.found.confidence for one in given) / len(given), 2) if given else None,
                }
            )
    return Table(
        "kinds",
        "Wearer and radio",
        "Speakers of the patrol recordings. `true` turns are those of the labels, `heard` those of our diarization; a "
        "label that is heard stands for whoever shares most time with it, so one person may be counted twice. Found is "
        "the share of speakers of a kind that were marked. Thresholds were chosen on the development corpus.",
        ("turns", "kind"),
        (
            Column("speakers", "speakers", digits=0),
            Column("marked", "marked", digits=0),
            Column("right", "marked rightly", "%", "higher"),
            Column("found", "found", "%", "higher"),
            Column("confidence", "mean confidence", digits=2),
        ),
        tuple(rows),
        ("right", "found"),
    )


def _error(one: Marked) -> str | None:
    if one.found.kind is one.truth:
        return None
    return f"{one.recording} {one.found.speaker}: {one.truth or 'neither'}, marked {one.found.kind or 'neither'}"


def _diarization(threads: int) -> Hear:
    diarizer = load_diarizer(threads)
    return lambda audio: list(diarizer.diarize(audio.waveform).turns)


if __name__ == "__main__":
    command()
