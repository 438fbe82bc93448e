"""The part of a group that needs no secret, and how a commit moves it (RFC 9420 sections 8.2, 12.4.2, 12.4.3.1).

Members and the hub run the same code here, so what the hub admits is what every member accepts, up to the tags that
only members can check.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from .codec import Reader
from .errors import (
    BadSignature,
    InvalidCommit,
    InvalidProposal,
    InvalidTree,
    Malformed,
    UnknownSender,
    WrongEpoch,
    WrongGroup,
)
from .framing import (
    EXTERNAL,
    MEMBER,
    NEW_MEMBER_COMMIT,
    PUBLIC_MESSAGE,
    AuthenticatedContent,
    PublicMessage,
    Sender,
)
from .group_info import GroupContext, GroupInfo
from .leaf_node import MLS10, RATCHET_TREE, check_leaf, find_extension
from .proposal_rules import (
    Applied,
    QueuedProposal,
    Rules,
    apply,
    check_membership,
    check_proposal,
    external_senders,
    resolve,
)
from .proposals import Add, Commit, ReInit
from .protection import verify_content
from .ratchet_tree import RatchetTree
from .suites import Suite, suite_of
from .transcript import confirmed_hash, interim_hash
from .treekem import merge_received_path

MAX_QUEUED_PER_SENDER = 8
"""Proposals by reference that one sender may leave waiting in an epoch."""


@dataclass(frozen=True)
class Member:
    """A member: its place in the tree, the identity in its basic credential, its signature key."""

    leaf: int
    identity: bytes
    signature_key: bytes


@dataclass(frozen=True)
class PublicState:
    """One epoch as anybody can see it who followed the PublicMessages."""

    context: GroupContext
    tree: RatchetTree
    interim_transcript_hash: bytes
    confirmation_tag: bytes
    proposals: Mapping[bytes, QueuedProposal]
    reinit: ReInit | None = None
    """The ReInit that was committed: the group takes no more commits, and its successor is as this says (section 11.2)."""

    @property
    def closed(self) -> bool:
        """Whether a ReInit was committed."""
        return self.reinit is not None

    @property
    def suite(self) -> Suite:
        """The group's cipher suite."""
        return self.tree.suite

    def members(self) -> tuple[Member, ...]:
        """The roster, from the left."""
        return roster(self.tree)

    def rules(self, now: int, longest_lifetime: int) -> Rules:
        """What proposals of this epoch are judged by."""
        return Rules(self.tree, self.context, now, longest_lifetime)


def roster(tree: RatchetTree) -> tuple[Member, ...]:
    """The members of a tree, from the left."""
    return tuple(Member(index, leaf.credential.identity, leaf.signature_key) for index, leaf in tree.leaves())


def members_at(tree: RatchetTree, leaves: Iterable[int]) -> tuple[Member, ...]:
    """Some members of a tree; a blank leaf has none."""
    found = ((index, tree.leaf(index)) for index in leaves)
    return tuple(Member(i, leaf.credential.identity, leaf.signature_key) for i, leaf in found if leaf is not None)


@dataclass(frozen=True)
class Transition:
    """A commit's public effect: the new state, and what members need to follow the path."""

    state: PublicState
    applied: Applied
    committer: int
    provisional_context: bytes
    path_nodes: list[tuple[int, int]]


def check_address(state: PublicState, group_id: bytes, epoch: int) -> None:
    """Check that a handshake message is for this group and this epoch."""
    if group_id != state.context.group_id:
        # MLS-06.0-02: a message is for our group.
        raise WrongGroup("message for another group")
    if epoch != state.context.epoch:
        # MLS-06.0-03: proposals and commits are for the current epoch.
        raise WrongEpoch(f"made for epoch {epoch}, we are in {state.context.epoch}")


def signature_key_of(state: PublicState, sender: Sender, content: object) -> bytes:
    """The key that must have signed a PublicMessage of this sender (section 6.1)."""
    if sender.sender_type == MEMBER:
        leaf = state.tree.leaf(sender.index)
        if leaf is None:
            # MLS-06.1-02: a member sender holds a leaf.
            raise UnknownSender("nobody sits at the sender's leaf")
        return leaf.signature_key
    if sender.sender_type == EXTERNAL:
        senders = external_senders(state.context.extensions)
        if isinstance(content, Commit) or sender.index >= len(senders):
            # MLS-06.1-03: an external sender is listed in the group and only proposes.
            raise UnknownSender("not an external sender of this group")
        return senders[sender.index][0]
    if sender.sender_type == NEW_MEMBER_COMMIT:
        if not isinstance(content, Commit) or content.path is None:
            # MLS-06.1-04: a new member's commit has a path, which holds its key.
            raise UnknownSender("a new member must commit with a path")
        return content.path.leaf_node.signature_key
    if not isinstance(content, Add):
        # MLS-06.1-05: a new member's proposal is an Add, which holds its key.
        raise UnknownSender("a new member may only propose to be added")
    return content.key_package.leaf_node.signature_key


def verify_public(state: PublicState, message: PublicMessage) -> AuthenticatedContent:
    """Check address, sender and signature of a PublicMessage."""
    content = message.content
    check_address(state, content.group_id, content.epoch)
    if isinstance(content.content, bytes):
        # MLS-06.2-02: application data is never sent in the clear.
        raise Malformed("application data in a PublicMessage")
    public = signature_key_of(state, content.sender, content.content)
    return verify_content(state.suite, public, PUBLIC_MESSAGE, content, message.auth, state.context.encoded)


def queue_proposal(
    state: PublicState, message: AuthenticatedContent, now: int, longest_lifetime: int
) -> tuple[bytes, PublicState]:
    """Keep a verified proposal for a later commit: its reference and the new state."""
    proposal = message.content.content
    if isinstance(proposal, bytes | Commit):
        raise Malformed("not a proposal")
    if state.closed:
        # MLS-11.2-01: after a ReInit was committed nobody proposes anything more.
        raise InvalidProposal("the group was closed for reinitialization")
    queued = QueuedProposal(proposal, message.content.sender)
    ref = state.suite.proposal_ref(message.encoded)
    if ref in state.proposals:
        return ref, state
    check_proposal(queued, state.rules(now, longest_lifetime))
    waiting = sum(1 for item in state.proposals.values() if item.sender == queued.sender)
    if waiting >= MAX_QUEUED_PER_SENDER:
        # MLS-12.1-12: one sender cannot fill the memory of the others.
        raise InvalidProposal("this sender has too many proposals waiting")
    return ref, replace(state, proposals={**state.proposals, ref: queued})


def advance(state: PublicState, message: AuthenticatedContent, now: int, longest_lifetime: int) -> Transition:
    """Check a verified commit against public rules and compute the next epoch (section 12.4.2)."""
    commit, sender = message.content.content, message.content.sender
    if not isinstance(commit, Commit):
        raise Malformed("not a commit")
    if state.closed:
        # MLS-11.2-02: after a ReInit was committed there are no more commits.
        raise InvalidCommit("the group was closed for reinitialization")
    if sender.sender_type not in (MEMBER, NEW_MEMBER_COMMIT):
        raise UnknownSender("this sender may not commit")
    queued = resolve(commit, sender, state.proposals)
    applied = apply(queued, sender, state.rules(now, longest_lifetime))
    tree, path_nodes = applied.tree, list[tuple[int, int]]()
    committer = sender.index
    if commit.path is None:
        if applied.path_required or sender.sender_type == NEW_MEMBER_COMMIT:
            # MLS-12.4-31: a commit that must have a path has one.
            raise InvalidCommit("this commit needs a path")
    else:
        if sender.sender_type == NEW_MEMBER_COMMIT:
            _check_successor(state.tree, applied.removed, commit)
            committer = tree.add_leaf(commit.path.leaf_node)
            # The joiner's leaf is in the tree while its path is checked, so its keys are compared by hand.
            path_nodes = _merge_joiner(tree, committer, commit, state.context.group_id)
        else:
            path_nodes = merge_received_path(tree, committer, commit.path, state.context.group_id, applied.added)
        check_membership(tree, applied.extensions)
    provisional = replace(
        state.context, epoch=state.context.epoch + 1, tree_hash=tree.root_hash, extensions=applied.extensions
    )
    if provisional.epoch >= 1 << 64:
        raise InvalidCommit("the epochs are used up")
    confirmed = confirmed_hash(state.suite, state.interim_transcript_hash, message)
    tag = message.auth.confirmation_tag or b""
    after = PublicState(
        replace(provisional, confirmed_transcript_hash=confirmed),
        tree,
        interim_hash(state.suite, confirmed, tag),
        tag,
        {},
        applied.reinit,
    )
    return Transition(after, applied, committer, provisional.encoded, path_nodes)


def _check_successor(tree: RatchetTree, removed: tuple[int, ...], commit: Commit) -> None:
    for index in removed:
        former = tree.leaf(index)
        if former is None or commit.path is None or former.credential != commit.path.leaf_node.credential:
            # MLS-12.2-09: who commits itself in removes nobody but its own former self.
            raise InvalidProposal("an external commit removes somebody else")


def _merge_joiner(tree: RatchetTree, place: int, commit: Commit, group_id: bytes) -> list[tuple[int, int]]:
    """Merge an external commit's path (section 12.4.3.2): the joiner takes the leftmost blank leaf."""
    if commit.path is None:
        raise InvalidCommit("an external commit needs a path")
    tree.set_leaf(place, replace(commit.path.leaf_node, encryption_key=b""))
    return merge_received_path(tree, place, commit.path, group_id, ())


def read_tree(suite: Suite, encoded: bytes) -> RatchetTree:
    """Read a ratchet_tree extension's content."""
    reader = Reader(encoded)
    tree = RatchetTree.read(suite, reader)
    reader.finish()
    return tree


def check_group_info(info: GroupInfo, ratchet_tree: bytes | None) -> PublicState:
    """Check a GroupInfo and its tree, and make the public state of its epoch (section 12.4.3.1)."""
    context = info.context
    suite = suite_of(context.cipher_suite)
    if context.version != MLS10:
        # MLS-12.4-32: the group's version is MLS 1.0.
        raise Malformed("the group's version is not MLS 1.0")
    encoded = find_extension(info.extensions, RATCHET_TREE)
    if encoded is None:
        encoded = ratchet_tree
    if encoded is None:
        # MLS-12.4-33: the tree comes with the GroupInfo or beside it.
        raise InvalidTree("no ratchet tree was given")
    tree = read_tree(suite, encoded)
    signer = tree.leaf(info.signer)
    if signer is None:
        # MLS-12.4-10: the signer of a GroupInfo is a member.
        raise BadSignature("the signer of the GroupInfo is not a member")
    # MLS-12.4-11: the GroupInfo is signed by the member it names.
    info.verify(suite, signer.signature_key)
    if tree.root_hash != context.tree_hash:
        # MLS-12.4-12: the tree is the one that the group context names.
        raise InvalidTree("the tree does not hash to the group context")
    tree.check_structure()
    for index, leaf in tree.leaves():
        # MLS-12.4-13: every leaf of the tree is valid. Lifetimes are not checked here: they bound when a member may
        # be added, and a member who never updated since must not lock out everybody who joins later.
        check_leaf(leaf, suite)
        leaf.verify(suite, context.group_id, index)
    check_membership(tree, context.extensions)
    interim = interim_hash(suite, context.confirmed_transcript_hash, info.confirmation_tag)
    return PublicState(context, tree, interim, info.confirmation_tag, {})
