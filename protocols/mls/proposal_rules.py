"""Which proposals are valid, alone and together, and what they do to the tree (RFC 9420 sections 12.1-12.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .codec import Reader, decode
from .errors import InvalidProposal, InvalidTree, UnknownProposal
from .framing import EXTERNAL, MEMBER, NEW_MEMBER_COMMIT, NEW_MEMBER_PROPOSAL, Sender
from .group_info import GroupContext
from .key_package import check_key_package
from .leaf_node import (
    EXTERNAL_SENDERS,
    REQUIRED_CAPABILITIES,
    UPDATE,
    Credential,
    Extension,
    LeafNode,
    RequiredCapabilities,
    check_leaf,
    find_extension,
)
from .proposals import (
    RESUMPTION_PSK,
    USAGE_APPLICATION,
    Add,
    Commit,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    ReInit,
    Remove,
    Update,
)
from .ratchet_tree import RatchetTree


@dataclass(frozen=True)
class QueuedProposal:
    """A proposal with the sender who answers for it."""

    proposal: Proposal
    sender: Sender


@dataclass(frozen=True)
class Applied:
    """What a list of proposals did."""

    tree: RatchetTree
    extensions: tuple[Extension, ...]
    added: tuple[int, ...]
    removed: tuple[int, ...]
    updated: tuple[int, ...]
    psks: tuple[PreSharedKeyID, ...]
    external_init: bytes | None
    reinit: ReInit | None
    path_required: bool


@dataclass(frozen=True)
class Rules:
    """What proposals are judged by: the group as it is, the time, and our own limit on lifetimes."""

    tree: RatchetTree
    context: GroupContext
    now: int
    longest_lifetime: int


def resolve(commit: Commit, sender: Sender, known: Mapping[bytes, QueuedProposal]) -> list[QueuedProposal]:
    """Replace references by what they refer to."""
    queued: list[QueuedProposal] = []
    for item in commit.proposals:
        if not isinstance(item.value, bytes):
            queued.append(QueuedProposal(item.value, sender))
            continue
        found = known.get(item.value)
        if found is None:
            # MLS-12.4-07: every reference names a proposal of this epoch that we hold.
            raise UnknownProposal("the commit refers to a proposal that we do not hold")
        if sender.sender_type == NEW_MEMBER_COMMIT:
            # MLS-12.4-08: an external commit refers to nothing.
            raise InvalidProposal("an external commit holds a reference")
        queued.append(found)
    return queued


def external_senders(extensions: Sequence[Extension]) -> tuple[tuple[bytes, Credential], ...]:
    """The parties outside the group that may propose (section 12.1.8.1): signature key and credential."""
    data = find_extension(extensions, EXTERNAL_SENDERS)
    if data is None:
        return ()

    def read(reader: Reader) -> tuple[tuple[bytes, Credential], ...]:
        inner: list[tuple[bytes, Credential]] = []
        while not reader.at_end:
            inner.append((reader.opaque(), Credential.read(reader)))
        return tuple(inner)

    return decode(read, decode(Reader.opaque, data))


def required_capabilities(extensions: Sequence[Extension]) -> RequiredCapabilities | None:
    """What the group demands of its members (section 11.1)."""
    data = find_extension(extensions, REQUIRED_CAPABILITIES)
    return None if data is None else decode(RequiredCapabilities.read, data)


def check_proposal(queued: QueuedProposal, rules: Rules) -> None:
    """Check one proposal by itself (section 12.1)."""
    proposal, sender, suite = queued.proposal, queued.sender, rules.tree.suite
    if sender.sender_type == EXTERNAL and isinstance(proposal, Update | ExternalInit):
        # MLS-12.1-07: an external sender proposes neither updates nor external inits.
        raise InvalidProposal("not a proposal that an external sender may make")
    if sender.sender_type == NEW_MEMBER_PROPOSAL and not isinstance(proposal, Add):
        # MLS-12.1-08: a new member proposes only its own Add.
        raise InvalidProposal("a new member may only propose to be added")
    match proposal:
        case Add(package):
            # MLS-12.1-01: an added key package is valid, also one by value in a commit.
            check_key_package(package, suite, now=rules.now, longest=rules.longest_lifetime)
        case Update(leaf):
            _check_update(leaf, sender, rules)
        case Remove(removed):
            if rules.tree.leaf(removed) is None:
                # MLS-12.1-02: the removed leaf is a member's.
                raise InvalidProposal("nobody sits at the removed leaf")
        case PreSharedKey(psk):
            first = rules.context.epoch == 0
            if psk.psk_type == RESUMPTION_PSK and psk.usage != USAGE_APPLICATION and not first:
                # MLS-12.1-03: a key that ties groups stands only in a group's first commit, which its creator makes.
                raise InvalidProposal("a resumption key that ties groups, in a group that has begun")
            if len(psk.nonce) != suite.hash_size:
                # MLS-12.1-04: the nonce of a pre-shared key has the hash's length.
                raise InvalidProposal("a pre-shared key nonce of wrong length")
        case ReInit():
            if proposal.version < rules.context.version:
                # MLS-12.1-05: a group is not reinitialized to an older version.
                raise InvalidProposal("reinitialization to an older version")
        case ExternalInit():
            if sender.sender_type != NEW_MEMBER_COMMIT:
                # MLS-12.1-06: only an external commit holds an ExternalInit.
                raise InvalidProposal("ExternalInit outside an external commit")
        case GroupContextExtensions(extensions):
            required_capabilities(extensions)
            external_senders(extensions)


def _check_update(leaf: LeafNode, sender: Sender, rules: Rules) -> None:
    current = rules.tree.leaf(sender.index) if sender.sender_type == MEMBER else None
    if current is None or leaf.source != UPDATE:
        # MLS-12.1-09: an update comes from a member and was made as one.
        raise InvalidProposal("an update that is none")
    check_leaf(leaf, rules.tree.suite)
    if leaf.credential != current.credential:
        # MLS-12.1-13: nobody takes another name inside a group.
        raise InvalidProposal("an update changes its sender's identity")
    if leaf.encryption_key == current.encryption_key:
        # MLS-12.1-10: an update brings a new encryption key.
        raise InvalidProposal("an update without a new key")
    leaf.verify(rules.tree.suite, rules.context.group_id, sender.index)


def check_list(queued: Sequence[QueuedProposal], committer: Sender) -> None:
    """Check that proposals may stand together in one commit (section 12.2)."""
    kinds = [type(item.proposal) for item in queued]
    if committer.sender_type == NEW_MEMBER_COMMIT:
        allowed = {ExternalInit, Remove, PreSharedKey}
        if kinds.count(ExternalInit) != 1 or kinds.count(Remove) > 1 or not set(kinds) <= allowed:
            # MLS-12.2-01: an external commit holds one ExternalInit, at most one Remove, and pre-shared keys.
            raise InvalidProposal("not the proposals of an external commit")
    elif ExternalInit in kinds:
        # MLS-12.2-02: a member's commit holds no ExternalInit.
        raise InvalidProposal("ExternalInit in a member's commit")
    if ReInit in kinds and len(kinds) > 1:
        # MLS-12.2-03: a ReInit stands alone.
        raise InvalidProposal("ReInit beside other proposals")
    if kinds.count(GroupContextExtensions) > 1:
        # MLS-12.2-04: at most one change of the group's extensions.
        raise InvalidProposal("two changes of the group's extensions")
    touched: set[int] = set()
    psks: set[bytes] = set()
    for item in queued:
        match item.proposal:
            case Update():
                target = item.sender.index
                if committer.sender_type == MEMBER and target == committer.index:
                    # MLS-12.2-05: the committer's update is its path.
                    raise InvalidProposal("an Update by the committer")
            case Remove(removed):
                target = removed
                if committer.sender_type == MEMBER and target == committer.index:
                    # MLS-12.2-06: nobody commits its own removal.
                    raise InvalidProposal("the committer removes itself")
            case PreSharedKey(psk):
                if psk.encoded in psks:
                    # MLS-12.2-07: a pre-shared key is named once.
                    raise InvalidProposal("a pre-shared key occurs twice")
                psks.add(psk.encoded)
                continue
            case _:
                continue
        if target in touched:
            # MLS-12.2-08: one Update or Remove per leaf.
            raise InvalidProposal("two proposals on one leaf")
        touched.add(target)


def apply(queued: Sequence[QueuedProposal], committer: Sender, rules: Rules) -> Applied:
    """Check a commit's proposals and apply them to a copy of the tree (sections 12.2, 12.3)."""
    for item in queued:
        check_proposal(item, rules)
    check_list(queued, committer)
    tree = rules.tree.copy()
    extensions = rules.context.extensions
    updated: list[int] = []
    removed: list[int] = []
    psks: list[PreSharedKeyID] = []
    external_init: bytes | None = None
    reinit: ReInit | None = None
    adds: list[LeafNode] = []
    for item in queued:
        match item.proposal:
            case Add(package):
                adds.append(package.leaf_node)
            case Update(leaf):
                updated.append(item.sender.index)
                tree.update_leaf(item.sender.index, leaf)
            case Remove(leaf_index):
                removed.append(leaf_index)
            case PreSharedKey(psk):
                psks.append(psk)
            case ReInit():
                reinit = item.proposal
            case ExternalInit(kem_output):
                external_init = kem_output
            case GroupContextExtensions(new_extensions):
                extensions = new_extensions
    # The order is the RFC's: updates, removals, then additions from the left (section 12.3).
    for leaf_index in removed:
        tree.remove_leaf(leaf_index)
    if removed:
        tree.truncate()
    added = [tree.add_leaf(leaf_node) for leaf_node in adds]
    applied = Applied(
        tree,
        extensions,
        tuple(added),
        tuple(removed),
        tuple(updated),
        tuple(psks),
        external_init,
        reinit,
        # MLS-12.4-09: without proposals, and with these kinds, a commit needs a path.
        not queued
        or any(isinstance(i.proposal, Update | Remove | ExternalInit | GroupContextExtensions) for i in queued),
    )
    check_membership(tree, extensions)
    return applied


def check_membership(tree: RatchetTree, extensions: Sequence[Extension]) -> None:
    """Check that every member can be in a group with these extensions, and that no key is shared (section 7.3)."""
    tree.check_unique_keys()
    required = required_capabilities(extensions)
    types = [extension.extension_type for extension in extensions]
    if required is None and not types:
        return
    for _, leaf in tree.leaves():
        if required is not None and not required.met_by(leaf.capabilities):
            # MLS-11.1-01: every member meets the group's required capabilities.
            raise InvalidTree("a member lacks a required capability")
        if not all(leaf.capabilities.has_extension(kind) for kind in types):
            # MLS-12.1-11: every member understands the group's extensions.
            raise InvalidTree("a member does not understand an extension of the group")
