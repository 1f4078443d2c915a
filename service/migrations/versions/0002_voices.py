"""Voices, sealed, which go with their recording."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "voices",
        sa.Column("recording_id", sa.Text, nullable=False),
        sa.Column("speaker", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("speech_ms", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("recording_id", "speaker", name="pk_voices"),
        sa.ForeignKeyConstraint(["recording_id"], ["recordings.id"], name="fk_voices_recording_id", ondelete="CASCADE"),
    )
    op.create_index("ix_voices_key_id", "voices", ["key_id"])


def downgrade() -> None:
    op.drop_table("voices")
