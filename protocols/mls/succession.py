"""Groups that follow from others: reinitialization and branching (RFC 9420 sections 11.2, 11.3).

A ReInit closes a group for good; its successor has the same members and, say, another suite. A branch leaves the group as
it is and gives some of its members one of their own. Either way the new group's first commit mixes in a resumption key of
the former group, so that only its members can enter.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import InvalidWelcome, Misuse, UnknownPsk
from .leaf_node import MLS10, Extension
from .proposals import RESUMPTION_PSK, USAGE_APPLICATION, USAGE_REINIT, PreSharedKeyID, ReInit
from .public_state import PublicState
from .suites import SUITES


@dataclass(frozen=True)
class Successor:
    """What the group after a reinitialization will be: its id, never used before, its suite and its extensions."""

    group_id: bytes
    suite: int
    extensions: tuple[tuple[int, bytes], ...] = ()

    def proposal(self) -> ReInit:
        """As a proposal; Misuse where we could not enter such a group ourselves."""
        if self.suite not in SUITES:
            raise Misuse(f"no cipher suite 0x{self.suite:04x}")
        return ReInit(self.group_id, MLS10, self.suite, tuple(Extension(kind, data) for kind, data in self.extensions))

    @classmethod
    def of(cls, reinit: ReInit) -> Successor:
        """What a proposal says."""
        extensions = tuple((e.extension_type, e.data) for e in reinit.extensions)
        return cls(reinit.group_id, reinit.cipher_suite, extensions)


def ties_groups(identifier: PreSharedKeyID) -> bool:
    """Whether a pre-shared key says that its group follows from another."""
    return identifier.psk_type == RESUMPTION_PSK and identifier.usage != USAGE_APPLICATION


def identities(state: PublicState) -> list[bytes]:
    """Who is in a group, sorted; an identity that sits at two leaves is there twice."""
    return sorted(member.identity for member in state.members())


def check_succession(tie: PreSharedKeyID | None, former: PublicState | None, state: PublicState) -> None:
    """Check that a group entered by a Welcome follows from ``former`` as its key says (sections 11.2, 11.3)."""
    if tie is None:
        if former is not None:
            # MLS-11.2-03: who expects a successor enters no group without a tie to the former one.
            raise InvalidWelcome("the group does not follow from the former one")
        return
    if former is None:
        raise UnknownPsk("a group that follows from one that we do not know")
    if tie.usage == USAGE_REINIT:
        _check_reinitialized(tie, former, state)
        return
    before, after = former.context, state.context
    if (after.version, after.cipher_suite) != (before.version, before.cipher_suite):
        # MLS-11.3-01: a branch keeps version and suite.
        raise InvalidWelcome("a branch of another suite")
    if not set(identities(state)) <= set(identities(former)):
        # MLS-11.3-02: every member of a branch is a member of the group that it branches from.
        raise InvalidWelcome("a branch holds a stranger")


def _check_reinitialized(tie: PreSharedKeyID, former: PublicState, state: PublicState) -> None:
    reinit, after = former.reinit, state.context
    if reinit is None or tie.epoch != former.context.epoch:
        # MLS-11.2-04: the key is that of the epoch which a committed ReInit began.
        raise InvalidWelcome("the former group was not closed for reinitialization")
    promised = (reinit.group_id, reinit.version, reinit.cipher_suite, reinit.extensions)
    if (after.group_id, after.version, after.cipher_suite, after.extensions) != promised:
        # MLS-11.2-05: id, version, suite and extensions are those that the ReInit named.
        raise InvalidWelcome("the group is not as the ReInit said")
    if identities(state) != identities(former):
        # MLS-11.2-06: a reinitialization keeps the members.
        raise InvalidWelcome("the successor has other members")
