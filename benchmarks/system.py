"""The whole system, measured beside its peers: `python -m benchmarks.system --corpus DIR --report FILE`."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks import ours
from benchmarks.comparison import compare
from benchmarks.corpus import Corpus, CorpusWrong, read_corpus
from benchmarks.finding import Judged, found_at, judge
from benchmarks.machine import describe
from benchmarks.outcome import Outcome
from benchmarks.peers import PEERS
from benchmarks.process import ProcessFailed, run_measured
from benchmarks.report import Report, ReportUnreadable, read_tables, write_report
from benchmarks.scores import tables
from benchmarks.stress import DEFAULT_SEED, speech_for_stress, write_stress
from benchmarks.task import Task
from gpu.models import ModelPlaces
from gpu.offline import stay_offline

PARTS = ("words", "speakers", "stress", "search")


@click.command()
@click.option(
    "--corpus",
    "folder",
    type=click.Path(path_type=Path),
    envvar="EARWITNESS_CORPUS",
    help="Folder with patrol/, voices/, speech/ and queries.jsonl. [default: $EARWITNESS_CORPUS]",
)
@click.option("--report", "report_file", type=click.Path(path_type=Path), help="JSON to write; Markdown beside it.")
@click.option("--only", default=",".join(PARTS), show_default=True, help="What to measure, separated by commas.")
@click.option("--limit", type=click.IntRange(1), help="At most so many recordings of each set, for a quick check.")
@click.option("--stress-minutes", type=click.FloatRange(0.2), default=30.0, show_default=True, help="Without speech.")
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Of the sound without speech.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads of each model.")
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    help="Keep what the peers heard here, and take it from here when nothing about it changed; ours is heard anew.",
)
@click.option("--remarks", type=click.Path(exists=True, path_type=Path), help="Text to put at the top of the report.")
@click.option(
    "--compare",
    "reports",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="OLD NEW",
    help="Measure nothing: print what differs between two reports.",
)
def command(
    folder: Path | None,
    report_file: Path | None,
    only: str,
    limit: int | None,
    stress_minutes: float,
    seed: int,
    threads: int,
    work: Path | None,
    remarks: Path | None,
    reports: tuple[Path, Path] | None,
) -> None:
    """Measure earwitness and its peers on a labelled corpus, and write a report."""
    try:
        if reports:
            for line in compare(read_tables(reports[0]), read_tables(reports[1])) or ["nothing differs"]:
                click.echo(line)
            return
        if folder is None:
            raise click.UsageError("name a corpus with --corpus DIR or EARWITNESS_CORPUS")
        if report_file is None:
            raise click.UsageError("say where to write the report with --report FILE.json")
        parts = [part.strip() for part in only.split(",") if part.strip()]
        if not parts or set(parts) - set(PARTS):
            raise click.UsageError(f"--only takes some of {', '.join(PARTS)}")
        stay_offline()
        corpus = read_corpus(folder, limit)
        with _work_folder(work) as place:
            report = measure(corpus, parts, stress_minutes, seed, threads, place, work)
        if remarks:
            report = Report(
                report.made_at, report.facts, report.run, report.tables, report.failures, remarks.read_text("utf-8")
            )
        for path in write_report(report, report_file):
            click.echo(str(path))
    except (CorpusWrong, ProcessFailed, ReportUnreadable) as error:
        click.echo(f"benchmarks.system: {error}", err=True)
        sys.exit(1)


def measure(
    corpus: Corpus, parts: Sequence[str], stress_minutes: float, seed: int, threads: int, place: Path, kept: Path | None
) -> Report:
    """Hear the corpus with every system the parts need, one after another, and score what was heard.

    Args:
        place: a folder for what is heard, empty.
        kept: where peers' outcomes are kept between runs; None: nowhere.

    Raises:
        ProcessFailed: ours.
    """
    started = time.perf_counter()
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    facts = describe(threads)
    task = _task(corpus, parts, stress_minutes, seed, threads)

    def say(text: str) -> None:
        click.echo(f"[{(time.perf_counter() - started) / 60:5.1f} min] {text}", err=True)

    say("earwitness")
    outcomes = [ours.hear(task, place, corpus.manifest)]
    judged: list[Judged] = []
    died: dict[str, list[str]] = {}
    if "search" in parts and corpus.patrol:
        say(f"search, {len(corpus.queries)} queries")
        judged = _search(corpus, ours.data_folder(place, "patrol"), place, threads)
    for name, peer in PEERS.items():
        wanted = task.only("patrol", "speech", "stress") if "words" in peer.tells else task.only("patrol", "voices")
        if "words" not in parts and "words" in peer.tells:
            wanted = wanted.only("stress")
        if "speakers" not in parts and "turns" in peer.tells:
            continue
        if wanted.sets:
            say(name)
            try:
                outcomes.append(_peer(name, wanted, place, kept))
            except ProcessFailed as error:  # a peer that this machine cannot run must not cost the others
                say(str(error))
                died[name] = [str(error)]
    say("scores")
    run = {
        "corpus": corpus.name,
        "recordings": {name: len(paths) for name, paths in task.sets.items()},
        "queries": len(judged),
        "parts": list(parts),
        "stress_minutes": stress_minutes if "stress" in parts else 0,
        "seed": seed,
        "reused": [outcome.system for outcome in outcomes if outcome.reused],
    }
    failures = {
        outcome.system: [line for heard in outcome.sets.values() for line in heard.failures] for outcome in outcomes
    }
    report = Report(made_at, facts, run, tuple(tables(corpus, outcomes, judged)), failures | died)
    say("done")
    return report


def _task(corpus: Corpus, parts: Sequence[str], stress_minutes: float, seed: int, threads: int) -> Task:
    """What has to be heard for these parts, by set."""
    sets: dict[str, list[Path]] = {}
    if {"words", "speakers", "search"} & set(parts):
        sets["patrol"] = [reference.media for reference in corpus.patrol]
    if "words" in parts:
        sets["speech"] = [reference.media for reference in corpus.speech]
    if "speakers" in parts:
        sets["voices"] = [reference.media for reference in corpus.voices]
    if "stress" in parts:
        cache = ModelPlaces.from_environment().cache / "benchmarks"
        sets["stress"] = write_stress(cache, stress_minutes, seed, speech_for_stress(corpus))
    return Task({name: paths for name, paths in sets.items() if paths}, threads)


def _peer(name: str, task: Task, place: Path, kept: Path | None) -> Outcome:
    """What a peer heard, in a process of its own; or what it heard before, where files and threads are the same."""
    files = [
        (str(path), path.stat().st_size, path.stat().st_mtime_ns) for paths in task.sets.values() for path in paths
    ]
    digest = hashlib.sha256(json.dumps([task.to_json(), files]).encode()).hexdigest()[:12]
    slug = re.sub(r"[^a-z0-9]+", "-", name)
    found = (kept or place) / f"{slug}.{digest}.json"
    if found.exists():
        return Outcome.from_json(json.loads(found.read_text()), reused=True)
    asked, heard = place / f"{slug}.task.json", place / f"{slug}.heard.json"
    asked.write_text(json.dumps(task.to_json()))
    measured = run_measured("benchmarks.peers", name, asked, heard, threads=task.threads)
    outcome = json.loads(heard.read_text()) | {"peak_bytes": measured.peak_bytes}
    found.write_text(json.dumps(outcome))
    return Outcome.from_json(outcome)


def _search(corpus: Corpus, data: Path, place: Path, threads: int) -> list[Judged]:
    asked, found = place / "queries.json", place / "found.json"
    asked.write_text(json.dumps([{"text": query.text, "filters": dict(query.filters)} for query in corpus.queries]))
    run_measured("benchmarks.finding", data, asked, found, threads=threads)
    answers = json.loads(found.read_text())
    return [judge(query, [found_at(hit) for hit in hits]) for query, hits in zip(corpus.queries, answers, strict=True)]


@contextmanager
def _work_folder(kept: Path | None) -> Iterator[Path]:
    """A folder that is removed afterwards; inside the one that is kept, when there is one."""
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="earwitness-bench-", dir=kept) as place:
        yield Path(place)


if __name__ == "__main__":
    command()
