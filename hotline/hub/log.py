"""The log's heads: signed once a size, offered to witnesses, published when the policy's quorum has cosigned.

The log key signs only what stands in the insert-only table of heads, written before; a second root for one size cannot
be written there, so it cannot be signed. Entries never wait for any of this: proofs catch up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from hotline.clock import Clock
from hotline.hub import commits, records
from hotline.hub.errors import BadCosignature, HubNotReady, NotProvenYet
from hotline.hub.metrics import Metrics
from hotline.store import hub as t
from hotline.store.engine import Store
from protocols.encoding import b64u
from protocols.translog import (
    Checkpoint,
    Cosignature,
    Frontier,
    NoteSignature,
    Policy,
    Signer,
    TlogProof,
    TranslogError,
    VerifierKey,
    add_signatures,
    build_consistency,
    build_inclusion,
    consistency_nodes,
    format_add_checkpoint,
    format_proof,
    inclusion_nodes,
    note_digest,
    parse_signature_line,
    quorum_met,
    read_cosignatures,
    sign_checkpoint,
    verify_cosignature,
)

_LOG = structlog.get_logger("hotline.hub.log")
ROUNDS = 8
"""Heads whose cosignatures are still gathered."""


@dataclass(frozen=True, slots=True)
class PublishedHead:
    """A head with quorum. ``at``: when it was published, ms UTC."""

    checkpoint: Checkpoint
    note: str
    at: int

    @property
    def digest(self) -> str:
        """How entries name it in ``seen``."""
        return b64u(note_digest(self.note))


@dataclass
class _Round:
    """One offer of a head: the cosignatures that came back. ``began``: ms UTC."""

    checkpoint: Checkpoint
    began: int
    lines: dict[str, NoteSignature] = field(default_factory=dict)
    times: dict[str, Cosignature] = field(default_factory=dict)
    published: bool = False


class HeadKeeper:
    """Signs, offers and publishes heads. ``head`` is the newest signed one.

    ``offer`` is called when a new head is to go to the witnesses, ``publish`` with a note that met the quorum. No head is
    signed while ``may_sign`` says no.
    """

    def __init__(
        self,
        store: Store,
        signer: Signer,
        policy: Policy,
        clock: Clock,
        metrics: Metrics,
        *,
        frontier: Callable[[], Frontier],
        offer: Callable[[], Awaitable[None]],
        publish: Callable[[str], Awaitable[None]],
        interval: float,
        delay: float,
        may_sign: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store, self._signer, self._clock, self._metrics = store, signer, clock, metrics
        self.policy = policy
        self._frontier, self._offer, self._publish = frontier, offer, publish
        self._interval, self._delay, self._may_sign = interval, delay, may_sign
        self._grown = asyncio.Event()
        self._rounds: dict[int, _Round] = {}
        self.head: Checkpoint | None = None
        self._lock = asyncio.Lock()
        self.head_at: int | None = None
        self.published: PublishedHead | None = None
        self._number = 0
        """Of the newest publication that is known here."""
        self._publishing = asyncio.Lock()
        self.witnessed: dict[str, tuple[int, int]] = {}
        """vkey to (size last cosigned, when in ms UTC)"""
        self._offered: dict[str, int] = {}
        self.forgetful: dict[str, int] = {}
        """Key names of witnesses that forgot what they signed, and the size they say they stand at: they are to be
        retired."""

    @property
    def origin(self) -> str:
        return self._signer.key.name

    @property
    def key(self) -> VerifierKey:
        return self._signer.key

    async def load(self) -> None:
        """Read the newest head, the newest publication and what witnesses cosigned."""
        size = t.heads.c.size
        async with self._store.read() as connection:
            # Another process may have written since our frontier was read: heads are compared with what stands beside them.
            stored = await connection.run_sync(commits.log_size)
            signed = (await connection.execute(sa.select(sa.func.max(size)))).scalar_one() or 0
            known = sa.select(t.heads).where(size <= self._frontier().size).order_by(size.desc()).limit(1)
            row = (await connection.execute(known)).first()
            newest = (await connection.execute(_NEWEST)).first()
            for witness in await connection.execute(sa.select(t.witnesses)):
                self.witnessed[witness.vkey] = (witness.size, witness.at)
        if signed > stored:
            raise HubNotReady(f"a head of size {signed} was signed, the store holds {stored} leaves")
        if row is not None:
            self._begin(Checkpoint(self.origin, row.size, row.root), row.at)
            self.head_at = row.at
            self._metrics.head_size.set(row.size)
        if newest is not None:
            self._adopt(newest)

    def _adopt(self, row: sa.Row[tuple[Any, ...]]) -> str:
        """Go on from a publication that stands in the store; returns its note."""
        self.published = PublishedHead(Checkpoint(self.origin, row.size, row.root), row.note, row.at)
        self._number = row.number
        self._metrics.published_size.set(row.size)
        return str(row.note)

    async def look(self) -> None:
        """Take in what another process on the same store has published, and what witnesses told it."""
        async with self._publishing:
            async with self._store.read() as connection:
                newest = (await connection.execute(_NEWEST)).first()
                witnesses = (await connection.execute(sa.select(t.witnesses))).all()
            note = self._adopt(newest) if newest is not None and newest.number > self._number else None
        for row in witnesses:
            if row.at > self.witnessed.get(row.vkey, (0, 0))[1]:
                self.witnessed[row.vkey] = (row.size, row.at)
        if note is not None:
            await self._publish(note)
        round_ = None if self.head is None else self._rounds.get(self.head.size)
        if round_ is not None and not round_.published:
            await self._gather(round_)
            await self._try_publish(round_)

    async def _gather(self, round_: _Round) -> None:
        """Add the cosignatures that witnesses have given to another process since this round began."""
        c, w, size = t.cosignatures.c, t.witnesses.c, round_.checkpoint.size
        query = sa.select(c.vkey, c.line).join(t.witnesses, w.vkey == c.vkey).where(c.size == size)
        async with self._store.read() as connection:
            rows = (await connection.execute(query.where(w.at >= round_.began).order_by(c.time))).all()
        keys = {each.key.vkey: each.key for each in self.policy.witnesses}
        for row in rows:
            if row.vkey in keys and row.vkey not in round_.lines:
                line = parse_signature_line(row.line.removesuffix("\n"))
                round_.times[row.vkey] = verify_cosignature(round_.checkpoint, line, keys[row.vkey])
                round_.lines[row.vkey] = line

    def grown(self) -> None:
        """The log has new leaves."""
        self._grown.set()

    async def run(self) -> None:
        """For ever: a head soon after new leaves, and one now and then as a heartbeat."""
        while True:
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`: before Python 3.12 it may swallow a cancellation, and the hub would never stop.
                async with asyncio.timeout(self._interval):
                    await self._grown.wait()
                await asyncio.sleep(self._delay)
            self._grown.clear()
            try:
                await self.new_head()
            except (SQLAlchemyError, OSError) as error:
                # Entries are not waiting for this: say so, and try again when the log grows or the interval is over.
                self._metrics.store_failures.inc()
                _LOG.error("no head", error=type(error).__name__)

    async def new_head(self) -> None:
        """Sign the log as it stands (or the same head again, for fresh cosignatures) and offer it to the witnesses."""
        async with self._lock:
            frontier = self._frontier()
            if frontier.size == 0 or not self._may_sign():
                return
            checkpoint = Checkpoint(self.origin, frontier.size, frontier.root())
            now = self._clock.now()
            if self.head is None or self.head.size < checkpoint.size:
                async with self._store.write() as connection:
                    newest = (
                        await connection.execute(sa.select(t.heads).order_by(t.heads.c.size.desc()).limit(1))
                    ).first()
                    if newest is not None and newest.size > checkpoint.size:
                        return  # another process on this store is further; what it wrote is read in a moment
                    if newest is not None and newest.size == checkpoint.size:
                        if newest.root != checkpoint.root:
                            raise HubNotReady(f"another process signed another head of size {newest.size}")
                        now = newest.at  # the same head, and signing is deterministic: the same note
                    else:
                        row = {"size": checkpoint.size, "root": checkpoint.root, "at": now}
                        await connection.execute(t.heads.insert().values(**row))
                self.head_at = now
            elif self.head.root != checkpoint.root:
                # The store's leaves are not those the head was signed over: never a second root for one size.
                raise HubNotReady(f"the stored log of size {checkpoint.size} has another root than its signed head")
            round_ = self._begin(checkpoint, now)
            self._metrics.head_size.set(checkpoint.size)
        await self._offer()
        if self.policy.quorum is None:
            await self._try_publish(round_)

    def note(self) -> str:
        """The newest head as the log signed it (the signature is deterministic)."""
        if self.head is None:
            raise NotProvenYet("no head yet")
        return sign_checkpoint(self.head, self._signer)

    async def request(self, vkey: str, held: int = 0) -> str | None:
        """The ``add-checkpoint`` body for a witness; None where there is nothing to cosign. ``held``: the size of a head that
        it is known to hold, which another process on this store may have shown it before this one has read so far."""
        head = self.head
        if head is None or head.size < held:
            return None
        old, _ = self.witnessed.get(vkey, (0, 0))
        if old > head.size:
            return None
        self._offered[vkey] = old
        async with self._store.read() as connection:
            nodes = await records.read_nodes(connection, consistency_nodes(old, head.size))
        proof = build_consistency(old, head.size, lambda level, index: nodes[level, index])
        return format_add_checkpoint(old, proof, sign_checkpoint(head, self._signer)).decode()

    async def cosigned(self, keys: Sequence[VerifierKey], size: int, lines: str) -> bool:
        """Take a witness's answer: lines by ``keys``, all its own. With no lines it says only which size it cosigned last,
        and is offered anew.

        Returns whether the witness should be offered the head again. Raises `BadCosignature`.
        """
        if not lines:
            return await self._stands_at(keys, size)
        round_ = self._rounds.get(size)
        checkpoint = round_.checkpoint if round_ is not None else await self._old_head(size)
        try:
            good = read_cosignatures(lines, checkpoint, keys)
            by_id = {(key.name, key.key_id): key for key in keys}
            found = [(line, verify_cosignature(checkpoint, line, by_id[line.name, line.key_id])) for line in good]
        except TranslogError as error:
            raise BadCosignature(str(error)) from error
        if not found:
            raise BadCosignature("no line by this witness")
        for line, cosignature in found:
            await self._keep(cosignature.key.vkey, checkpoint.size, cosignature.time, line.line)
            if round_ is not None:
                round_.lines[cosignature.key.vkey], round_.times[cosignature.key.vkey] = line, cosignature
        if round_ is not None:
            await self._try_publish(round_)
        return False

    async def _stands_at(self, keys: Sequence[VerifierKey], size: int) -> bool:
        """A witness says which size it cosigned last. One that says less than it has signed has lost its memory."""
        first = keys[0].vkey
        if not 0 <= size <= self._frontier().size:
            return False
        c = t.cosignatures.c
        async with self._store.read() as connection:
            most = sa.select(sa.func.max(c.size)).where(c.vkey.in_([key.vkey for key in keys]))
            signed = (await connection.execute(most)).scalar_one() or 0
        if size < signed:
            if self.forgetful.get(keys[0].name) != size:
                _LOG.error("a witness forgot what it signed", witness=keys[0].name, signed=signed, says=size)
            self.forgetful[keys[0].name] = size
            return False
        known = self.witnessed.get(first, (0, 0))
        if self._offered.get(first) == size:
            return False  # it was offered from there: what it lacks is something else
        self.witnessed[first] = (size, known[1])
        return True

    async def prove(self, index: int) -> str:
        """The C2SP tlog-proof of a leaf under the newest published head. Raises `NotProvenYet`."""
        published = self.published
        if published is None or index >= published.checkpoint.size:
            raise NotProvenYet(f"leaf {index}")
        return await self.proof_under(index, published)

    async def leaf_hashes(self, start: int, most: int) -> bytes:
        """Hashes of at most ``most`` leaves from leaf ``start`` on, 32 bytes each, that the newest published head covers.

        Raises `NotProvenYet` where it covers none.
        """
        size = 0 if self.published is None else self.published.checkpoint.size
        if start >= size:
            raise NotProvenYet(f"leaf {start}")
        n = t.nodes.c
        wanted = sa.select(n.hash).where(n.level == 0, n.idx >= start, n.idx < min(size, start + most)).order_by(n.idx)
        async with self._store.read() as connection:
            return b"".join((await connection.execute(wanted)).scalars())

    async def recall(self, digest: str) -> str:
        """The published checkpoint of this digest. Raises `NotProvenYet` where none was published."""
        async with self._store.read() as connection:
            found = sa.select(t.published.c.note).where(t.published.c.digest == digest).limit(1)
            note = (await connection.execute(found)).scalar_one_or_none()
        if note is None:
            raise NotProvenYet("no checkpoint of that digest was published")
        return str(note)

    async def proof_under(self, index: int, head: PublishedHead) -> str:
        """The proof of a leaf under a published head that covers it."""
        size = head.checkpoint.size
        async with self._store.read() as connection:
            nodes = await records.read_nodes(connection, inclusion_nodes(index, size))
        hashes = build_inclusion(index, size, lambda level, at: nodes[level, at])
        return format_proof(TlogProof(index, tuple(hashes), head.note))

    def _begin(self, checkpoint: Checkpoint, now: int) -> _Round:
        self.head = checkpoint
        self._rounds[checkpoint.size] = round_ = _Round(checkpoint, now)
        # Under load heads follow each other faster than far witnesses answer: the last few stay open.
        for size in sorted(self._rounds)[:-ROUNDS]:
            del self._rounds[size]
        return round_

    async def _old_head(self, size: int) -> Checkpoint:
        async with self._store.read() as connection:
            row = (await connection.execute(sa.select(t.heads).where(t.heads.c.size == size))).first()
        if row is None:
            raise BadCosignature(f"no head of size {size} was offered")
        return Checkpoint(self.origin, row.size, row.root)

    async def _keep(self, vkey: str, size: int, time: int, line: str) -> None:
        now, w = self._clock.now(), t.witnesses.c
        async with self._store.write() as connection:
            known = (await connection.execute(sa.select(w.size).where(w.vkey == vkey))).scalar()
            newest = (max(size, known or 0), now)
            row = {"size": size, "vkey": vkey, "time": time, "line": line}
            taken = sa.select(t.cosignatures.c.size).where(
                t.cosignatures.c.size == size, t.cosignatures.c.vkey == vkey, t.cosignatures.c.time == time
            )
            if (await connection.execute(taken)).first() is None:
                await connection.execute(t.cosignatures.insert().values(**row))
            values = {"size": newest[0], "at": now}
            if known is None:
                await connection.execute(t.witnesses.insert().values(vkey=vkey, **values))
            else:
                await connection.execute(t.witnesses.update().where(w.vkey == vkey).values(**values))
        self.witnessed[vkey] = newest

    async def _try_publish(self, round_: _Round) -> None:
        async with self._publishing:
            if round_.published or not quorum_met(self.policy, round_.times.values()):
                return
            if self.published is not None and round_.checkpoint.size < self.published.checkpoint.size:
                return
            base = sign_checkpoint(round_.checkpoint, self._signer)
            note = add_signatures(base, round_.lines.values()) if round_.lines else base
            head = PublishedHead(round_.checkpoint, note, self._clock.now())
            async with self._store.write() as connection:
                newest = (await connection.execute(_NEWEST)).first()
                if newest is None or newest.number == self._number or _older(newest, round_):
                    row = {"size": head.checkpoint.size, "at": head.at, "note": note, "digest": head.digest}
                    await connection.execute(t.published.insert().values(**row))
                    newest = (await connection.execute(_NEWEST)).one()
            # Where another process was first, its publication is taken for ours.
            round_.published, note = True, self._adopt(newest)
        await self._publish(note)


def _older(row: sa.Row[tuple[Any, ...]], round_: _Round) -> bool:
    """Whether a publication was over fewer leaves, or before this round began."""
    size = int(row.size)
    return size < round_.checkpoint.size or (size == round_.checkpoint.size and int(row.at) <= round_.began)


_NEWEST = (
    sa.select(t.published, t.heads.c.root)
    .join(t.heads, t.heads.c.size == t.published.c.size)
    .order_by(t.published.c.number.desc())
    .limit(1)
)
