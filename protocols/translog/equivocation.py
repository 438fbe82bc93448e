"""Two histories: what proves that a log lied, and that a witness forgot.

Two checkpoints of one log, one size and two roots, both signed by the log's key, are proof enough for anybody: no honest
log signs both. (Two of different sizes prove nothing by themselves; that no consistency proof exists cannot be shown.)
"""

from __future__ import annotations

from collections.abc import Iterable

from protocols.translog.checkpoint import Checkpoint, open_checkpoint
from protocols.translog.cosignature import open_cosigned
from protocols.translog.errors import ProofRefused
from protocols.translog.note import Note, VerifierKey


def verify_equivocation(first: Note, second: Note, log: VerifierKey) -> tuple[Checkpoint, Checkpoint]:
    """Both checkpoints, if together they prove that ``log`` signed two histories.

    Raises:
        NoteMalformed, SignatureRefused, NoKnownSignature: one of them is not a checkpoint signed by the log.
        ProofRefused: they do not contradict each other.
    """
    one, other = open_checkpoint(first, log), open_checkpoint(second, log)
    if one.size != other.size or one.root == other.root:
        raise ProofRefused("the two checkpoints do not contradict each other")
    return one, other


def forgotten(size: int, root: bytes, note: Note, log: VerifierKey, own: Iterable[VerifierKey]) -> Checkpoint | None:
    """The checkpoint in ``note`` if it bears a cosignature by one of our ``own`` keys that we do not remember.

    A witness writes down what it cosigns before it signs. So its own good signature on more than ``size`` leaves, or on
    the same size under another ``root``, says that its memory is older than its signatures, or that somebody else has
    its key. It must not sign again: with what it forgot it could be led to sign a second history.

    Raises:
        NoteMalformed, SignatureRefused, NoKnownSignature: not a checkpoint signed by the log.
    """
    opened = open_cosigned(note, log, own)
    head = opened.checkpoint
    if opened.cosignatures and (head.size > size or (head.size == size and head.root != root)):
        return head
    return None
