"""The hub's first tables, and the triggers that keep evidence insert-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hotline.store.migrations.evidence import forbid, forbid_replacing
from hotline.store.migrations.kinds import INT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("leaves", "entries", "parts", "recipients", "nodes", "heads", "cosignatures", "published", "looks")


def upgrade() -> None:
    """From nothing."""
    _evidence()
    _standing()
    _people()
    for table in APPEND_ONLY:
        forbid(table, "UPDATE", "DELETE")
    keys = {
        "leaves": "idx = NEW.idx",
        "entries": "idx = NEW.idx OR id = NEW.id OR (thread = NEW.thread AND seq = NEW.seq)",
        "nodes": "level = NEW.level AND idx = NEW.idx",
        "heads": "size = NEW.size",
    }
    for table, condition in keys.items():
        forbid_replacing(table, condition)


def _evidence() -> None:
    op.create_table(
        "meta", sa.Column("key", sa.String, primary_key=True), sa.Column("value", sa.String, nullable=False)
    )
    op.create_table(
        "leaves",
        sa.Column("idx", INT, primary_key=True, autoincrement=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "entries",
        sa.Column("idx", INT, sa.ForeignKey("leaves.idx"), primary_key=True, autoincrement=False),
        sa.Column("thread", sa.String, nullable=False),
        sa.Column("seq", INT, nullable=False),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("office", sa.String, nullable=False),
        sa.Column("station", sa.String, nullable=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("precedence", sa.String, nullable=False),
        sa.Column("size", INT, nullable=False),
        sa.Column("rung_before", sa.String, nullable=False),
        sa.Column("rung_after", sa.String, nullable=False),
        sa.UniqueConstraint("thread", "seq"),
        sa.UniqueConstraint("thread", "station", "serial"),
    )
    op.create_index("entries_thread", "entries", ["thread", "seq"])
    for name, key, value in (("parts", "name", sa.LargeBinary), ("recipients", "seal", None)):
        op.create_table(
            name,
            sa.Column("thread", sa.String, primary_key=True),
            sa.Column("seq", INT, primary_key=True),
            sa.Column(key, sa.String, primary_key=True),
            *([sa.Column("data", value, nullable=False)] if value is not None else []),
            sa.ForeignKeyConstraint(["thread", "seq"], ["entries.thread", "entries.seq"]),
        )
    op.create_index("recipients_seal", "recipients", ["seal", "thread"])
    op.create_table(
        "nodes",
        sa.Column("level", INT, primary_key=True),
        sa.Column("idx", INT, primary_key=True),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "heads",
        sa.Column("size", INT, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "cosignatures",
        sa.Column("size", INT, sa.ForeignKey("heads.size"), primary_key=True),
        sa.Column("vkey", sa.String, primary_key=True),
        sa.Column("time", sa.BigInteger, primary_key=True),
        sa.Column("line", sa.String, nullable=False),
    )
    op.create_table(
        "published",
        sa.Column("number", INT, primary_key=True),
        sa.Column("size", INT, sa.ForeignKey("heads.size"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("note", sa.String, nullable=False),
    )


def _standing() -> None:
    op.create_table(
        "witnesses",
        sa.Column("vkey", sa.String, primary_key=True),
        sa.Column("size", INT, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "threads",
        sa.Column("thread", sa.String, primary_key=True),
        sa.Column("ladder", sa.String, nullable=False),
        sa.Column("seq", INT, nullable=False),
        sa.Column("head", sa.String, nullable=False),
        sa.Column("chain", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("group", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "members",
        sa.Column("thread", sa.String, sa.ForeignKey("threads.thread"), primary_key=True),
        sa.Column("station", sa.String, primary_key=True),
        sa.Column("joined", INT, primary_key=True),
        sa.Column("left", INT),
    )
    op.create_table(
        "mandates",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("kid", sa.String, nullable=False),
        sa.Column("office", sa.String, nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "key_packages",
        sa.Column("ref", sa.String, primary_key=True),
        sa.Column("number", INT, nullable=False, unique=True),
        sa.Column("station", sa.String, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.Column("claimed_by", sa.String),
        sa.Column("claimed_at", sa.BigInteger),
    )
    op.create_index("key_packages_free", "key_packages", ["station", "claimed_at"])


def _people() -> None:
    op.create_table(
        "operators",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("password", sa.String, nullable=False),
        sa.Column("totp", sa.LargeBinary, nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.Column("last_step", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("failures", INT, nullable=False, server_default="0"),
        sa.Column("blocked_until", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_table(
        "login_tokens",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("operator", sa.String, sa.ForeignKey("operators.name"), nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "looks",
        sa.Column("number", INT, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("operator", sa.String, nullable=False),
        sa.Column("what", sa.String, nullable=False),
    )
