"""Proposing: messages that ask for a change and wait for somebody to commit it (RFC 9420 section 12.1).

All of them are PublicMessages unless ``public`` is False; then they are encrypted, use up one key, and need ``rng``. Save
the group before what they return leaves.
"""

from __future__ import annotations

from dataclasses import replace

from .errors import Misuse, NotAMember
from .framing import (
    MEMBER,
    PRIVATE_MESSAGE,
    PUBLIC_MESSAGE,
    AuthData,
    AuthenticatedContent,
    FramedContent,
    Sender,
    write_message,
)
from .group_view import GroupView
from .kem import Rng, draw
from .key_package import read_key_package_message
from .leaf_node import UPDATE
from .proposals import Add, PreSharedKey, PreSharedKeyID, Proposal, Remove, Update
from .protection import protect_private, protect_public, sign_content
from .public_state import queue_proposal
from .succession import Successor

DEFAULT_PADDING = 256
"""Plaintexts are padded to a multiple of this many octets, so that lengths say little."""


class GroupProposing(GroupView):
    """The part of a group that makes proposals."""

    def propose_add(
        self, key_package: bytes, *, now: int, aad: bytes = b"", public: bool = True, rng: Rng | None = None
    ) -> bytes:
        """Propose to add the owner of a key package; returns the message and remembers the proposal."""
        return self._propose(Add(read_key_package_message(key_package)), now, aad, public, rng)

    def propose_remove(
        self, leaf: int, *, now: int, aad: bytes = b"", public: bool = True, rng: Rng | None = None
    ) -> bytes:
        """Propose to remove a member (ourselves, too: others must commit it)."""
        return self._propose(Remove(leaf), now, aad, public, rng)

    def propose_update(self, *, now: int, rng: Rng, aad: bytes = b"", public: bool = True) -> bytes:
        """Propose new keys for our own leaf."""
        member = self._open_member()
        current = self._public.tree.leaf(member.own_leaf)
        if current is None:
            raise NotAMember("our leaf is blank")
        suite = self._public.suite
        private, key = suite.derive_key_pair(draw(rng, suite.hash_size))
        leaf = replace(current, encryption_key=key, source=UPDATE, lifetime=None, parent_hash=b"").signed(
            suite, self._signing, self.group_id, member.own_leaf
        )
        message = self._propose(Update(leaf), now, aad, public, rng)
        self._update_privates[key] = private
        return message

    def propose_psk(self, psk_id: bytes, *, now: int, rng: Rng, aad: bytes = b"", public: bool = True) -> bytes:
        """Propose to mix in an external pre-shared key that all members hold."""
        nonce = draw(rng, self._public.suite.hash_size)
        return self._propose(PreSharedKey(PreSharedKeyID.external(psk_id, nonce)), now, aad, public, rng)

    def propose_reinit(
        self, successor: Successor, *, now: int, aad: bytes = b"", public: bool = True, rng: Rng | None = None
    ) -> bytes:
        """Propose to close this group and go on in ``successor``; it must be committed alone."""
        return self._propose(successor.proposal(), now, aad, public, rng)

    def _propose(self, proposal: Proposal, now: int, aad: bytes, public: bool, rng: Rng | None) -> bytes:
        member, context, suite = self._open_member(), self._public.context, self._public.suite
        wire_format = PUBLIC_MESSAGE if public else PRIVATE_MESSAGE
        content = FramedContent(context.group_id, context.epoch, Sender(MEMBER, member.own_leaf), aad, proposal)
        signature = sign_content(suite, self._signing, wire_format, content, context.encoded)
        message = AuthenticatedContent(wire_format, content, AuthData(signature, None))
        if public:
            _, self._public = queue_proposal(self._public, message, now, self._max_lifetime)
            return write_message(protect_public(suite, message, member.secrets.membership_key, context.encoded))
        if rng is None:
            raise Misuse("an encrypted proposal needs a random source")
        sealed, taking = protect_private(member.messages, message, DEFAULT_PADDING, rng)
        _, self._public = queue_proposal(self._public, message, now, self._max_lifetime)
        member.messages.secrets.consume(taking)
        return write_message(sealed)
