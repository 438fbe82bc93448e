"""What a witness answers: `protocols.translog.consider` with a memory and a clock. One request for a log at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from hotline.witness.errors import StateMoved
from hotline.witness.store import Kept, Watched, WitnessStore
from protocols.translog import (
    Rejected,
    RequestMalformed,
    Signer,
    TranslogError,
    WitnessState,
    add_signatures,
    consider,
    cosign,
    forgotten,
    log_note,
    parse_add_checkpoint,
    peek_checkpoint,
)
from protocols.translog.witness import TEXT_CONTENT_TYPE, AddCheckpoint

_LOG = structlog.get_logger("hotline.witness")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, body, content type."""

    status: int
    body: str
    content_type: str = TEXT_CONTENT_TYPE


class Witness:
    """``now``: POSIX seconds. ``on_retired`` is called once when the witness finds that it forgot what it signed."""

    def __init__(
        self, store: WitnessStore, signers: Sequence[Signer], now: Callable[[], int], on_retired: Callable[[], None]
    ) -> None:
        self._store, self._signers, self._now, self._on_retired = store, tuple(signers), now, on_retired
        self._lock = asyncio.Lock()
        self._latest: dict[str, str] = {}
        self.retired = False

    async def add_checkpoint(self, body: bytes) -> Answer:
        """C2SP tlog-witness ``add-checkpoint``."""
        try:
            request = await asyncio.to_thread(parse_add_checkpoint, body)
        except RequestMalformed as error:
            return Answer(400, f"invalid input: {error.detail}\n")
        async with self._lock:
            if self.retired:
                return Answer(503, "this witness is retired\n")
            # Off the loop: signatures, proofs and the flush of the disk.
            return await asyncio.to_thread(self._add, request)

    def _add(self, request: AddCheckpoint) -> Answer:
        origin = request.checkpoint.origin
        known = self._store.find(origin)
        verdict = consider(
            known.state if known is not None else None, request, known.log if known is not None else None, self._now()
        )
        if known is not None and self._forgot(known, request.note):
            return Answer(503, "this witness is retired\n")
        if isinstance(verdict, Rejected):
            if known is not None and verdict.log_signed:
                self._keep(known, request, verdict)
            return Answer(verdict.status, verdict.body, verdict.content_type)
        assert known is not None  # noqa: S101 - only a watched log is accepted
        try:
            note = log_note(request.note, known.log)
            self._store.swap(origin, known.state, verdict.state, note)
        except StateMoved:
            return Answer(503, "the witness is busy with this log\n")
        # Only now, with the new state on the disk.
        lines = [cosign(verdict.checkpoint, signer, verdict.time) for signer in self._signers]
        self._latest[origin] = add_signatures(note, lines)
        return Answer(200, "".join(line.line for line in lines))

    async def latest(self, origin_hash: str, digest: Callable[[str], str]) -> Answer:
        """The newest checkpoint cosigned for the log whose origin has this digest."""
        for watched in await asyncio.to_thread(self._store.logs):
            if digest(watched.log.name) != origin_hash or watched.state is None:
                continue
            note = self._latest.get(watched.log.name)
            if note is None:
                # After a restart: the same statement as before, signed again for the time it was made.
                note = self._latest[watched.log.name] = await asyncio.to_thread(self._sign_again, watched)
            return Answer(200, note)
        return Answer(404, "nothing cosigned for such a log\n")

    def _sign_again(self, watched: Watched) -> str:
        assert watched.state is not None  # noqa: S101 - the caller looked
        checkpoint = peek_checkpoint(watched.note)
        return add_signatures(watched.note, [cosign(checkpoint, each, watched.state.time) for each in self._signers])

    def _forgot(self, known: Watched, note: str) -> bool:
        state = known.state or WitnessState()
        try:
            found = forgotten(state.size, state.root, note, known.log, [each.key for each in self._signers])
        except TranslogError:
            return False  # not the log's: it was refused for that already
        if found is None:
            return False
        self._store.retire(f"it had signed {found.size} leaves of {found.origin} and remembers {state.size}")
        self.retired = True
        _LOG.error("retired", origin=found.origin, remembered=state.size, signed=found.size)
        self._on_retired()
        return True

    def _keep(self, known: Watched, request: AddCheckpoint, verdict: Rejected) -> None:
        origin, now = known.log.name, self._now()
        _LOG.warning("not cosigned", origin=origin, status=verdict.status, two_histories=verdict.equivocation)
        if verdict.equivocation:
            first, second = sorted((known.note, log_note(request.note, known.log)))
            self._store.keep(Kept(now, origin, "two-histories", first, second))
        elif verdict.status == 422:
            self._store.keep(Kept(now, origin, "refused", known.note, log_note(request.note, known.log)))
