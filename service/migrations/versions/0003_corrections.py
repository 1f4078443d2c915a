"""Corrected transcripts: which version people made, and what it was made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OF_RECORDINGS = ("correction", "corrected_from", "machine_version")
_OF_TRANSCRIPTS = ("base", "machine", "author", "note")


def upgrade() -> None:
    for name in _OF_RECORDINGS:
        op.add_column("recordings", sa.Column(name, sa.Text, nullable=True))
    op.add_column("recordings", sa.Column("n_machine_passages", sa.Integer, nullable=True))
    for name in _OF_TRANSCRIPTS:
        op.add_column("transcripts", sa.Column(name, sa.Text, nullable=True))


def downgrade() -> None:
    for name in _OF_TRANSCRIPTS:
        op.drop_column("transcripts", name)
    for name in (*_OF_RECORDINGS, "n_machine_passages"):
        op.drop_column("recordings", name)
