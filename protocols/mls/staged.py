"""Commits that were made or checked but not merged: the group stands where it stood."""

from __future__ import annotations

from dataclasses import dataclass

from .codec import Reader, opaque, optional, u32
from .errors import Malformed
from .member_state import MemberState
from .public_state import Member, PublicState
from .snapshot import (
    STAGED,
    STAGED_PUBLIC,
    read_member,
    read_public,
    seal,
    unseal,
    write_member,
    write_public,
)


@dataclass(frozen=True, repr=False)
class StagedPublicCommit:
    """A commit as the hub sees it. ``members`` is the roster after it; compare that with what the ladder allows."""

    base: bytes
    sender: int | None
    """The committer's leaf, or None for a newcomer who commits itself in."""
    added: tuple[Member, ...]
    removed: tuple[Member, ...]
    aad: bytes
    public: PublicState

    @property
    def epoch(self) -> int:
        """The epoch after this commit."""
        return self.public.context.epoch

    @property
    def members(self) -> tuple[Member, ...]:
        """The roster after this commit."""
        return self.public.members()

    def _body(self) -> bytes:
        def write(members: tuple[Member, ...]) -> bytes:
            return opaque(b"".join([u32(m.leaf) + opaque(m.identity) + opaque(m.signature_key) for m in members]))

        return b"".join(
            [
                opaque(self.base),
                optional(None if self.sender is None else u32(self.sender)),
                write(self.added),
                write(self.removed),
                opaque(self.aad),
                write_public(self.public),
            ]
        )

    @staticmethod
    def _read(reader: Reader) -> StagedPublicCommit:
        return StagedPublicCommit(
            reader.opaque(),
            reader.optional(Reader.u32),
            reader.vector(_read_member_entry),
            reader.vector(_read_member_entry),
            reader.opaque(),
            read_public(reader),
        )

    def snapshot(self) -> bytes:
        """Save it."""
        return seal(STAGED_PUBLIC, self._body())

    @classmethod
    def restore(cls, data: bytes) -> StagedPublicCommit:
        """Read what ``snapshot`` saved."""
        return unseal(STAGED_PUBLIC, data, cls._read)


def _read_member_entry(reader: Reader) -> Member:
    return Member(reader.u32(), reader.opaque(), reader.opaque())


@dataclass(frozen=True, repr=False)
class StagedPeerCommit(StagedPublicCommit):
    """A peer's commit, fully checked by a member."""

    member: MemberState | None
    """The next epoch's secrets; None where the commit removes us."""
    handshake: tuple[int, int] | None = None
    """Sender leaf and generation of a commit that came encrypted: its key is destroyed on merge."""

    @property
    def removes_us(self) -> bool:
        """Whether we are out after this commit."""
        return self.member is None


@dataclass(frozen=True, repr=False)
class StagedCommit(StagedPublicCommit):
    """Our own commit, waiting for the hub's answer.

    Save ``snapshot()`` before ``commit`` is sent: if the hub admitted it and we forgot it, we could not follow the group
    into an epoch that we made. ``merge`` it when the hub admitted it, drop it when another commit was first.
    """

    commit: bytes
    """The MLSMessage for the hub."""
    welcome: bytes | None
    """The MLSMessage for those added."""
    member: MemberState

    def snapshot(self) -> bytes:
        """Save it, secrets included: seal the result."""
        welcome = optional(None if self.welcome is None else opaque(self.welcome))
        return seal(STAGED, self._body() + opaque(self.commit) + welcome + write_member(self.member))

    @classmethod
    def restore(cls, data: bytes) -> StagedCommit:
        """Read what ``snapshot`` saved."""

        def read(reader: Reader) -> StagedCommit:
            head = cls._read(reader)
            commit, welcome, member = reader.opaque(), reader.optional(Reader.opaque), read_member(reader)
            if member is None:
                raise Malformed("a pending commit without secrets")
            return cls(
                head.base,
                head.sender,
                head.added,
                head.removed,
                head.aad,
                head.public,
                commit,
                welcome,
                member,
            )

        return unseal(STAGED, data, read)
