"""What is sealed reaches the disk, with the keys it was sealed from, before it goes anywhere else.

Should the disk's answer be lost, nobody knows which keys it counts as used: `Storing.make_sure` asks the store before the
next one is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hotline.station.core import Core
from hotline.station.flight import Ready
from hotline.station.model import Thread
from hotline.station.outbox import Item, Sealed, encode
from hotline.store import station as tables


@dataclass(frozen=True, slots=True)
class _Unsure:
    """What the last commit was to write: rows that nobody was told of, all rows with a wire, threads with new keys; and the
    stations whose key packages are in it."""

    fresh: set[str]
    sealed: set[str]
    groups: set[str]
    packages: frozenset[str] = frozenset()


class Storing:
    """``spent`` is told the stations whose key packages a stored commit has used."""

    def __init__(self, core: Core, spent: Callable[[Iterable[str]], None]) -> None:
        self._core, self._spent = core, spent
        self.unsure: _Unsure | None = None
        """What is being written, or what failed and was not made sure of."""

    async def store(self, fresh: Iterable[Item], ready: Sequence[Ready]) -> None:
        """Store items that are ``fresh`` and what is ``ready``, in one transaction, then take it into memory. Under the lock;
        raises what storing raises."""
        core = self._core
        sealed = {each.item.id: each for each in ready}
        # The newest snapshot of a group holds none of the keys from which these were sealed.
        groups = {each.thread.id: each for each in ready if each.sealed.mls is not None}
        fresh = tuple(fresh)
        # Should the disk's answer be lost, the store says what stands (`make_sure`).
        self.unsure = _Unsure({item.id for item in fresh}, set(sealed), set(groups))
        async with core.store.change() as change:
            for item in fresh:
                made = sealed.pop(item.id, None)
                await change.add_outbox(
                    item.position,
                    item.id,
                    item.thread,
                    "queued" if made is None else "sending",
                    core.seal_intent(item.id, item.intent),
                    entry=None if made is None else made.sealed.id,
                    wire=None if made is None else self._seal_wire(made.item, made.sealed),
                )
            for each in sealed.values():
                wire = self._seal_wire(each.item, each.sealed)
                await change.put_outbox(
                    each.item.id, state="sending", entry=each.sealed.id, wire=wire, **self._taken(each.item)
                )
            for name, each in groups.items():
                # The keys are gone from the disk before the ciphertexts exist anywhere else.
                await change.put_thread(name, mls=core.seal_mls(name, each.sealed.mls))
        self.unsure = None
        for item in fresh:
            core.items[item.id] = item
        for each in ready:
            self._sealed(each.item, each.thread, each.sealed)
            each.item.verified = each.verified

    async def store_alone(self, item: Item, thread: Thread | None, sealed: Sealed, packages: Iterable[str]) -> None:
        """Store what was sealed by itself, from the key packages of these stations. Under the lock; raises what storing
        raises."""
        core = self._core
        groups = {thread.id} if thread is not None and sealed.mls is not None else set()
        self.unsure = _Unsure(set(), {item.id}, groups, frozenset(packages))
        async with core.store.change() as change:
            wire = self._seal_wire(item, sealed)
            await change.put_outbox(item.id, state="sending", entry=sealed.id, wire=wire, **self._taken(item))
            if thread is not None and sealed.mls is not None:
                # The key is gone from the disk before the ciphertext exists anywhere else.
                await change.put_thread(thread.id, mls=core.seal_mls(thread.id, sealed.mls))
        self.unsure = None
        self._sealed(item, thread, sealed)
        self._spent(packages)

    async def make_sure(self) -> None:
        """After a commit that failed: whether it reached the disk is unknown, and no key may be used that it has used. What
        nobody was told is kept is dropped; of the rest memory takes over what is stored. Under the lock, before anything else
        writes the keys of a thread."""
        unsure, core = self.unsure, self._core
        if unsure is None:
            return
        stored = {row.id: row for row in await core.store.outbox()}
        # All of it stands or nothing. What else moved a group on the disk is taken again, and must not move it in memory.
        stood = any(row in stored and stored[row].state == "sending" for row in unsure.sealed)
        groups = {row.id: row.mls for row in await core.store.rows(tables.threads) if stood and row.id in unsure.groups}
        async with core.store.change() as change:
            for row in unsure.fresh & stored.keys():
                await change.drop_outbox(row)
        for row in (unsure.sealed - unsure.fresh) & stored.keys() & core.items.keys():
            kept = core.read_item(stored[row])
            item = core.items[row]
            item.state, item.entry, item.wire, item.serial = kept.state, kept.entry, kept.wire, kept.serial
            item.waiting = item.verified = None
        for name, mls in groups.items():
            if mls is not None:
                core.threads[name].mls = core.vault.open(f"threads/mls/{name}", mls)
        if stood:
            self._spent(unsure.packages)
        self.unsure = None

    def _taken(self, item: Item) -> dict[str, bytes]:
        """A receipt may have taken in more in a commit whose answer was lost: what is kept is what was sealed."""
        return {"intent": self._core.seal_intent(item.id, item.intent)} if item.intent.kind == "receipt" else {}

    def _seal_wire(self, item: Item, sealed: Sealed) -> bytes:
        return self._core.vault.seal(f"outbox/wire/{item.id}", encode(sealed.wire))

    def _sealed(self, item: Item, thread: Thread | None, sealed: Sealed) -> None:
        """In memory what is on the disk."""
        item.state, item.entry, item.wire, item.waiting = "sending", sealed.id, sealed.wire, None
        item.verified = None
        item.serial = sealed.entry.payload.serial
        if thread is not None and sealed.mls is not None:
            thread.mls = sealed.mls
