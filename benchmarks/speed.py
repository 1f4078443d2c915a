"""What hearing costs: real-time factor by stage, and memory."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.outcome import Outcome
from benchmarks.table import Column, Table, Value

STAGES = ("decode", "speech", "transcribe", "align", "diarize", "embed", "index")


def speed_table(outcomes: Iterable[Outcome]) -> Table:
    """A row per system and set it heard."""
    rows: list[dict[str, Value]] = []
    for outcome in outcomes:
        for name, heard in outcome.sets.items():
            if not heard.audio_seconds:
                continue
            row: dict[str, Value] = {"system": outcome.system, "set": name, "audio_s": round(heard.audio_seconds, 2)}
            row["rtf"] = round(sum(heard.stage_seconds.values()) / heard.audio_seconds, 4)
            row["rtf_wall"] = None if heard.wall_seconds is None else round(heard.wall_seconds / heard.audio_seconds, 4)
            for stage in STAGES:
                seconds = heard.stage_seconds.get(stage)
                row[stage] = None if seconds is None else round(seconds / heard.audio_seconds, 4)
            peak = heard.peak_bytes or outcome.peak_bytes
            row["peak_mb"] = None if peak is None else round(peak / 1e6)
            rows.append(row)
    return Table(
        "speed",
        "Real-time factor and memory",
        "Seconds of work per second of audio, loading models left out; “wall” is our whole process with loading. All "
        "stages of ours end in a searchable archive with words and speakers; a peer has one, decoding included. "
        "Memory is the largest resident set of the process: ours per set, a peer's over all it heard.",
        ("system", "set"),
        (
            Column("audio_s", "audio", "s", digits=0),
            Column("rtf", "all stages", "RTF", "lower", 3),
            Column("rtf_wall", "wall", "RTF", "lower", 3),
            *(Column(stage, stage, "RTF", "lower", 3) for stage in STAGES),
            Column("peak_mb", "peak memory", "MB", "lower", 0),
        ),
        tuple(rows),
        ("rtf",),
    )
