"""The index in a folder: a Qdrant Edge shard in this process. One process owns it at a time.

Rows survive a kill without `flush` (write-ahead log); `flush` is for power loss.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from search.access import ACCESS_FIELD, Grants, Scope
from search.bm25 import SparseVector
from search.errors import DimensionMismatch, IndexBusy, IndexDamaged, IndexOutdated
from search.indexes.exact import count_versions
from search.protocols import EVERYTHING, Filters, LegHit, LegQuery, Payload, PointId, Row
from search.schema import (
    CONFIDENCE_FIELD,
    DENSE,
    ID_FIELD,
    KEYWORD_FIELDS,
    MOMENT_FIELD,
    PHRASE_FIELD,
    SPARSE,
    TERMS_FIELD,
    VERSION_FIELD,
)
from transcribe.transcript import RecordingId

SCROLL_ROWS = 512
UPSERT_ROWS = 256
CONFIG = "edge_config.json"  # a folder with it is a shard
OPTIMISE_FROM_ROWS = 20_000  # below, comparing a query with every row takes under 3 ms; building a graph, 20 s
MAX_COUNTS = 65_536  # kept until the next write; a common word among 100,000 rows takes 15 ms to count, a rare one none


class EdgeIndex:
    """A shard that is open; everybody else gets `IndexBusy` until it is closed.

    The shard is made when the first rows come, for vectors of their length; until then every answer is empty.
    """

    def __init__(self, path: Path, lock: BaseFileLock, shard: Any | None) -> None:
        self._path, self._lock, self._shard = path, lock, shard
        self._dimension = _dimension(path) if shard is not None else None
        self._written = False
        self._counts: dict[tuple[Filters, str | None], int] = {}

    @classmethod
    def open(cls, path: Path) -> EdgeIndex:
        """Open the shard in a folder; the folder need not exist.

        Raises:
            IndexBusy: another process, or this one, has it open.
            IndexOutdated: it was made by a version that knew fewer legs.
            IndexDamaged: it cannot be opened for another reason.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f"{path.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise IndexBusy(path) from error
        try:
            return cls(path, lock, _load(path) if (path / CONFIG).exists() else None)
        except BaseException:
            lock.release()
            raise

    def _create(self, dimension: int) -> None:
        """Make the shard beside its place and move it there: a kill on the way leaves nothing half made."""
        import qdrant_edge as qdrant

        new = self._path.with_name(f"{self._path.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        shard = qdrant.EdgeShard.create(
            str(new),
            qdrant.EdgeConfig(
                vectors={DENSE: qdrant.EdgeVectorParams(dimension, qdrant.Distance.Cosine)},
                sparse_vectors={name: qdrant.EdgeSparseVectorParams() for name in SPARSE},
            ),
        )
        phrase = qdrant.TextIndexParams(
            tokenizer=qdrant.TokenizerType.Whitespace, lowercase=False, phrase_matching=True
        )
        shard.update(qdrant.UpdateOperation.create_field_index(PHRASE_FIELD, phrase))
        for field in KEYWORD_FIELDS:
            shard.update(qdrant.UpdateOperation.create_field_index(field, qdrant.PayloadSchemaType.Keyword))
        shard.update(qdrant.UpdateOperation.create_field_index(MOMENT_FIELD, qdrant.PayloadSchemaType.Integer))
        shard.close()
        new.rename(self._path)
        self._shard, self._dimension = _load(self._path), dimension

    def replace(self, recording_id: RecordingId, version: str, rows: Sequence[Row]) -> None:
        import qdrant_edge as qdrant

        if rows and self._shard is None:
            self._create(len(rows[0].meaning))
        for first in range(0, len(rows), UPSERT_ROWS):
            some = rows[first : first + UPSERT_ROWS]
            for row in some:
                self._check(len(row.meaning))
            points = [qdrant.Point(row.id, _vectors(row), dict(row.payload)) for row in some]
            self._update(qdrant.UpdateOperation.upsert_points(points))
        # The new rows first, then the others: a reader sees both for a moment, never none.
        self._delete_all_but(recording_id, {row.id for row in rows})

    def remove(self, recording_id: RecordingId) -> None:
        self._delete_all_but(recording_id, set())

    def _delete_all_but(self, recording_id: RecordingId, kept: set[Any]) -> None:
        import qdrant_edge as qdrant

        condition = qdrant.Filter(
            must=[_match(ID_FIELD, recording_id)], must_not=[qdrant.HasIdCondition(kept)] if kept else []
        )
        self._update(qdrant.UpdateOperation.delete_points_by_filter(condition))

    def query_batch(self, queries: Sequence[LegQuery]) -> list[list[LegHit]]:
        import qdrant_edge as qdrant

        if self._shard is None:
            return [[] for _ in queries]
        for query in queries:
            if not isinstance(query.vector, SparseVector):
                self._check(len(query.vector))
        requests = [
            qdrant.QueryRequest(
                limit=query.limit,
                query=qdrant.Query.Nearest(
                    qdrant.SparseVector(list(query.vector.indices), list(query.vector.values))
                    if isinstance(query.vector, SparseVector)
                    else query.vector.tolist(),
                    using=query.leg.value,
                ),
                filter=_filter(query.filters, *_among(query)),
                with_payload=query.among is None,
            )
            for query in queries
        ]
        answers = self._shard.query_batch(qdrant.QueryBatchRequest(requests))
        return [
            sorted(
                (LegHit(str(point.id), float(point.score), point.payload or {}) for point in points),
                key=lambda hit: (-hit.score, hit.id),
            )
            for points in answers
        ]

    def phrase(self, tokens: Sequence[str], filters: Filters = EVERYTHING) -> Iterator[LegHit]:
        import qdrant_edge as qdrant

        wanted = qdrant.FieldCondition(key=PHRASE_FIELD, match=qdrant.MatchPhrase(" ".join(tokens)))
        for key, payload in self._scroll(_filter(filters, wanted)):
            yield LegHit(key, 1.0, payload)

    def retrieve(self, ids: Sequence[PointId]) -> dict[PointId, Payload]:
        import qdrant_edge as qdrant

        return dict(self._scroll(qdrant.Filter(must=[qdrant.HasIdCondition(set(ids))]))) if ids else {}

    def count(self, filters: Filters = EVERYTHING) -> int:
        return self._count(filters, None)

    def document_frequencies(self, terms: Collection[str], filters: Filters = EVERYTHING) -> dict[str, int]:
        return {term: self._count(filters, term) for term in terms}

    def _count(self, filters: Filters, term: str | None) -> int:
        counts = self._counts  # of before the next write: one that comes meanwhile starts others
        if (filters, term) not in counts:
            if len(counts) >= MAX_COUNTS:
                counts.clear()
            counts[filters, term] = self._count_rows(_filter(filters, *([] if term is None else [_holding(term)])))
        return counts[filters, term]

    def _count_rows(self, condition: Any) -> int:
        import qdrant_edge as qdrant

        if self._shard is None:
            return 0
        return int(self._shard.count(qdrant.CountRequest(exact=True, filter=condition)))

    def relabel(self, recording_id: RecordingId, fields: Mapping[str, Any]) -> None:
        import qdrant_edge as qdrant

        rows_of = qdrant.Filter(must=[_match(ID_FIELD, recording_id)])
        self._update(qdrant.UpdateOperation.set_payload_by_filter(rows_of, dict(fields)))

    def versions(self) -> dict[RecordingId, dict[str, int]]:
        return count_versions(payload for _key, payload in self._scroll(None, ["recording_id", VERSION_FIELD]))

    def _scroll(self, condition: Any, fields: list[str] | None = None) -> Iterator[tuple[PointId, Payload]]:
        import qdrant_edge as qdrant

        offset = None
        while self._shard is not None:
            records, offset = self._shard.scroll(
                qdrant.ScrollRequest(offset=offset, limit=SCROLL_ROWS, filter=condition, with_payload=fields or True)
            )
            for record in records:
                yield str(record.id), record.payload
            if offset is None:
                return

    def flush(self) -> None:
        if self._shard is not None:
            self._shard.flush()

    def close(self) -> None:
        """Hand the folder back. After writing to a large shard this first builds what its searches then use."""
        if self._shard is not None:
            if self._written and self._count_rows(None) >= OPTIMISE_FROM_ROWS:
                self._shard.optimize()
            self._shard.close()
            self._shard = None
        self._lock.release()

    def _update(self, operation: Any) -> None:
        if self._shard is not None:
            self._written = True
            self._shard.update(operation)
            self._counts = {}

    def _check(self, dimension: int) -> None:
        if self._dimension is not None and dimension != self._dimension:
            raise DimensionMismatch(str(self._path), self._dimension, dimension)


def _load(path: Path) -> Any:
    import qdrant_edge as qdrant

    try:
        shard = qdrant.EdgeShard.load(str(path))
    except Exception as error:  # the library raises bare Exception
        if "WouldBlock" in str(error):  # held by a program that does not know our lock
            raise IndexBusy(path) from error
        raise IndexDamaged(str(path), str(error)) from error
    sparse = _config(path)["sparse_vectors"]
    missing = set(SPARSE) - {name for name, params in sparse.items() if not params.get("modifier")}
    if missing:
        shard.close()
        raise IndexOutdated(str(path), ", ".join(sorted(missing)))
    # A field that was not filtered by when the shard was made; one pass over its payloads, once.
    for field in KEYWORD_FIELDS:
        if field not in shard.info().payload_schema:
            shard.update(qdrant.UpdateOperation.create_field_index(field, qdrant.PayloadSchemaType.Keyword))
    return shard


def _config(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((path / CONFIG).read_text())
    return config


def _dimension(path: Path) -> int:
    return int(_config(path)["vectors"][DENSE]["size"])


def _vectors(row: Row) -> dict[str, Any]:
    import qdrant_edge as qdrant

    vectors: dict[str, Any] = {DENSE: row.meaning.tolist()}
    for leg, vector in row.sparse.items():
        vectors[leg.value] = qdrant.SparseVector(list(vector.indices), list(vector.values))
    return vectors


def _match(field: str, value: str) -> Any:
    import qdrant_edge as qdrant

    return qdrant.FieldCondition(key=field, match=qdrant.MatchValue(value))


def _holding(term: str) -> Any:
    return _match(TERMS_FIELD, term)


def _among(query: LegQuery) -> list[Any]:
    import qdrant_edge as qdrant

    return [] if query.among is None else [qdrant.HasIdCondition(set(query.among))]


def _granted(grants: Grants) -> list[Any]:
    """What a row must be to be in one of the scopes."""
    import qdrant_edge as qdrant

    def within(scope: Scope) -> list[Any]:
        kind = qdrant.FieldCondition(key=ACCESS_FIELD, match=qdrant.MatchAny([one.value for one in scope.kinds()]))
        return [kind, *(_match(field, value) for field, value in scope.equal().items())]

    if not grants.scopes:
        return [qdrant.HasIdCondition(set())]
    if len(grants.scopes) == 1:
        return within(grants.scopes[0])
    return [qdrant.Filter(should=[qdrant.Filter(must=within(scope)) for scope in grants.scopes])]


def _left_out(grants: Grants) -> list[Any]:
    import qdrant_edge as qdrant

    named = [str(one) for one in sorted(grants.but_not)]
    return [qdrant.FieldCondition(key=ID_FIELD, match=qdrant.MatchAny(named))] if named else []


def _filter(filters: Filters, *also: Any) -> Any:
    import qdrant_edge as qdrant

    conditions = [*also, *_granted(filters.grants), *(_match(field, value) for field, value in filters.equal().items())]
    if filters.since_ms is not None or filters.until_ms is not None:
        moment = qdrant.RangeFloat(gte=filters.since_ms, lt=filters.until_ms)
        conditions.append(qdrant.FieldCondition(key=MOMENT_FIELD, range=moment))
    if (bounds := filters.confidence) is not None:
        between = qdrant.RangeFloat(gt=bounds.above, gte=bounds.at_least, lt=bounds.below, lte=bounds.at_most)
        conditions.append(qdrant.FieldCondition(key=CONFIDENCE_FIELD, range=between))
    without = [_match(field, value) for field, value in filters.unequal().items()]
    return qdrant.Filter(must=conditions, must_not=[*without, *_left_out(filters.grants)])
