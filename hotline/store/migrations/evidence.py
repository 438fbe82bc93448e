"""What keeps evidence insert-only, as triggers of either database. Used by migrations, and so never changed in what it says.

SQLite's INSERT OR REPLACE deletes the old row without firing a DELETE trigger, so there a taken key is refused before it.
PostgreSQL has no such thing (ON CONFLICT DO UPDATE fires the UPDATE trigger), but TRUNCATE, which is refused too.
"""

from __future__ import annotations

from alembic import op

_FUNCTION = """
CREATE OR REPLACE FUNCTION hotline_insert_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is insert-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def forbid(table: str, *verbs: str) -> None:
    """Refuse UPDATE or DELETE on a table."""
    if _sqlite():
        for verb in verbs:
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is insert-only'); END"
            )
        return
    op.execute(_FUNCTION)
    for verb in verbs:
        op.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION hotline_insert_only()"
        )
    if "DELETE" in verbs:
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION hotline_insert_only()"
        )


def forbid_replacing(table: str, taken: str) -> None:
    """Refuse a row in the place of another. ``taken``: the condition by which a row stands where ``NEW`` would."""
    if _sqlite():
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "  # noqa: S608 - constants of the migrations
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {taken}) "
            f"BEGIN SELECT RAISE(ABORT, '{table} is insert-only'); END"
        )


def allow(table: str, verb: str) -> None:
    """Take back `forbid`, for a migration that must change what stands."""
    op.execute(f"DROP TRIGGER {table}_no_{verb.lower()}" + ("" if _sqlite() else f" ON {table}"))


def _sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
