"""TreeKEM: update paths, made and followed (RFC 9420 sections 7.4-7.6)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from .errors import DecryptionFailed, InvalidPath, Malformed
from .kem import Rng, draw
from .leaf_node import COMMIT, LeafNode, check_leaf
from .proposals import HPKECiphertext, UpdatePath, UpdatePathNode
from .ratchet_tree import RatchetTree
from .suites import Suite
from .tree_math import in_subtree

_LABEL = b"UpdatePathNode"


@dataclass(frozen=True, repr=False)
class NewPath:
    """A path that we made but have not encrypted yet."""

    leaf_node: LeafNode
    path: list[tuple[int, int]]
    keys: list[bytes]
    path_secrets: list[bytes]
    privates: dict[int, bytes]
    commit_secret: bytes


def next_path_secret(suite: Suite, path_secret: bytes) -> bytes:
    """One step towards the root (section 7.4)."""
    return suite.derive_secret(path_secret, b"path")


def node_key_pair(suite: Suite, path_secret: bytes) -> tuple[bytes, bytes]:
    """The HPKE key pair that a path secret stands for (section 7.4)."""
    return suite.derive_key_pair(suite.derive_secret(path_secret, b"node"))


def make_path(tree: RatchetTree, sender: int, make_leaf: Callable[[bytes, bytes], LeafNode], rng: Rng) -> NewPath:
    """Give the sender's leaf and filtered direct path new keys; edits ``tree``.

    ``make_leaf(encryption_key, parent_hash)`` returns the signed leaf node.
    """
    suite = tree.suite
    leaf_private, leaf_key = suite.derive_key_pair(draw(rng, suite.hash_size))
    path = tree.filtered_direct_path(sender)
    secret = draw(rng, suite.hash_size)
    path_secrets: list[bytes] = []
    keys: list[bytes] = []
    privates = {2 * sender: leaf_private}
    for node, _ in path:
        private, key = node_key_pair(suite, secret)
        path_secrets.append(secret)
        keys.append(key)
        privates[node] = private
        secret = next_path_secret(suite, secret)
    parent_hash = tree.merge_path(sender, path, keys)
    leaf = make_leaf(leaf_key, parent_hash)
    tree.set_leaf(sender, leaf)
    return NewPath(leaf, path, keys, path_secrets, privates, secret)


def encrypt_path(tree: RatchetTree, new: NewPath, context: bytes, new_leaves: Collection[int], rng: Rng) -> UpdatePath:
    """Encrypt each path secret to the copath below it; leaves added by the same commit learn theirs by Welcome."""
    nodes: list[UpdatePathNode] = []
    for (_, across), key, secret in zip(new.path, new.keys, new.path_secrets, strict=True):
        ciphertexts: list[HPKECiphertext] = []
        for target in _recipients(tree, across, new_leaves):
            content = tree.nodes[target]
            if content is not None:
                pair = tree.suite.encrypt_with_label(content.encryption_key, _LABEL, context, secret, rng)
                ciphertexts.append(HPKECiphertext(*pair))
        nodes.append(UpdatePathNode(key, tuple(ciphertexts)))
    return UpdatePath(new.leaf_node, tuple(nodes))


def _recipients(tree: RatchetTree, across: int, new_leaves: Collection[int]) -> list[int]:
    excluded = {2 * leaf for leaf in new_leaves}
    return [node for node in tree.resolution(across) if node not in excluded]


def merge_received_path(
    tree: RatchetTree, sender: int, path: UpdatePath, group_id: bytes, new_leaves: Collection[int]
) -> list[tuple[int, int]]:
    """Check the public part of a path and put it into ``tree`` (section 7.5); returns the filtered direct path.

    Everything the hub can check too is checked here. Before anything else it is made sure that the new keys are new.
    """
    suite, leaf = tree.suite, path.leaf_node
    if leaf.source != COMMIT:
        # MLS-12.4-04: the leaf of a path was made for a commit.
        raise InvalidPath("the path's leaf was not made for a commit")
    check_leaf(leaf, suite)
    # MLS-07.3-09: the leaf is signed for this group and this place.
    leaf.verify(suite, group_id, sender)
    current = tree.leaf(sender)
    if current is None or leaf.credential != current.credential:
        # MLS-07.3-11: nobody takes another name inside a group.
        raise InvalidPath("the path changes its sender's identity")
    filtered = tree.filtered_direct_path(sender)
    if len(filtered) != len(path.nodes):
        # MLS-07.5-01: the path has one node for each node of the filtered direct path.
        raise InvalidPath("the path has a wrong length")
    keys = [node.encryption_key for node in path.nodes]
    fresh = {leaf.encryption_key, *keys}
    if len(fresh) != len(keys) + 1 or not all(map(suite.hpke.kem.valid_public, keys)):
        # MLS-12.4-05: the keys of a path differ from each other, and one can encrypt to each.
        raise InvalidPath("a key of the path occurs twice or is not valid")
    if any(map(tree.has_encryption_key, fresh)):
        # MLS-12.4-06: no key of a path was in the tree before, the sender's own leaf included.
        raise InvalidPath("a key of the path is in the tree already")
    for (_, across), node in zip(filtered, path.nodes, strict=True):
        if len(node.encrypted_path_secret) != len(_recipients(tree, across, new_leaves)):
            # MLS-07.5-02: there is one ciphertext for each node of the copath's resolution.
            raise InvalidPath("wrong number of encrypted path secrets")
    if tree.merge_path(sender, filtered, keys) != leaf.parent_hash:
        # MLS-07.9-02: the leaf commits to the whole new path.
        raise InvalidPath("the leaf's parent hash does not match the path")
    tree.set_leaf(sender, leaf)
    return filtered


def follow_path(
    tree: RatchetTree,
    filtered: list[tuple[int, int]],
    path: UpdatePath,
    own_leaf: int,
    privates: Mapping[int, bytes],
    context: bytes,
    new_leaves: Collection[int],
) -> tuple[dict[int, bytes], bytes]:
    """Decrypt our path secret and climb: ``(new private keys, commit_secret)``.

    ``tree`` already holds the path; ``context`` is the provisional group context.
    """
    suite = tree.suite
    position = next((i for i, (_, across) in enumerate(filtered) if in_subtree(2 * own_leaf, across)), None)
    if position is None:
        raise InvalidPath("the path does not pass above us")
    recipients = _recipients(tree, filtered[position][1], new_leaves)
    for target, encrypted in zip(recipients, path.nodes[position].encrypted_path_secret, strict=True):
        private, content = privates.get(target), tree.nodes[target]
        if private is not None and content is not None:
            try:
                secret = suite.decrypt_with_label(
                    private, content.encryption_key, _LABEL, context, encrypted.kem_output, encrypted.ciphertext
                )
            except (DecryptionFailed, Malformed):
                # MLS-07.6-01: the path secret that is meant for us decrypts.
                raise InvalidPath("the path secret does not decrypt") from None
            return climb(suite, secret, filtered[position:], tree)
    raise InvalidPath("no path secret is encrypted to a key of ours")


def climb(
    suite: Suite, secret: bytes, path: list[tuple[int, int]], tree: RatchetTree
) -> tuple[dict[int, bytes], bytes]:
    """Derive private keys from a path secret up to the root, each checked against the tree's public key."""
    if len(secret) != suite.hash_size:
        # MLS-07.6-02: a path secret has the hash's length.
        raise InvalidPath("a path secret has a wrong length")
    privates: dict[int, bytes] = {}
    for node, _ in path:
        private, key = node_key_pair(suite, secret)
        content = tree.nodes[node]
        if content is None or content.encryption_key != key:
            # MLS-07.5-03: every path secret yields the public key that the path announced.
            raise InvalidPath("a path secret does not match its public key")
        privates[node] = private
        secret = next_path_secret(suite, secret)
    return privates, secret
