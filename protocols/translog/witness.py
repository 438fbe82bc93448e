"""The witness: C2SP tlog-witness v1.0.0 as a pure function.

A request is what a log posts to ``add-checkpoint``, or what a station pulls from its hub: the same bytes::

    old <size the witness last cosigned>
    <base64 hash>                    0 to 63 lines of consistency proof
    (empty line)
    <checkpoint note>

Answers, in the order in which they are decided:

======  ===============================================================================================
status  when
======  ===============================================================================================
400     the body is malformed, or has more than 63 hashes
404     the origin is not one that this witness watches
403     the log's key did not sign, or its signature is false
400     old is larger than the checkpoint's size
409     old is not the size last cosigned; the body says which was
422     the proof is wrong; same size, other root; size 0 with a root that is not the empty tree's
503     the clock shows a time before the previous cosignature's: a witness never dates backwards
200     cosigned
======  ===============================================================================================

The shell must write the new state to disk *before* it signs, and only if the stored state is still the one considered
(compare-and-swap); else two requests at once could roll a witness back. The same size and root may be asked for again
and gets a fresh time: that is the heartbeat.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from protocols.translog.checkpoint import Checkpoint, open_checkpoint, peek_checkpoint
from protocols.translog.errors import (
    CheckpointMalformed,
    NoKnownSignature,
    NoteMalformed,
    ProofRefused,
    RequestMalformed,
    SignatureRefused,
)
from protocols.translog.note import (
    MAX_NOTE_BYTES,
    Note,
    VerifierKey,
)
from protocols.translog.tree import EMPTY_ROOT, HASH_SIZE, verify_consistency
from protocols.translog.wire import decode_base64, decode_decimal, decode_text

MAX_PROOF_HASHES = 63
MAX_BODY_BYTES = MAX_NOTE_BYTES + 8192
SIZE_CONTENT_TYPE = "text/x.tlog.size"
TEXT_CONTENT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A well-formed request; nothing in it is verified. ``checkpoint`` is what ``note`` claims."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class WitnessState:
    """What a witness must never forget about one origin: the head it last cosigned, and when.

    ``time`` is in POSIX seconds; 0 means that it never cosigned.
    """

    size: int = 0
    root: bytes = EMPTY_ROOT
    time: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """Store ``state`` in place of the one considered, flush, then cosign ``checkpoint`` at ``time``. Status 200."""

    state: WitnessState
    checkpoint: Checkpoint
    time: int
    status: int = 200


@dataclass(frozen=True, slots=True)
class Rejected:
    """Answer ``status`` with ``body``; the state stays as it is.

    ``log_signed`` says that the log did sign what was refused: keep the request. ``equivocation`` says that the request
    and the state together prove that the log showed two histories: raise the alarm.
    """

    status: int
    body: str
    content_type: str = TEXT_CONTENT_TYPE
    log_signed: bool = False
    equivocation: bool = False


def format_add_checkpoint(old_size: int, proof: Sequence[bytes], note: Note) -> bytes:
    """The request body. ``proof`` is empty when ``old_size`` is 0 or the checkpoint's own size.

    Raises:
        ValueError: more than 63 hashes, or one that is not 32 bytes, or a negative size.
    """
    if old_size < 0 or len(proof) > MAX_PROOF_HASHES or any(len(each) != HASH_SIZE for each in proof):
        raise ValueError("a request has a size, and at most 63 hashes of 32 bytes")
    hashes = "".join(f"{base64.b64encode(each).decode()}\n" for each in proof)
    raw = note if isinstance(note, bytes) else note.encode()
    return f"old {old_size}\n{hashes}\n".encode() + raw


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Read a request body. Look up the state and key by ``.checkpoint.origin``, then ``consider``.

    Raises:
        RequestMalformed: it breaks the grammar (status 400).
    """
    try:
        head, cut, note = decode_text(body, MAX_BODY_BYTES).partition("\n\n")
        if not cut:
            raise RequestMalformed("no empty line before the checkpoint")
        first, *hashes = head.split("\n")
        if not first.startswith("old "):
            raise RequestMalformed("no old size line")
        if len(hashes) > MAX_PROOF_HASHES:
            raise RequestMalformed(f"more than {MAX_PROOF_HASHES} hashes")
        old_size = decode_decimal(first.removeprefix("old "))
        proof = tuple(decode_base64(each) for each in hashes)
        if any(len(each) != HASH_SIZE for each in proof):
            raise RequestMalformed(f"a hash is not {HASH_SIZE} bytes")
        return AddCheckpoint(old_size, proof, note, peek_checkpoint(note))
    except RequestMalformed:
        raise
    except CheckpointMalformed as error:
        raise RequestMalformed(f"invalid checkpoint: {error.detail}") from None
    except NoteMalformed as error:
        raise RequestMalformed(error.detail) from None


def consider(
    state: WitnessState | None, request: AddCheckpoint, log: VerifierKey | None, now: int
) -> Accepted | Rejected:
    """Decide one request, without side effects.

    Args:
        state: what the witness last cosigned for this origin; None if it never did.
        request: the parsed request.
        log: the key that the witness trusts for this origin; None if it does not watch it.
        now: POSIX seconds, by the witness's own clock.
    """
    state = state or WitnessState()
    if log is None or log.name != request.checkpoint.origin:
        return Rejected(404, "unknown log\n")
    try:
        head = open_checkpoint(request.note, log)
    except SignatureRefused:
        return Rejected(403, "invalid signature\n")
    except NoKnownSignature:
        return Rejected(403, "no signature by a trusted key\n")
    except NoteMalformed as error:
        return Rejected(400, f"invalid input: {error.detail}\n")
    if request.old_size > head.size:
        return Rejected(400, "old size is larger than the checkpoint\n", log_signed=True)
    if request.old_size != state.size:
        # The hub may merely be behind, but the same size under another root is proof whatever `old` says.
        return Rejected(409, f"{state.size}\n", SIZE_CONTENT_TYPE, log_signed=True, equivocation=_forked(state, head))
    try:
        verify_consistency(state.size, state.root, head.size, head.root, request.proof)
    except ProofRefused as error:
        return Rejected(422, f"consistency proof: {error.detail}\n", log_signed=True, equivocation=_forked(state, head))
    if now <= 0 or now < state.time:
        return Rejected(503, "the witness's clock is behind its last cosignature\n", log_signed=True)
    return Accepted(WitnessState(head.size, head.root, now), head, now)


def consider_body(
    body: bytes, look_up: Callable[[str], tuple[WitnessState | None, VerifierKey] | None], now: int
) -> Accepted | Rejected:
    """``parse_add_checkpoint`` and ``consider`` in one: 400 for a malformed body.

    ``look_up`` returns the state and trusted key of an origin, or None for one that is not watched.
    """
    try:
        request = parse_add_checkpoint(body)
    except RequestMalformed as error:
        return Rejected(400, f"invalid input: {error.detail}\n")
    state, log = look_up(request.checkpoint.origin) or (None, None)
    return consider(state, request, log, now)


def _forked(state: WitnessState, head: Checkpoint) -> bool:
    """Two log-signed heads of one size and two roots: nobody honest can explain them."""
    return 0 < head.size == state.size and head.root != state.root
