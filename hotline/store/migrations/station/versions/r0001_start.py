"""The station's first tables. What holds content or secrets is sealed before it comes here."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From nothing."""
    op.create_table(
        "threads",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("ladder", sa.Text, nullable=False),
        sa.Column("outside", sa.Boolean, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("state", sa.LargeBinary),
        sa.Column("mls", sa.LargeBinary),
        sa.Column("invitation", sa.LargeBinary),
        sa.Column("title", sa.LargeBinary),
        sa.Column("read_to", sa.Integer, nullable=False, server_default="0"),
        sa.Column("frozen", sa.LargeBinary),
    )
    op.create_table(
        "entries",
        sa.Column("thread", sa.Text, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("proof", sa.Text),
    )
    op.create_table(
        "bodies",
        sa.Column("entry", sa.Text, primary_key=True),
        sa.Column("how", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("how IN ('own', 'group', 'box', 'handover', 'refused')", name="bodies_how"),
    )
    op.create_table(
        "outbox",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("thread", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("intent", sa.LargeBinary, nullable=False),
        sa.Column("entry", sa.Text, unique=True),
        sa.Column("wire", sa.LargeBinary),
        sa.Column("answer", sa.LargeBinary),
        sa.CheckConstraint("state IN ('draft', 'queued', 'sending', 'accepted', 'refused')", name="outbox_state"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "key_packages",
        sa.Column("ref", sa.Text, primary_key=True),
        sa.Column("expires", sa.Integer, nullable=False),
        sa.Column("bundle", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "mandates",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "sealed_values",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "journal",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("alarm", sa.Boolean, nullable=False),
        sa.Column("words", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "witness",
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("time", sa.Integer, nullable=False),
    )
    op.create_table(
        "heads",
        sa.Column("size", sa.Integer, primary_key=True),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("officer", sa.Text, nullable=False),
        sa.Column("expires", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """There is nothing before."""
    raise RuntimeError("a station's store is never taken back: restore a copy")
