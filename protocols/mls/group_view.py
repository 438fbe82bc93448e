"""What a member can ask of its group without changing it (RFC 9420 sections 8.5, 8.7, 12.4.3)."""

from __future__ import annotations

from collections.abc import Mapping

from .committing import make_group_info
from .errors import Misuse, NotAMember, UnknownPsk
from .framing import write_message
from .kem import Rng
from .key_schedule import export
from .member_state import MemberState, PskLookup
from .proposals import EXTERNAL_PSK, PreSharedKeyID
from .protection import MessageKeys
from .public_state import Member, PublicState
from .staged import StagedCommit
from .succession import Successor

MAX_EXPORT = 255 * 32
"""Longest secret that HKDF with SHA-256 yields."""


class GroupView:
    """The state of a group, and questions to it."""

    def __init__(self, public: PublicState, member: MemberState | None, signing: bytes, max_lifetime: int) -> None:
        """Use ``Group.create``, ``join`` or ``restore`` instead."""
        self._public = public
        self._member_state = member
        self._signing = signing
        self._max_lifetime = max_lifetime
        self._past: tuple[MessageKeys, ...] = ()
        self._resumption: dict[int, bytes] = {}
        self._update_privates: dict[bytes, bytes] = {}

    @property
    def group_id(self) -> bytes:
        """The group's identifier."""
        return self._public.context.group_id

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return self._public.context.epoch

    @property
    def suite(self) -> int:
        """The cipher suite's code point."""
        return self._public.suite.code

    @property
    def tree_hash(self) -> bytes:
        """The hash of the public tree."""
        return self._public.context.tree_hash

    @property
    def is_member(self) -> bool:
        """False once we were removed."""
        return self._member_state is not None

    @property
    def closed(self) -> bool:
        """Whether a ReInit was committed: only past messages can still be read."""
        return self._public.closed

    @property
    def successor(self) -> Successor | None:
        """What the group after this one is to be, once a ReInit was committed."""
        return None if self._public.reinit is None else Successor.of(self._public.reinit)

    def members(self) -> tuple[Member, ...]:
        """The roster, from the left."""
        return self._public.members()

    @property
    def own_leaf(self) -> int:
        """Our place in the tree."""
        return self._member.own_leaf

    @property
    def epoch_authenticator(self) -> bytes:
        """Equal for two members exactly if they agree on the whole history (RFC 9420 section 8.7)."""
        return self._member.secrets.epoch_authenticator

    def export(self, label: str, context: bytes, length: int) -> bytes:
        """A secret for the application, bound to this epoch (section 8.5)."""
        if not 0 <= length <= MAX_EXPORT:
            raise Misuse(f"an exported secret has at most {MAX_EXPORT} octets")
        secret = self._member.secrets.exporter_secret
        return export(self._public.suite, secret, label.encode(), context, length)

    def group_info(self, rng: Rng | None = None, *, external_commit: bool = False) -> bytes:
        """A signed GroupInfo with the tree, for the hub; ``external_commit`` also lets others commit themselves in.

        ``rng`` is for suites whose signatures are randomized; Ed25519's are not.
        """
        member = self._member
        external_pub = None
        if external_commit:
            external_pub = self._public.suite.derive_key_pair(member.secrets.external_secret)[1]
        return write_message(make_group_info(self._public, member.own_leaf, self._signing, external_pub))

    def info_after(self, staged: StagedCommit) -> bytes:
        """A GroupInfo of the epoch that a commit of ours will make, to travel beside it: by it a member that loses its
        state can come back with an external commit."""
        external_pub = self._public.suite.derive_key_pair(staged.member.secrets.external_secret)[1]
        return write_message(make_group_info(staged.public, staged.member.own_leaf, self._signing, external_pub))

    @property
    def _member(self) -> MemberState:
        if self._member_state is None:
            raise NotAMember("removed from this group")
        return self._member_state

    def _open_member(self) -> MemberState:
        if self._public.closed:
            raise Misuse("the group was closed for reinitialization")
        return self._member

    @property
    def _base(self) -> bytes:
        return self._public.interim_transcript_hash

    def _psk_lookup(self, psks: Mapping[bytes, bytes] | None) -> PskLookup:
        external = external_psks(psks)

        def lookup(identifier: PreSharedKeyID) -> bytes:
            if identifier.psk_type == EXTERNAL_PSK or identifier.group_id != self.group_id:
                return external(identifier)
            if identifier.epoch == self.epoch and self._member_state is not None:
                return self._member_state.secrets.resumption_psk
            psk = self._resumption.get(identifier.epoch)
            if psk is None:
                # MLS-08.4-02: a resumption key is of an epoch that we hold.
                raise UnknownPsk("a resumption key of an epoch that we no longer hold")
            return psk

        return lookup


def external_psks(psks: Mapping[bytes, bytes] | None) -> PskLookup:
    """Look up in the external keys that a caller gave."""
    held = dict(psks or {})

    def lookup(identifier: PreSharedKeyID) -> bytes:
        psk = held.get(identifier.psk_id) if identifier.psk_type == EXTERNAL_PSK else None
        if psk is None:
            # MLS-08.4-01: every pre-shared key that a commit or Welcome names is one we hold.
            raise UnknownPsk("a pre-shared key that we do not hold")
        return psk

    return lookup
