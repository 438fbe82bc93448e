"""Becoming a member: by creating a group, or by a Welcome (RFC 9420 sections 11, 12.4.3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .codec import decode
from .errors import (
    DecryptionFailed,
    InvalidPath,
    InvalidTree,
    InvalidWelcome,
    KeyPackageExpired,
    Malformed,
    Misuse,
    NotForUs,
)
from .framing import read_message
from .group_info import GroupContext, GroupInfo, GroupSecrets, Welcome
from .kem import Rng, draw
from .key_package import (
    KeyPackage,
    KeyPackageBundle,
    read_key_package_message,
    unpack_private,
)
from .key_schedule import (
    from_epoch_secret,
    from_joiner,
    psk_secret,
    welcome_key_nonce,
    welcome_secret,
)
from .leaf_node import (
    BASIC,
    KEY_PACKAGE,
    MLS10,
    OUR_CAPABILITIES,
    Credential,
    Extension,
    LeafNode,
    Lifetime,
)
from .member_state import MemberState, PskLookup, check_confirmation_tag, enter_epoch
from .proposal_rules import check_membership
from .public_state import PublicState, check_group_info
from .ratchet_tree import RatchetTree
from .succession import check_succession, ties_groups
from .suites import SUITES, Suite, signing_key, suite_of
from .transcript import confirmation_tag, interim_hash
from .tree_math import common_ancestor
from .treekem import climb


@dataclass(frozen=True, repr=False)
class Membership:
    """A group seen from inside, at the moment of entering it."""

    public: PublicState
    member: MemberState


def create_group(
    suite_code: int,
    group_id: bytes,
    identity: bytes,
    signing: bytes,
    lifetime: Lifetime,
    extensions: Sequence[Extension],
    rng: Rng,
) -> Membership:
    """A group of one, at epoch 0 (section 11)."""
    suite = SUITES.get(suite_code)
    if suite is None:
        raise Misuse(f"no cipher suite 0x{suite_code:04x}")
    private, public = suite.derive_key_pair(draw(rng, suite.hash_size))
    leaf = LeafNode(
        public,
        signing[32:],
        Credential(BASIC, identity),
        OUR_CAPABILITIES,
        KEY_PACKAGE,
        lifetime,
        b"",
        (),
    ).signed(suite, signing)
    tree = RatchetTree(suite, [leaf])
    try:
        check_membership(tree, extensions)
    except (InvalidTree, Malformed) as error:
        raise Misuse(f"extensions that we do not support ourselves ({error.detail})") from None
    context = GroupContext(MLS10, suite_code, group_id, 0, tree.root_hash, b"", tuple(extensions))
    derivation = from_epoch_secret(suite, draw(rng, suite.hash_size))
    tag = confirmation_tag(suite, derivation.confirmation_key, b"")
    state = PublicState(context, tree, interim_hash(suite, b"", tag), tag, {})
    return Membership(state, enter_epoch(state, 0, {0: private}, derivation))


def join_group(
    welcome: bytes,
    bundle: KeyPackageBundle,
    signature_private: bytes,
    ratchet_tree: bytes | None,
    lookup: PskLookup,
    now: int,
    former: PublicState | None = None,
) -> Membership:
    """Enter a group by a Welcome, all of whose checks are made here (section 12.4.3.1)."""
    message = read_message(welcome)
    if not isinstance(message, Welcome):
        raise Malformed("not a Welcome")
    package, init_private, leaf_private = _open_bundle(bundle, signature_private)
    suite = suite_of(message.cipher_suite)
    if package.cipher_suite != suite.code:
        # MLS-12.4-14: the Welcome is of the key package's suite.
        raise NotForUs("the Welcome is of another suite than our key package")
    lifetime = package.leaf_node.lifetime
    if lifetime is None or not lifetime.not_before <= now <= lifetime.not_after:
        # MLS-12.4-22: the key package was valid when the group admitted us.
        raise KeyPackageExpired("our key package was not valid at that time")
    secrets = _group_secrets(message, package, init_private, suite)
    _check_psks(secrets, suite)
    psk = psk_secret(suite, [(identifier, lookup(identifier)) for identifier in secrets.psks])
    key, nonce = welcome_key_nonce(suite, welcome_secret(suite, secrets.joiner_secret, psk))
    try:
        encoded = suite.aead.open(key, nonce, b"", message.encrypted_group_info)
    except DecryptionFailed:
        # MLS-12.4-27: the GroupInfo opens with the joiner secret and the pre-shared keys.
        raise InvalidWelcome("the GroupInfo does not decrypt") from None
    info = decode(GroupInfo.read, encoded)
    if info.context.cipher_suite != suite.code:
        # MLS-12.4-15: the group is of the Welcome's suite.
        raise InvalidWelcome("the group is of another suite than the Welcome")
    tie = next((identifier for identifier in secrets.psks if ties_groups(identifier)), None)
    if tie is not None and info.context.epoch != 1:
        # MLS-12.4-21: a group made by reinitialization or branching is joined at epoch 1.
        raise InvalidWelcome("a reinitialization or branch key outside epoch 1")
    state = check_group_info(info, ratchet_tree)
    check_succession(tie, former, state)
    own = next((i for i, leaf in state.tree.leaves() if leaf == package.leaf_node), None)
    if own is None:
        # MLS-12.4-16: our key package's leaf is in the tree.
        raise NotForUs("our leaf is not in the tree")
    if own == info.signer:
        # MLS-12.4-25: somebody else than the newcomer signed the GroupInfo.
        raise InvalidWelcome("the Welcome claims to be signed by us")
    privates = {2 * own: leaf_private}
    if secrets.path_secret is not None:
        privates |= _climb_from(state.tree, own, info.signer, secrets.path_secret)
    derivation = from_joiner(suite, secrets.joiner_secret, psk, state.context.encoded)
    confirmed = state.context.confirmed_transcript_hash
    # MLS-12.4-17: the GroupInfo's confirmation tag is right.
    check_confirmation_tag(suite, derivation, confirmed, info.confirmation_tag)
    return Membership(state, enter_epoch(state, own, privates, derivation))


def _open_bundle(bundle: KeyPackageBundle, signature_private: bytes) -> tuple[KeyPackage, bytes, bytes]:
    try:
        package = read_key_package_message(bundle.key_package)
    except Malformed:
        raise Misuse("the key package bundle is damaged") from None
    init_private, leaf_private = unpack_private(bundle.private)
    suite = SUITES.get(package.cipher_suite)
    if suite is None or signing_key(signature_private)[32:] != package.leaf_node.signature_key:
        raise Misuse("the signature key is not the key package's")
    public_of = suite.hpke.kem.public_of
    if public_of(init_private) != package.init_key or public_of(leaf_private) != package.leaf_node.encryption_key:
        raise Misuse("the private keys are not the key package's")
    return package, init_private, leaf_private


def _group_secrets(message: Welcome, package: KeyPackage, init_private: bytes, suite: Suite) -> GroupSecrets:
    ref = package.ref(suite)
    entry = next((secret for secret in message.secrets if secret.new_member == ref), None)
    if entry is None:
        # MLS-12.4-18: the Welcome names our key package.
        raise NotForUs("the Welcome does not name our key package")
    sealed = entry.encrypted_group_secrets
    try:
        plain = suite.decrypt_with_label(
            init_private,
            package.init_key,
            b"Welcome",
            message.encrypted_group_info,
            sealed.kem_output,
            sealed.ciphertext,
        )
    except DecryptionFailed:
        # MLS-12.4-28: the group secrets open with our init key.
        raise InvalidWelcome("the group secrets do not decrypt") from None
    secrets = decode(GroupSecrets.read, plain)
    if len(secrets.joiner_secret) != suite.hash_size:
        # MLS-12.4-26: the joiner secret has the hash's length.
        raise InvalidWelcome("a joiner secret of wrong length")
    return secrets


def _check_psks(secrets: GroupSecrets, suite: Suite) -> None:
    names = [identifier.encoded for identifier in secrets.psks]
    if len(set(names)) != len(names) or any(len(p.nonce) != suite.hash_size for p in secrets.psks):
        # MLS-12.4-19: each pre-shared key is named once, with a nonce of the hash's length.
        raise InvalidWelcome("a pre-shared key occurs twice or has a wrong nonce")
    if sum(ties_groups(identifier) for identifier in secrets.psks) > 1:
        # MLS-12.4-20: at most one pre-shared key ties the group to an earlier one.
        raise InvalidWelcome("two reinitialization or branch keys")


def _climb_from(tree: RatchetTree, own: int, signer: int, path_secret: bytes) -> dict[int, bytes]:
    """The private keys from the committer's and our common ancestor up to the root."""
    ancestor = common_ancestor(own, signer)
    path = tree.filtered_direct_path(signer)
    start = next((i for i, (node, _) in enumerate(path) if node == ancestor), None)
    if start is None:
        raise InvalidPath("the common ancestor is not on the committer's path")
    return climb(tree.suite, path_secret, path[start:], tree)[0]
