"""The station as a witness of the log: cosigns growing heads, checks published ones, asks for proofs.

A witness promises one thing: never to have signed two histories. Its newest head is therefore on the disk before its
cosignature leaves. A head that contradicts it is kept and raises the alarm; messages go on, because they do not wait
for the log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hotline.station.core import Core, log
from hotline.station.model import Held
from protocols import frames
from protocols.encoding import b64u
from protocols.translog import (
    Rejected,
    TranslogError,
    VerifierKey,
    WitnessState,
    cosign,
    open_with_policy,
    parse_proof,
    verify_proof,
)
from protocols.translog.witness import consider_body, parse_add_checkpoint

PROOFS_AT_ONCE = 8


class Observer:
    """``send`` sends a frame to the hub; ``ref`` numbers a question."""

    def __init__(self, core: Core, send: Callable[[frames.Frame], Awaitable[None]], ref: Callable[[], int]) -> None:
        self._core = core
        self._send = send
        self._ref = ref
        self._state: WitnessState | None = None
        self._asked: dict[int, Held] = {}
        self._short = 0

    def load(self, size: int, root: bytes, time: int) -> None:
        """What this witness cosigned last, from the store."""
        self._state = WitnessState(size, root, time)

    @property
    def is_witness(self) -> bool:
        """Whether the accord's policy counts this station."""
        key = self._core.identity.keys.witness.key
        return any(known.key == key for known in self._core.identity.policy.witnesses)

    async def head(self, frame: frames.Head) -> None:
        """Consider a head to cosign; answer with a cosignature, or with the size cosigned last."""
        if not self.is_witness:
            return
        core, before = self._core, self._state
        verdict = consider_body(frame.request.encode(), self._look_up, core.clock.now() // 1000)
        if isinstance(verdict, Rejected):
            await self._rejected(verdict, frame.request)
            return
        after = verdict.state
        async with core.lock, core.store.change() as change:
            stored = await change.swap_witness(
                core.identity.log.name,
                None if before is None else (before.size, before.root, before.time),
                (after.size, after.root, after.time),
            )
        if not stored:
            await core.alarm("witness", "Another program uses this station's witness key or store. Stop one of them.")
            return
        self._state, core.cosigned = after, after.size
        self._short = 0
        line = cosign(verdict.checkpoint, core.identity.keys.witness, verdict.time)
        await self._send(frames.Cosign(after.size, line.line))
        core.tell(None, "connection")

    async def published(self, frame: frames.Published) -> None:
        """Check a head that is said to have met the policy, and ask for proofs of what it newly covers."""
        core = self._core
        try:
            opened = open_with_policy(frame.checkpoint, core.identity.policy)
        except TranslogError as error:
            log.warning("published head refused", detail=str(error))
            await core.alarm("published", f"The hub published a head of the log that does not hold. [{error.code}]")
            return
        size, root = opened.checkpoint.size, opened.checkpoint.root
        if self._state is not None and size == self._state.size and root != self._state.root:
            await self._equivocation(frame.checkpoint)
            return
        if core.head is not None and size < core.head[0]:
            return
        async with core.lock, core.store.change() as change:
            await change.put_head(size, frame.checkpoint)
        core.head = (size, b64u(opened.digest), frame.checkpoint)
        core.tell(None, "connection")
        await self._ask(size)

    async def proven(self, frame: frames.Proven) -> None:
        """Check an inclusion proof against our own leaf and the policy; keep it."""
        core = self._core
        held = self._asked.pop(frame.ref, None)
        if held is None:
            return
        try:
            proof = parse_proof(frame.proof)
            if proof.index != held.stamp.index:
                raise TranslogError("a proof for another leaf")
            verify_proof(proof, held.admitted.leaf, core.identity.policy)
        except TranslogError as error:
            await core.alarm(
                f"proof/{held.id}",
                f"The hub could not prove that entry {held.seq} stands in the log where it said. [{error.code}]",
            )
            return
        async with core.lock, core.store.change() as change:
            await change.put_proof(held.id, frame.proof)
        held.proven = True
        core.tell(held.payload.thread, "proven")
        if not self._asked and core.head is not None:
            await self._ask(core.head[0])

    def refused(self, ref: int) -> None:
        """The hub has no such proof yet; it is asked again under the next head."""
        self._asked.pop(ref, None)

    def lost(self) -> None:
        self._asked.clear()

    async def _ask(self, size: int) -> None:
        """Ask for some proofs under the published head; the rest follow as answers come in."""
        waiting = {id(held) for held in self._asked.values()}
        unproven = [
            held
            for thread in self._core.threads.values()
            for held in thread.held
            if not held.proven and held.stamp.index < size and id(held) not in waiting
        ]
        for held in unproven[: max(0, PROOFS_AT_ONCE - len(self._asked))]:
            ref = self._ref()
            self._asked[ref] = held
            await self._send(frames.Prove(ref, held.stamp.index))

    def _look_up(self, origin: str) -> tuple[WitnessState | None, VerifierKey] | None:
        known = self._core.identity.log
        return (self._state, known) if origin == known.name else None

    async def _rejected(self, verdict: Rejected, request: str) -> None:
        core = self._core
        log.warning("head not cosigned", status=verdict.status, log_signed=verdict.log_signed)
        if verdict.equivocation:
            await self._equivocation(request)
        elif verdict.status == 409 and self._state is not None:
            await self._shorter(verdict, parse_add_checkpoint(request.encode()).checkpoint.size, self._state.size)
            await self._send(frames.Cosign(self._state.size, ""))
        elif verdict.status == 422:
            await core.alarm(
                "log", "The hub's log no longer contains what this station has seen of it. Tell your engineers at once."
            )

    async def _shorter(self, verdict: Rejected, size: int, cosigned: int) -> None:
        """A hub offers its newest head, and keeps it before it offers it: one that is shorter than what we cosigned says
        that entries are missing. Two offers on their way may overtake each other once, so a second one is awaited."""
        self._short = self._short + 1 if verdict.log_signed and size < cosigned else 0
        if self._short > 1:
            await self._core.alarm(
                "log",
                "The hub's log is shorter than what this station has seen of it: entries are missing there, as after a "
                "deletion or a restored old copy. What you hold stays here. Tell your engineers at once, and compare "
                "with the other offices by another path.",
            )

    async def _equivocation(self, evidence: str) -> None:
        core = self._core
        async with core.lock, core.store.change() as change:
            await change.put_sealed(
                "evidence/equivocation", core.vault.seal("evidence/equivocation", evidence.encode())
            )
        await core.alarm(
            "log",
            "The hub signed two different histories of its log. The proof is kept at this station. "
            "Tell the other side by another path, and your engineers at once.",
        )
