"""Since when an entry is known to bind a file: files that nothing binds give their place free in the end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
phase = "before"


def upgrade() -> None:
    """From 0006. Of files that are there already nobody said whether an entry binds them: they are taken to be bound."""
    op.add_column("blobs", sa.Column("bound", sa.BigInteger))
    columns = (sa.column("bound", sa.BigInteger), sa.column("at", sa.BigInteger), sa.column("whole", sa.Boolean))
    blobs = sa.table("blobs", *columns)
    op.execute(blobs.update().where(blobs.c.whole.is_(True)).values(bound=blobs.c.at))
