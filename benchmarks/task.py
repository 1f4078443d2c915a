"""What a system is asked to hear, as one JSON file its process reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Task:
    """Files by set, and how many CPU threads each model gets."""

    sets: Mapping[str, Sequence[Path]]
    threads: int

    def only(self, *names: str) -> Task:
        """The same task without the other sets."""
        return Task({name: self.sets[name] for name in names if name in self.sets}, self.threads)

    def to_json(self) -> dict[str, Any]:
        return {
            "sets": {name: [str(path) for path in paths] for name, paths in self.sets.items()},
            "threads": self.threads,
        }

    @staticmethod
    def read(path: Path) -> Task:
        data = json.loads(path.read_text())
        return Task({name: [Path(one) for one in paths] for name, paths in data["sets"].items()}, data["threads"])
