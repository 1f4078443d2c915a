"""The index on a Qdrant server, or in qdrant-client's memory for tests.

The in-memory mode re-implements the server in Python: it has no payload indexes and ignores their tokenizer
options, which our own normalisation makes harmless. Passing in memory does not mean tested against a server;
set `QDRANT_URL` to run the contract tests against one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from search.access import ACCESS_FIELD, Grants, Scope
from search.bm25 import SparseVector
from search.errors import DimensionMismatch, IndexDamaged, IndexOutdated
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
    holds,
)
from transcribe.transcript import RecordingId

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

COLLECTION = "earwitness"
UPSERT_ROWS = 256  # a server refuses requests of more than 32 MB
SCROLL_ROWS = 512


class ClusterIndex:
    """A collection behind a client.

    It is made when the first rows come, for vectors of their length; until then every answer is empty. One that an
    earlier version made, with fewer legs, raises `IndexOutdated` when asked or written to; emptied, it is made again.
    """

    def __init__(self, client: QdrantClient, collection: str = COLLECTION) -> None:
        self._client, self._collection = client, collection
        self._known_dimension: int | None = None
        self._known_complete = False

    @classmethod
    def in_memory(cls) -> ClusterIndex:
        """A collection that lives as long as this object."""
        from qdrant_client import QdrantClient

        return cls(QdrantClient(":memory:"))

    @classmethod
    def at(cls, url: str, api_key: str | None = None, collection: str = COLLECTION) -> ClusterIndex:
        """The collection on a server, there or not.

        Raises:
            IndexDamaged: the server does not answer or refuses us.
        """
        from qdrant_client import QdrantClient

        try:
            index = cls(QdrantClient(url=url, api_key=api_key, check_compatibility=False), collection)
            index._dimension()
        except Exception as error:  # the client raises httpx's, grpc's and its own kinds
            raise IndexDamaged(url, str(error).splitlines()[0] if str(error) else type(error).__name__) from error
        return index

    def _dimension(self) -> int | None:
        """Length of the vectors in the collection; None while there is no collection."""
        if self._known_dimension is None and self._client.collection_exists(self._collection):
            vectors = self._client.get_collection(self._collection).config.params.vectors
            assert isinstance(vectors, dict), "a collection not made by us"
            self._known_dimension = vectors[DENSE].size
        return self._known_dimension

    def _missing(self) -> set[str]:
        """Sparse vectors that a collection made by an earlier version lacks."""
        if self._dimension() is None or self._known_complete:
            return set()
        collection = self._client.get_collection(self._collection)
        sparse = collection.config.params.sparse_vectors or {}
        missing = set(SPARSE) - {name for name, params in sparse.items() if params.modifier is None}
        if not missing and not self._is_local:
            self._index_keywords(set(KEYWORD_FIELDS) - collection.payload_schema.keys())
        self._known_complete = not missing
        return missing

    def _refuse_outdated(self) -> None:
        if missing := self._missing():
            raise IndexOutdated(self._collection, ", ".join(sorted(missing)))

    def _create(self, dimension: int) -> None:
        from qdrant_client import models

        self._client.create_collection(
            self._collection,
            vectors_config={DENSE: models.VectorParams(size=dimension, distance=models.Distance.COSINE)},
            sparse_vectors_config={name: models.SparseVectorParams() for name in SPARSE},
        )
        if self._is_local:
            return  # payload indexes have no effect there
        phrase = models.TextIndexParams(
            type=models.TextIndexType.TEXT,
            tokenizer=models.TokenizerType.WHITESPACE,
            lowercase=False,
            phrase_matching=True,
        )
        self._client.create_payload_index(self._collection, PHRASE_FIELD, phrase)
        self._index_keywords(KEYWORD_FIELDS)
        self._client.create_payload_index(self._collection, MOMENT_FIELD, models.PayloadSchemaType.INTEGER)

    def _index_keywords(self, fields: Iterable[str]) -> None:
        """Also where the collection was made before something was filtered by them."""
        from qdrant_client import models

        for field in fields:
            self._client.create_payload_index(self._collection, field, models.PayloadSchemaType.KEYWORD)

    @property
    def _is_local(self) -> bool:
        from qdrant_client.local.qdrant_local import QdrantLocal

        return isinstance(self._client._client, QdrantLocal)

    def replace(self, recording_id: RecordingId, version: str, rows: Sequence[Row]) -> None:
        from qdrant_client import models

        if rows and self._missing() and self._count_rows(None) == 0:
            self.drop()  # rows were removed to make it again: `earwitness index rebuild`
        if rows and self._dimension() is None:
            self._create(len(rows[0].meaning))
        self._refuse_outdated()
        for first in range(0, len(rows), UPSERT_ROWS):
            some = rows[first : first + UPSERT_ROWS]
            for row in some:
                self._check(len(row.meaning))
            points = [models.PointStruct(id=row.id, vector=_vectors(row), payload=dict(row.payload)) for row in some]
            self._client.upsert(self._collection, points, wait=True)
        # The new rows first, then the others: a reader sees both for a moment, never none.
        written: list[models.Condition] = [models.HasIdCondition(has_id=[row.id for row in rows])] if rows else []
        self._delete(models.Filter(must=[_match(ID_FIELD, recording_id)], must_not=written))

    def remove(self, recording_id: RecordingId) -> None:
        from qdrant_client import models

        self._delete(models.Filter(must=[_match(ID_FIELD, recording_id)]))

    def _delete(self, condition: models.Filter) -> None:
        from qdrant_client import models

        if self._dimension() is not None:
            self._client.delete(self._collection, models.FilterSelector(filter=condition), wait=True)

    def query_batch(self, queries: Sequence[LegQuery]) -> list[list[LegHit]]:
        from qdrant_client import models

        if self._dimension() is None:
            return [[] for _ in queries]
        self._refuse_outdated()
        for query in queries:
            if not isinstance(query.vector, SparseVector):
                self._check(len(query.vector))
        requests = [
            models.QueryRequest(
                query=models.SparseVector(indices=list(query.vector.indices), values=list(query.vector.values))
                if isinstance(query.vector, SparseVector)
                else query.vector.tolist(),
                using=query.leg.value,
                limit=query.limit,
                filter=_filter(query.filters, *_among(query)),
                with_payload=query.among is None,
            )
            for query in queries
        ]
        answers = self._client.query_batch_points(self._collection, requests)
        return [
            sorted(
                (LegHit(str(point.id), point.score, point.payload or {}) for point in answer.points),
                key=lambda hit: (-hit.score, hit.id),
            )
            for answer in answers
        ]

    def phrase(self, tokens: Sequence[str], filters: Filters = EVERYTHING) -> Iterator[LegHit]:
        from qdrant_client import models

        phrase = " ".join(tokens)
        wanted = models.FieldCondition(key=PHRASE_FIELD, match=models.MatchPhrase(phrase=phrase))
        for key, payload in self._scroll(_filter(filters, wanted)):
            # In memory, text is cut where the script has marks: more matches than should, never fewer.
            if holds(payload[PHRASE_FIELD], tokens):
                yield LegHit(key, 1.0, payload)

    def retrieve(self, ids: Sequence[PointId]) -> dict[PointId, Payload]:
        if not ids or self._dimension() is None:
            return {}
        found = self._client.retrieve(self._collection, list(ids), with_payload=True)
        return {str(record.id): record.payload or {} for record in found}

    def count(self, filters: Filters = EVERYTHING) -> int:
        return self._count_rows(_filter(filters))

    def document_frequencies(self, terms: Collection[str], filters: Filters = EVERYTHING) -> dict[str, int]:
        return {term: self._count_rows(_filter(filters, _match(TERMS_FIELD, term))) for term in terms}

    def _count_rows(self, condition: models.Filter | None) -> int:
        if self._dimension() is None:
            return 0
        return self._client.count(self._collection, count_filter=condition, exact=True).count

    def relabel(self, recording_id: RecordingId, fields: Mapping[str, Any]) -> None:
        from qdrant_client import models

        if self._dimension() is not None:
            rows_of = models.Filter(must=[_match(ID_FIELD, recording_id)])
            self._client.set_payload(self._collection, dict(fields), rows_of, wait=True)

    def versions(self) -> dict[RecordingId, dict[str, int]]:
        return count_versions(payload for _key, payload in self._scroll(None, ["recording_id", VERSION_FIELD]))

    def _scroll(
        self, condition: models.Filter | None, fields: list[str] | None = None
    ) -> Iterator[tuple[PointId, Payload]]:
        offset: Any = None
        while self._dimension() is not None:
            records, offset = self._client.scroll(
                self._collection,
                scroll_filter=condition,
                limit=SCROLL_ROWS,
                offset=offset,
                with_payload=fields if fields is not None else True,
            )
            for record in records:
                yield str(record.id), record.payload or {}
            if offset is None:
                return

    def flush(self) -> None:
        """The server was asked to wait for each write; it flushes on its own."""

    def close(self) -> None:
        self._client.close()

    def drop(self) -> None:
        """Delete the collection with all it holds."""
        self._client.delete_collection(self._collection)
        self._known_dimension, self._known_complete = None, False

    def _check(self, dimension: int) -> None:
        expected = self._dimension()
        if expected is not None and dimension != expected:
            raise DimensionMismatch(self._collection, expected, dimension)


def _vectors(row: Row) -> dict[str, models.Vector]:
    from qdrant_client import models

    vectors: dict[str, models.Vector] = {DENSE: row.meaning.tolist()}
    for leg, vector in row.sparse.items():
        vectors[leg.value] = models.SparseVector(indices=list(vector.indices), values=list(vector.values))
    return vectors


def _match(field: str, value: str) -> models.FieldCondition:
    from qdrant_client import models

    return models.FieldCondition(key=field, match=models.MatchValue(value=value))


def _among(query: LegQuery) -> list[models.Condition]:
    from qdrant_client import models

    return [] if query.among is None else [models.HasIdCondition(has_id=list(query.among))]


def _granted(grants: Grants) -> list[models.Condition]:
    """What a row must be to be in one of the scopes."""
    from qdrant_client import models

    def within(scope: Scope) -> list[models.Condition]:
        kinds = models.MatchAny(any=[one.value for one in scope.kinds()])
        limits = (_match(field, value) for field, value in scope.equal().items())
        return [models.FieldCondition(key=ACCESS_FIELD, match=kinds), *limits]

    if not grants.scopes:
        return [models.HasIdCondition(has_id=[])]
    if len(grants.scopes) == 1:
        return within(grants.scopes[0])
    return [models.Filter(should=[models.Filter(must=within(scope)) for scope in grants.scopes])]


def _left_out(grants: Grants) -> list[models.Condition]:
    from qdrant_client import models

    named = [str(one) for one in sorted(grants.but_not)]
    return [models.FieldCondition(key=ID_FIELD, match=models.MatchAny(any=named))] if named else []


def _filter(filters: Filters, *also: models.Condition) -> models.Filter:
    from qdrant_client import models

    conditions: list[models.Condition] = [*also, *_granted(filters.grants)]
    conditions += [_match(field, value) for field, value in filters.equal().items()]
    if filters.since_ms is not None or filters.until_ms is not None:
        moment = models.Range(gte=filters.since_ms, lt=filters.until_ms)
        conditions.append(models.FieldCondition(key=MOMENT_FIELD, range=moment))
    if (bounds := filters.confidence) is not None:
        between = models.Range(gt=bounds.above, gte=bounds.at_least, lt=bounds.below, lte=bounds.at_most)
        conditions.append(models.FieldCondition(key=CONFIDENCE_FIELD, range=between))
    without: list[models.Condition] = [_match(field, value) for field, value in filters.unequal().items()]
    return models.Filter(must=conditions, must_not=[*without, *_left_out(filters.grants)])
