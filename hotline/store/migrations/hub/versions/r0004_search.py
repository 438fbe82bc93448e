"""Indexes by which the console searches, and the counts of replies it keeps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hotline.store.migrations.kinds import INT

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0003."""
    op.create_index("entries_at", "entries", ["at", "idx"])
    op.create_index("entries_office", "entries", ["office", "idx"])
    op.create_index("entries_kind", "entries", ["kind", "idx"])
    op.create_table(
        "counted",
        sa.Column("thread", sa.String, primary_key=True),
        sa.Column("form", INT, nullable=False),
        sa.Column("seq", INT, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "counted_clocks",
        sa.Column("thread", sa.String, primary_key=True),
        sa.Column("clock", sa.String, primary_key=True),
        sa.Column("started", sa.BigInteger, primary_key=True),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("office", sa.String, nullable=False),
        sa.Column("about", INT, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("ended", sa.BigInteger),
    )
    op.create_table(
        "counted_requests",
        sa.Column("thread", sa.String, primary_key=True),
        sa.Column("seq", INT, primary_key=True),
        sa.Column("asked", sa.String, nullable=False),
        sa.Column("answers", sa.String, nullable=False),
    )
