"""Files that go with entries: what was announced, and by whom. The files themselves lie beside the store."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0005."""
    op.create_table(
        "blobs",
        sa.Column("thread", sa.String, primary_key=True),
        sa.Column("blob", sa.String, primary_key=True),
        sa.Column("office", sa.String, nullable=False),
        sa.Column("station", sa.String, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
    )
    op.create_index("blobs_office", "blobs", ["office"])
