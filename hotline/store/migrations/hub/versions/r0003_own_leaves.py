"""Leaves of the hub's own, which belong to no thread, and the disclosures that open them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hotline.store.migrations.evidence import forbid, forbid_replacing
from hotline.store.migrations.kinds import INT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0002."""
    op.create_table(
        "own_leaves",
        sa.Column("idx", INT, sa.ForeignKey("leaves.idx"), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "own_disclosures",
        sa.Column("idx", INT, sa.ForeignKey("own_leaves.idx"), primary_key=True, autoincrement=False),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("text", sa.String, nullable=False),
    )
    op.create_index("own_disclosures_name", "own_disclosures", ["name", "idx"])
    keys = {"own_leaves": "idx = NEW.idx", "own_disclosures": "idx = NEW.idx AND name = NEW.name"}
    for table, condition in keys.items():
        forbid(table, "UPDATE", "DELETE")
        forbid_replacing(table, condition)
