"""Making a commit and its Welcome (RFC 9420 sections 12.4.1, 12.4.3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .codec import opaque
from .errors import Misuse, MlsError
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
from .group_info import EncryptedGroupSecrets, GroupInfo, GroupSecrets, Welcome
from .kem import Rng
from .key_package import KeyPackage
from .key_schedule import Derivation, from_joiner, joiner_secret, welcome_key_nonce
from .leaf_node import COMMIT, EXTERNAL_PUB, RATCHET_TREE, Extension, LeafNode
from .member_state import MemberState, PskLookup, combine_psks, enter_epoch, surviving_privates
from .proposal_rules import QueuedProposal, apply, check_membership
from .proposals import Add, Commit, HPKECiphertext, PreSharedKeyID, Proposal, ProposalOrRef
from .protection import protect_private, protect_public, sign_content
from .public_state import PublicState
from .secret_tree import Taking
from .suites import Suite
from .transcript import confirmation_tag, confirmed_hash, interim_hash
from .tree_math import common_ancestor
from .treekem import NewPath, encrypt_path, make_path


@dataclass(frozen=True, repr=False)
class Author:
    """Who commits: the public and secret state, and the signing key (64 octets)."""

    public: PublicState
    member: MemberState
    signing: bytes


@dataclass(frozen=True, repr=False)
class MadeCommit:
    """A commit with the epoch it leads to."""

    commit: bytes
    welcome: bytes | None
    public: PublicState
    member: MemberState
    added: tuple[int, ...]
    removed: tuple[int, ...]
    taking: Taking | None


@dataclass(frozen=True, repr=False)
class Plan:
    """What to commit: proposals by value, and references to waiting ones."""

    values: Sequence[Proposal]
    refs: Sequence[tuple[bytes, QueuedProposal]]


def plan_pending(public: PublicState, values: Sequence[Proposal], committer: int, rules_ok: RulesCheck) -> Plan:
    """Choose the waiting proposals that can stand beside ours; a bad one must not block every commit."""
    sender = Sender(MEMBER, committer)
    refs: list[tuple[bytes, QueuedProposal]] = []
    ours = [QueuedProposal(value, sender) for value in values]
    for ref, queued in public.proposals.items():
        if rules_ok([*(q for _, q in refs), queued, *ours]):
            refs.append((ref, queued))
    return Plan(values, refs)


class RulesCheck:
    """Asks whether a list of proposals could be committed."""

    def __init__(self, public: PublicState, committer: int, now: int, longest: int) -> None:
        self._rules = public.rules(now, longest)
        self._sender = Sender(MEMBER, committer)

    def __call__(self, queued: Sequence[QueuedProposal]) -> bool:
        """Try them on a copy of the tree."""
        try:
            apply(queued, self._sender, self._rules)
        except MlsError:
            return False
        return True


def make_commit(
    author: Author,
    plan: Plan,
    *,
    public_message: bool,
    aad: bytes,
    padding: int,
    lookup: PskLookup,
    now: int,
    longest: int,
    rng: Rng,
) -> MadeCommit:
    """Make a commit with a path, and a Welcome if it adds anybody. Changes nothing.

    Every commit has a path: it costs little in small groups and heals from a compromise each time.
    """
    before, member, suite = author.public, author.member, author.public.suite
    own, sender = member.own_leaf, Sender(MEMBER, member.own_leaf)
    queued = [*(q for _, q in plan.refs), *(QueuedProposal(value, sender) for value in plan.values)]
    applied = apply(queued, sender, before.rules(now, longest))
    tree = applied.tree
    new = make_path(tree, own, _leaf_maker(author), rng)
    check_membership(tree, applied.extensions)
    provisional = replace(
        before.context,
        epoch=before.context.epoch + 1,
        tree_hash=tree.root_hash,
        extensions=applied.extensions,
    )
    path = encrypt_path(tree, new, provisional.encoded, applied.added, rng)
    items = [*(ProposalOrRef(ref) for ref, _ in plan.refs), *(ProposalOrRef(value) for value in plan.values)]
    content = FramedContent(before.context.group_id, before.context.epoch, sender, aad, Commit(tuple(items), path))
    wire_format = PUBLIC_MESSAGE if public_message else PRIVATE_MESSAGE
    signature = sign_content(suite, author.signing, wire_format, content, before.context.encoded)
    unconfirmed = AuthenticatedContent(wire_format, content, AuthData(signature, b""))
    confirmed = confirmed_hash(suite, before.interim_transcript_hash, unconfirmed)
    context = replace(provisional, confirmed_transcript_hash=confirmed)
    joiner = joiner_secret(suite, member.secrets.init_secret, new.commit_secret, context.encoded)
    derivation = from_joiner(suite, joiner, combine_psks(suite, applied.psks, lookup), context.encoded)
    tag = confirmation_tag(suite, derivation.confirmation_key, confirmed)
    after = PublicState(context, tree, interim_hash(suite, confirmed, tag), tag, {}, applied.reinit)
    privates = surviving_privates(before.tree, tree, member.privates) | new.privates
    message = AuthenticatedContent(wire_format, content, AuthData(signature, tag))
    taking = None
    if public_message:
        body = write_message(protect_public(suite, message, member.secrets.membership_key, before.context.encoded))
    else:
        private_message, taking = protect_private(member.messages, message, padding, rng)
        body = write_message(private_message)
    packages = [q.proposal.key_package for q in queued if isinstance(q.proposal, Add)]
    welcome = None
    if packages:
        info = make_group_info(after, own, author.signing)
        newcomers = list(zip(packages, applied.added, strict=True))
        welcome = make_welcome(suite, info, derivation, newcomers, own, new, applied.psks, rng)
    return MadeCommit(
        body,
        welcome,
        after,
        enter_epoch(after, own, privates, derivation),
        applied.added,
        applied.removed,
        taking,
    )


def _leaf_maker(author: Author) -> LeafMaker:
    current = author.public.tree.leaf(author.member.own_leaf)
    if current is None:
        raise Misuse("our own leaf is blank")
    return LeafMaker(author, current)


class LeafMaker:
    """Signs our leaf of a path once its keys are known."""

    def __init__(self, author: Author, current: LeafNode) -> None:
        self._author = author
        self._current = current

    def __call__(self, encryption_key: bytes, parent_hash: bytes) -> LeafNode:
        """Our leaf with a new key, tied to the path above it."""
        leaf = replace(
            self._current,
            encryption_key=encryption_key,
            source=COMMIT,
            lifetime=None,
            parent_hash=parent_hash,
        )
        public = self._author.public
        return leaf.signed(public.suite, self._author.signing, public.context.group_id, self._author.member.own_leaf)


def make_group_info(public: PublicState, signer: int, signing: bytes, external_pub: bytes | None = None) -> GroupInfo:
    """Vouch for an epoch, with the tree inside; ``external_pub`` lets others join by external commit."""
    extensions = [Extension(RATCHET_TREE, public.tree.encoded)]
    if external_pub is not None:
        extensions.append(Extension(EXTERNAL_PUB, opaque(external_pub)))
    info = GroupInfo(public.context, tuple(extensions), public.confirmation_tag, signer)
    return info.signed(public.suite, signing)


def make_welcome(
    suite: Suite,
    info: GroupInfo,
    derivation: Derivation,
    newcomers: Sequence[tuple[KeyPackage, int]],
    own_leaf: int,
    new: NewPath,
    psks: tuple[PreSharedKeyID, ...],
    rng: Rng,
) -> bytes:
    """Seal the group secrets to each newcomer's init key."""
    key, nonce = welcome_key_nonce(suite, derivation.welcome_secret)
    encrypted_info = suite.aead.seal(key, nonce, b"", info.encoded)
    places = {node: position for position, (node, _) in enumerate(new.path)}
    secrets: list[EncryptedGroupSecrets] = []
    for package, leaf in newcomers:
        path_secret = new.path_secrets[places[common_ancestor(own_leaf, leaf)]]
        plain = GroupSecrets(derivation.joiner_secret, path_secret, psks).encoded
        pair = suite.encrypt_with_label(package.init_key, b"Welcome", encrypted_info, plain, rng)
        secrets.append(EncryptedGroupSecrets(package.ref(suite), HPKECiphertext(*pair)))
    return write_message(Welcome(suite.code, tuple(secrets), encrypted_info))
