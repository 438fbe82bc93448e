"""Time-stamps by outside authorities over published heads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0004."""
    op.create_table(
        "timestamps",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("size", sa.Integer, sa.ForeignKey("heads.size"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("authority", sa.String, nullable=False),
        sa.Column("token", sa.LargeBinary, nullable=False),
    )
    op.create_index("timestamps_digest", "timestamps", ["digest"])
    op.create_index("timestamps_size", "timestamps", ["size", "number"])
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER timestamps_no_{verb.lower()} BEFORE {verb} ON timestamps "
            "BEGIN SELECT RAISE(ABORT, 'timestamps is insert-only'); END"
        )
    # As in 0001: INSERT OR REPLACE would delete without firing a DELETE trigger.
    op.execute(
        "CREATE TRIGGER timestamps_no_replace BEFORE INSERT ON timestamps "
        "WHEN EXISTS (SELECT 1 FROM timestamps WHERE number = NEW.number) "
        "BEGIN SELECT RAISE(ABORT, 'timestamps is insert-only'); END"
    )
