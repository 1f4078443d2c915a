"""The first tables: sources, recordings, their stages, transcript versions."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _metadata_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("officer", sa.Text, nullable=True),
        sa.Column("badge", sa.Text, nullable=True),
        sa.Column("unit", sa.Text, nullable=True),
        sa.Column("incident_id", sa.Text, nullable=True),
        sa.Column("category", sa.Text, nullable=True),
        sa.Column("camera_serial", sa.Text, nullable=True),
        sa.Column("recorded_ms", sa.BigInteger, nullable=True),
    ]


def _lease_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("lease_owner", sa.Text, nullable=True),
        sa.Column("lease_until_ms", sa.BigInteger, nullable=True),
        sa.Column("interruptions", sa.Integer, nullable=False),
    ]


def _attempt_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=True),
        sa.Column("transient", sa.Boolean, nullable=False),
        sa.Column("failed_by", sa.Text, nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "recordings",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("media", sa.JSON, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        *_metadata_columns(),
        sa.Column("heard", sa.Text, nullable=False),
        sa.Column("speech_ms", sa.BigInteger, nullable=True),
        sa.Column("silent_ms", sa.BigInteger, nullable=True),
        sa.Column("not_processed_ms", sa.BigInteger, nullable=True),
        sa.Column("n_words", sa.BigInteger, nullable=True),
        sa.Column("languages", sa.JSON, nullable=True),
        sa.Column("n_speakers", sa.Integer, nullable=True),
        sa.Column("transcript_version", sa.Text, nullable=True),
        sa.Column("n_passages", sa.Integer, nullable=True),
        *_lease_columns(),
        sa.Column("lease_source_id", _KEY, nullable=True),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_recordings"),
    )
    for column in ("lease_owner", "officer", "badge", "incident_id", "category", "recorded_ms"):
        op.create_index(f"ix_recordings_{column}", "recordings", [column])

    op.create_table(
        "sources",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("modified", sa.Text, nullable=False),
        sa.Column("recording_id", sa.Text, nullable=True),
        *_metadata_columns(),
        *_lease_columns(),
        *_attempt_columns(),
        sa.Column("seen_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
        sa.UniqueConstraint("url", name="uq_sources_url"),
        sa.ForeignKeyConstraint(["recording_id"], ["recordings.id"], name="fk_sources_recording_id"),
    )
    op.create_index("ix_sources_name", "sources", ["name"])
    op.create_index("ix_sources_recording_id_id", "sources", ["recording_id", "id"])
    op.create_index("ix_sources_lease_owner", "sources", ["lease_owner"])

    op.create_table(
        "stages",
        sa.Column("recording_id", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("artifact", sa.Text, nullable=True),
        sa.Column("tried", sa.Text, nullable=False),
        *_attempt_columns(),
        sa.Column("seconds", sa.JSON, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("recording_id", "stage", name="pk_stages"),
        sa.ForeignKeyConstraint(["recording_id"], ["recordings.id"], name="fk_stages_recording_id"),
    )
    op.create_index("ix_stages_stage_fingerprint", "stages", ["stage", "fingerprint"])

    op.create_table(
        "transcripts",
        sa.Column("recording_id", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("recording_id", "version", name="pk_transcripts"),
        sa.ForeignKeyConstraint(["recording_id"], ["recordings.id"], name="fk_transcripts_recording_id"),
    )


def downgrade() -> None:
    for table in ("transcripts", "stages", "sources", "recordings"):
        op.drop_table(table)
