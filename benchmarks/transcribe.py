"""Words alone, beside the peers: `python -m benchmarks.transcribe --corpus DIR --report FILE.json`.

Speed and accuracy of the transcriber on any folder laid out like the development corpus, and on mixes made of it:
long pauses, two languages by turns, short files. Systems run in turn, each in a process of its own, as often as
`--repeats` says; speeds are medians, and what was heard is the last run's (it is the same every time).
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.corpus import Corpus, CorpusWrong, Reference, read_corpus
from benchmarks.hypothesis import Hypothesis
from benchmarks.machine import describe
from benchmarks.mixes import write_mixes
from benchmarks.outcome import LIMIT, ORACLE, OURS, WORK, Heard, Outcome
from benchmarks.peers import PEERS
from benchmarks.process import ProcessFailed, run_measured
from benchmarks.report import Report, write_report
from benchmarks.scores import coverage_table, stress_table
from benchmarks.starts import Starts, start_errors
from benchmarks.stress import DEFAULT_SEED, speech_for_stress, write_stress
from benchmarks.table import Column, Table, Value
from benchmarks.task import Task
from benchmarks.words import WordErrors, word_errors
from benchmarks.words_alone import SYSTEMS
from gpu.models import ModelPlaces
from gpu.offline import stay_offline

QUIET = Hypothesis()
WORD_PEERS = tuple(name for name, peer in PEERS.items() if "words" in peer.tells)


@click.command()
@click.option("--corpus", "folder", type=click.Path(path_type=Path), envvar="EARWITNESS_CORPUS", required=True)
@click.option("--report", "report_file", type=click.Path(path_type=Path), required=True, help="JSON; Markdown beside.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="CPU threads of each system.")
@click.option("--only", default="", help="Sets, separated by commas. [default: all]")
@click.option("--systems", default="", help="Systems, separated by semicolons. [default: all]")
@click.option("--stress-minutes", type=click.FloatRange(0.0), default=30.0, show_default=True, help="0: no stress set.")
@click.option("--limit", type=click.IntRange(1), help="At most so many recordings of each set, for a quick check.")
def command(
    folder: Path,
    report_file: Path,
    repeats: int,
    threads: int,
    only: str,
    systems: str,
    stress_minutes: float,
    limit: int | None,
) -> None:
    """Measure speed and accuracy of words on a labelled corpus, beside faster-whisper."""
    stay_offline()
    names = [name.strip() for name in systems.split(";") if name.strip()] or [*SYSTEMS, *WORD_PEERS]
    unknown = set(names) - {*SYSTEMS, *WORD_PEERS}
    if unknown:
        raise click.UsageError(f"--systems knows {'; '.join((*SYSTEMS, *WORD_PEERS))}")
    try:
        corpus = read_corpus(folder, limit)
        cache = ModelPlaces.from_environment().cache / "benchmarks"
        sets = {"patrol": corpus.patrol, "speech": corpus.speech, **write_mixes(corpus, cache)}
        wanted = [name.strip() for name in only.split(",") if name.strip()] or [*sets, "stress"]
        sets = {name: references for name, references in sets.items() if references and name in wanted}
        files = {name: [one.media for one in references] for name, references in sets.items()}
        if stress_minutes and "stress" in wanted:
            files["stress"] = write_stress(cache, stress_minutes, DEFAULT_SEED, speech_for_stress(corpus))
        if not files:
            raise click.UsageError("--only names no set this corpus has")
        report = measure(corpus, sets, Task(files, threads), names, repeats, stress_minutes)
    except (CorpusWrong, ProcessFailed) as error:
        click.echo(f"benchmarks.transcribe: {error}", err=True)
        sys.exit(1)
    for path in write_report(report, report_file):
        click.echo(str(path))


def measure(
    corpus: Corpus,
    sets: Mapping[str, Sequence[Reference]],
    task: Task,
    names: Sequence[str],
    repeats: int,
    stress_minutes: float,
) -> Report:
    """Every system in turn, `repeats` times. Only the first time on the set `stress`: its speed is no question.

    Raises:
        ProcessFailed
    """
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    facts = describe(task.threads)
    started = time.perf_counter()
    runs: dict[str, list[Outcome]] = {name: [] for name in names}
    spoken = task.only(*(name for name in task.sets if name != "stress"))
    with tempfile.TemporaryDirectory(prefix="earwitness-words-") as place:
        for repeat in range(repeats):
            for name in names:
                click.echo(f"[{(time.perf_counter() - started) / 60:5.1f} min] {name}, {repeat + 1}", err=True)
                whole = repeat == 0 and name in (OURS, *WORD_PEERS)
                runs[name].append(_run(name, task if whole else spoken, sets, Path(place)))
    tables = [
        words_table(sets, runs),
        time_table(runs, task.threads),
        coverage_table(corpus, [some[-1] for some in runs.values()]),
        starts_table(sets, runs),
    ]
    if "stress" in task.sets:
        tables.append(stress_table([some[0] for some in runs.values() if "stress" in some[0].sets]))
    run = {
        "corpus": corpus.name,
        "recordings": {name: len(paths) for name, paths in task.sets.items()},
        "queries": 0,
        "stress_minutes": stress_minutes if "stress" in task.sets else 0,
        "seed": DEFAULT_SEED,
        "reused": [],
        "repeats": repeats,
    }
    failures = {name: [line for one in some[-1].sets.values() for line in one.failures] for name, some in runs.items()}
    return Report(made_at, facts, run, tuple(table for table in tables if table.rows), failures)


def _run(name: str, task: Task, sets: Mapping[str, Sequence[Reference]], place: Path) -> Outcome:
    asked, truth, heard = place / "task.json", place / "truth.json", place / "heard.json"
    asked.write_text(json.dumps(task.to_json()))
    if name in SYSTEMS:
        utterances = {
            one.name: [
                {"span": [said.span.start_ms, said.span.end_ms], "language": said.language}
                for said in one.utterances
                if said.span.duration_ms
            ]
            for references in sets.values()
            for one in references
        }
        truth.write_text(json.dumps(utterances))
        measured = run_measured("benchmarks.words_alone", name, asked, truth, heard, threads=task.threads)
    else:
        measured = run_measured("benchmarks.peers", name, asked, heard, threads=task.threads)
    return Outcome.from_json(json.loads(heard.read_text()) | {"peak_bytes": measured.peak_bytes})


def words_table(sets: Mapping[str, Sequence[Reference]], runs: Mapping[str, Sequence[Outcome]]) -> Table:
    """A row per set and system: speed, words, memory."""
    rows: list[dict[str, Value]] = []
    for set_name, references in sets.items():
        for system, some in runs.items():
            heard = [one.sets[set_name] for one in some if set_name in one.sets]
            if not heard:
                continue
            speeds = [one.audio_seconds / one.stage_seconds["transcribe"] for one in heard]
            placed = any(said.span.duration_ms for one in references for said in one.utterances)
            scored = system != LIMIT and (placed or system != ORACLE)  # no windows where the truth has no times
            total = _errors(references, heard[-1]) if scored else WordErrors()
            rows.append(
                {
                    "set": set_name,
                    "system": system,
                    "rtfx": round(statistics.median(speeds), 1),
                    "slowest": round(min(speeds), 1),
                    "fastest": round(max(speeds), 1),
                    "wer": _percent(total, None),
                    "substitutions": _percent(total, total.substitutions),
                    "deletions": _percent(total, total.deletions),
                    "insertions": _percent(total, total.insertions),
                    "peak_mb": round((some[-1].peak_bytes or 0) / 1e6),
                }
            )
    return Table(
        "transcribe",
        "Speed and accuracy of words",
        "Seconds of audio per second of work (median, slowest and fastest run), decoding, voice activity, language and "
        "retries included, loading models left out. “full batches” is CTranslate2 alone on windows prepared in "
        "advance; “oracle windows” are cut by the truth. Memory is a process's largest resident set over all sets.",
        ("set", "system"),
        (
            Column("rtfx", "speed", "x", "higher"),
            Column("slowest", "slowest", "x", "higher"),
            Column("fastest", "fastest", "x", "higher"),
            Column("wer", "WER", "%", "lower"),
            Column("substitutions", "substituted", "%", "lower"),
            Column("deletions", "deleted", "%", "lower"),
            Column("insertions", "inserted", "%", "lower"),
            Column("peak_mb", "peak memory", "MB", "lower", 0),
        ),
        tuple(rows),
        ("rtfx", "wer"),
    )


def time_table(runs: Mapping[str, Sequence[Outcome]], threads: int) -> Table:
    """A row per set: where the threads of our median run spent their time, and what of it full batches would need."""
    rows: list[dict[str, Value]] = []
    for set_name in runs[OURS][0].sets if OURS in runs else ():
        if set_name == "stress":
            continue
        ours = _median_run([one.sets[set_name] for one in runs[OURS]])
        whole = threads * ours.stage_seconds["transcribe"]
        parts = {part: ours.stage_seconds.get(f"{WORK}{part}", 0.0) for part in ("speech", "transcribe", "align")}
        limit = [one.sets[set_name] for one in runs.get(LIMIT, ())]
        least = threads * _median_run(limit).stage_seconds["transcribe"] if limit else None
        row: dict[str, Value] = {"set": set_name, "all": round(whole, 1)}
        row |= {part: round(100 * seconds / whole, 1) for part, seconds in parts.items()}
        row["rest"] = round(100 * (1 - sum(parts.values()) / whole), 1)
        row["limit"] = None if least is None else round(100 * least / whole, 1)
        rows.append(row)
    return Table(
        "time",
        "Where the time goes",
        "Of earwitness's seconds, all threads together: finding speech; encoding, guessing languages and decoding, "
        "retries included; times of words; and the rest, which is reading media, features, cutting, and waiting for "
        "each other. “full batches” need the share beside it for the first encoding and decoding of the same windows.",
        ("set",),
        (
            Column("all", "thread seconds", "s", "lower"),
            Column("speech", "speech", "%", "lower"),
            Column("transcribe", "encoding and decoding", "%", "lower"),
            Column("align", "word times", "%", "lower"),
            Column("rest", "rest", "%", "lower"),
            Column("limit", "full batches", "%", "higher"),
        ),
        tuple(rows),
        ("speech", "transcribe", "align", "rest"),
    )


def _median_run(heard: Sequence[Heard]) -> Heard:
    return sorted(heard, key=lambda one: one.stage_seconds["transcribe"])[len(heard) // 2]


def starts_table(sets: Mapping[str, Sequence[Reference]], runs: Mapping[str, Sequence[Outcome]]) -> Table:
    """First words of utterances, where they were heard."""
    rows: list[dict[str, Value]] = []
    for system, some in runs.items():
        heard = some[-1].sets.get("patrol")
        if heard is None or "word times" not in some[-1].tells or not heard.hypotheses:
            continue
        total = Starts()
        for reference in sets.get("patrol", ()):
            total += start_errors(reference.utterances, heard.hypotheses.get(reference.name, QUIET))
        rows.append(
            {
                "system": system,
                "matched": total.matched_percent,
                "median_ms": total.absolute_ms(0.5),
                "p95_ms": total.absolute_ms(0.95),
            }
        )
    return Table(
        "starts",
        "Start of the first word, patrol",
        "Utterances nobody talks into, whose first word was heard as that word.",
        ("system",),
        (
            Column("matched", "first word heard", "%", "higher"),
            Column("median_ms", "median error", "ms", "lower", 0),
            Column("p95_ms", "95th percentile", "ms", "lower", 0),
        ),
        tuple(rows),
        ("median_ms", "p95_ms"),
    )


def _errors(references: Sequence[Reference], heard: Heard) -> WordErrors:
    total = WordErrors()
    for reference in references:
        total += word_errors(reference.utterances, heard.hypotheses.get(reference.name, QUIET))
    return total


def _percent(errors: WordErrors, count: int | None) -> float | None:
    percent = errors.percent(count)
    return None if percent is None else round(percent, 2)


if __name__ == "__main__":
    command()
