"""What one system did in a benchmark: what it heard in each set of recordings, how long it took, and its memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.hypothesis import Hypothesis

OURS = "earwitness"
ALONE = f"{OURS}, one file at a time"
TRANSLATING = f"{OURS}, translating"
ORACLE = "oracle windows"
LIMIT = "full batches"
WORK = "work: "  # before the parts of a stage, in seconds of all threads together
YARDSTICKS = frozenset({ALONE, TRANSLATING, ORACLE, LIMIT})  # stand beside ours and the peers, and are neither


@dataclass(frozen=True, slots=True)
class Heard:
    """One set of recordings (`patrol`, `voices`, `speech`, `stress`) as one system heard it.

    stage_seconds: seconds of work by stage, loading models left out.
    hypotheses: by the recording's name (its file name without ending).
    failures: one line per recording that could not be heard; it has no hypothesis and scores as silence.
    """

    audio_seconds: float
    stage_seconds: Mapping[str, float]
    hypotheses: Mapping[str, Hypothesis]
    failures: tuple[str, ...] = ()
    wall_seconds: float | None = None  # of the whole process, where it heard nothing but this set
    peak_bytes: int | None = None  # likewise


@dataclass(frozen=True, slots=True)
class Outcome:
    """One system over all sets.

    tells: of `words`, `word times`, `turns` and `coverage`, what the system can say at all.
    """

    system: str
    tells: frozenset[str]
    sets: Mapping[str, Heard] = field(default_factory=dict)
    peak_bytes: int | None = None  # largest resident set of its process
    reused: bool = False  # kept from an earlier run

    def to_json(self) -> dict[str, Any]:
        return {
            "system": self.system,
            "tells": sorted(self.tells),
            "peak_bytes": self.peak_bytes,
            "sets": {
                name: {
                    "audio_seconds": heard.audio_seconds,
                    "stage_seconds": dict(heard.stage_seconds),
                    "hypotheses": {name: one.to_json() for name, one in heard.hypotheses.items()},
                    "failures": list(heard.failures),
                    "wall_seconds": heard.wall_seconds,
                    "peak_bytes": heard.peak_bytes,
                }
                for name, heard in self.sets.items()
            },
        }

    @staticmethod
    def from_json(data: Mapping[str, Any], reused: bool = False) -> Outcome:
        return Outcome(
            data["system"],
            frozenset(data["tells"]),
            {
                name: Heard(
                    heard["audio_seconds"],
                    heard["stage_seconds"],
                    {name: Hypothesis.from_json(one) for name, one in heard["hypotheses"].items()},
                    tuple(heard["failures"]),
                    heard["wall_seconds"],
                    heard["peak_bytes"],
                )
                for name, heard in data["sets"].items()
            },
            data["peak_bytes"],
            reused,
        )
