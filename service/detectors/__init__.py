"""Detectors: watch-lists that come with the program, for what investigators look for again and again.

Each is a file beside this one: `NAME.toml` with what it looks for, an example it finds, one it does not, and its
queries in the query language, each for one language of speech. What is measured of them is in `measured.json`, copied
from the report of `benchmarks/detectors.py`.

A detector decides nothing: what it finds is a span of a machine transcript, to be played.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from service.errors import DetectorUnknown

NOTICE = "Found by their words in machine transcripts: spans to play, not verdicts."

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class DetectorQuery:
    """A pattern, and the language of what it finds."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Detector:
    """A watch-list that comes with the program.

    description: what it looks for, and what it does not tell.
    example: speech in which it finds something; counter_example: speech close to it in which it does not.
    measured: by what was searched, hits and labels counted; empty where nothing was measured.
    """

    name: str
    title: str
    description: str
    example: str
    counter_example: str
    queries: tuple[DetectorQuery, ...]
    measured: Mapping[str, Mapping[str, int]]

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(query.text for query in self.queries)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "languages": sorted({query.language for query in self.queries}),
            "queries": [{"language": query.language, "query": query.text} for query in self.queries],
            "example": self.example,
            "counter_example": self.counter_example,
            "measured": {about: measures(counts) for about, counts in self.measured.items()},
        }


def measures(counts: Mapping[str, int]) -> dict[str, float | int | None]:
    """Counts, with what they come to: null where there was nothing to count."""

    def share(part: str, whole: str) -> float | None:
        return round(counts[part] / counts[whole], 3) if counts[whole] else None

    return {**counts, "precision": share("right", "hits"), "recall": share("found", "labelled")}


@cache
def detectors() -> Mapping[str, Detector]:
    """All there are, by name."""
    measured = json.loads((_FOLDER / "measured.json").read_text(encoding="utf-8"))
    return {path.stem: _read(path, measured.get(path.stem, {})) for path in sorted(_FOLDER.glob("*.toml"))}


def detector(name: str) -> Detector:
    """
    Raises:
        DetectorUnknown
    """
    known = detectors()
    if name not in known:
        raise DetectorUnknown(name, tuple(known))
    return known[name]


def _read(path: Path, measured: Mapping[str, Mapping[str, int]]) -> Detector:
    stated = tomllib.loads(path.read_text(encoding="utf-8"))
    return Detector(
        path.stem,
        stated["title"],
        stated["description"].strip(),
        stated["example"],
        stated["counter_example"],
        tuple(DetectorQuery(query["language"], " ".join(query["text"].split())) for query in stated["queries"]),
        measured,
    )
