"""Links: the offsets between recordings of one scene."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "links",
        sa.Column("first", sa.Text, nullable=False),
        sa.Column("second", sa.Text, nullable=False),
        sa.Column("first_version", sa.Text, nullable=False),
        sa.Column("second_version", sa.Text, nullable=False),
        sa.Column("offset_ms", sa.BigInteger, nullable=False),
        sa.Column("error_ms", sa.Integer, nullable=False),
        sa.Column("measured_by", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("first", "second", name="pk_links"),
        sa.ForeignKeyConstraint(["first"], ["recordings.id"], name="fk_links_first", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["second"], ["recordings.id"], name="fk_links_second", ondelete="CASCADE"),
    )
    op.create_index("ix_links_second", "links", ["second"])


def downgrade() -> None:
    op.drop_table("links")
