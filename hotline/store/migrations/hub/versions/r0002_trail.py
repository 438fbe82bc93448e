"""Published heads by the digest that entries name, proofs of two histories, and no replacing of any evidence."""

from __future__ import annotations

import base64
import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0001."""
    op.add_column("published", sa.Column("digest", sa.String, nullable=False, server_default=""))
    op.execute("DROP TRIGGER published_no_update")
    connection = op.get_bind()
    for number, note in connection.execute(sa.text("SELECT number, note FROM published")).all():
        digest = base64.urlsafe_b64encode(hashlib.sha256(note.encode()).digest()).decode().rstrip("=")
        connection.execute(
            sa.text("UPDATE published SET digest = :digest WHERE number = :number"),
            {"digest": digest, "number": number},
        )
    op.create_index("published_digest", "published", ["digest"])
    op.create_table(
        "evidence",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("station", sa.String, nullable=False),
        sa.Column("first", sa.String, nullable=False),
        sa.Column("second", sa.String, nullable=False),
        sa.UniqueConstraint("first", "second"),
    )
    for table, verb in (("published", "UPDATE"), ("evidence", "UPDATE"), ("evidence", "DELETE")):
        op.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is insert-only'); END"
        )
    # As in 0001: INSERT OR REPLACE would delete without firing a DELETE trigger.
    keys = {
        "parts": "thread = NEW.thread AND seq = NEW.seq AND name = NEW.name",
        "recipients": "thread = NEW.thread AND seq = NEW.seq AND seal = NEW.seal",
        "cosignatures": "size = NEW.size AND vkey = NEW.vkey AND time = NEW.time",
        "published": "number = NEW.number",
        "looks": "number = NEW.number",
        "evidence": "number = NEW.number OR (first = NEW.first AND second = NEW.second)",
    }
    for table, condition in keys.items():
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "  # noqa: S608 - constants above
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {condition}) "
            f"BEGIN SELECT RAISE(ABORT, '{table} is insert-only'); END"
        )
