"""Published heads by the digest that entries name, proofs of two histories, and no replacing of any evidence."""

from __future__ import annotations

import base64
import hashlib

import sqlalchemy as sa
from alembic import op

from hotline.store.migrations.evidence import allow, forbid, forbid_replacing
from hotline.store.migrations.kinds import INT

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0001."""
    op.add_column("published", sa.Column("digest", sa.String, nullable=False, server_default=""))
    allow("published", "UPDATE")
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
        sa.Column("number", INT, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("station", sa.String, nullable=False),
        sa.Column("first", sa.String, nullable=False),
        sa.Column("second", sa.String, nullable=False),
        sa.UniqueConstraint("first", "second"),
    )
    for table, verb in (("published", "UPDATE"), ("evidence", "UPDATE"), ("evidence", "DELETE")):
        forbid(table, verb)
    keys = {
        "parts": "thread = NEW.thread AND seq = NEW.seq AND name = NEW.name",
        "recipients": "thread = NEW.thread AND seq = NEW.seq AND seal = NEW.seal",
        "cosignatures": "size = NEW.size AND vkey = NEW.vkey AND time = NEW.time",
        "published": "number = NEW.number",
        "looks": "number = NEW.number",
        "evidence": "number = NEW.number OR (first = NEW.first AND second = NEW.second)",
    }
    for table, condition in keys.items():
        forbid_replacing(table, condition)
