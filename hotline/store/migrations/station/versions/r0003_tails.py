"""Where threads end, as the hub signed and logged it: to be told when an entry is held back, and to prove it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0002."""
    op.create_table(
        "tails",
        sa.Column("thread", sa.Text, primary_key=True),
        sa.Column("idx", sa.Integer, primary_key=True),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("end", sa.Text, nullable=False),
        sa.Column("doubt", sa.Text, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("proof", sa.Text, nullable=False),
        sa.Column("disclosure", sa.Text, nullable=False),
    )
