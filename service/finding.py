"""A search over one data folder: filters checked, the index opened, the answer qualified by what was searched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from gpu.errors import GpuError
from search.access import ALL, Grants
from search.deadline import Deadline
from search.embedding import Embedder
from search.hit import Hit, without_angles
from search.pattern import bounds, read
from search.protocols import Index
from search.query import Filters, Query
from search.searcher import Answer, Searcher
from service.audit import AuditTrail
from service.catalog import Catalog, Searched
from service.citations import Citation, cite
from service.errors import NothingIngested, TimeWrong
from service.indexing import load_embedder, open_index
from service.question import Question
from service.settings import Settings
from service.transcripts import TranscriptStore
from transcribe.transcript import RecordingId

INDEX_PATIENCE_SECONDS = 30.0  # an ingest holds the index for a moment at a time
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Found:
    """An answer, and what it was an answer about."""

    query: Query
    answer: Answer
    searched: Searched

    def to_json(self) -> dict[str, Any]:
        """The form other systems rely on."""
        facets = self.answer.facets
        return {
            "query": self.query.typed or self.query.text,
            "mode": self.query.mode.value,
            "exact": self.query.is_exact,
            "pattern": None if self.query.pattern is None else str(self.query.pattern),
            "doubtful": self.query.doubtful,
            "sort": self.query.order.value,
            "machine": bool(self.query.filters.machine),
            "offset": self.query.offset,
            "hits": [hit.to_json() for hit in self.answer.hits],
            "total": self.answer.total,
            "total_is_exact": self.answer.total_is_exact,
            "places": self.answer.n_places,
            "left_out": self.answer.left_out,
            "facets": facets
            and {
                name: [{"value": value, "count": count} for value, count in facet.values]
                for name, facet in facets.items()
            },
            "facets_others": facets
            and {name: {"values": facet.other_values, "count": facet.other_count} for name, facet in facets.items()},
            "searched": {
                "recordings": self.searched.recordings,
                "speech_seconds": round(self.searched.speech_ms / 1000, 3),
                "silent_seconds": round(self.searched.silent_ms / 1000, 3),
                "not_processed": self.searched.not_processed,
                "awaiting_index": self.searched.awaiting_index,
            },
            "degraded": list(self.answer.degraded),
            "understood": self.answer.understood,
        }


def find(settings: Settings, question: Question, grants: Grants = ALL) -> Found:
    """Search everything indexed that the grants admit.

    Raises:
        NothingIngested: the data folder holds no catalog.
        EmptyQuery, QueryWrong, PageTooDeep, LegUnavailable, IndexBusy, RecordingUnknown, RecordingAmbiguous, TimeWrong
    """
    with open_catalog(settings) as catalog:
        query = ask(catalog, settings.zone, question, grants)
        # Words in quotes need no embedding, and loading one takes seconds.
        embedder = None if query.is_exact else embedder_or_none(settings)
        with _recorded(settings, grants) as hits, open_index(settings, INDEX_PATIENCE_SECONDS) as index:
            found = answer(query, catalog, index, embedder, deadline_of(settings, question))
            hits += found.answer.hits
    return found


@contextmanager
def _recorded(settings: Settings, grants: Grants) -> Iterator[list[Hit]]:
    """Have the audit trail say that somebody searched what is sealed, and which such recordings the hits are of.

    The query stays out of it: it is personal data.

    Raises:
        AuditUnwritable: then nothing is answered.
    """
    hits: list[Hit] = []
    if not any(scope.sealed for scope in grants.scopes):
        yield hits
        return
    with AuditTrail(settings.data).recorded("search.sealed") as event:
        yield hits
        event.facts["recordings"] = sorted(
            {angle.recording_id for hit in hits for angle in hit.every_angle if "sealed" in angle.flags}
        )


@contextmanager
def find_citations(settings: Settings, question: Question, grants: Grants = ALL) -> Iterator[Iterator[Citation]]:
    """What `find` would find, to be written down: of an exact query every place, whatever the limit.

    Errors as in `find`; all those of the question come before the block is entered.
    """
    with open_catalog(settings) as catalog:
        query = ask(catalog, settings.zone, question, grants)
        embedder = None if query.is_exact else embedder_or_none(settings)
        with _recorded(settings, grants) as hits, open_index(settings, INDEX_PATIENCE_SECONDS) as index:
            yield cite(
                _kept(hits_to_export(query, catalog, index, embedder), hits), TranscriptStore(settings.transcripts)
            )


def _kept(found: Iterator[Hit], kept: list[Hit]) -> Iterator[Hit]:
    """The same, noting the first hit of each sealed recording."""
    seen: set[RecordingId] = set()
    for hit in found:
        if "sealed" in hit.flags and hit.recording_id not in seen:
            seen.add(hit.recording_id)
            kept.append(hit)
        yield hit


def ask(catalog: Catalog, zone: str, question: Question, grants: Grants = ALL) -> Query:
    """The query a question means; errors as in `find`. Months, and times without an offset, are in `zone`."""

    def meant(asked: Mapping[str, str | None]) -> Filters:
        wanted = asked.get("recording")
        return Filters(
            recording_id=catalog.find(wanted) if wanted else None,
            officer=asked.get("officer"),
            badge=asked.get("badge"),
            unit=asked.get("unit"),
            incident_id=asked.get("incident"),
            category=asked.get("category"),
            language=asked.get("language"),
            speaker=asked.get("speaker"),
            since_ms=parse_time(asked.get("since"), "since", zone),
            until_ms=parse_time(asked.get("until"), "until", zone),
            confidence=bounds(asked.get("confidence")),
            machine=question.machine,
            grants=grants,
        )

    names = {"after": "since", "before": "until"}
    reading = read(
        question.text,
        meant(question.filters),
        lambda field: meant({names.get(field.name, field.name): field.value}),
        one_leg=question.mode.is_one_leg,
    )
    return Query(
        reading.text,
        question.mode,
        question.limit,
        reading.filters,
        question.doubtful,
        question.offset,
        reading.pattern,
        question.text,
        question.sort,
        ZoneInfo(zone) if question.facets else None,
    )


def deadline_of(settings: Settings, question: Question) -> Deadline:
    """As many seconds from now as the question or the settings allow."""
    seconds = question.deadline_seconds
    return Deadline(settings.search_deadline_seconds if seconds is None else seconds)


def answer(query: Query, catalog: Catalog, index: Index, embedder: Embedder | None, deadline: Deadline) -> Found:
    """Search an open index; without an embedder by words alone, and the answer says so.

    What may be seen is settled twice: by the grants in every question to the index, and of each hit by the catalog
    before it leaves, for somebody may have sealed it meanwhile.

    Raises:
        LegUnavailable
    """
    chosen = query.filters
    about = {
        name: value
        for name, value in (
            ("recording_id", chosen.recording_id),
            ("officer", chosen.officer),
            ("badge", chosen.badge),
            ("unit", chosen.unit),
            ("incident_id", chosen.incident_id),
            ("category", chosen.category),
        )
        if value is not None
    }
    # Counted first: what is indexed meanwhile is found or not, but never claimed to have been searched.
    searched = catalog.searched(about, chosen.since_ms, chosen.until_ms, chosen.grants)
    searcher = Searcher(index, embedder, links_of=catalog.links_of)
    found = searcher.search(_labelled(query, catalog), deadline)
    kept = _still_granted(found.hits, chosen.grants, catalog)
    total = found.total - (len(found.hits) - len(kept))
    return Found(query, replace(found, hits=kept, total=total), searched)


def _labelled(query: Query, catalog: Catalog) -> Query:
    """The query, leaving out recordings of which the index does not say yet what the catalog says."""
    grants = replace(query.filters.grants, but_not=query.filters.grants.but_not | catalog.unlabelled())
    return replace(query, filters=replace(query.filters, grants=grants))


def _still_granted(hits: Iterable[Hit], grants: Grants, catalog: Catalog) -> list[Hit]:
    """Those of recordings that, by the catalog as it is now, may be seen; of a moment the angles that may."""
    some = list(hits)
    labels = catalog.settled_labels({angle.recording_id for hit in some for angle in hit.every_angle})

    def may_be_seen(hit: Hit) -> bool:
        said = labels.get(hit.recording_id)
        return said is not None and grants.admits({"recording_id": hit.recording_id, **said.payload()})

    return [kept for hit in some if (kept := without_angles(hit, may_be_seen)) is not None]


def hits_to_export(query: Query, catalog: Catalog, index: Index, embedder: Embedder | None) -> Iterator[Hit]:
    """Every place of an exact query, however many; of another each angle of its hits. No deadline cuts them.

    Each recording is looked up in the catalog when its first hit is about to leave.

    Raises:
        LegUnavailable: at once, before the first is asked for.
    """
    searcher, grants = Searcher(index, embedder, links_of=catalog.links_of), query.filters.grants
    query = _labelled(query, catalog)
    if query.is_exact:
        found = searcher.every_hit(query)
    else:
        found = iter([angle for hit in searcher.search(query).hits for angle in hit.every_angle])
    together = groupby(found, key=lambda hit: hit.recording_id)
    return (hit for _recording_id, some in together for hit in _still_granted(some, grants, catalog))


def open_catalog(settings: Settings) -> Catalog:
    """The catalog of an existing data folder.

    Raises:
        NothingIngested
    """
    if settings.catalog_url is None and not (settings.data / "catalog.sqlite").exists():
        raise NothingIngested(settings.data)
    return Catalog.open(settings.catalog)


def parse_time(text: str | None, name: str, zone: str) -> int | None:
    """ISO 8601 to epoch ms; a time without an offset is in `zone`.

    Raises:
        TimeWrong
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise TimeWrong(name, text) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    return round(moment.timestamp() * 1000)


def embedder_or_none(settings: Settings) -> Embedder | None:
    """The embedder of the settings; None where no model is installed: the answer then says that it is degraded."""
    try:
        return load_embedder(settings)
    except GpuError as error:
        log.warning("search without meaning", reason=str(error))
        return None
