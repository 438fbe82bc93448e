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
# The weight that a process of that version writes: it is said by its connections, so that no code of it is needed.
_WEIGH = """
CREATE FUNCTION weigh() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.weight := current_setting('hotline.weight', true)::bigint;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    """From the newest form there is. Processes that know of no weights go on writing none."""
    op.add_column("threads", sa.Column("weight", sa.BigInteger))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_WEIGH)
        op.execute("CREATE TRIGGER threads_weigh BEFORE INSERT ON threads FOR EACH ROW EXECUTE FUNCTION weigh()")
