"""Search, measured: `python -m benchmarks.retrieval --spoken-squad DIR --qmsum FILE --corpus DIR --json FILE`.

Every data set is optional; what is there is measured. Each is indexed by the product's own code in a Qdrant Edge shard
and asked with all legs together, each alone, and all but one. `benchmarks/spoken_squad.py`, `qmsum.py` and `corpus.py`
say how data is laid out. Passages are embedded once: their vectors stay in the cache folder, in `benchmarks/vectors`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from benchmarks.archives import Archive, indexed, sampled
from benchmarks.corpus import CorpusWrong
from benchmarks.finding_terms import look_for, terms_table, thresholds_table
from benchmarks.growth import SIZES, grow, growth_table
from benchmarks.labelled import Labelled
from benchmarks.machine import describe
from benchmarks.measures import SEED
from benchmarks.process import ProcessFailed
from benchmarks.ranking_tables import Rankings, absent_table, legs_table, rankings_table
from benchmarks.report import Report, write_report
from benchmarks.spoken_squad import DataWrong
from benchmarks.systems import SYSTEMS, WHOLE, Asked, ask
from benchmarks.table import Table
from benchmarks.vectors import KeptVectors
from gpu.errors import GpuError
from gpu.models import ModelPlaces
from gpu.offline import stay_offline
from search.embedding import Embedder
from service.indexing import load_embedder
from service.settings import load_settings

PARTS = ("rankings", "terms", "growth")


@dataclass(slots=True)
class Measuring:
    """One run: what it measures with, and what it has found so far."""

    embedder: Embedder  # as a search has it: nothing is kept
    kept: KeptVectors
    work: Path
    say: Callable[[str], None]
    sample: int | None = None
    keep: Callable[[Measuring], object] = lambda run: None  # told whenever there are new tables
    tables: list[Table] = field(default_factory=list)
    asked: list[tuple[Archive, Rankings]] = field(default_factory=list)
    every: list[tuple[Archive, Rankings]] = field(default_factory=list)  # our own search alone, without a sample
    remarks: dict[str, None] = field(default_factory=dict)  # each once

    def add(self, *tables: Table) -> None:
        """Keep tables: what was measured stays, whatever happens to the rest of the run."""
        self.tables += tables
        self.keep(self)

    def folder(self) -> Path:
        """A new empty one."""
        return Path(tempfile.mkdtemp(dir=self.work))

    def rank(self, archive: Archive) -> Archive:
        """Ask our search every question and the other systems those of the sample, and keep how they did.

        Returns:
            The archive with the questions of the sample.
        """
        chosen = sampled(archive, self.sample)
        self.say(f"{archive.name}: index {len(archive.transcripts)} recordings")
        with indexed(archive.transcripts, self.kept, self.folder()) as index:
            self.kept.save()
            rankings = {}
            for system in SYSTEMS:
                asked = archive if system is WHOLE else chosen
                self.say(f"{archive.name}: {system.name}, {len(asked.questions)} questions")
                rankings[system.name] = ask(system, asked, index, self.kept)
                for note in rankings[system.name].notes:
                    self.remarks[f"{system.name}: {note}"] = None
        whole = rankings[WHOLE.name]
        self.every.append((archive, {WHOLE.name: whole}))
        self.asked.append((chosen, rankings | {WHOLE.name: _of(whole, archive, chosen)}))
        return chosen


@click.command()
@click.option("--spoken-squad", "squad", type=click.Path(path_type=Path), help="passages_*.jsonl and questions.jsonl.")
@click.option("--qmsum", type=click.Path(path_type=Path), help="Meetings, one JSON a line.")
@click.option("--corpus", "folder", type=click.Path(path_type=Path), envvar="EARWITNESS_CORPUS", help="With patrol/.")
@click.option("--json", "report_file", type=click.Path(path_type=Path), required=True, help="Report; Markdown beside.")
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), help="A data folder that heard the corpus. [else: ingest]"
)
@click.option(
    "--queries",
    "files",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="More queries of the corpus.",
)
@click.option("--only", default=",".join(PARTS), show_default=True, help="What to measure, separated by commas.")
@click.option("--sample", type=click.IntRange(1), help="Compare systems on at most so many of a group; ours gets all.")
@click.option("--million", is_flag=True, help="Let the archive grow to a million passages, not a hundred thousand.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads of each model.")
@click.option("--remarks", type=click.Path(exists=True, path_type=Path), help="Text to put at the top of the report.")
def command(
    squad: Path | None,
    qmsum: Path | None,
    folder: Path | None,
    report_file: Path,
    data: Path | None,
    files: tuple[Path, ...],
    only: str,
    sample: int | None,
    million: bool,
    threads: int,
    remarks: Path | None,
) -> None:
    """Measure how often search finds the moment, how surely, how fast, and what each leg adds."""
    stay_offline()
    parts = {part.strip() for part in only.split(",") if part.strip()}
    if not parts or parts - set(PARTS):
        raise click.UsageError(f"--only takes some of {', '.join(PARTS)}")
    if not (squad or qmsum or folder):
        raise click.UsageError("name data with --spoken-squad DIR, --qmsum FILE or --corpus DIR")
    started = time.perf_counter()

    def say(text: str) -> None:
        click.echo(f"[{(time.perf_counter() - started) / 60:5.1f} min] {text}", err=True)

    try:
        labelled = Labelled.read(squad, qmsum, folder, data, files)
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        facts = describe(threads)
        settings = load_settings(threads=threads)
        embedder = load_embedder(settings)
        kept = KeptVectors(embedder, ModelPlaces.from_environment().cache / "benchmarks" / "vectors")

        def kept_report(run: Measuring) -> Sequence[Path]:
            return write_report(_report(run, labelled, made_at, facts, remarks), report_file)

        with tempfile.TemporaryDirectory(prefix="earwitness-retrieval-") as work:
            run = Measuring(embedder, kept, Path(work), say, sample, kept_report)
            measure(run, parts, labelled, SIZES if million else SIZES[:1], threads)
            kept.save()
    except (CorpusWrong, DataWrong, GpuError, ProcessFailed) as error:
        click.echo(f"benchmarks.retrieval: {error}", err=True)
        sys.exit(1)
    for path in kept_report(run):
        click.echo(str(path))


def measure(run: Measuring, parts: Iterable[str], labelled: Labelled, sizes: Sequence[int], threads: int) -> None:
    """Fill the run's tables.

    Raises:
        ProcessFailed
    """
    if "rankings" in parts:
        _rank_texts(run, labelled)
    heard: Archive | None = None
    if labelled.corpus and {"rankings", "terms"} & set(parts):
        run.say("our transcripts of patrol")
        heard = labelled.as_heard(run.folder(), threads)
        if lost := len(labelled.corpus.patrol) - len(heard.names):
            run.remarks[f"{lost} recordings of patrol have no transcript of ours; their answers cannot be found."] = (
                None
            )
    if "rankings" in parts and heard:
        for archive in (heard, labelled.as_labelled()):
            asked = run.rank(archive)
            note = (
                f"The corpus among {len(labelled.distractors)} recordings of other text. A hit is right when it starts "
                "at most 5 s from an utterance that answers."
            )
            if archive is not heard:
                note += " Labels have no translations: what was said in another language stays in it."
            name = archive.name.replace(" ", "_")
            rankings = run.asked[-1][1]
            run.add(rankings_table(name, f"Queries, {archive.name}", asked.questions, rankings, note))
    if run.every and run.sample is not None:
        questions = [question for archive, _ in run.every for question in archive.questions]
        note = "Our search asked all questions; the tables above compare systems on a sample of them."
        asked_all = _merged([rankings for _, rankings in run.every])
        run.add(rankings_table("every", "Every question", questions, asked_all, note))
    if run.asked:
        results = [(archive.questions, rankings) for archive, rankings in run.asked]
        run.add(legs_table(results), absent_table(results))
    if "terms" in parts and heard:
        run.say(f"{len(labelled.terms)} terms")
        recorded_ms = sum(one.recording.duration_ms for one in heard.transcripts if one.recording.id in heard.names)
        with indexed(heard.transcripts, run.kept, run.folder()) as index:
            found = look_for(labelled.terms, heard, index, run.kept)
        run.add(
            terms_table(labelled.terms, found, recorded_ms),
            thresholds_table(labelled.terms, found, recorded_ms),
        )
    if "growth" in parts and (archives := [*labelled.squads(), *labelled.qmsum()]):
        run.say(f"{archives[0].name} grows to {sizes[-1]} passages")
        rows = grow(archives[0], labelled.distractors, sizes, run.embedder, run.kept, run.folder())
        run.add(growth_table(archives[0].name, rows))


def _report(run: Measuring, labelled: Labelled, made_at: str, facts: Mapping[str, Any], remarks: Path | None) -> Report:
    return Report(
        made_at,
        facts,
        {
            "corpus": labelled.corpus.name if labelled.corpus else "none",
            "recordings": {
                **({"patrol": len(labelled.corpus.patrol)} if labelled.corpus else {}),
                **{f"Spoken-SQuAD passages at {one.name}": len(one.passages) for one in labelled.levels},
                **({"QMSum meetings": len(labelled.meetings)} if labelled.meetings else {}),
            },
            "questions": sum(len(archive.questions) for archive, _ in run.asked),
            "sample": run.sample,
            "seed": SEED,
        },
        tuple(table for table in run.tables if table.rows),
        {},
        "\n\n".join([*([remarks.read_text("utf-8")] if remarks else []), *(f"- {line}" for line in run.remarks)]),
        "How often search finds the moment",
    )


def _rank_texts(run: Measuring, labelled: Labelled) -> None:
    squads = [run.rank(archive) for archive in labelled.squads()]
    if squads:
        questions = [question for archive in squads for question in archive.questions]
        merged = _merged([rankings for _, rankings in run.asked])
        note = "A hit is right when it is the passage that the question was asked of."
        run.add(rankings_table("spoken_squad", "Spoken-SQuAD", questions, merged, note))
    for archive in labelled.qmsum():
        asked = run.rank(archive)
        note = (
            "A hit is right when it is one of the turns that answer; recall is the share of them found, and there are "
            "often more than a hundred."
        )
        run.add(rankings_table("qmsum", "QMSum", asked.questions, run.asked[-1][1], note))


def _of(asked: Asked, archive: Archive, chosen: Archive) -> Asked:
    """What was asked of an archive, for some of its questions."""
    if asked.ranked is None:
        return asked
    some = {id(question) for question in chosen.questions}
    pairs = zip(archive.questions, asked.ranked, strict=True)
    return replace(asked, ranked=tuple(ranked for question, ranked in pairs if id(question) in some))


def _merged(parts: Sequence[Rankings]) -> Rankings:
    """The rankings of several archives, one after another."""
    return {
        name: replace(
            asked,
            ranked=None if asked.ranked is None else tuple(one for part in parts for one in part[name].ranked or ()),
        )
        for name, asked in parts[0].items()
    }


if __name__ == "__main__":
    command()
