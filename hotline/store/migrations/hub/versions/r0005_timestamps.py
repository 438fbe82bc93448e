"""Time-stamps by outside authorities over published heads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hotline.store.migrations.evidence import forbid, forbid_replacing
from hotline.store.migrations.kinds import INT

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0004."""
    op.create_table(
        "timestamps",
        sa.Column("number", INT, primary_key=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("size", INT, sa.ForeignKey("heads.size"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("authority", sa.String, nullable=False),
        sa.Column("token", sa.LargeBinary, nullable=False),
    )
    op.create_index("timestamps_digest", "timestamps", ["digest"])
    op.create_index("timestamps_size", "timestamps", ["size", "number"])
    forbid("timestamps", "UPDATE", "DELETE")
    forbid_replacing("timestamps", "number = NEW.number")
