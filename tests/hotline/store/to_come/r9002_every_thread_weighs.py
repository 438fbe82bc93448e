"""Every thread has a weight"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "9002"
down_revision = "9001"
branch_labels = None
depends_on = None
phase = "after"


def upgrade() -> None:
    """From 9001. A process that knows of no weights could open no thread any more."""
    op.execute("UPDATE threads SET weight = 1 WHERE weight IS NULL")
    with op.batch_alter_table("threads") as threads:
        threads.alter_column("weight", existing_type=sa.BigInteger, nullable=False)
