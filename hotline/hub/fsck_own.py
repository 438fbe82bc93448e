"""The part of ``hotline audit fsck`` that checks the leaves of the hub's own: what they say must be what was so.

A `heads` leaf must name each thread's end as it stood at the leaf's own place in the log, and whatever opens a leaf must be
stored: a look whose disclosures are gone can be counted, and never read again.
"""

from __future__ import annotations

from collections.abc import Mapping

from hotline.hub.fsck_tree import Fsck
from hotline.store.reading import Reading
from protocols.accord import SignedAccord
from protocols.errors import ProtocolError
from protocols.hub_leaf import HubLeaf, ThreadEnd, open_heads, open_look, verify_hub_leaf


class OwnLeaves:
    """`check` leaf by leaf in the order of the log, then `finish`."""

    def __init__(self, db: Reading, accord: SignedAccord, result: Fsck) -> None:
        self._db, self._accord, self._result = db, accord, result

    def check(
        self, index: int, data: bytes, ends: Mapping[str, tuple[int, str, str]], notes: Mapping[str, int]
    ) -> int | None:
        """The leaf's time (ms UTC), or None where it does not hold. ``ends``: seq, leaf digest and id of the newest entry
        of each thread before this leaf; ``notes``: sizes of published heads by digest."""
        result = self._result
        result.own_leaves += 1
        try:
            leaf = verify_hub_leaf(data, self._accord)
            self._open(index, leaf, ends)
        except ProtocolError as error:
            result.find("fsck.own-leaf", index, f"The leaf {index}, the hub's own, does not hold ({error.code}).")
            return None
        payload = leaf.payload
        if payload.index != index:
            result.find("fsck.stamp", index, f"The leaf {index}, the hub's own, names another place.")
        row = self._db.execute("SELECT kind, at FROM own_leaves WHERE idx = ?", (index,)).fetchone()
        if row != (payload.kind, payload.at):
            result.find("fsck.row", index, f"What is stored about leaf {index} is not what stands in it.")
        if payload.seen is not None and notes.get(payload.seen, index + 1) > index:
            result.find("fsck.seen", index, f"The leaf {index} names a head that was not published before it.")
        return payload.at

    def finish(self) -> None:
        """No rows are left over that belong to no leaf of the hub's own."""
        if not self._db.has_table("own_leaves"):
            return  # a store from before there were any; its hub makes the table at its next start
        ((rows,),) = self._db.execute("SELECT count(*) FROM own_leaves").fetchall()
        if rows != self._result.own_leaves:
            words = f"{rows} leaves of the hub's own are listed, {self._result.own_leaves} are in the log."
            self._result.find("fsck.row", "own_leaves", words)
        query = "SELECT idx FROM own_disclosures WHERE idx NOT IN (SELECT idx FROM own_leaves)"
        for (index,) in self._db.execute(query):
            self._result.find("fsck.disclosure", index, f"A disclosure is stored for leaf {index}, which has none.")

    def _open(self, index: int, leaf: HubLeaf, ends: Mapping[str, tuple[int, str, str]]) -> None:
        rows = self._db.execute("SELECT name, text FROM own_disclosures WHERE idx = ?", (index,)).fetchall()
        texts = [str(text) for _, text in rows]
        names = {str(name) for name, _ in rows}
        if leaf.kind == "look":
            look = open_look(leaf, texts)
            if look.operator is None or look.what is None or names != {"operator", "what"}:
                self._result.find("fsck.disclosure", index, f"Who looked at what with leaf {index} cannot be read.")
            return
        said = open_heads(leaf, texts)
        if not said or set(said) != names:
            self._result.find("fsck.disclosure", index, f"Which ends of threads leaf {index} names cannot be read.")
        for thread, end in said.items():
            seq, chain, _ = ends.get(thread, (0, "", ""))
            if seq == 0 or ThreadEnd(seq, chain) != end:
                words = f"The leaf {index} names another end of thread {thread} than it had then."
                self._result.find("fsck.tail", index, words)
