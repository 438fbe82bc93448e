"""Threads may have a weight"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tests.hotline.store.version_to_come import NEWEST

revision = "9001"
down_revision = NEWEST
branch_labels = None
depends_on = None
phase = "before"


def upgrade() -> None:
    """From the newest form there is. Processes that know of no weights go on writing none."""
    op.add_column("threads", sa.Column("weight", sa.BigInteger))
