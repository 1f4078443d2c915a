"""How well detectors find what they look for: `python -m benchmarks.detectors --corpus DIR --report FILE [--data DIR]`.

Each detector is matched, as an ingest matches it, with the labels of `patrol` as if a perfect system had heard them,
and with our own transcripts. Which utterances it should find is labelled in `benchmarks/queries/detectors/dev.jsonl`.
With `--qmsum` it is matched with meetings, too, in which nobody warns, searches or threatens anybody: every hit there
is taken for a false alarm.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np

from benchmarks.archives import fill
from benchmarks.corpus import CorpusWrong, read_corpus
from benchmarks.machine import describe
from benchmarks.patrol import OWN_QUERIES, heard_transcripts, name_of, reference_transcript
from benchmarks.process import ProcessFailed
from benchmarks.qmsum import WORD_MS, meeting_transcripts, read_qmsum
from benchmarks.report import Report, write_report
from benchmarks.spoken_squad import DataWrong
from benchmarks.table import Column, Table, Value
from search.embedding import Embedder, Vectors
from search.indexes.exact import ExactIndex
from service.catalog import Catalog, Watch, WatchSpan
from service.detectors import Detector, detectors, measures
from service.watching import match
from transcribe.spans import Span
from transcribe.transcript import ModelUse, Transcript, Word

LABELS = OWN_QUERIES / "detectors" / "dev.jsonl"
MEASURED = Path(__file__).parent.parent / "service" / "detectors" / "measured.json"
AS_LABELLED, AS_HEARD, MEETINGS = "as labelled", "as heard", "meetings"

NOTE = (
    "A hit is right where its span overlaps a labelled utterance of its kind, and a labelled utterance is found where "
    "a hit overlaps it; places at most 5 s apart are one hit. Labels were made by one reader, who also wrote the "
    "detectors (benchmarks/queries/README.md). Where nothing is labelled there is no recall, where nothing was found "
    "no precision: –. With so few labels, a share says little; read the counts."
)


class NoEmbedder:
    """What detectors ask needs no meaning."""

    use = ModelUse("none", "1", "")
    dimension = 1

    def passages(self, texts: Sequence[str]) -> Vectors:
        return np.ones((len(texts), 1), np.float32)

    def query(self, text: str) -> Vectors:
        return np.ones(1, np.float32)


@dataclass(frozen=True, slots=True)
class Label:
    """An utterance that is what a detector looks for."""

    kind: str
    recording: str  # as `name_of`
    span: Span


def read_labels(path: Path = LABELS) -> list[Label]:
    stated = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Label(one["kind"], one["recording"], Span(one["start_ms"], one["end_ms"])) for one in stated]


def timed(transcript: Transcript) -> Transcript:
    """The same with words spoken at an even pace, as meetings are spread over time: how near they are matters."""
    return replace(
        transcript,
        segments=tuple(
            replace(
                one,
                words=tuple(
                    Word(one.start_ms + n * WORD_MS, one.start_ms + (n + 1) * WORD_MS, text, 1.0)
                    for n, text in enumerate(one.text.split())
                ),
            )
            for one in transcript.segments
        ),
    )


def found_in(transcripts: Iterable[Transcript], catalog: Catalog) -> dict[str, list[tuple[str, WatchSpan]]]:
    """What each detector finds: recording and span. Each recording is indexed by itself, as nothing here ranks."""
    found: dict[str, list[tuple[str, WatchSpan]]] = {name: [] for name in detectors()}
    for transcript in transcripts:
        index = ExactIndex()
        fill(index, [transcript], NoEmbedder())
        for one in detectors().values():
            spans = match(_watch(one), transcript.recording.id, catalog, "UTC", index, _none)
            found[one.name] += [(name_of(transcript), span) for span in spans]
    return found


def counted(found: Sequence[tuple[str, WatchSpan]], labels: Sequence[Label]) -> dict[str, int]:
    """Hits, how many of them are right, labels, and how many of them were found."""

    def meet(recording: str, span: WatchSpan, label: Label) -> bool:
        return label.recording == recording and label.span.overlap_ms(Span(span.start_ms, span.end_ms)) > 0

    return {
        "hits": len(found),
        "right": sum(any(meet(*hit, label) for label in labels) for hit in found),
        "labelled": len(labels),
        "found": sum(any(meet(*hit, label) for hit in found) for label in labels),
    }


def table(counts: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Table:
    """Of detector and of what was searched."""
    rows: list[dict[str, Value]] = []
    for name, by_set in counts.items():
        for about, one in by_set.items():
            shares = {key: None if (share := measures(one)[key]) is None else 100 * share for key in _SHARES}
            rows.append({"detector": name, "searched": about, **one, **shares})
    columns = (
        Column("hits", "hits", digits=0),
        Column("right", "right", digits=0),
        Column("precision", "precision", "%", "higher", 0),
        Column("labelled", "labelled utterances", digits=0),
        Column("found", "found", digits=0),
        Column("recall", "recall", "%", "higher", 0),
    )
    return Table(
        "detectors",
        "What detectors find",
        NOTE,
        ("detector", "searched"),
        columns,
        tuple(rows),
        ("precision", "recall"),
    )


def alarms_table(alarms: Mapping[str, int], n_meetings: int, n_words: int) -> Table:
    """What is found where nothing is to be found."""
    rows: tuple[dict[str, Value], ...] = tuple(
        {"detector": name, "hits": n, "rate": 100_000 * n / n_words} for name, n in alarms.items()
    )
    note = (
        f"QMSum: {n_meetings} meetings, {n_words} words as people wrote them down. Each hit counts as a false alarm, "
        "although nobody has read them."
    )
    columns = (
        Column("hits", "hits", digits=0),
        Column("rate", "hits per 100,000 words", better="lower", digits=2),
    )
    return Table("alarms", "False alarms in meetings", note, ("detector",), columns, rows, ("rate",))


_SHARES = ("precision", "recall")


@click.command()
@click.option("--corpus", "folder", type=click.Path(path_type=Path), envvar="EARWITNESS_CORPUS", required=True)
@click.option("--report", "report_file", type=click.Path(path_type=Path), required=True, help="JSON; Markdown beside.")
@click.option("--data", type=click.Path(path_type=Path), help="Data folder that heard the corpus. [default: heard now]")
@click.option("--qmsum", type=click.Path(path_type=Path), help="Meetings of QMSum, for false alarms.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--write", is_flag=True, help="Ship what was measured: write service/detectors/measured.json.")
def command(folder: Path, report_file: Path, data: Path | None, qmsum: Path | None, threads: int, write: bool) -> None:
    """Measure precision and recall of every detector."""
    made_at, facts = datetime.now(UTC).isoformat(timespec="seconds"), describe(threads)
    try:
        corpus = read_corpus(folder)
        meetings = [timed(one) for one in meeting_transcripts(read_qmsum(qmsum))] if qmsum else []
        with tempfile.TemporaryDirectory() as work:
            sets = {
                AS_LABELLED: [reference_transcript(one) for one in corpus.patrol],
                AS_HEARD: heard_transcripts(corpus, data, Path(work), threads),
            }
            with Catalog.open(f"sqlite:///{work}/catalog.sqlite") as catalog:
                found = {about: found_in(transcripts, catalog) for about, transcripts in sets.items()}
                alarms = {name: len(hits) for name, hits in found_in(meetings, catalog).items()}
    except (CorpusWrong, DataWrong, ProcessFailed) as error:
        click.echo(f"benchmarks.detectors: {error}", err=True)
        sys.exit(1)
    labels = read_labels()
    counts = {
        name: {
            about: counted(hits[name], [label for label in labels if label.kind == name])
            for about, hits in found.items()
        }
        for name in detectors()
    }
    tables = [table(counts)]
    if meetings:
        n_words = sum(len(segment.text.split()) for one in meetings for segment in one.segments)
        tables.append(alarms_table(alarms, len(meetings), n_words))
    run = {"corpus": corpus.name, "recordings": {"patrol": len(corpus.patrol), MEETINGS: len(meetings)}}
    report = Report(made_at, facts, run, tuple(tables), {}, title="What detectors find")
    for path in write_report(report, report_file):
        click.echo(str(path))
    if write:
        MEASURED.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
        click.echo(str(MEASURED))


def _watch(one: Detector) -> Watch:
    return Watch(one.name, one.texts, "exact", {}, False, one.name, "benchmark", 0)


def _none() -> Embedder:
    raise AssertionError("detectors ask exactly")


if __name__ == "__main__":
    command()
