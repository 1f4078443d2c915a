"""Watches, what they were matched with, and their hits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "watches",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("queries", sa.JSON, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("filters", sa.JSON, nullable=False),
        sa.Column("doubtful", sa.Boolean, nullable=False),
        sa.Column("detector", sa.Text, nullable=True),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_watches"),
        sa.UniqueConstraint("name", name="uq_watches_name"),
    )
    op.create_table(
        "watch_matches",
        sa.Column("watch_id", KEY, nullable=False),
        sa.Column("recording_id", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("watch_id", "recording_id", name="pk_watch_matches"),
        sa.ForeignKeyConstraint(["watch_id"], ["watches.id"], name="fk_watch_matches_watch_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name="fk_watch_matches_recording_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_watch_matches_due_ms", "watch_matches", ["due_ms"])
    op.create_index("ix_watch_matches_recording_id", "watch_matches", ["recording_id"])
    op.create_table(
        "watch_hits",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("watch_id", KEY, nullable=False),
        sa.Column("recording_id", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("end_ms", sa.BigInteger, nullable=False),
        sa.Column("speaker", sa.Text, nullable=True),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("legs", sa.JSON, nullable=False),
        sa.Column("flags", sa.JSON, nullable=False),
        sa.Column("found_ms", sa.BigInteger, nullable=False),
        sa.Column("superseded_ms", sa.BigInteger, nullable=True),
        sa.Column("acknowledged_ms", sa.BigInteger, nullable=True),
        sa.Column("acknowledged_by", sa.Text, nullable=True),
        sa.Column("note", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_watch_hits"),
        sa.ForeignKeyConstraint(["watch_id"], ["watches.id"], name="fk_watch_hits_watch_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name="fk_watch_hits_recording_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_watch_hits_watch_id_recording_id", "watch_hits", ["watch_id", "recording_id"])
    op.create_index("ix_watch_hits_recording_id", "watch_hits", ["recording_id"])


def downgrade() -> None:
    for name in ("watch_hits", "watch_matches", "watches"):
        op.drop_table(name)
