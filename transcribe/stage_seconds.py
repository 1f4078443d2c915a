"""Where the time of a recording goes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class StageSeconds:
    """Wall time by stage of the report, in seconds."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
