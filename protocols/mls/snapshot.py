"""Saved states: one versioned encoding for groups, pending commits and followed groups.

A snapshot holds every secret its group needs and none that it has used up. It is not encrypted: the caller seals it, and
stores it *before* a ciphertext made by the same state leaves the machine. Restoring an older snapshot would use message
keys a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from .codec import Reader, decode, opaque, optional, u8, u16, u32, u64
from .errors import MlsError, SnapshotRefused
from .framing import Sender
from .group_info import GroupContext
from .key_schedule import EpochSecrets
from .member_state import MemberState
from .proposal_rules import QueuedProposal
from .proposals import ReInit, encode_proposal, read_proposal
from .protection import MessageKeys
from .public_state import PublicState, read_tree
from .secret_tree import Ratchet, SecretTree
from .suites import suite_of

GROUP, STAGED, PUBLIC_GROUP, STAGED_PUBLIC = 1, 2, 3, 4

_MAGIC = b"HLMLS"
_VERSION = 1

T = TypeVar("T")


def seal(kind: int, body: bytes) -> bytes:
    """Prefix a body with what it is."""
    return _MAGIC + u8(_VERSION) + u8(kind) + body


def unseal(kind: int, data: bytes, read: Callable[[Reader], T]) -> T:
    """Read a snapshot of that kind, or raise SnapshotRefused."""
    if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : len(_MAGIC) + 2] != bytes((_VERSION, kind)):
        raise SnapshotRefused("not a snapshot of this kind and version")
    try:
        return decode(read, data[len(_MAGIC) + 2 :])
    except MlsError as error:
        raise SnapshotRefused(error.detail) from None


def write_pairs(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A list of encoded keys and opaque values."""
    return opaque(b"".join([key + opaque(value) for key, value in pairs]))


def read_pairs(reader: Reader, read_key: Callable[[Reader], T]) -> dict[T, bytes]:
    """The other way round."""
    return dict(reader.vector(lambda inner: (read_key(inner), inner.opaque())))


def _by_number(values: Mapping[int, bytes]) -> bytes:
    return write_pairs((u32(number), values[number]) for number in sorted(values))


def write_public(state: PublicState) -> bytes:
    """A public state."""
    waiting = b"".join(
        [
            opaque(ref) + queued.sender.encoded + encode_proposal(queued.proposal)
            for ref, queued in state.proposals.items()
        ]
    )
    return b"".join(
        [
            state.context.encoded,
            opaque(state.tree.encoded),
            opaque(state.interim_transcript_hash),
            opaque(state.confirmation_tag),
            opaque(waiting),
            optional(None if state.reinit is None else state.reinit.body),
        ]
    )


def _read_queued(reader: Reader) -> tuple[bytes, QueuedProposal]:
    ref, sender = reader.opaque(), Sender.read(reader)
    return ref, QueuedProposal(read_proposal(reader), sender)


def read_public(reader: Reader) -> PublicState:
    """Read a public state."""
    context = GroupContext.read(reader)
    tree = read_tree(suite_of(context.cipher_suite), reader.opaque())
    interim, tag = reader.opaque(), reader.opaque()
    return PublicState(context, tree, interim, tag, dict(reader.vector(_read_queued)), reader.optional(ReInit.read))


def write_messages(keys: MessageKeys) -> bytes:
    """The receiving keys of one epoch."""
    leaves, nodes, ratchets = keys.secrets.parts()
    return b"".join(
        [
            u16(keys.suite.code),
            opaque(keys.group_id),
            u64(keys.epoch),
            opaque(keys.context),
            u32(keys.own_leaf),
            _by_number(keys.signature_keys),
            opaque(keys.sender_data_secret),
            u32(leaves),
            _by_number(nodes),
            opaque(b"".join([_write_ratchet(place, ratchets[place]) for place in sorted(ratchets)])),
        ]
    )


def _write_ratchet(place: tuple[int, int], ratchet: Ratchet) -> bytes:
    skipped = [u32(g) + opaque(key) + opaque(nonce) for g, (key, nonce) in sorted(ratchet.skipped.items())]
    return b"".join(
        [
            u32(place[0]),
            u8(place[1]),
            u32(ratchet.generation),
            opaque(ratchet.secret),
            opaque(b"".join(skipped)),
        ]
    )


def _read_ratchet(reader: Reader) -> tuple[tuple[int, int], Ratchet]:
    place = (reader.u32(), reader.u8())
    generation, secret = reader.u32(), reader.opaque()
    skipped = dict(reader.vector(lambda inner: (inner.u32(), (inner.opaque(), inner.opaque()))))
    return place, Ratchet(generation, secret, skipped)


def read_messages(reader: Reader) -> MessageKeys:
    """Read the receiving keys of one epoch."""
    suite = suite_of(reader.u16())
    group_id, epoch, context, own_leaf = reader.opaque(), reader.u64(), reader.opaque(), reader.u32()
    signature_keys, sender_data = read_pairs(reader, Reader.u32), reader.opaque()
    leaves, nodes = reader.u32(), read_pairs(reader, Reader.u32)
    ratchets = dict(reader.vector(_read_ratchet))
    secrets = SecretTree.from_parts(suite, leaves, nodes, ratchets)
    return MessageKeys(suite, group_id, epoch, context, own_leaf, signature_keys, sender_data, secrets)


def write_member(member: MemberState | None) -> bytes:
    """A secret state, or its absence after we were removed."""
    if member is None:
        return optional(None)
    secrets = [opaque(getattr(member.secrets, name)) for name in EpochSecrets.FIELDS]
    return optional(
        b"".join([u32(member.own_leaf), _by_number(member.privates), *secrets, write_messages(member.messages)])
    )


def read_member(reader: Reader) -> MemberState | None:
    """Read a secret state."""
    if not reader.presence():
        return None
    own_leaf, privates = reader.u32(), read_pairs(reader, Reader.u32)
    secrets = EpochSecrets(*(reader.opaque() for _ in EpochSecrets.FIELDS))
    return MemberState(own_leaf, privates, secrets, read_messages(reader))
