"""The forms a store has had, and which of them a program can serve: what lets two versions stand on one store for a while.

Each Alembic revision is one step and says when it may be taken, by ``phase`` in its module::

    before    before any process of the new version starts: it only adds. Processes of the version before go on.
    after     after the last process of the version before has ended: it takes away, or forbids, what that one used.
    alone     with no process on the store: what a revision is that says nothing.

The steps of one version are any number of ``before``, then any number of ``after``; or ``alone``. So a version serves every
form from its last step that is no ``after`` up to its newest; and a store says (row `NEEDS` of ``meta``) which step a program
must know to serve it, so that a process of the version before can even be started anew on a store it has not seen.

Revisions are numbers in order: they are compared, and processes tell theirs by number (`hotline.store.postgres.hints`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from hotline.store.errors import StoreMoved, StoreTooNew, StoreTooOld

Which = Literal["hub", "station"]
Phase = Literal["before", "after", "alone"]
_MIGRATIONS = Path(__file__).parent / "migrations"
VERSIONS: dict[Which, tuple[Path, ...]] = {
    "hub": (_MIGRATIONS / "hub" / "versions",),
    "station": (_MIGRATIONS / "station" / "versions",),
}
"""The folders of the revisions. Tests add the steps of a version to come."""
NEEDS = "form.needs"
"""Row of ``meta``: the newest step that is not a ``before``."""
MOVED = "store.moved"
"""Row of ``meta``: what this store held was moved to another (`hotline.store.move`); it is served no more."""


@dataclass(frozen=True, slots=True)
class Step:
    """One revision. ``words``: what it is for."""

    revision: str
    phase: Phase
    words: str


@dataclass(frozen=True, slots=True)
class Stand:
    """How a store stands. ``revision``: None where it holds nothing yet. ``needs``: "" where it does not say."""

    revision: str | None
    needs: str = ""
    moved: bool = False


class Forms:
    """Every step that this program knows, in order."""

    def __init__(self, which: Which) -> None:
        self.config = Config()
        self.config.set_main_option("script_location", str(_MIGRATIONS / which))
        self.config.set_main_option("path_separator", "newline")
        self.config.set_main_option("version_locations", "\n".join(map(str, VERSIONS[which])))
        self._scripts = ScriptDirectory.from_config(self.config)
        found = reversed(list(self._scripts.walk_revisions()))
        self.steps = tuple(
            Step(each.revision, getattr(each.module, "phase", "alone"), (each.doc or "").rstrip(".")) for each in found
        )
        self._at = {step.revision: place for place, step in enumerate(self.steps)}

    @property
    def newest(self) -> str:
        """The form this program makes."""
        return self.steps[-1].revision

    @property
    def lowest(self) -> str:
        """The oldest form this program serves: up to its last step that is no ``after``."""
        return next(step.revision for step in reversed(self.steps) if step.phase != "after")

    def knows(self, revision: str) -> bool:
        """Whether this program has that step."""
        return revision in self._at

    def served(self, revision: str) -> bool:
        """Whether a form that this program knows is one it serves."""
        return self._at[revision] >= self._at[self.lowest]

    def between(self, revision: str | None, upto: str) -> tuple[Step, ...]:
        """The steps from after ``revision`` up to ``upto``, which this program knows."""
        start = -1 if revision is None else self._at[revision]
        return self.steps[start + 1 : self._at[upto] + 1]

    def needs(self, revision: str) -> str:
        """What a program must know to serve this form, which this one knows."""
        reached = self.steps[: self._at[revision] + 1]
        return next((step.revision for step in reversed(reached) if step.phase != "before"), reached[0].revision)

    def check(self, stand: Stand) -> None:
        """Raises `StoreTooOld`, `StoreTooNew` or `StoreMoved` for a store that this program must not serve."""
        if stand.moved:
            raise StoreMoved
        if stand.revision is None:
            raise StoreTooOld("it holds nothing yet")
        if not self.knows(stand.revision):
            if not self.knows(stand.needs):
                raise StoreTooNew(f"revision {stand.revision}")
        elif not self.served(stand.revision):
            raise StoreTooOld(f"revision {stand.revision}, wanted is {self.lowest}")


def read_stand(connection: Connection, which: Which = "hub") -> Stand:
    """How the store of this connection stands."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None or which != "hub":
        return Stand(revision)
    rows = connection.execute(
        text("SELECT key, value FROM meta WHERE key IN (:needs, :moved)"), {"needs": NEEDS, "moved": MOVED}
    ).all()
    found = {str(row.key): str(row.value) for row in rows}
    return Stand(revision, found.get(NEEDS, ""), MOVED in found)


def put_needs(connection: Connection, needs: str) -> None:
    """Write what a program must know from now on."""
    connection.execute(text("DELETE FROM meta WHERE key = :key"), {"key": NEEDS})
    connection.execute(text("INSERT INTO meta (key, value) VALUES (:key, :value)"), {"key": NEEDS, "value": needs})
