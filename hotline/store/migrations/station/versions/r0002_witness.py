"""What a witness must not forget: the note of the head it last cosigned, which key its memory is of, and proofs of two
histories, which nobody may take away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0001."""
    op.add_column("witness", sa.Column("note", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "witness_keys",
        sa.Column("vkey", sa.Text, primary_key=True),
        sa.Column("retired", sa.Boolean, nullable=False),
    )
    # A store that was in use before this table was made has its memory: "*" is whatever key its station has.
    op.execute("INSERT INTO witness_keys (vkey, retired) SELECT '*', 0 WHERE EXISTS (SELECT 1 FROM mandates)")
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("first", sa.Text, nullable=False),
        sa.Column("second", sa.Text, nullable=False),
        sa.UniqueConstraint("first", "second"),
    )
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER evidence_no_{verb.lower()} BEFORE {verb} ON evidence "
            "BEGIN SELECT RAISE(ABORT, 'evidence is insert-only'); END"
        )
