"""``hotline audit fsck``: everything a hub stores, computed again from the leaves up.

::

    leaves     without a gap, from 0; no two alike
    nodes      every complete node of the tree is stored, hashes what is under it, and there is no other
    heads      every root that the log key ever signed is the root that the leaves had at that size
    notes      published heads are of such a size and root, signed by the log, cosigned as the policy asks
    stamps     every time-stamp is over the published head it is kept for
    lines      every cosignature kept verifies
    entries    what the hub reads of each leaf stands in the leaf; seq gapless, chained, stamps never going back
    own        leaves of the hub's own open, and name the ends that threads had then (`hotline.hub.fsck_own`)
    parts      the sealed parts are those that the entry names
    threads    end where their last entry stands

``quick`` stops after the heads and the newest note: that is the tree, at some hundred thousand leaves a second. The whole
also verifies every signature. It only reads, in one read transaction, and may be run beside a running hub.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from hotline.hub.fsck_own import OwnLeaves
from hotline.hub.fsck_timestamps import check_timestamps
from hotline.hub.fsck_tree import Finding, Fsck, check_tree
from hotline.store.place import Place, words_of
from hotline.store.reading import Reading, reading
from protocols.accord import SignedAccord
from protocols.encoding import b64u, digest
from protocols.entry import Entry, Stamp, check_parts, parse_entry, verify_entry, verify_stamp
from protocols.errors import ProtocolError
from protocols.hub_leaf import is_hub_leaf
from protocols.mandate import MandateBook
from protocols.translog import (
    Checkpoint,
    Policy,
    TranslogError,
    VerifierKey,
    note_digest,
    open_with_policy,
    parse_policy,
    parse_signature_line,
    parse_vkey,
    verify_cosignature,
)


def fsck(place: Place, accord: SignedAccord, *, quick: bool = False) -> Fsck:
    """Check a hub's store. Raises what `reading` raises where it cannot be read as a store at all."""
    started = time.monotonic()
    result = Fsck(quick)
    with reading(place) as db:
        for said in () if quick else db.damage():
            result.find("fsck.file", words_of(place), f"SQLite says: {said}")
        _Check(db, accord, result).run()
    result.seconds = time.monotonic() - started
    return result


class _Check:
    def __init__(self, db: Reading, accord: SignedAccord, result: Fsck) -> None:
        self._db, self._accord, self._result = db, accord, result
        self._policy: Policy = parse_policy(accord.accord.policy)
        self._roots: dict[int, bytes] = {}
        self._notes: dict[str, int] = {}

    def run(self) -> None:
        """All that the result's mode asks for."""
        pinned = self._one("SELECT value FROM meta WHERE key = 'accord'")
        if pinned != self._accord.id:
            self._result.find("fsck.accord", "meta", "The store belongs to another accord than the one in the folder.")
        self._roots = check_tree(self._db, self._result)
        self._published()
        check_timestamps(self._db, self._notes, self._result)
        if not self._result.quick:
            self._cosignatures()
            self._entries()

    def _one(self, query: str, *values: object) -> Any:
        row = self._db.execute(query, values).fetchone()
        return None if row is None else row[0]

    # -- heads ------------------------------------------------------------------------------------------------------

    def _published(self) -> None:
        result = self._result
        rows = self._db.execute("SELECT number, size, note FROM published ORDER BY number")
        notes: Sequence[tuple[int, int, str]] = rows.fetchall()
        result.published = len(notes)
        self._notes = {b64u(note_digest(note)): size for _, size, note in notes}
        before = 0
        for number, size, _ in notes:
            if size < before:
                result.find(
                    "fsck.published-order", number, f"The published head {number} is shorter than the one before."
                )
            before = max(size, before)
        for number, size, note in notes[-1:] if result.quick else notes:
            try:
                checkpoint = open_with_policy(note, self._policy).checkpoint
            except TranslogError as error:
                result.find("fsck.published", number, f"The published head {number} does not hold ({error.code}).")
                continue
            if checkpoint.size != size or self._roots.get(size) != checkpoint.root:
                result.find("fsck.published", number, f"The published head {number} is not one that was signed here.")

    def _cosignatures(self) -> None:
        result, keys = self._result, dict[str, VerifierKey]()
        for size, vkey, at, line in self._db.execute("SELECT size, vkey, time, line FROM cosignatures").fetchall():
            result.cosignatures += 1
            try:
                key = keys.get(vkey) or keys.setdefault(vkey, parse_vkey(vkey))
                checkpoint = Checkpoint(self._accord.log_origin, size, self._roots.get(size, bytes(32)))
                found = verify_cosignature(checkpoint, parse_signature_line(line.removesuffix("\n")), key)
                if found.time == at:
                    continue
            except TranslogError:
                pass
            result.find("fsck.cosignature", size, f"A cosignature kept for {size} leaves does not verify.")

    # -- entries ----------------------------------------------------------------------------------------------------

    def _entries(self) -> None:
        result = self._result
        book = MandateBook(self._accord.accord)
        for (data,) in self._db.execute("SELECT CAST(data AS BLOB) FROM mandates"):
            try:
                book.add_bytes(data)
            except ProtocolError as error:
                result.find("fsck.mandate", "", f"A stored mandate does not hold ({error.code}).")
        last: dict[str, tuple[int, str, str]] = {}
        own = OwnLeaves(self._db, self._accord, result)
        at = 0
        for index, leaf, row in self._rows():
            if is_hub_leaf(leaf):
                moment = own.check(index, leaf, last, self._notes)
                if row is not None or (moment is not None and moment < at):
                    words = f"The leaf {index}, the hub's own, is listed as an entry, or goes back in time."
                    result.find("fsck.row" if row is not None else "fsck.stamp", index, words)
                at = max(at, moment or 0)
                continue
            try:
                entry = parse_entry(leaf)
                stamp = verify_stamp(entry, self._accord)
                verify_entry(entry, self._accord, book, at=stamp.at)
                check_parts(entry.payload, self._parts(entry.payload.thread, stamp.seq))
            except ProtocolError as error:
                result.find("fsck.entry", index, f"The leaf {index} is no entry that holds ({error.code}).")
                continue
            if stamp.index != index or stamp.at < at:
                result.find(
                    "fsck.stamp", index, f"The stamp of leaf {index} names another place, or goes back in time."
                )
            at = max(at, stamp.at)
            thread = entry.payload.thread
            seq, chain, _ = last.get(thread, (0, "", ""))
            if stamp.seq != seq + 1 or (stamp.chain or "") != chain:
                result.find("fsck.chain", index, f"The leaf {index} does not follow the last of its thread.")
            if row != _read(entry, stamp):
                result.find("fsck.row", index, f"What is stored about leaf {index} is not what stands in it.")
            if entry.payload.seen is not None and self._notes.get(entry.payload.seen, index + 1) > index:
                result.find("fsck.seen", index, f"The leaf {index} names a head that was not published before it.")
            last[thread] = stamp.seq, digest(leaf), entry.id
        own.finish()
        self._threads(last)

    def _rows(self) -> Iterator[tuple[int, bytes, tuple[Any, ...] | None]]:
        query = (
            "SELECT l.idx, CAST(l.data AS BLOB), "
            "e.thread, e.seq, e.id, e.kind, e.office, e.station, e.serial, e.at, e.precedence "
            "FROM leaves l LEFT JOIN entries e ON e.idx = l.idx ORDER BY l.idx"
        )
        for row in self._db.stream(query):
            yield row[0], row[1], None if row[2] is None else tuple(row[2:])

    def _parts(self, thread: str, seq: int) -> dict[str, bytes]:
        found = self._db.execute(
            "SELECT name, CAST(data AS BLOB) FROM parts WHERE thread = ? AND seq = ?", (thread, seq)
        )
        return dict(found.fetchall())

    def _threads(self, last: dict[str, tuple[int, str, str]]) -> None:
        stored = {
            row[0]: (row[1], row[2], row[3])
            for row in self._db.execute("SELECT thread, seq, chain, head FROM threads").fetchall()
        }
        self._result.threads = len(stored)
        for thread in sorted({*stored, *last}):
            if stored.get(thread) != last.get(thread):
                self._result.find("fsck.thread", thread, f"The thread {thread} does not end at its last entry.")


def _read(entry: Entry, stamp: Stamp) -> tuple[Any, ...]:
    """What the hub stores of an entry, in the order of `_Check._rows`."""
    p = entry.payload
    return (p.thread, stamp.seq, entry.id, p.kind, p.office, p.station, p.serial, stamp.at, p.precedence)


__all__ = ["Finding", "Fsck", "fsck"]
