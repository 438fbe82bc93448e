"""An index less: the one that keeps a thread's places apart finds its entries too, and each index is a page for each commit."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
phase = "before"


def upgrade() -> None:
    """From 0007."""
    op.drop_index("entries_thread", "entries")
