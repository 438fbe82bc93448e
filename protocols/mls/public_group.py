"""A group as the hub follows it: the public tree and nothing secret.

The hub checks group, epoch, signature, proposal rules, the tree and its parent hashes, and so refuses what every member
would refuse. What it *cannot* check, for want of keys: the membership tag, the confirmation tag, that the encrypted path
secrets hold what they should, and pre-shared keys. A member who signs a commit with a wrong tag passes the hub and is
refused by every station; the signature says who it was.
"""

from __future__ import annotations

from .codec import Reader, u64
from .errors import Malformed, StaleStage
from .framing import MEMBER, AuthenticatedContent, PublicMessage, read_message
from .group_info import GroupInfo
from .key_package import MAX_LIFETIME
from .proposals import Commit
from .public_state import (
    Member,
    PublicState,
    advance,
    check_group_info,
    members_at,
    queue_proposal,
    verify_public,
)
from .snapshot import PUBLIC_GROUP, read_public, seal, unseal, write_public
from .staged import StagedPublicCommit
from .succession import Successor


class PublicGroup:
    """One group's public state. ``stage`` and ``merge`` as in ``Group``."""

    def __init__(self, state: PublicState, max_lifetime: int) -> None:
        """Use ``from_group_info`` or ``restore`` instead."""
        self._state = state
        self._max_lifetime = max_lifetime

    @staticmethod
    def from_group_info(
        group_info: bytes, now: int, *, ratchet_tree: bytes | None = None, max_lifetime: int = MAX_LIFETIME
    ) -> PublicGroup:
        """Begin to follow a group. The hub does this once, at epoch 0, from its creator's GroupInfo.

        ``now`` is kept for the record of the interface: leaves that are already in a tree are not judged by their lifetime.
        """
        body = read_message(group_info)
        if not isinstance(body, GroupInfo):
            raise Malformed("not a GroupInfo")
        return PublicGroup(check_group_info(body, ratchet_tree), max_lifetime)

    @property
    def group_id(self) -> bytes:
        """The group's identifier."""
        return self._state.context.group_id

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return self._state.context.epoch

    @property
    def suite(self) -> int:
        """The cipher suite's code point."""
        return self._state.suite.code

    @property
    def tree_hash(self) -> bytes:
        """The hash of the public tree."""
        return self._state.context.tree_hash

    @property
    def closed(self) -> bool:
        """Whether a ReInit was committed."""
        return self._state.closed

    @property
    def successor(self) -> Successor | None:
        """What the group after this one is to be, once a ReInit was committed."""
        return None if self._state.reinit is None else Successor.of(self._state.reinit)

    def members(self) -> tuple[Member, ...]:
        """The roster, from the left."""
        return self._state.members()

    def propose(self, message: bytes, now: int) -> bytes:
        """Check a proposal and remember it for a later commit; returns its reference."""
        content = self._verify(message)
        ref, self._state = queue_proposal(self._state, content, now, self._max_lifetime)
        return ref

    def stage(self, message: bytes, now: int) -> StagedPublicCommit:
        """Check a commit as far as the public can. Nothing changes."""
        content = self._verify(message)
        if not isinstance(content.content.content, Commit):
            raise Malformed("not a commit")
        transition = advance(self._state, content, now, self._max_lifetime)
        sender = content.content.sender
        joined = transition.applied.added
        if sender.sender_type != MEMBER:
            joined = (*joined, transition.committer)
        return StagedPublicCommit(
            self._base,
            sender.index if sender.sender_type == MEMBER else None,
            members_at(transition.state.tree, joined),
            members_at(self._state.tree, transition.applied.removed),
            content.content.authenticated_data,
            transition.state,
        )

    def merge(self, staged: StagedPublicCommit) -> None:
        """Enter the epoch of a staged commit."""
        if staged.base != self._base:
            raise StaleStage("staged in another epoch or group")
        self._state = staged.public

    def _verify(self, message: bytes) -> AuthenticatedContent:
        body = read_message(message)
        if not isinstance(body, PublicMessage):
            raise Malformed("not a PublicMessage")
        return verify_public(self._state, body)

    @property
    def _base(self) -> bytes:
        return self._state.interim_transcript_hash

    def snapshot(self) -> bytes:
        """The whole state; it holds no secret."""
        return seal(PUBLIC_GROUP, u64(self._max_lifetime) + write_public(self._state))

    @staticmethod
    def restore(data: bytes) -> PublicGroup:
        """Read what ``snapshot`` saved, or raise SnapshotRefused."""

        def read(reader: Reader) -> PublicGroup:
            max_lifetime = reader.u64()
            return PublicGroup(read_public(reader), max_lifetime)

        return unseal(PUBLIC_GROUP, data, read)
