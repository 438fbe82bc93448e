"""Groups in memory, and a kit for forging messages as a member would who does not keep the rules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from protocols.mls import HYBRID, X25519_AES128, X25519_CHACHA20, Group, KeyPackageBundle, PublicGroup, make_key_package
from protocols.mls.framing import (
    MEMBER,
    PUBLIC_MESSAGE,
    AuthData,
    AuthenticatedContent,
    FramedContent,
    PublicMessage,
    Sender,
    read_message,
    write_message,
)
from protocols.mls.proposals import Commit, Proposal, ProposalOrRef
from protocols.mls.protection import protect_public, sign_content
from protocols.mls.staged import StagedCommit
from protocols.mls.suites import SUITES, Suite

NOW = 1_800_000_000
DAY = 86_400
ALL_SUITES = (X25519_AES128, X25519_CHACHA20, HYBRID)


class Draw:
    """A deterministic random source: SHAKE of a counter."""

    def __init__(self, seed: str = "seed") -> None:
        self._seed, self._count = seed, 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(f"{self._seed}/{self._count}".encode()).digest(size)


@dataclass
class Person:
    """A station to be: a name and a signature key."""

    name: str
    seed: bytes
    bundle: KeyPackageBundle


def person(
    name: str, suite: int = X25519_CHACHA20, rng: Callable[[int], bytes] | None = None, **changes: int
) -> Person:
    """Somebody with a fresh key package."""
    rng = rng or Draw(name)
    seed = rng(32)
    span = {"not_before": NOW - DAY, "not_after": NOW + DAY} | changes
    return Person(name, seed, make_key_package(suite, name.encode(), seed, rng=rng, **span))


class Room:
    """Members of one group and the hub that follows it, all in one epoch."""

    def __init__(self, size: int = 4, suite: int = X25519_CHACHA20) -> None:
        self.rng = Draw(f"room/{size}/{suite}")
        self.suite_code = suite
        seed = self.rng(32)
        first = Group.create(suite, b"thread", b"m0", seed, now=NOW, rng=self.rng)
        self.groups: dict[int, Group] = {0: first}
        self.hub = PublicGroup.from_group_info(first.group_info(), NOW)
        people = [person(f"m{number}", suite) for number in range(1, size)]
        if people:
            self.add(people)
        # One commit by each, so that no leaf is unmerged and every parent has a key.
        for leaf in list(self.groups):
            self.commit(leaf)

    @property
    def suite(self) -> Suite:
        return SUITES[self.suite_code]

    def __getitem__(self, leaf: int) -> Group:
        return self.groups[leaf]

    def commit(self, leaf: int, **arguments: Any) -> StagedCommit:
        """Commit as a member and let everybody follow."""
        staged = self[leaf].commit(now=NOW, rng=self.rng, **arguments)
        self.follow(leaf, staged)
        return staged

    def follow(self, leaf: int, staged: StagedCommit) -> None:
        """Let the hub, the others and at last the committer enter a commit's epoch."""
        self.hub.merge(self.hub.stage(staged.commit, NOW))
        for other, group in list(self.groups.items()):
            if other != leaf:
                group.merge(group.stage(staged.commit, now=NOW))
                if not group.is_member:
                    del self.groups[other]
        self[leaf].merge(staged)

    def add(self, people: Sequence[Person], by: int = 0) -> StagedCommit:
        """Invite people and let them join."""
        staged = self.commit(by, add=[p.bundle.key_package for p in people])
        assert staged.welcome is not None
        for newcomer in people:
            group = Group.join(staged.welcome, newcomer.bundle, newcomer.seed, now=NOW)
            self.groups[group.own_leaf] = group
        return staged

    def agree(self) -> None:
        """Assert that all members and the hub hold the same epoch."""
        assert len({group.epoch_authenticator for group in self.groups.values()}) == 1
        assert {group.tree_hash for group in self.groups.values()} == {self.hub.tree_hash}
        assert {group.members() for group in self.groups.values()} == {self.hub.members()}


def forge(
    group: Group,
    content: Commit | Proposal | bytes,
    *,
    tag: bytes | None = None,
    signing: bytes | None = None,
    signature: bytes | None = None,
    membership: bytes | None = None,
    membership_tag: bytes | None = None,
    sender: Sender | None = None,
    epoch: int | None = None,
    group_id: bytes | None = None,
) -> bytes:
    """A PublicMessage made with a member's real keys, except where an argument says otherwise."""
    state, member = group._public, group._member
    context = state.context
    framed = FramedContent(
        context.group_id if group_id is None else group_id,
        context.epoch if epoch is None else epoch,
        sender or Sender(MEMBER, member.own_leaf),
        b"",
        content,
    )
    if signature is None:
        key = signing or group._signing
        signature = sign_content(state.suite, key, PUBLIC_MESSAGE, framed, context.encoded)
    confirmation = (bytes(32) if tag is None else tag) if isinstance(content, Commit) else None
    message = AuthenticatedContent(PUBLIC_MESSAGE, framed, AuthData(signature, confirmation))
    key = member.secrets.membership_key if membership is None else membership
    public = protect_public(state.suite, message, key if framed.sender.sender_type == MEMBER else None, context.encoded)
    if membership_tag is not None:
        public = replace(public, membership_tag=membership_tag)
    return write_message(public)


def forge_commit(group: Group, *values: Proposal | bytes, path: Any = "own", **arguments: Any) -> bytes:
    """A signed commit of these proposals (references as bytes), with the path of an honest empty commit."""
    if path == "own":
        path = commit_of(group.commit(now=NOW, rng=Draw("path"), pending=False).commit).path
    return forge(group, Commit(tuple(ProposalOrRef(value) for value in values), path), **arguments)


def public_of(message: bytes) -> PublicMessage:
    """Read a PublicMessage."""
    body = read_message(message)
    assert isinstance(body, PublicMessage)
    return body


def commit_of(message: bytes) -> Commit:
    """Read a commit out of a PublicMessage."""
    content = public_of(message).content.content
    assert isinstance(content, Commit)
    return content


def refuse(error: type[Exception], call: Callable[[], object], *groups: Group | PublicGroup, says: str = "") -> None:
    """Assert that a call is refused with exactly this error, and that the groups are as they were.

    ``says`` is part of its text: where two checks stand behind one another, it shows which of them refused.
    """
    before = [group.snapshot() for group in groups]
    try:
        result = call()
    except error as refused:
        assert type(refused) is error, f"{refused!r} where {error.__name__} was expected"
        assert says in str(refused), f"{refused!r} does not say {says!r}"
    else:
        raise AssertionError(f"accepted: {result!r}")
    assert [group.snapshot() for group in groups] == before
