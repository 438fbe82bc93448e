"""The station mirrors the log's tree, so that no proof depends on the hub's goodwill.

With every published head that grows, the leaf hashes in between are fetched, 32 bytes each. What was fetched counts once
the mirror's root is that of the head, and then every entry held here whose leaf hash stands at its place is *proven*: its
proof can be made from the mirror for ever, against any head of that size or above. Heads that date an entry are kept: the
last one before it, the first that covers it, and what its author had seen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from hotline.station.core import Core, log
from hotline.station.keeping import Keeping
from hotline.station.model import Held
from hotline.store import station as tables
from protocols import frames
from protocols.encoding import b64u
from protocols.translog import (
    CosignedCheckpoint,
    Frontier,
    Mirror,
    TranslogError,
    leaf_hash,
    node_reader,
    note_digest,
    open_with_policy,
    tiles_under,
)
from protocols.translog.tiles import TILE_WIDTH
from protocols.translog.tree import HASH_SIZE

RECALLS_AT_ONCE = 8
OTHER_TREE = (
    "The hub could not show the log that its newest head was signed over. Messages go on, but what was said since cannot be "
    "proved. Tell your engineers, and compare with the other offices by another path."
)


class Mirroring:
    """``send`` sends a frame to the hub; ``ref`` numbers a question."""

    def __init__(self, core: Core, send: Callable[[frames.Frame], Awaitable[None]], ref: Callable[[], int]) -> None:
        self._core, self._send, self._ref = core, send, ref
        self._mirror = Mirror()
        self._ahead = False
        """Whether the mirror in memory holds what the disk did not take: it goes back then, and asks again."""
        self.size = 0
        """How many leaves are mirrored and checked."""
        self._note = ""
        self._target: CosignedCheckpoint | None = None
        self._newest: CosignedCheckpoint | None = None
        self._asked: int | None = None
        self.keeping = Keeping(core, send, ref)
        self._wanted: list[str] = []
        self._recalling: dict[int, str] = {}
        self._open: dict[str, Held] = {}
        """What is not proven, by entry, of those that `_unproven` has gone through: of each thread so many."""
        self._gone_through: dict[str, tuple[list[Held], int]] = {}

    async def load(self) -> None:
        """Where the mirror stands, and which held entries it proves. Once, before the line."""
        rows = await self._core.store.rows(tables.mirrored)
        row = next((row for row in rows if row.origin == self._core.identity.log.name), None)
        if row is not None:
            self.size, self._note = row.size, row.note
        await self._reload()
        await self.keeping.load()
        await self._mark(self._held(), said=False)
        await self._want(self._held())

    async def head(self, head: CosignedCheckpoint) -> None:
        """A published head that meets the policy: reach it, and then whatever was published meanwhile."""
        if head.checkpoint.size == self.size:
            self._note = head.note  # the same tree, confirmed again: the newest word before whatever comes next
        elif head.checkpoint.size > self.size:
            self._newest = head
        # What came late, from before our time in a thread, may stand in the mirror already.
        late = [held for held in self._unproven() if held.stamp.index < self.size]
        if late:
            await self._mark(late, said=True)
            await self._want(late)
        await self._go_on()

    async def hashed(self, frame: frames.Hashed) -> None:
        """Take leaf hashes in; at the head's size the root decides."""
        if frame.ref != self._asked or self._target is None:
            return
        self._asked = None
        size = self._target.checkpoint.size
        hashes = frame.hashes[: (size - self._mirror.size) * HASH_SIZE]
        if frame.start != self._mirror.size or not hashes or len(hashes) % HASH_SIZE:
            await self._give_up("leaf hashes that were not asked for")
            return
        self._ahead = True
        changed = self._mirror.extend(hashes)
        core = self._core
        if self._mirror.size < size:
            async with core.lock, core.store.change() as change:
                await change.put_tiles(changed)
            self._ahead = False
            await self._go_on()
            return
        if self._mirror.root() != self._target.checkpoint.root:
            await self._give_up("the leaf hashes lead to another root than the head's")
            return
        await self._reached(self._target, changed)
        await self._go_on()

    async def own(self, frame: frames.Own) -> None:
        """Keep leaves of the hub's own for it, and the heads that they name."""
        await self._want_heads(set(await self.keeping.received(frame)))
        await self._recall()

    async def recalled(self, frame: frames.Recalled) -> None:
        """Keep a head that an entry's author had seen, if it is that one and of this log."""
        core = self._core
        digest = self._recalling.pop(frame.ref, None)
        if digest is None:
            return
        try:
            head = open_with_policy(frame.checkpoint, core.identity.policy)
        except TranslogError as error:
            log.warning("recalled head refused", detail=str(error))
            return
        if b64u(note_digest(frame.checkpoint)) != digest or head.checkpoint.size > self.size:
            log.warning("recalled head refused", detail="another one, or beyond what is mirrored")
        elif head.checkpoint.root != await self._root_at(head.checkpoint.size):
            await core.alarm("log", OTHER_TREE)
        else:
            await self._keep(frame.checkpoint, head.checkpoint.size)
        await self._recall()

    async def refused(self, ref: int) -> None:
        """The hub does not have what was asked for; it is asked again with the next head."""
        if ref == self._asked:
            self._asked = None
        self._recalling.pop(ref, None)
        self.keeping.refused(ref)

    def lost(self) -> None:
        """The line is cut: what was asked is not answered any more."""
        self._asked, self._recalling = None, {}
        self.keeping.lost()

    # -- reaching a head ----------------------------------------------------------------------------------------------

    async def _go_on(self) -> None:
        if self._asked is not None:
            return
        if self._ahead:
            await self._reload()
        if self._target is None:
            self._target, self._newest = self._newest, None
        if self._target is not None and self._target.checkpoint.size <= self.size:
            self._target = None
        if self._target is None:
            await self.keeping.reached(self.size)
            await self._recall()
            return
        self._asked = self._ref()
        await self._send(frames.Hashes(self._asked, self._mirror.size))

    async def _reached(self, head: CosignedCheckpoint, changed: dict[tuple[int, int], bytes]) -> None:
        core, size = self._core, head.checkpoint.size
        covered = [held for held in self._unproven() if self.size <= held.stamp.index < size]
        async with core.lock, core.store.change() as change:
            await change.put_tiles(changed)
            await change.put_mirrored(core.identity.log.name, size, head.note)
            if covered:
                for note, at in ((self._note, self.size), (head.note, size)):
                    if note:
                        await change.put_note(b64u(note_digest(note)), at, note)
        self.size, self._note, self._target, self._ahead = size, head.note, None, False
        await self._mark(covered, said=True)
        await self._want(covered)

    async def _give_up(self, why: str) -> None:
        """Go back to what was checked. The next head is tried anew: a lie costs the liar nothing but its credit here."""
        log.warning("not mirrored", detail=why)
        self._target = None
        await self._reload()
        await self._core.alarm("log", OTHER_TREE)

    async def _reload(self) -> None:
        edge = await self._core.store.read_tiles(_edge_of(self.size))
        self._mirror = Mirror.load(self.size, lambda level, number: edge.get((level, number), b""))
        self._ahead = False

    # -- what it proves -----------------------------------------------------------------------------------------------

    def _held(self) -> list[Held]:
        return [held for thread in self._core.threads.values() for held in thread.held]

    def _unproven(self) -> list[Held]:
        """What is held and not proven. A thread's entries only grow: what was proven is not gone through with every head."""
        for thread in self._core.threads.values():
            known, upto = self._gone_through.get(thread.id, (thread.held, 0))
            if known is not thread.held:
                # Delivered anew from its beginning: what was held before is gone.
                self._open = {name: each for name, each in self._open.items() if each.payload.thread != thread.id}
                upto = 0
            if upto < len(thread.held):
                self._open |= {held.id: held for held in thread.held[upto:]}
                self._gone_through[thread.id] = thread.held, len(thread.held)
        self._open = {name: held for name, held in self._open.items() if not held.proven}
        return list(self._open.values())

    async def _mark(self, entries: Iterable[Held], *, said: bool) -> None:
        """Mark those of the entries whose leaf hash stands at their place in the mirror."""
        core = self._core
        waiting = [held for held in entries if not held.proven and held.stamp.index < self.size]
        tiles = await core.store.read_tiles({(0, held.stamp.index // TILE_WIDTH) for held in waiting})
        for held in waiting:
            at = held.stamp.index % TILE_WIDTH * HASH_SIZE
            data = tiles.get((0, held.stamp.index // TILE_WIDTH), b"")
            if data[at : at + HASH_SIZE] == leaf_hash(held.admitted.leaf):
                held.proven = True
                if said:
                    core.tell(held.payload.thread, "proven")
                continue
            await core.alarm(
                f"proof/{held.id}",
                f"Entry {held.seq} of thread {held.payload.thread[:6]} does not stand in the log where the hub said. Keep "
                "this station's store, and tell your engineers at once: the hub showed you another log than it signed.",
            )

    async def _want(self, entries: Iterable[Held]) -> None:
        """Note which heads the authors of these entries had seen that are not kept here."""
        await self._want_heads({held.payload.seen for held in entries if held.payload.seen is not None})

    async def _want_heads(self, seen: set[str]) -> None:
        known = await self._core.store.notes_known(seen) if seen else set()
        self._wanted.extend(sorted(seen - known - set(self._wanted)))

    async def _recall(self) -> None:
        while self._wanted and len(self._recalling) < RECALLS_AT_ONCE:
            ref, digest = self._ref(), self._wanted.pop()
            self._recalling[ref] = digest
            await self._send(frames.Recall(ref, digest))

    async def _keep(self, note: str, size: int) -> None:
        async with self._core.lock, self._core.store.change() as change:
            await change.put_note(b64u(note_digest(note)), size, note)

    async def _root_at(self, size: int) -> bytes:
        wanted: list[tuple[int, int]] = []

        def plan(level: int, index: int) -> bytes:
            wanted.append((level, index))
            return bytes(HASH_SIZE)

        Frontier.load(size, plan)
        return Frontier.load(size, node_reader(await self._core.store.read_tiles(tiles_under(wanted)))).root()


def _edge_of(size: int) -> list[tuple[int, int]]:
    """The partly filled tiles of a tree of this size, by (level, number)."""
    found, level = [], 0
    while size:
        found.append((level, size // TILE_WIDTH))
        level, size = level + 1, size // TILE_WIDTH
    return found
