"""Our own system, measured as it is used: the real ingest into a data folder, its transcripts exported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.hypothesis import Hypothesis
from benchmarks.outcome import OURS, Heard, Outcome
from benchmarks.process import run_measured
from benchmarks.task import Task

CLI = "service.cli"
SOME_FAILED = 3  # of the recordings, says the exit code


def hear(task: Task, work: Path, manifest: Path | None) -> Outcome:
    """Ingest each set into `work/SET/data`, one after another, and read the exported transcripts.

    Args:
        manifest: of the set `patrol`.

    Raises:
        ProcessFailed
    """
    sets = {
        name: _hear_set(paths, work / name, manifest if name == "patrol" else None, task.threads)
        for name, paths in task.sets.items()
        if paths
    }
    peak = max((heard.peak_bytes or 0 for heard in sets.values()), default=0)
    return Outcome(OURS, frozenset({"words", "word times", "turns", "coverage"}), sets, peak)


def data_folder(work: Path, set_name: str) -> Path:
    """Where the ingest of a set keeps what it knows."""
    return work / set_name / "data"


def _hear_set(paths: Sequence[Path], work: Path, manifest: Path | None, threads: int) -> Heard:
    data, exported = work / "data", work / "transcripts"
    extra = ("--manifest", manifest) if manifest else ()
    ingest = run_measured(
        CLI, "--data", data, "ingest", *paths, *extra, "--json", threads=threads, accept=(0, SOME_FAILED)
    )
    report = json.loads(ingest.out)
    run_measured(
        CLI, "--data", data, "export", "--all", "--format", "json", "-o", exported, "--json", threads=threads,
        accept=(0, SOME_FAILED),
    )  # fmt: skip
    hypotheses = {}
    for path in sorted(exported.glob("*.json")):
        transcript = json.loads(path.read_text(encoding="utf-8"))
        hypotheses[Path(transcript["recording"]["source"]).stem] = Hypothesis.from_json(transcript)
    return Heard(
        report["audio_seconds"],
        report["stage_seconds"],
        hypotheses,
        tuple(f"{Path(one['source']).name}: {one['stage']}: {one['error']}" for one in report["failures"]),
        ingest.wall_seconds,
        ingest.peak_bytes,
    )
