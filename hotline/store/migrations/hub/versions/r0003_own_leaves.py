"""Leaves of the hub's own, which belong to no thread, and the disclosures that open them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0002."""
    op.create_table(
        "own_leaves",
        sa.Column("idx", sa.Integer, sa.ForeignKey("leaves.idx"), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "own_disclosures",
        sa.Column("idx", sa.Integer, sa.ForeignKey("own_leaves.idx"), primary_key=True, autoincrement=False),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("text", sa.String, nullable=False),
    )
    op.create_index("own_disclosures_name", "own_disclosures", ["name", "idx"])
    keys = {"own_leaves": "idx = NEW.idx", "own_disclosures": "idx = NEW.idx AND name = NEW.name"}
    for table, condition in keys.items():
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is insert-only'); END"
            )
        # As in 0001: INSERT OR REPLACE would delete without firing a DELETE trigger.
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "  # noqa: S608 - constants above
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {condition}) "
            f"BEGIN SELECT RAISE(ABORT, '{table} is insert-only'); END"
        )
