"""The station as a witness of the log: cosigns growing heads, checks published ones, has the log mirrored.

A witness promises one thing: never to have signed two histories. Its newest head is therefore on the disk before its
cosignature leaves. A head that contradicts it is kept, with the one it contradicts, raises the alarm here and, through
the hub, on every desk; messages go on, because they do not wait for the log.

A witness that lost its memory is retired: with an empty store, or an older copy of it, it could be led to sign what
contradicts what it signed before. It cosigns again only under a new key that its office mandates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from hotline.station.core import Core, log
from hotline.station.mirroring import Mirroring
from hotline.store import station as tables
from hotline.store.station import StationStore
from protocols import frames
from protocols.encoding import b64u
from protocols.translog import (
    Rejected,
    Signer,
    TranslogError,
    VerifierKey,
    WitnessState,
    cosign,
    forgotten,
    log_note,
    open_with_policy,
    peek_checkpoint,
    verify_equivocation,
)
from protocols.translog.witness import consider_body, parse_add_checkpoint

TWO_HISTORIES = (
    "The hub signed two different histories of its log. The proof is kept at this station. Tell the other side by another "
    "path, and your engineers at once."
)
RETIRED = (
    "This station no longer confirms the log: what it remembers of it is gone or older than what it has signed. Messages "
    "are not touched. Have your office mandate a station with a new key; do not bring back the old one."
)


async def begin_memory(path: Path, witness: VerifierKey) -> None:
    """Make a station's store, the memory of a witness key that has never signed. Once, when the key is made."""
    store = await asyncio.to_thread(StationStore.open, path)
    try:
        async with store.change() as change:
            await change.put_witness_key(witness.vkey, retired=False)
    finally:
        await store.close()


class Observer:
    """``send`` sends a frame to the hub; ``ref`` numbers a question. Messages wait for none of it."""

    def __init__(self, core: Core, send: Callable[[frames.Frame], Awaitable[None]], ref: Callable[[], int]) -> None:
        self._core = core
        self._send = send
        self._state: WitnessState | None = None
        self._note = ""
        self._short = 0
        self._unsure: WitnessState | None = None
        """What was to be written when the store failed."""
        self.retired = False
        self.mirroring = Mirroring(core, send, ref)

    def load(self, size: int, root: bytes, time: int, note: str = "") -> None:
        """What this witness cosigned last, from the store."""
        self._state, self._note = WitnessState(size, root, time), note

    @property
    def _signers(self) -> tuple[Signer, ...]:
        """This station's witness keys that the accord's policy counts."""
        known = {witness.key.vkey for witness in self._core.identity.policy.witnesses}
        return tuple(each for each in self._core.identity.keys.cosigners if each.key.vkey in known)

    @property
    def is_witness(self) -> bool:
        """Whether the accord's policy counts this station, and it has its memory."""
        return bool(self._signers) and not self.retired

    @property
    def newest(self) -> str:
        """The newest checkpoint of the log that this station holds, signed by the log; empty where it holds none."""
        published = self._core.head
        if published is not None and (self._state is None or published[0] > self._state.size):
            return published[2]
        return self._note

    async def start(self) -> None:
        """Raise again what must not be forgotten: proofs kept, and that this witness is retired. Once, before the line."""
        core = self._core
        await self.mirroring.load()
        if await core.store.rows(tables.evidence, limit=1):
            await core.alarm("log", TWO_HISTORIES)
        keys = {row.vkey: row.retired for row in await core.store.rows(tables.witness_keys)}
        own = core.identity.keys.witness.key.vkey
        self.retired = keys.get(own, "*" not in keys)
        if self.retired and self._signers:
            await core.alarm("witness", RETIRED)

    async def head(self, frame: frames.Head) -> None:
        """Consider a head to cosign; answer with a cosignature, or with the size cosigned last."""
        if not self.is_witness:
            return
        await self._make_sure()
        core, before = self._core, self._state
        verdict = consider_body(frame.request.encode(), self._look_up, core.clock.now() // 1000)
        if isinstance(verdict, Rejected):
            await self._rejected(verdict, frame.request)
            return
        after = verdict.state
        note = log_note(parse_add_checkpoint(frame.request.encode()).note, core.identity.log)
        try:
            async with core.lock, core.store.decide() as change:
                stored = await change.swap_witness(
                    core.identity.log.name,
                    None if before is None else (before.size, before.root, before.time),
                    (after.size, after.root, after.time),
                    note,
                )
        except SQLAlchemyError:
            self._unsure = after  # it may stand all the same
            raise
        if not stored:
            await core.alarm("witness", "Another program uses this station's witness key or store. Stop one of them.")
            return
        self._state, core.cosigned = after, after.size
        self._note = note
        self._short = 0
        lines = [cosign(verdict.checkpoint, signer, verdict.time).line for signer in self._signers]
        await self._send(frames.Cosign(after.size, "".join(lines)))
        core.tell(None, "connection")

    async def _make_sure(self) -> None:
        """After a commit whose answer was lost: go on from what we meant to write where it stands, else from what stood before.
        What neither of the two is, another program wrote, and it will be said."""
        if self._unsure is None:
            return
        meant = (self._unsure.size, self._unsure.root, self._unsure.time)
        for row in await self._core.store.rows(tables.witness):
            if (row.size, row.root, row.time) == meant:
                self.load(row.size, row.root, row.time, row.note)
        self._unsure = None

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
        if core.head is not None and size == core.head[0] and root != peek_checkpoint(core.head[2]).root:
            await self._keep_evidence(core.head[2], frame.checkpoint)
            return
        await self._remember(frame.checkpoint)
        if core.head is not None and size < core.head[0]:
            return
        async with core.lock, core.store.change() as change:
            await change.put_head(size, frame.checkpoint)
        core.head = (size, b64u(opened.digest), frame.checkpoint)
        core.tell(None, "connection")
        await self.mirroring.head(opened)

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

    async def two_histories(self, frame: frames.TwoHistories) -> None:
        """Somebody else found that the log signed two histories. We see for ourselves."""
        try:
            verify_equivocation(frame.first, frame.second, self._core.identity.log)
        except TranslogError as error:
            log.warning("evidence refused", detail=str(error))
            return
        await self._keep_evidence(frame.first, frame.second)

    async def _equivocation(self, said: str) -> None:
        """``said`` (a note, or a request that ends in one) contradicts what this station cosigned."""
        note = parse_add_checkpoint(said.encode()).note if said.startswith("old ") else said
        await self._keep_evidence(self._note, note)

    async def _keep_evidence(self, first: str, second: str) -> None:
        """On the disk before anybody is told, then on every desk."""
        core = self._core
        if not first:
            # A store of an earlier version kept only the root of what it cosigned, not the note: nothing to prove it by.
            await core.alarm("log", TWO_HISTORIES)
            return
        first, second = sorted(log_note(each, core.identity.log) for each in (first, second))
        async with core.lock, core.store.decide() as change:
            new = await change.add_evidence(core.now(), first, second)
        await core.alarm("log", TWO_HISTORIES)
        if new:
            await self._send(frames.Evidence(first, second))

    async def _remember(self, note: str) -> None:
        """A good cosignature by our own key that we do not remember: our memory is older than our signatures."""
        if not self.is_witness:
            return
        core, state = self._core, self._state or WitnessState()
        own = [each.key for each in self._signers]
        if forgotten(state.size, state.root, note, core.identity.log, own) is None:
            return
        async with core.lock, core.store.change() as change:
            await change.put_witness_key(core.identity.keys.witness.key.vkey, retired=True)
        self.retired = True
        await core.alarm("witness", RETIRED)
