"""Seals and holds on recordings, and which labels the index has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MARKS = ("sealed", "held")
UNLABELLED = sa.text("indexed_labels <> '' AND labels <> indexed_labels")


def upgrade() -> None:
    # Empty: what the index holds was written before there were labels, and nobody sees it until it is made again.
    for name in ("labels", "indexed_labels"):
        op.add_column("recordings", sa.Column(name, sa.Text, nullable=False, server_default=""))
    for mark in MARKS:
        op.add_column("recordings", sa.Column(f"{mark}_ms", sa.BigInteger, nullable=True))
        op.add_column("recordings", sa.Column(f"{mark}_by", sa.Text, nullable=True))
        op.add_column("recordings", sa.Column(f"{mark}_reason", sa.Text, nullable=True))
    op.create_index(
        "ix_recordings_unlabelled", "recordings", ["id"], sqlite_where=UNLABELLED, postgresql_where=UNLABELLED
    )


def downgrade() -> None:
    op.drop_index("ix_recordings_unlabelled", "recordings")
    for mark in MARKS:
        for column in ("ms", "by", "reason"):
            op.drop_column("recordings", f"{mark}_{column}")
    for name in ("labels", "indexed_labels"):
        op.drop_column("recordings", name)
