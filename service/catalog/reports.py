"""Questions to the catalog: what it knows, what a search covered, what failed. Nothing here writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, exists, false, func, not_, or_, select, true

from search.access import ALL, Grants
from service.catalog import claims
from service.catalog.entries import (
    Failure,
    RecordingRow,
    RecordingState,
    Searched,
    SourceSeen,
    Stage,
    StageState,
    Summary,
)
from service.catalog.labels import granted, labels_of
from service.catalog.metadata import fold
from service.catalog.models import FOLDED_FIELDS, UNLABELLED, recordings, sources, stages, transcripts
from transcribe.transcript import MediaFacts, RecordingId

CHUNK = 500  # rows looked up per query: below SQLite's limit on parameters


def heard_not_indexed(
    connection: Connection, fingerprint: str, limit: int, now_ms: int, only: RecordingId | None = None
) -> list[RecordingState]:
    """Recordings with words whose passages are missing or out of date, those that failed last.

    Not those still being heard: words indexed before their turns would leave a transcript version, without
    speakers, that nobody asked for.
    """
    passages, words = stages.alias("passages"), stages.alias("words")
    patience = and_(passages.c.attempts >= claims.MAX_ATTEMPTS, passages.c.tried.in_(["", fingerprint]))
    rows = connection.execute(
        select(recordings, words.c.artifact)
        .join(passages, and_(passages.c.recording_id == recordings.c.id, passages.c.stage == Stage.PASSAGES))
        .join(words, and_(words.c.recording_id == recordings.c.id, words.c.stage == Stage.WORDS))
        .where(
            or_(passages.c.fingerprint < fingerprint, passages.c.fingerprint > fingerprint),
            words.c.artifact.is_not(None),
            claims.is_free(recordings, now_ms),
            not_(patience),
            true() if only is None else recordings.c.id == only,
        )
        .order_by(passages.c.attempts, recordings.c.id)
        .limit(limit)
    ).all()
    urls = _urls(connection, [row.id for row in rows])
    turns = {
        row.recording_id: row.artifact
        for ids in _chunks([row.id for row in rows])
        for row in connection.execute(
            select(stages.c.recording_id, stages.c.artifact).where(
                stages.c.recording_id.in_(ids), stages.c.stage == Stage.TURNS
            )
        )
    }
    return [
        RecordingState(
            RecordingId(row.id),
            next(iter(urls.get(row.id, ())), row.id),
            _media(row.media),
            row.metadata,
            row.artifact,
            turns.get(row.id),
            f"{row.heard}:{fingerprint}:{labels_of(row).digest}",
            labels_of(row),
            row.correction,
        )
        for row in rows
    ]


def recording_rows(
    connection: Connection, filters: Mapping[str, str], since_ms: int | None, until_ms: int | None
) -> list[RecordingRow]:
    """Recordings the filters leave, in the order their first source was registered; those without one last."""
    rows = connection.execute(select(recordings).where(matches(recordings, filters, since_ms, until_ms))).all()
    urls = _urls(connection, [row.id for row in rows])
    order = {recording_id: position for position, recording_id in enumerate(urls)}
    rows = sorted(rows, key=lambda row: (order.get(row.id, len(order)), row.id))
    return _recording_rows(connection, rows, urls)


def page(
    connection: Connection,
    filters: Mapping[str, str],
    since_ms: int | None,
    until_ms: int | None,
    limit: int,
    offset: int,
) -> tuple[int, list[RecordingRow]]:
    """How many recordings the filters leave, and those from `offset` on, last recorded first, unknown times last."""
    chosen = matches(recordings, filters, since_ms, until_ms)
    n_chosen = connection.execute(select(func.count()).select_from(recordings).where(chosen)).scalar_one()
    in_order = select(recordings).where(chosen).order_by(recordings.c.recorded_ms.desc().nulls_last(), recordings.c.id)
    rows = connection.execute(in_order.limit(limit).offset(offset)).all()
    return int(n_chosen), _recording_rows(connection, rows, _urls(connection, [row.id for row in rows]))


def sources_of(connection: Connection, recording_id: RecordingId) -> list[SourceSeen]:
    """The recording's sources as they were when they were read, oldest first."""
    rows = connection.execute(
        select(sources).where(sources.c.recording_id == recording_id).order_by(sources.c.id)
    ).all()
    return [SourceSeen(row.url, row.size_bytes, row.modified, row.metadata) for row in rows]


def _recording_rows(
    connection: Connection, rows: Sequence[Row[Any]], urls: Mapping[str, list[str]]
) -> list[RecordingRow]:
    states: dict[str, dict[Stage, StageState]] = {}
    for chunk in _chunks([row.id for row in rows]):
        for row in connection.execute(select(stages).where(stages.c.recording_id.in_(chunk))):
            states.setdefault(row.recording_id, {})[Stage(row.stage)] = _stage_state(row)
    return [_recording_row(row, tuple(urls.get(row.id, ())), states[row.id]) for row in rows]


def searched(
    connection: Connection,
    filters: Mapping[str, str],
    since_ms: int | None,
    until_ms: int | None,
    grants: Grants = ALL,
) -> Searched:
    """What a search with these filters looks at. Metadata not yet known to an unread source counts as absent.

    What the grants do not admit is not there; what waits to be labelled is not searched.
    """
    in_index = and_(recordings.c.transcript_version.is_not(None), not_(UNLABELLED))
    chosen = and_(matches(recordings, filters, since_ms, until_ms), granted(recordings, grants))
    row = connection.execute(
        select(
            func.count(),
            func.coalesce(func.sum(recordings.c.speech_ms), 0),
            func.coalesce(func.sum(recordings.c.silent_ms), 0),
        ).where(chosen, in_index)
    ).one()
    n_waiting = connection.execute(
        select(func.count()).select_from(recordings).where(chosen, not_(in_index))
    ).scalar_one()
    was_heard = exists().where(
        stages.c.recording_id == recordings.c.id, stages.c.stage == Stage.WORDS, stages.c.artifact.is_not(None)
    )
    n_heard = connection.execute(
        select(func.count()).select_from(recordings).where(chosen, not_(in_index), was_heard)
    ).scalar_one()
    n_unread = connection.execute(
        select(func.count())
        .select_from(sources)
        .where(
            sources.c.recording_id.is_(None),
            matches(sources, filters, since_ms, until_ms),
            granted(sources, grants),
        )
    ).scalar_one()
    return Searched(int(row[0]), int(row[1]), int(row[2]), n_waiting + n_unread, n_heard)


def transcript_versions(connection: Connection) -> list[tuple[RecordingId, str]]:
    """Every version that was ever in the index, sorted by recording and version."""
    query = select(transcripts.c.recording_id, transcripts.c.version)
    rows = connection.execute(query.order_by(transcripts.c.recording_id, transcripts.c.version))
    return [(RecordingId(row.recording_id), row.version) for row in rows]


def matches(
    table: Table, filters: Mapping[str, str], since_ms: int | None, until_ms: int | None
) -> ColumnElement[bool]:
    """Rows of `recordings` or `sources` with these metadata, case ignored; times are inclusive.

    Raises:
        ValueError: a filter's name is not a metadata field the catalog compares, nor `recording_id`.
    """
    conditions: list[ColumnElement[bool]] = [true()]
    for name, value in filters.items():
        if name == "recording_id":
            conditions.append(recordings.c.id == fold(value) if table is recordings else false())
        elif name in FOLDED_FIELDS:
            conditions.append(table.c[name] == fold(value))
        else:
            raise ValueError(f"no filter is called {name!r}: there are recording_id, {', '.join(FOLDED_FIELDS)}")
    if since_ms is not None:
        conditions.append(table.c.recorded_ms >= since_ms)
    if until_ms is not None:
        conditions.append(table.c.recorded_ms <= until_ms)
    return and_(*conditions)


def failures(connection: Connection, wanted: Collection[str] | None, now_ms: int) -> list[Failure]:
    """What went wrong and has not gone right since, sorted by source; `wanted` keeps only these urls."""
    first = (
        select(sources.c.recording_id, func.min(sources.c.id).label("id"))
        .where(sources.c.recording_id.is_not(None))
        .group_by(sources.c.recording_id)
        .subquery()
    )
    found = []
    for row in connection.execute(select(sources).where(_went_wrong(sources))):
        found.append(_failure(row, row.url, "decode", row.error))
    broken: Select[Any] = (
        select(stages, sources.c.url)
        .outerjoin(first, first.c.recording_id == stages.c.recording_id)
        .outerjoin(sources, sources.c.id == first.c.id)
        .where(_went_wrong(stages))
    )
    for row in connection.execute(broken):
        found.append(_failure(row, row.url or row.recording_id, row.stage, row.error))
    interrupted = f"the process died {claims.MAX_INTERRUPTIONS} times while hearing it"
    most = claims.MAX_INTERRUPTIONS
    fatal: Select[Any] = (
        select(recordings.c.id, sources.c.url)
        .outerjoin(first, first.c.recording_id == recordings.c.id)
        .outerjoin(sources, sources.c.id == first.c.id)
        .where(recordings.c.interruptions >= most, claims.is_free(recordings, now_ms))
    )
    deadly = select(sources.c.url).where(sources.c.interruptions >= most, claims.is_free(sources, now_ms))
    urls = [row.url or row.id for row in connection.execute(fatal)]
    for url in [*urls, *connection.execute(deadly).scalars()]:
        found.append(Failure(url, interrupted, "hear", most, resting=True))
    kept = found if wanted is None else [failure for failure in found if failure.source in frozenset(wanted)]
    return sorted(kept, key=lambda failure: (failure.source, failure.stage))


def summary(connection: Connection, now_ms: int) -> Summary:
    """Counts over the whole catalog."""
    has = {
        stage: exists().where(
            stages.c.recording_id == recordings.c.id, stages.c.stage == stage, stages.c.artifact.is_not(None)
        )
        for stage in (Stage.WORDS, Stage.TURNS)
    }
    of_sources = connection.execute(
        select(
            func.count(),
            func.count().filter(sources.c.recording_id.is_(None)),
            func.count().filter(sources.c.lease_until_ms > now_ms),
        )
    ).one()
    heard_again = recordings.c.machine_version != recordings.c.corrected_from  # not where either is NULL
    columns = ("duration_ms", "speech_ms", "silent_ms", "not_processed_ms", "n_words", "size_bytes")
    of_recordings = connection.execute(
        select(
            func.count(),
            func.count().filter(has[Stage.WORDS]),
            func.count().filter(has[Stage.TURNS]),
            func.count(recordings.c.transcript_version),
            *(func.coalesce(func.sum(recordings.c[name]), 0).label(name) for name in columns),
            func.count(recordings.c.correction),
            func.count().filter(heard_again),
        )
    ).one()
    wrong = failures(connection, None, now_ms)
    n_sources, n_unread, n_in_flight = of_sources
    n_recordings, n_heard, n_speakers_known, n_indexed, *totals = (int(number) for number in of_recordings)
    return Summary(
        n_sources,
        n_unread,
        n_recordings,
        n_heard,
        n_speakers_known,
        n_indexed,
        n_in_flight,
        len(wrong),
        sum(failure.resting for failure in wrong),
        *totals,
    )


def _went_wrong(table: Table) -> ColumnElement[bool]:
    return table.c.error.is_not(None)


def _failure(row: Row[Any], source: str, stage: str, error: str) -> Failure:
    return Failure(source, error, stage, row.attempts, row.attempts >= claims.MAX_ATTEMPTS, row.transient)


def _urls(connection: Connection, ids: list[str]) -> dict[str, list[str]]:
    """Each recording's sources, oldest first; recordings in the order of their oldest source."""
    rows = [
        row
        for chunk in _chunks(ids)
        for row in connection.execute(
            select(sources.c.id, sources.c.recording_id, sources.c.url).where(sources.c.recording_id.in_(chunk))
        )
    ]
    urls: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: int(row.id)):
        urls.setdefault(row.recording_id, []).append(row.url)
    return urls


def _chunks(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]


def _stage_state(row: Row[Any]) -> StageState:
    return StageState(
        row.fingerprint,
        row.artifact,
        row.attempts,
        row.error,
        row.attempts >= claims.MAX_ATTEMPTS,
        row.seconds,
        row.facts,
    )


def _recording_row(row: Row[Any], urls: tuple[str, ...], states: Mapping[Stage, StageState]) -> RecordingRow:
    return RecordingRow(
        RecordingId(row.id),
        urls,
        row.size_bytes,
        _media(row.media),
        row.metadata,
        {stage: states[stage] for stage in Stage},
        row.n_words,
        tuple(row.languages or ()),
        row.n_speakers,
        row.speech_ms,
        row.silent_ms,
        row.not_processed_ms,
        row.transcript_version,
        row.n_passages,
        row.correction,
        row.corrected_from,
        row.machine_version,
        row.n_machine_passages,
        row.sealed_ms is not None,
        row.held_ms is not None,
    )


def _media(facts: Mapping[str, Any]) -> MediaFacts:
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
    return MediaFacts(**fields)
