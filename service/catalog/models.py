"""The catalog's tables.

Times are UTC epoch ms. Absent text that takes part in comparisons is the empty string, so that an index can
find what is out of date as two ranges (`<` and `>`); absent facts are NULL. `service/migrations` creates
these tables, and a test holds the two equal.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    and_,
    literal_column,
    text,
)

tables = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only in an INTEGER column

FOLDED_FIELDS = ("officer", "badge", "unit", "incident_id", "category", "camera_serial")


def _metadata_columns() -> list[Column[Any]]:
    """Metadata as given, and beside it what filters compare: values with their case folded, the time in ms."""
    return [
        Column("metadata", JSON, nullable=False),
        *(Column(name, Text, nullable=True) for name in FOLDED_FIELDS),
        Column("recorded_ms", BigInteger, nullable=True),
    ]


def _lease_columns() -> list[Column[Any]]:
    """Who works on it until when (both NULL: nobody), and how many workers died over it."""
    return [
        Column("lease_owner", Text, nullable=True),
        Column("lease_until_ms", BigInteger, nullable=True),
        Column("interruptions", Integer, nullable=False),
    ]


def _attempt_columns() -> list[Column[Any]]:
    """What went wrong since it last went right; `failed_by` holds the owners it failed under, each in newlines."""
    return [
        Column("attempts", Integer, nullable=False),
        Column("error", Text, nullable=True),
        Column("transient", Boolean, nullable=False),
        Column("failed_by", Text, nullable=False),
    ]


def _mark_columns(mark: str) -> list[Column[Any]]:
    """Since when (NULL: not), set by whom, and why."""
    return [
        Column(f"{mark}_ms", BigInteger, nullable=True),
        Column(f"{mark}_by", Text, nullable=True),
        Column(f"{mark}_reason", Text, nullable=True),
    ]


_UNLABELLED = text("indexed_labels <> '' AND labels <> indexed_labels")

recordings = Table(
    "recordings",
    tables,
    Column("id", Text, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("media", JSON, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    *_metadata_columns(),  # merged over the recording's sources
    Column("heard", Text, nullable=False),  # hash of what passages are made of; see `metadata.heard_hash`
    Column("speech_ms", BigInteger, nullable=True),
    Column("silent_ms", BigInteger, nullable=True),
    Column("not_processed_ms", BigInteger, nullable=True),
    Column("n_words", BigInteger, nullable=True),
    Column("languages", JSON, nullable=True),
    Column("n_speakers", Integer, nullable=True),
    Column("transcript_version", Text, nullable=True),  # what the index holds; NULL: nothing
    Column("n_passages", Integer, nullable=True),
    Column("correction", Text, nullable=True),  # the current version, where people made it; NULL: machines did
    Column("corrected_from", Text, nullable=True),  # the machine's version that it goes back to
    Column("machine_version", Text, nullable=True),  # what the index holds beside a correction
    Column("n_machine_passages", Integer, nullable=True),
    *_lease_columns(),
    Column("lease_source_id", Key, nullable=True),  # the claim, of several by one owner, that holds it
    Column("created_ms", BigInteger, nullable=False),
    *_mark_columns("sealed"),
    *_mark_columns("held"),
    Column("labels", Text, nullable=False, server_default=""),  # what is said of it now; see `search.labels`
    Column("indexed_labels", Text, nullable=False, server_default=""),  # what the index says; empty: it has no rows
    Index("ix_recordings_unlabelled", "id", sqlite_where=_UNLABELLED, postgresql_where=_UNLABELLED),
    Index(None, "lease_owner"),
    Index(None, "officer"),
    Index(None, "badge"),
    Index(None, "incident_id"),
    Index(None, "category"),
    Index(None, "recorded_ms"),
)

# Recordings of which the index may say something else than the catalog: few at any moment, and asked for by every
# search. In the words of their database index, so that it serves.
UNLABELLED = and_(
    recordings.c.indexed_labels != literal_column("''"), recordings.c.labels != recordings.c.indexed_labels
)

sources = Table(
    "sources",
    tables,
    Column("id", Key, primary_key=True),
    Column("url", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),  # the last part of the url
    Column("size_bytes", BigInteger, nullable=False),
    Column("modified", Text, nullable=False),
    Column("recording_id", Text, ForeignKey(recordings.c.id), nullable=True),  # NULL: never read as it is now
    *_metadata_columns(),
    *_lease_columns(),
    *_attempt_columns(),
    Column("seen_ms", BigInteger, nullable=False),
    Index(None, "name"),
    Index(None, "recording_id", "id"),
    Index(None, "lease_owner"),
)

stages = Table(
    "stages",
    tables,
    Column("recording_id", Text, ForeignKey(recordings.c.id), primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),  # of the artifact; empty: none, or made of what has changed
    Column("artifact", Text, nullable=True),  # the last good one, kept when a later attempt fails
    Column("tried", Text, nullable=False),  # the fingerprint that `attempts` counts
    *_attempt_columns(),
    Column("seconds", JSON, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("updated_ms", BigInteger, nullable=True),
    Index(None, "stage", "fingerprint"),
)

transcripts = Table(
    "transcripts",
    tables,
    Column("recording_id", Text, ForeignKey(recordings.c.id), primary_key=True),
    Column("version", Text, primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("base", Text, nullable=True),  # the version a person changed; NULL: a machine made it
    Column("machine", Text, nullable=True),  # the machine's version that it goes back to
    Column("author", Text, nullable=True),
    Column("note", Text, nullable=True),
)

# Biometric data, readable with the key of the settings alone; a recording that is deleted takes its voices along.
voices = Table(
    "voices",
    tables,
    Column("recording_id", Text, ForeignKey(recordings.c.id, ondelete="CASCADE"), primary_key=True),
    Column("speaker", Text, primary_key=True),
    Column("model", Text, nullable=False),  # only voices of one model can be compared
    Column("speech_ms", BigInteger, nullable=False),
    Column("key_id", Text, nullable=False),  # tells keys apart, and says nothing about them
    Column("sealed", LargeBinary, nullable=False),
    Index(None, "key_id"),
)

# Recordings of one scene: own time of the second = time in the first + offset. `first` is the smaller id.
links = Table(
    "links",
    tables,
    Column("first", Text, ForeignKey(recordings.c.id, ondelete="CASCADE"), primary_key=True),
    Column("second", Text, ForeignKey(recordings.c.id, ondelete="CASCADE"), primary_key=True),
    Column("first_version", Text, nullable=False),  # the transcripts it was told from
    Column("second_version", Text, nullable=False),
    Column("offset_ms", BigInteger, nullable=False),
    Column("error_ms", Integer, nullable=False),
    Column("measured_by", Text, nullable=False),  # words or sound
    Column("confidence", Float, nullable=False),
    Index(None, "second"),
)

# What a watch asks for is personal data: the catalog keeps it, logs do not.
watches = Table(
    "watches",
    tables,
    Column("id", Key, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("queries", JSON, nullable=False),
    Column("mode", Text, nullable=False),
    Column("filters", JSON, nullable=False),
    Column("doubtful", Boolean, nullable=False),
    Column("detector", Text, nullable=True),
    Column("created_by", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

# Which version of a recording a watch was matched with last, or is to be matched with next.
watch_matches = Table(
    "watch_matches",
    tables,
    Column("watch_id", Key, ForeignKey(watches.c.id, ondelete="CASCADE"), primary_key=True),
    Column("recording_id", Text, ForeignKey(recordings.c.id, ondelete="CASCADE"), primary_key=True),
    Column("version", Text, nullable=False),
    Column("due_ms", BigInteger, nullable=True),  # from when on to match it; NULL: done
    Column("attempts", Integer, nullable=False),  # that failed, since it was last due anew
    Column("error", Text, nullable=True),
    Index(None, "due_ms"),
    Index(None, "recording_id"),
)

watch_hits = Table(
    "watch_hits",
    tables,
    Column("id", Text, primary_key=True),  # a function of watch, recording, version and span: each is there once
    Column("watch_id", Key, ForeignKey(watches.c.id, ondelete="CASCADE"), nullable=False),
    Column("recording_id", Text, ForeignKey(recordings.c.id, ondelete="CASCADE"), nullable=False),
    Column("version", Text, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("speaker", Text, nullable=True),
    Column("language", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("legs", JSON, nullable=False),
    Column("flags", JSON, nullable=False),
    Column("found_ms", BigInteger, nullable=False),
    Column("superseded_ms", BigInteger, nullable=True),  # NULL: of the version matched last
    Column("acknowledged_ms", BigInteger, nullable=True),
    Column("acknowledged_by", Text, nullable=True),
    Column("note", Text, nullable=True),
    Index(None, "watch_id", "recording_id"),
    Index(None, "recording_id"),
)
