"""What a station keeps: one SQLite file, content and secrets sealed by the caller before they come here.

Every method that writes takes a `Change`, so that what must be true together is written together: an entry with its
body, the new keys and the ladder's state; a ciphertext with the keys from which its nonce was taken. A `Change` notes what
is to be written and writes it when it ends, in one ``BEGIN IMMEDIATE`` transaction, flushed to disk. Changes that end while
another is being written share the next transaction: a flush costs the same for one row and for a hundred.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.store.engine import Store
from hotline.store.migrate import upgrade
from hotline.store.pairs import find_pairs
from hotline.store.prepared import PreparedIn
from hotline.store.recording import Group, Recording, Write

_IN = 256
"""Values in one statement; SQLite takes 32766 variables."""

metadata = sa.MetaData()

threads = sa.Table(
    "threads",
    metadata,
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
entries = sa.Table(
    "entries",
    metadata,
    sa.Column("thread", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("index", sa.Integer, nullable=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
)
parts = sa.Table(
    "parts",
    metadata,
    sa.Column("thread", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""The sealed parts of entries as the hub delivered them: what a hub that lost its store must be given back, byte for byte. This
station itself reads them once, when they come. Not sealed again: the hub holds the same bytes."""
kept_leaves = sa.Table(
    "kept_leaves",
    metadata,
    sa.Column("idx", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)
"""The leaves of the hub's own, kept for the hub; ``sealed`` opens with the hub's key only."""
bodies = sa.Table(
    "bodies",
    metadata,
    sa.Column("entry", sa.Text, primary_key=True),
    sa.Column("how", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.CheckConstraint("how IN ('own', 'group', 'box', 'handover', 'refused')", name="bodies_how"),
)
outbox = sa.Table(
    "outbox",
    metadata,
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
key_packages = sa.Table(
    "key_packages",
    metadata,
    sa.Column("ref", sa.Text, primary_key=True),
    sa.Column("expires", sa.Integer, nullable=False),
    sa.Column("bundle", sa.LargeBinary, nullable=False),
)
mandates = sa.Table(
    "mandates",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
sealed_values = sa.Table(
    "sealed_values",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)
journal = sa.Table(
    "journal",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Integer, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("alarm", sa.Boolean, nullable=False),
    sa.Column("words", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
witness = sa.Table(
    "witness",
    metadata,
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("time", sa.Integer, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
)
"""The head last cosigned, with the note as the log signed it."""
witness_keys = sa.Table(
    "witness_keys",
    metadata,
    sa.Column("vkey", sa.Text, primary_key=True),
    sa.Column("retired", sa.Boolean, nullable=False),
)
"""Which witness key this store is the memory of ("*": a store made before this was written down)."""
evidence = sa.Table(
    "evidence",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Integer, nullable=False),
    sa.Column("first", sa.Text, nullable=False),
    sa.Column("second", sa.Text, nullable=False),
    sa.UniqueConstraint("first", "second"),
)
"""Pairs of checkpoints that prove that the log signed two histories; insert-only. Not sealed: it is for everybody."""
heads = sa.Table(
    "heads",
    metadata,
    sa.Column("size", sa.Integer, primary_key=True),
    sa.Column("note", sa.Text, nullable=False),
)
tails = sa.Table(
    "tails",
    metadata,
    sa.Column("thread", sa.Text, primary_key=True),
    sa.Column("idx", sa.Integer, primary_key=True),
    sa.Column("at", sa.Integer, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("end", sa.Text, nullable=False),
    sa.Column("doubt", sa.Text, nullable=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Column("proof", sa.Text, nullable=False),
    sa.Column("disclosure", sa.Text, nullable=False),
)
"""Ends of threads as the hub signed them (`protocols.hub_leaf`), by thread and index of the leaf: the newest, and every one
that contradicts what was delivered here. ``end``: SHA-256 of the newest entry's leaf; ``doubt``: see `hotline.station.tails`.
Not sealed: nothing in it says more than the entries' leaves do."""
tiles = sa.Table(
    "tiles",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""The mirror of the log's tree: hash tiles (C2SP tlog-tiles). Beyond `mirrored` they are not checked yet."""
mirrored = sa.Table(
    "mirrored",
    metadata,
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)
"""Up to which size the mirror's root was that of a published head, and that head's note."""
notes = sa.Table(
    "notes",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)
"""Published heads that date entries held here: what their authors had seen, the last before them and the first after."""
tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("officer", sa.Text, nullable=False),
    sa.Column("expires", sa.Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One row of the outbox as stored; ``intent``, ``wire`` and ``answer`` are sealed."""

    position: int
    id: str
    thread: str
    state: str
    intent: bytes
    entry: str | None
    wire: bytes | None
    answer: bytes | None


def _mark(table: sa.Table, name: str) -> Any:
    """Stands for the key of the row in a statement; columns stand for themselves."""
    return table.c[name] == sa.bindparam(f"_{name}", type_=table.c[name].type)


def _values(table: sa.Table, columns: tuple[str, ...]) -> dict[str, Any]:
    return {name: sa.bindparam(name, type_=table.c[name].type) for name in columns}


@cache
def _insert(table: sa.Table, columns: tuple[str, ...], *, keep: bool = False) -> Write:
    """Insert a row; where one stands already, ``keep`` it."""
    made = insert(table).values(_values(table, columns))
    return Write(table, made.on_conflict_do_nothing() if keep else made, *columns)


@cache
def _upsert(table: sa.Table, key: tuple[str, ...], columns: tuple[str, ...]) -> Write:
    """Insert a row, or put ``columns`` into the one that stands under this key."""
    row = insert(table).values(_values(table, (*key, *columns)))
    made = row.on_conflict_do_update(index_elements=key, set_={name: row.excluded[name] for name in columns})
    return Write(table, made, *key, *columns)


@cache
def _update(table: sa.Table, key: str, columns: tuple[str, ...]) -> Write:
    made = sa.update(table).where(_mark(table, key)).values(_values(table, columns))
    return Write(table, made, f"_{key}", *columns)


@cache
def _delete(table: sa.Table, key: str) -> Write:
    return Write(table, sa.delete(table).where(_mark(table, key)), f"_{key}")


_OLDER_HEADS = Write(heads, sa.delete(heads).where(heads.c.size < sa.bindparam("_size")), "_size")
_DOUBT = Write(
    tails,
    sa.update(tails)
    .where(_mark(tails, "thread"), _mark(tails, "idx"))
    .values(doubt=sa.bindparam("doubt", type_=sa.Text)),
    "_thread",
    "_idx",
    "doubt",
)
_OLDER_TAILS = Write(
    tails,
    sa.delete(tails).where(
        _mark(tails, "thread"), tails.c.idx < sa.bindparam("_before"), tails.c.doubt == sa.bindparam("_doubt")
    ),
    "_thread",
    "_before",
    "_doubt",
)


class Change:
    """One transaction. Everything done through it stands together or not at all.

    Where nothing depends on what the store holds (`StationStore.change`), it is only noted, and done at the end; what must be
    decided within the transaction has a ``connection`` (`StationStore.decide`).
    """

    def __init__(self, connection: AsyncConnection | None = None) -> None:
        self.recording = Recording()
        self._connection = connection

    async def _do(self, write: Write, *rows: Mapping[str, Any]) -> None:
        if not rows:
            return
        if self._connection is None:
            self.recording.add(write, rows)
        else:
            await self._connection.run_sync(write.run, rows)

    @property
    def _deciding(self) -> AsyncConnection:
        if self._connection is None:
            raise TypeError("to be decided within the transaction: use StationStore.decide")
        return self._connection

    async def put_thread(self, thread: str, **values: Any) -> None:
        """Insert a thread or update it (with ``ladder, outside, seq``), or update the named columns of one that stands."""
        columns = tuple(sorted(values))
        if {"ladder", "outside", "seq"} <= values.keys():
            await self._do(_upsert(threads, ("id",), columns), {"id": thread, **values})
        else:
            await self._do(_update(threads, "id", columns), {"_id": thread, **values})

    async def add_entry(self, thread: str, seq: int, entry: str, index: int, leaf: bytes) -> None:
        """Keep an entry. One that stands in its place was written by a commit whose answer was lost, and is taken anew."""
        row = {"thread": thread, "seq": seq, "id": entry, "index": index, "leaf": leaf}
        await self._do(_upsert(entries, ("thread", "seq"), ("id", "index", "leaf")), row)

    async def put_parts(self, thread: str, seq: int, delivered: Mapping[str, bytes]) -> None:
        """Keep the sealed parts that came with an entry. What is kept already stays."""
        rows = [{"thread": thread, "seq": seq, "name": name, "data": data} for name, data in delivered.items()]
        await self._do(_insert(parts, ("thread", "seq", "name", "data"), keep=True), *rows)

    async def put_kept(self, leaves: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Keep leaves of the hub's own: (index, leaf, sealed disclosures)."""
        rows = [{"idx": index, "leaf": leaf, "sealed": sealed} for index, leaf, sealed in leaves]
        await self._do(_insert(kept_leaves, ("idx", "leaf", "sealed"), keep=True), *rows)

    async def drop_entries(self, thread: str) -> None:
        """Forget what was seen of a thread from outside; its bodies stay and are found again by entry."""
        await self._do(_delete(entries, "thread"), {"_thread": thread})

    async def put_tiles(self, changed: Mapping[tuple[int, int], bytes]) -> None:
        """Write these tiles of the mirror, whole."""
        rows = [{"level": level, "number": number, "data": data} for (level, number), data in changed.items()]
        await self._do(_upsert(tiles, ("level", "number"), ("data",)), *rows)

    async def put_mirrored(self, origin: str, size: int, note: str) -> None:
        """The mirror is the log's as far as ``size``, by the head in ``note``."""
        row = {"origin": origin, "size": size, "note": note}
        await self._do(_upsert(mirrored, ("origin",), ("size", "note")), row)

    async def put_note(self, digest: str, size: int, note: str) -> None:
        """Keep a published head for ever."""
        await self._do(
            _insert(notes, ("digest", "size", "note"), keep=True), {"digest": digest, "size": size, "note": note}
        )

    async def put_body(self, entry: str, how: str, sealed: bytes) -> None:
        row = {"entry": entry, "how": how, "sealed": sealed}
        await self._do(_upsert(bodies, ("entry",), ("how", "sealed")), row)

    async def add_outbox(
        self,
        position: int,
        row: str,
        thread: str,
        state: str,
        intent: bytes,
        *,
        entry: str | None = None,
        wire: bytes | None = None,
        again: bool = False,
    ) -> None:
        """Queue an intent at a position of `StationStore.position`; with ``entry`` and ``wire`` where it is sealed already.

        ``again``: what stands under the same id was written by a commit whose answer was lost; it is replaced."""
        values = {"position": position, "id": row, "thread": thread, "state": state, "intent": intent}
        values |= {"entry": entry, "wire": wire}
        others = tuple(name for name in values if name != "id")
        await self._do(_upsert(outbox, ("id",), others) if again else _insert(outbox, tuple(values)), values)

    async def put_outbox(self, row: str, **values: Any) -> None:
        await self._do(_update(outbox, "id", tuple(sorted(values))), {"_id": row, **values})

    async def drop_outbox(self, row: str) -> None:
        await self._do(_delete(outbox, "id"), {"_id": row})

    async def add_key_package(self, ref: str, expires: int, bundle: bytes) -> None:
        await self._do(
            _insert(key_packages, ("ref", "expires", "bundle")), {"ref": ref, "expires": expires, "bundle": bundle}
        )

    async def drop_key_packages(self, refs: Sequence[str]) -> None:
        await self._do(_delete(key_packages, "ref"), *({"_ref": ref} for ref in refs))

    async def add_mandate(self, digest: str, data: bytes) -> None:
        await self._do(_insert(mandates, ("digest", "data"), keep=True), {"digest": digest, "data": data})

    async def put_sealed(self, name: str, sealed: bytes) -> None:
        row = {"name": name, "sealed": sealed}
        await self._do(_upsert(sealed_values, ("name",), ("sealed",)), row)

    async def drop_sealed(self, name: str) -> None:
        await self._do(_delete(sealed_values, "name"), {"_name": name})

    async def add_journal(self, at: int, what: str, words: bytes, *, alarm: bool) -> None:
        await self._do(
            _insert(journal, ("at", "what", "words", "alarm")), {"at": at, "what": what, "words": words, "alarm": alarm}
        )

    async def swap_witness(
        self, origin: str, before: tuple[int, bytes, int] | None, after: tuple[int, bytes, int], note: str
    ) -> bool:
        """Store (size, root, time) in place of ``before``; False where something else stands there.

        ``note``: the checkpoint as the log signed it.
        """
        found = await self._deciding.execute(
            sa.select(witness.c.size, witness.c.root, witness.c.time).where(witness.c.origin == origin)
        )
        row = found.first()
        if (None if row is None else (row.size, row.root, row.time)) != before:
            return False
        values = {"size": after[0], "root": after[1], "time": after[2], "note": note}
        await self._do(_upsert(witness, ("origin",), tuple(values)), {"origin": origin, **values})
        return True

    async def put_witness_key(self, vkey: str, *, retired: bool) -> None:
        """This store is the memory of the witness key ``vkey``, or has lost it."""
        row = {"vkey": vkey, "retired": retired}
        await self._do(_upsert(witness_keys, ("vkey",), ("retired",)), row)

    async def add_evidence(self, at: int, first: str, second: str) -> bool:
        """Keep a pair of checkpoints for ever; False where it is kept already."""
        row = insert(evidence).values(at=at, first=first, second=second)
        done = await self._deciding.execute(row.on_conflict_do_nothing())
        return done.rowcount > 0

    async def put_head(self, size: int, note: str) -> None:
        """The newest published head; older ones are dropped."""
        await self._do(_upsert(heads, ("size",), ("note",)), {"size": size, "note": note})
        await self._do(_OLDER_HEADS, {"_size": size})

    async def put_tail(self, thread: str, index: int, **values: Any) -> None:
        """Keep where a thread ends (see `tails`)."""
        row = {"thread": thread, "idx": index, **values}
        await self._do(_insert(tails, tuple(sorted(row)), keep=True), row)

    async def doubt_tail(self, thread: str, index: int, doubt: str) -> None:
        """Change what is thought of an end that is kept."""
        await self._do(_DOUBT, {"_thread": thread, "_idx": index, "doubt": doubt})

    async def drop_tails(self, thread: str, before: int, doubts: Sequence[str]) -> None:
        """Forget older ends of a thread of which nothing more than ``doubts`` was thought."""
        rows = ({"_thread": thread, "_before": before, "_doubt": doubt} for doubt in doubts)
        await self._do(_OLDER_TAILS, *rows)

    async def add_token(self, hash_: str, kind: str, officer: str, expires: int) -> None:
        row = {"hash": hash_, "kind": kind, "officer": officer, "expires": expires}
        await self._do(_insert(tokens, tuple(row)), row)

    async def take_token(self, hash_: str, kind: str, now: int) -> str | None:
        """The officer of a token that is not yet spent or expired; it is spent."""
        done = await self._deciding.execute(
            sa.delete(tokens)
            .where(tokens.c.hash == hash_, tokens.c.kind == kind)
            .returning(tokens.c.officer, tokens.c.expires)
        )
        row = done.first()
        await self._deciding.execute(sa.delete(tokens).where(tokens.c.expires <= now))
        return None if row is None or row.expires <= now else str(row.officer)


class Positions:
    """Numbers the rows of the outbox, from what the store has given out so far: a number is never given twice."""

    def __init__(self, last: int) -> None:
        self._last = last

    @classmethod
    def of(cls, path: Path) -> Positions:
        """Those of the store at ``path``."""
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (outbox.name,)).fetchone()
        return cls(0 if row is None else int(row[0]))

    def next(self) -> int:
        self._last += 1
        return self._last


async def read_tiles(connection: AsyncConnection, wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """Tiles of the mirror by (level, number), as far as they are filled; what is not there is left out."""
    return await connection.run_sync(_tiles, wanted)


def _tiles(connection: sa.Connection, wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    found = find_pairs(connection, (tiles.c.level, tiles.c.number), sorted(wanted), tiles.c.data)
    return {(level, number): bytes(data) for level, number, data in found}


_NOTES_OF = PreparedIn(lambda digests: sa.select(notes.c.digest).where(notes.c.digest.in_(digests)))


class StationStore:
    """The file of one station. One process at a time."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path)
        self._positions = Positions.of(path)
        self._group = Group(self._transact)

    @classmethod
    def open(cls, path: Path) -> StationStore:
        """Open (or make) the file and bring its tables up to date. Raises `StoreTooNew` or `StoreDamaged`."""
        upgrade(path, "station")
        return cls(path)

    async def close(self) -> None:
        await self._store.close()

    def position(self) -> int:
        """The next position in the outbox; none is given twice."""
        return self._positions.next()

    async def _transact(self, work: Callable[[sa.Connection], None]) -> None:
        await self._store.transact(work, here=True)

    @asynccontextmanager
    async def change(self) -> AsyncIterator[Change]:
        """One transaction; an exception inside leaves nothing of it. On the disk when the block ends."""
        change = Change()
        yield change
        await self._group.write(change.recording)

    @asynccontextmanager
    async def decide(self) -> AsyncIterator[Change]:
        """One transaction that depends on what the store holds; an exception inside rolls all of it back."""
        async with self._store.write() as connection:
            yield Change(connection)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view for reading; never waits for the writer."""
        async with self._store.read() as connection:
            yield connection

    async def rows(self, table: sa.Table, *order: Any, limit: int | None = None) -> Sequence[sa.Row[Any]]:
        """Rows of a table, in order: read at start."""
        async with self._store.read() as connection:
            return (await connection.execute(sa.select(table).order_by(*order).limit(limit))).all()

    async def read_tiles(self, wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """These tiles of the mirror, as far as they are filled; what is not there is left out."""
        return await self._store.fetch(lambda connection: _tiles(connection, wanted))

    async def notes_known(self, digests: Collection[str]) -> set[str]:
        """Which of these digests are of heads that are kept."""
        listed = sorted(digests)

        def known(connection: sa.Connection) -> set[str]:
            parts = (listed[start : start + _IN] for start in range(0, len(listed), _IN))
            return {str(row[0]) for part in parts for row in _NOTES_OF.rows(connection, part)}

        return await self._store.fetch(known)

    async def outbox(self) -> tuple[OutboxRow, ...]:
        """The outbox in order."""
        found = await self.rows(outbox, outbox.c.position)
        return tuple(OutboxRow(r.position, r.id, r.thread, r.state, r.intent, r.entry, r.wire, r.answer) for r in found)

    async def sealed(self, name: str) -> bytes | None:
        """One sealed value by name."""
        async with self._store.read() as connection:
            done = await connection.execute(sa.select(sealed_values.c.sealed).where(sealed_values.c.name == name))
            found = done.scalar_one_or_none()
        return None if found is None else bytes(found)

    async def sealed_like(self, prefix: str) -> Sequence[tuple[str, bytes]]:
        """The sealed values whose names begin with ``prefix``, in order of their names."""
        name = sealed_values.c.name
        async with self._store.read() as connection:
            found = await connection.execute(
                sa.select(name, sealed_values.c.sealed).where(name.startswith(prefix, autoescape=True)).order_by(name)
            )
            return [(str(row.name), bytes(row.sealed)) for row in found]
