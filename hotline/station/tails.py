"""Where threads end, as the hub signs and logs it: how this station finds out that an entry is held back from it.

Every heartbeat the hub logs where the threads end that moved, and hands each member the leaf, its inclusion proof and the
disclosure of its own threads (`protocols.frames.Tails`), after every entry up to there. What it says is compared with what
this station holds; ``doubt`` is the outcome::

    ""         it is what we hold
    "behind"   it goes on to an entry that we were not given: the hub holds it back
    "other"    it names another entry than the one we hold in that place, or leaves out one that the log held already

Of an open thread that it has heard nothing of for a while it asks, because a hub that holds an entry back need not move the
thread here; and if no answer comes, that is said too.

The newest end of a thread is kept, as evidence of where it ended, and every one that contradicts us, as evidence against the
hub.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from hotline.station.core import Core, log
from hotline.station.errors import LineBroken
from hotline.station.model import Thread
from hotline.store import station as tables
from protocols import frames
from protocols.encoding import digest
from protocols.errors import ProtocolError
from protocols.hub_leaf import MAX_HEADS, check_tail, open_heads, verify_hub_leaf
from protocols.translog import parse_proof, verify_proof
from protocols.translog.errors import ProofRefused

CONTRADICTIONS = 8
"""Contradicting ends of one thread that are kept: one proves it, and a hub must not be able to fill this disk."""
UNPROVEN = (
    "The hub said where threads end, and could not prove it. It was not taken; messages go on. Tell your engineers: either the "
    "hub is faulty, or somebody speaks for it."
)


@dataclass(slots=True)
class Kept:
    """The newest end of a thread: see `hotline.store.station.tails`."""

    index: int
    at: int
    seq: int
    end: str
    doubt: str


class Tails:
    """``held_back``: threads of which this connection brought an entry from the future; they are asked for again. ``send``
    gives the hub a frame (`LineBroken` where it cannot)."""

    def __init__(self, core: Core, held_back: Container[str], send: Callable[[frames.Frame], Awaitable[None]]) -> None:
        self._core = core
        self._held_back = held_back
        self._send = send
        self._asked: dict[str, tuple[int, int]] = {}
        """When (ms, our clock) the hub was first and last asked on this connection where a thread ends."""
        self._newest: dict[str, Kept] = {}
        self._contradictions: dict[str, int] = {}
        self._again: int | None = None
        self.next = 0
        """The index after the newest leaf that was taken."""

    async def load(self) -> None:
        """Read what is kept, and raise again what must not be forgotten. Once, before the line."""
        core = self._core
        rows = await core.store.rows(tables.tails, tables.tails.c.thread, tables.tails.c.idx)
        for row in rows:
            self._newest[row.thread] = Kept(row.idx, row.at, row.seq, row.end, row.doubt)
            self.next = max(self.next, row.idx + 1)
            if row.doubt == "other":
                self._contradictions[row.thread] = self._contradictions.get(row.thread, 0) + 1
                await core.alarm(f"tail/{row.thread}", other_words(row.thread, row.seq))
        for name, kept in self._newest.items():
            if kept.doubt == "behind" and not self._passed_over(name):
                await self._sound(name, kept)

    def resume(self) -> int:
        """On a new connection: from which index the hub is asked to go on. What was passed over because its thread was asked
        for again comes again too."""
        self._asked.clear()
        again, self._again = self._again, None
        return self.next if again is None else min(again, self.next)

    def newest(self, thread: str) -> Kept | None:
        """The newest end of a thread that the hub signed."""
        return self._newest.get(thread)

    async def received(self, frame: frames.Tails) -> None:
        """Verify everything about the leaf, keep it, and compare it with what we hold."""
        core = self._core
        accord = core.identity.accord
        try:
            leaf = verify_hub_leaf(frame.leaf, accord)
            texts = dict(zip(open_heads(leaf, frame.disclosures), frame.disclosures, strict=True))
            proof = parse_proof(frame.proof)
            if proof.index != leaf.payload.index:
                raise ProofRefused("a proof for another leaf")
            verify_proof(proof, frame.leaf, core.identity.policy)
            ends = {name: check_tail(frame.leaf, text, name, accord) for name, text in texts.items()}
        except ProtocolError as error:
            log.warning("ends of threads refused", code=error.code, detail=error.detail[:200])
            await core.alarm("tails", f"{UNPROVEN} [{error.code}]")
            return
        taken: dict[str, Kept] = {}
        async with core.lock:
            for name, end in ends.items():
                known = self._newest.get(name)
                if self._passed_over(name) or (known is not None and known.index >= end.index):
                    if name in self._held_back and self._again is None:
                        self._again = end.index
                    continue
                # Dated ahead, it would keep us from asking again.
                taken[name] = Kept(end.index, min(end.at, core.now()), end.seq, end.leaf, "")
                taken[name].doubt = judge(core.threads.get(name), taken[name])
            async with core.store.change() as change:
                for name, kept in taken.items():
                    if kept.doubt == "other" and self._contradictions.get(name, 0) >= CONTRADICTIONS:
                        continue
                    await change.put_tail(
                        name,
                        kept.index,
                        at=kept.at,
                        seq=kept.seq,
                        end=kept.end,
                        doubt=kept.doubt,
                        leaf=frame.leaf,
                        proof=frame.proof,
                        disclosure=texts[name],
                    )
                    if kept.doubt != "other":
                        await change.drop_tails(name, kept.index, ("", "behind"))
        self._newest |= taken
        self.next = max(self.next, leaf.payload.index + 1)
        for name, kept in taken.items():
            self._contradictions[name] = self._contradictions.get(name, 0) + (kept.doubt == "other")
            self._answered(name)
            await self._sound(name, kept)

    async def run(self) -> None:
        """`look` every ``duty.tick``, until cancelled."""
        while True:
            await asyncio.sleep(self._core.identity.settings.duty.tick)
            try:
                await self.look()
            except LineBroken:
                continue  # on the next connection everything is asked anew
            except (SQLAlchemyError, OSError) as error:
                log.error("ends of threads not looked at", error=type(error).__name__)

    async def look(self) -> None:
        """Ask where open threads end of which the hub has not said it for long; say so where it does not answer."""
        core, duty = self._core, self._core.identity.settings.duty
        if not core.line.caught:
            return
        now, wait = core.clock.now(), duty.heads * 1000
        due = [
            name
            for name, thread in tuple(core.threads.items())
            if _open(thread, core.identity.kid)
            and self._age(name, thread) >= duty.ends * 1000
            and (name not in self._asked or now - self._asked[name][1] >= wait)
        ]
        for start in range(0, len(due), MAX_HEADS):
            names = due[start : start + MAX_HEADS]
            await self._send(frames.AskTails(tuple(names)))
            self._asked |= {name: (self._asked.get(name, (now, now))[0], now) for name in names}
        for name, (since, _) in tuple(self._asked.items()):
            if now - since >= wait and _open(core.threads[name], core.identity.kid):
                await core.alarm(f"unsaid/{name}", unsaid_words(name))

    def _age(self, name: str, thread: Thread) -> int:
        """How long ago (ms, the hub's clock) it was last said where a thread ends; before that: since its newest entry."""
        kept = self._newest.get(name)
        return self._core.now() - (thread.position.at if kept is None else kept.at)

    def _answered(self, name: str) -> None:
        core = self._core
        self._asked.pop(name, None)
        if core.alarms.pop(f"unsaid/{name}", None) is not None:
            core.tell(None, "connection")

    async def arrived(self, name: str) -> None:
        """An entry of a thread was delivered: whether nothing is held back any more."""
        core, kept = self._core, self._newest.get(name)
        if kept is None or kept.doubt != "behind" or self._passed_over(name):
            return
        doubt = judge(core.threads.get(name), kept)
        if doubt == "behind":
            return
        async with core.lock, core.store.change() as change:
            await change.doubt_tail(name, kept.index, doubt)
        kept.doubt = doubt
        self._contradictions[name] = self._contradictions.get(name, 0) + (doubt == "other")
        await self._sound(name, kept)

    def _passed_over(self, name: str) -> bool:
        """Whether we refuse the thread's entries ourselves: then it is no wonder that they are not here, and it was said."""
        thread = self._core.threads.get(name)
        return name in self._held_back or (thread is not None and thread.frozen is not None)

    async def _sound(self, name: str, kept: Kept) -> None:
        core, behind = self._core, f"withheld/{name}"
        if kept.doubt == "other":
            await core.alarm(f"tail/{name}", other_words(name, kept.seq))
        if kept.doubt == "behind":
            thread = core.threads.get(name)
            await core.alarm(behind, behind_words(name, kept.seq, 0 if thread is None else thread.position.seq))
        elif core.alarms.pop(behind, None) is not None:
            await core.record("delivered", f"Thread {name[:6]}: what was held back has arrived.", thread=name)
            core.tell(None, "connection")


def judge(thread: Thread | None, kept: Kept) -> str:
    """What to think of an end of a thread: see the module."""
    if thread is None or thread.state is None or thread.position.seq < kept.seq:
        return "behind"
    held, after = thread.by_seq.get(kept.seq), thread.by_seq.get(kept.seq + 1)
    if held is None or digest(held.admitted.leaf) != kept.end:
        return "other"
    # The log held the next entry before it held the leaf that says that there is none.
    return "other" if after is not None and after.stamp.index < kept.index else ""


def _open(thread: Thread, station: str) -> bool:
    """Whether the hub owes this station the thread's end, and somebody may still act in it."""
    state, ladder = thread.state, thread.ladder
    if state is None or ladder is None or thread.frozen is not None:
        return False
    return station in state.roster and state.rung != ladder.closed


def unsaid_words(thread: str) -> str:
    """The alarm over a hub that does not say where a thread ends."""
    return (
        f"Thread {thread[:6]}: the hub was asked to sign where it ends, and has not. Either too few witnesses sign, or it "
        "holds something back. Ask the other side by another path whether you have their newest message, and tell your "
        "engineers. It is asked again."
    )


def behind_words(thread: str, seq: int, have: int) -> str:
    """The alarm over entries that are held back."""
    given = f"only up to entry {have}" if have else "nothing of it"
    return (
        f"Thread {thread[:6]}: the hub has signed that it goes on to entry {seq}, and has delivered {given} here. Messages are "
        "held back or lost. Do not take silence for an answer: ask the other side by another path what they sent, and tell "
        "your engineers. The hub's signature is kept here as proof."
    )


def other_words(thread: str, seq: int) -> str:
    """The alarm over an end that contradicts what was delivered."""
    return (
        f"Thread {thread[:6]}: the hub has signed that it ends otherwise (at entry {seq}) than what it delivered here. "
        "Somebody may have been shown another conversation. Compare it with the other side by another path before you take "
        "a step, and tell your engineers at once. The hub's signature is kept here as proof."
    )
