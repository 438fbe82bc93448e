"""The secret part of a group, and how an epoch begins (RFC 9420 sections 8, 12.4.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .errors import BadTag, InvalidPath
from .framing import AuthenticatedContent
from .key_schedule import (
    Derivation,
    EpochSecrets,
    from_joiner,
    joiner_secret,
    psk_secret,
)
from .proposals import Commit, PreSharedKeyID
from .protection import MessageKeys
from .public_state import PublicState, Transition
from .ratchet_tree import RatchetTree
from .secret_tree import SecretTree
from .suites import Suite, tags_equal
from .transcript import confirmation_tag
from .treekem import follow_path

PskLookup = Callable[[PreSharedKeyID], bytes]
"""Finds a pre-shared key, or raises UnknownPsk."""

EXTERNAL_INIT_LABEL = b"MLS 1.0 external init secret"


@dataclass(frozen=True, repr=False)
class MemberState:
    """What a member holds besides the public state.

    ``privates`` maps node indices to HPKE private keys: our leaf's, and those of ancestors whose path secret we got.
    """

    own_leaf: int
    privates: Mapping[int, bytes]
    secrets: EpochSecrets
    messages: MessageKeys


def enter_epoch(
    public: PublicState, own_leaf: int, privates: Mapping[int, bytes], derivation: Derivation
) -> MemberState:
    """Begin an epoch. The encryption_secret goes into the secret tree here and nowhere else."""
    suite, context = public.suite, public.context
    messages = MessageKeys(
        suite,
        context.group_id,
        context.epoch,
        context.encoded,
        own_leaf,
        {index: leaf.signature_key for index, leaf in public.tree.leaves()},
        derivation.epoch.sender_data_secret,
        SecretTree(suite, public.tree.leaf_count, derivation.encryption_secret),
    )
    return MemberState(own_leaf, privates, derivation.epoch, messages)


def surviving_privates(before: RatchetTree, after: RatchetTree, privates: Mapping[int, bytes]) -> dict[int, bytes]:
    """Our private keys whose nodes a commit left as they were; the others are useless and must not linger."""
    kept: dict[int, bytes] = {}
    for node, private in privates.items():
        old = before.nodes[node]
        new = after.nodes[node] if node < len(after.nodes) else None
        if old is not None and new is not None and old.encryption_key == new.encryption_key:
            kept[node] = private
    return kept


def combine_psks(suite: Suite, psks: Sequence[PreSharedKeyID], lookup: PskLookup) -> bytes:
    """Find and combine a commit's pre-shared keys."""
    return psk_secret(suite, [(identifier, lookup(identifier)) for identifier in psks])


def check_confirmation_tag(suite: Suite, derivation: Derivation, confirmed: bytes, given: bytes) -> None:
    """Check that the committer reached the same keys, or raise BadTag."""
    if not tags_equal(confirmation_tag(suite, derivation.confirmation_key, confirmed), given):
        # MLS-06.1-06: the confirmation tag is there, of the right length, and right.
        raise BadTag("confirmation tag")


def follow_commit(
    before: PublicState,
    member: MemberState,
    transition: Transition,
    message: AuthenticatedContent,
    lookup: PskLookup,
    update_privates: Mapping[bytes, bytes],
) -> MemberState:
    """Compute the next epoch's secrets from a commit whose public part was checked (section 12.4.2)."""
    suite, after, applied = before.suite, transition.state, transition.applied
    own = member.own_leaf
    privates = surviving_privates(before.tree, after.tree, member.privates)
    if own in applied.updated:
        leaf = after.tree.leaf(own)
        private = None if leaf is None else update_privates.get(leaf.encryption_key)
        if private is None:
            # MLS-12.4-29: an update of ours is one whose private key we hold.
            raise InvalidPath("the commit holds an update of ours whose key we do not hold")
        privates[2 * own] = private
    commit = message.content.content
    commit_secret = bytes(suite.hash_size)
    if isinstance(commit, Commit) and commit.path is not None:
        gained, commit_secret = follow_path(
            after.tree,
            transition.path_nodes,
            commit.path,
            own,
            privates,
            transition.provisional_context,
            applied.added,
        )
        privates |= gained
    init_secret = member.secrets.init_secret
    if applied.external_init is not None:
        private, _ = suite.derive_key_pair(member.secrets.external_secret)
        init_secret = suite.hpke.receive_export(
            applied.external_init, private, b"", EXTERNAL_INIT_LABEL, suite.hash_size
        )
    joiner = joiner_secret(suite, init_secret, commit_secret, after.context.encoded)
    derivation = from_joiner(suite, joiner, combine_psks(suite, applied.psks, lookup), after.context.encoded)
    confirmed = after.context.confirmed_transcript_hash
    check_confirmation_tag(suite, derivation, confirmed, after.confirmation_tag)
    return enter_epoch(after, own, privates, derivation)
