"""Facets: what an answer's hits have in common, counted value by value in the pass that counts the hits.

A facet is named as the filter that keeps to one value of it, but `speaker_kind` (the filter `speaker`) and `month`,
that of the moment a passage was said (the filters `since` and `until`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from search.protocols import Payload, fold

FACETS = ("officer", "unit", "category", "incident", "month", "language", "speaker_kind")
MOST_VALUES = 10  # shown of each facet: what a person reads at a glance; the others are counted

Values = tuple[str | None, ...]  # of `FACETS`, in their order; None: the hit has none

_METADATA = {"officer": "officer", "unit": "unit", "category": "category", "incident": "incident_id"}


@dataclass(frozen=True, slots=True)
class Facet:
    """The values most hits have, the most frequent first, months in their order; None: hits without one.

    All counts together, with `other_count`, are the number of hits.
    """

    values: tuple[tuple[str | None, int], ...]
    other_values: int  # that are not among `values`
    other_count: int  # of hits that have those


def facets_of(payloads: Iterable[Payload], zone: ZoneInfo) -> dict[str, Facet]:
    """The facets of so many hits, by name."""
    tally = Tally(zone)
    for payload in payloads:
        tally.add(payload)
    return tally.facets()


class Tally:
    """Counts hits by the passage each begins in; months as the clocks of `zone` have them.

    In memory is every distinct value: of an archive of millions of incidents, as many as were met.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._counts: dict[str, Counter[str | None]] = {name: Counter() for name in FACETS}

    def add(self, payload: Payload) -> None:
        """Count one hit."""
        self.count(self.values(payload))

    def values(self, payload: Payload) -> Values:
        """What a hit has of each facet, to be counted later: less to keep in memory than its passage."""
        metadata = payload["metadata"]
        month = _month(payload["moment_ms"], self._zone)
        told = {"month": month, "language": payload["language"], "speaker_kind": payload.get("speaker_kind")}
        told |= {name: metadata.get(field) for name, field in _METADATA.items()}
        return tuple(told[name] for name in FACETS)

    def count(self, values: Values) -> None:
        """Count one hit that has these."""
        for name, value in zip(FACETS, values, strict=True):
            self._counts[name][value] += 1

    def facets(self) -> dict[str, Facet]:
        """What was counted, by name."""
        return {name: _facet(name, counts) for name, counts in self._counts.items()}


def _facet(name: str, counts: Mapping[str | None, int]) -> Facet:
    """Spellings that are one value to a filter are one here, shown as most hits have it."""
    spellings: dict[str | None, Counter[str]] = {}
    for value, count in counts.items():
        spellings.setdefault(fold(value or "") or None, Counter())[value or ""] += count
    merged = sorted(
        ((key, min(some, key=lambda value: (-some[value], value)), some.total()) for key, some in spellings.items()),
        key=lambda one: (-one[2], one[0] is None, one[0] or ""),
    )
    shown, others = merged[:MOST_VALUES], merged[MOST_VALUES:]
    if name == "month":
        shown.sort(key=lambda one: (one[0] is None, one[0] or ""))
    values = tuple((None if key is None else spelling.strip(), count) for key, spelling, count in shown)
    return Facet(values, len(others), sum(count for _key, _spelling, count in others))


def _month(moment_ms: int | None, zone: ZoneInfo) -> str | None:
    if moment_ms is None:
        return None
    try:
        moment = datetime.fromtimestamp(moment_ms // 1000, zone)
    except (ValueError, OverflowError):  # the first and last hours of the calendar, as another zone has them
        return None
    return f"{moment.year:04}-{moment.month:02}"
