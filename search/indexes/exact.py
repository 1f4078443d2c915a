"""The index by brute force: every row is compared. The oracle the other adapters are tested against."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from search.bm25 import SparseVector
from search.errors import DimensionMismatch
from search.protocols import EVERYTHING, Filters, Leg, LegHit, LegQuery, Payload, PointId, Row
from search.schema import CONFIDENCE_FIELD, MOMENT_FIELD, PHRASE_FIELD, TERMS_FIELD, holds
from transcribe.transcript import RecordingId


class ExactIndex:
    """Rows in memory."""

    def __init__(self) -> None:
        self._rows: dict[PointId, Row] = {}

    def replace(self, recording_id: RecordingId, version: str, rows: Sequence[Row]) -> None:
        for row in rows:
            self._check(len(row.meaning))
        self.remove(recording_id)
        self._rows.update({row.id: row for row in rows})

    def remove(self, recording_id: RecordingId) -> None:
        self._rows = {key: row for key, row in self._rows.items() if row.payload["recording_id"] != recording_id}

    def query_batch(self, queries: Sequence[LegQuery]) -> list[list[LegHit]]:
        return [self._query(query) for query in queries]

    def _query(self, query: LegQuery) -> list[LegHit]:
        if isinstance(query.vector, SparseVector):
            scores = self._sparse_scores(query.leg, query.vector)
        else:
            self._check(len(query.vector))
            scores = {row.id: float(np.dot(row.meaning, query.vector)) for row in self._rows.values()}
        passing = [
            LegHit(key, score, self._rows[key].payload if query.among is None else {})
            for key, score in scores.items()
            if (query.among is None or key in query.among) and passes(self._rows[key].payload, query.filters)
        ]
        return sorted(passing, key=lambda hit: (-hit.score, hit.id))[: query.limit]

    def _check(self, dimension: int) -> None:
        for row in self._rows.values():
            if len(row.meaning) != dimension:
                raise DimensionMismatch("in memory", len(row.meaning), dimension)
            return

    def _sparse_scores(self, leg: Leg, query: SparseVector) -> dict[PointId, float]:
        vectors = {row.id: row.sparse[leg] for row in self._rows.values() if leg in row.sparse}
        asked = dict(zip(query.indices, query.values, strict=True))
        scores: dict[PointId, float] = {}
        for key, vector in vectors.items():
            shared = [
                asked[term] * weight
                for term, weight in zip(vector.indices, vector.values, strict=True)
                if term in asked
            ]
            if shared:
                scores[key] = sum(shared)
        return scores

    def phrase(self, tokens: Sequence[str], filters: Filters = EVERYTHING) -> Iterator[LegHit]:
        for row in list(self._rows.values()):
            if holds(row.payload[PHRASE_FIELD], tokens) and passes(row.payload, filters):
                yield LegHit(row.id, 1.0, row.payload)

    def retrieve(self, ids: Sequence[PointId]) -> dict[PointId, Payload]:
        return {key: self._rows[key].payload for key in ids if key in self._rows}

    def count(self, filters: Filters = EVERYTHING) -> int:
        return sum(passes(row.payload, filters) for row in self._rows.values())

    def document_frequencies(self, terms: Collection[str], filters: Filters = EVERYTHING) -> dict[str, int]:
        held = [frozenset(row.payload[TERMS_FIELD]) for row in self._rows.values() if passes(row.payload, filters)]
        return {term: sum(term in some for some in held) for term in terms}

    def relabel(self, recording_id: RecordingId, fields: Mapping[str, Any]) -> None:
        for key, row in self._rows.items():
            if row.payload["recording_id"] == recording_id:
                changed = {name: value for name, value in {**row.payload, **fields}.items() if value is not None}
                self._rows[key] = replace(row, payload=changed)

    def versions(self) -> dict[RecordingId, dict[str, int]]:
        return count_versions(row.payload for row in self._rows.values())

    def flush(self) -> None:
        """Nothing is kept: this index lives as long as its process."""

    def close(self) -> None:
        self._rows.clear()


def passes(payload: Payload, filters: Filters) -> bool:
    """Whether a row is what the filters ask for, and may be seen."""
    if not filters.grants.admits(payload):
        return False
    if not all(_holds(payload.get(field), value) for field, value in filters.equal().items()):
        return False
    if any(payload.get(field) == value for field, value in filters.unequal().items()):
        return False
    confidence = payload.get(CONFIDENCE_FIELD)
    if filters.confidence is not None and (confidence is None or not filters.confidence.hold(confidence)):
        return False
    if filters.since_ms is None and filters.until_ms is None:
        return True
    moment = payload.get(MOMENT_FIELD)
    return (
        moment is not None
        and (filters.since_ms is None or moment >= filters.since_ms)
        and (filters.until_ms is None or moment < filters.until_ms)
    )


def _holds(stored: str | list[str] | None, value: str) -> bool:
    return value in stored if isinstance(stored, list) else stored == value


def count_versions(payloads: Iterator[Payload]) -> dict[RecordingId, dict[str, int]]:
    """How many rows each recording has of each version."""
    counts: dict[RecordingId, dict[str, int]] = {}
    for payload in payloads:
        versions = counts.setdefault(RecordingId(payload["recording_id"]), {})
        versions[payload["version"]] = versions.get(payload["version"], 0) + 1
    return counts
