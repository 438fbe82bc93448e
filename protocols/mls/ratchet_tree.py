"""The ratchet tree: resolutions, tree hashes, parent hashes, edits and validation (RFC 9420 sections 4, 7.4-7.9).

Nodes are immutable; a tree is a list of them, copied when a commit is staged. Tree hashes are cached per node and
dropped along the path of every edit, so an untouched subtree is hashed once in its life. Likewise the keys in the tree are
counted once and then kept count of, so that a commit costs what it changes and not what the group holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from .codec import MAX_ELEMENTS, Reader, opaque, optional, u8, u32
from .errors import InvalidTree, Malformed
from .leaf_node import COMMIT, LeafNode
from .suites import Suite
from .tree_math import direct_path, in_subtree, left, parent, right, root, sibling, subtree_leaves

_LEAF, _PARENT = 1, 2


@dataclass(frozen=True)
class ParentNode:
    """Section 7.1."""

    encryption_key: bytes
    parent_hash: bytes
    unmerged_leaves: tuple[int, ...]

    @cached_property
    def encoded(self) -> bytes:
        """The canonical encoding."""
        leaves = b"".join([u32(leaf) for leaf in self.unmerged_leaves])
        return opaque(self.encryption_key) + opaque(self.parent_hash) + opaque(leaves)

    @classmethod
    def read(cls, reader: Reader) -> ParentNode:
        """Read a parent node."""
        return cls(reader.opaque(), reader.opaque(), reader.vector(Reader.u32))


Node = LeafNode | ParentNode


def _read_node(reader: Reader) -> Node:
    kind = reader.u8()
    if kind == _LEAF:
        return LeafNode.read(reader)
    if kind == _PARENT:
        return ParentNode.read(reader)
    # MLS-07.8-02: a node is a leaf or a parent.
    raise Malformed("unknown node type")


class KeyCount:
    """How often each key stands in a tree, and how many stand there more than once."""

    __slots__ = ("_encryption", "_signature", "repeated_encryption", "repeated_signature")

    def __init__(self, nodes: Iterable[Node | None] = ()) -> None:
        self._encryption: dict[bytes, int] = {}
        self._signature: dict[bytes, int] = {}
        self.repeated_encryption = self.repeated_signature = 0
        for node in nodes:
            self.add(node)

    def copy(self) -> KeyCount:
        """A count to go on from."""
        copied = KeyCount()
        copied._encryption, copied._signature = self._encryption.copy(), self._signature.copy()
        copied.repeated_encryption, copied.repeated_signature = self.repeated_encryption, self.repeated_signature
        return copied

    def has(self, encryption_key: bytes) -> bool:
        """Whether a node has that encryption key."""
        return encryption_key in self._encryption

    def add(self, node: Node | None) -> None:
        """A node was put into the tree."""
        if node is None:
            return
        self.repeated_encryption += _more(self._encryption, node.encryption_key)
        if isinstance(node, LeafNode):
            self.repeated_signature += _more(self._signature, node.signature_key)

    def drop(self, node: Node | None) -> None:
        """A node was taken out of the tree."""
        if node is None:
            return
        self.repeated_encryption -= _fewer(self._encryption, node.encryption_key)
        if isinstance(node, LeafNode):
            self.repeated_signature -= _fewer(self._signature, node.signature_key)


def _more(counts: dict[bytes, int], key: bytes) -> bool:
    """Count a key; whether it was there already."""
    before = counts.get(key, 0)
    counts[key] = before + 1
    return before > 0


def _fewer(counts: dict[bytes, int], key: bytes) -> bool:
    """Discount a key; whether it is still there."""
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]
    return left > 0


class RatchetTree:
    """A full binary tree of optional nodes."""

    __slots__ = ("_hashes", "_keys", "nodes", "suite")

    def __init__(self, suite: Suite, nodes: list[Node | None], hashes: dict[int, bytes] | None = None) -> None:
        self.suite = suite
        self.nodes = nodes
        self._hashes: dict[int, bytes] = {} if hashes is None else hashes
        self._keys: KeyCount | None = None

    def copy(self) -> RatchetTree:
        """A tree to edit; the nodes themselves are shared."""
        copied = RatchetTree(self.suite, self.nodes.copy(), self._hashes.copy())
        copied._keys = self._counted.copy()
        return copied

    # Encoding (sections 7.8, 12.4.3.3)

    @property
    def encoded(self) -> bytes:
        """The ``ratchet_tree`` extension's content; blank nodes at the right end are left out."""
        nodes = self.nodes
        last = max(index for index, node in enumerate(nodes) if node is not None)
        parts: list[bytes] = []
        for node in nodes[: last + 1]:
            if node is None:
                parts.append(b"\x00")
            else:
                parts.append((b"\x01\x01" if isinstance(node, LeafNode) else b"\x01\x02") + node.encoded)
        return opaque(b"".join(parts))

    @classmethod
    def read(cls, suite: Suite, reader: Reader) -> RatchetTree:
        """Read a tree and fill it up with blanks to a full one."""
        nodes: list[Node | None] = list(reader.vector(lambda inner: inner.optional(_read_node)))
        if not nodes or nodes[-1] is None:
            # MLS-12.4-01: an exported tree ends with a node that is not blank.
            raise InvalidTree("the exported tree is empty or ends in a blank node")
        for index, node in enumerate(nodes):
            if node is not None and isinstance(node, LeafNode) != (index % 2 == 0):
                # MLS-07.8-01: leaves stand at even places, parents at odd ones.
                raise InvalidTree("a leaf stands in a parent's place, or the other way round")
        leaves = 1
        while 2 * leaves - 1 < len(nodes):
            leaves *= 2
        nodes += [None] * (2 * leaves - 1 - len(nodes))
        return cls(suite, nodes)

    # Shape

    @property
    def leaf_count(self) -> int:
        """Number of leaf places, a power of two."""
        return (len(self.nodes) + 1) // 2

    def leaf(self, index: int) -> LeafNode | None:
        """The leaf at a place, or None where it is blank or beyond the tree."""
        place = 2 * index
        node = self.nodes[place] if 0 <= place < len(self.nodes) else None
        return node if isinstance(node, LeafNode) else None

    def leaves(self) -> Iterator[tuple[int, LeafNode]]:
        """All members' leaves, from the left."""
        for index, node in enumerate(self.nodes[::2]):
            if isinstance(node, LeafNode):
                yield index, node

    def resolution(self, node: int) -> list[int]:
        """The fewest nodes that cover all members below ``node`` (section 4.1.1)."""
        content = self.nodes[node]
        if content is not None:
            if isinstance(content, ParentNode):
                return [node, *(2 * leaf for leaf in content.unmerged_leaves)]
            return [node]
        if node % 2 == 0:
            return []
        return self.resolution(left(node)) + self.resolution(right(node))

    def filtered_direct_path(self, leaf: int) -> list[tuple[int, int]]:
        """Pairs of a direct path node and its copath child, without those whose copath is empty (section 4.1.2)."""
        path: list[tuple[int, int]] = []
        below = 2 * leaf
        for node in direct_path(below, self.leaf_count):
            across = sibling(below)
            if self.resolution(across):
                path.append((node, across))
            below = node
        return path

    # Hashes (sections 7.8, 7.9)

    @property
    def root_hash(self) -> bytes:
        """The tree hash of the whole tree."""
        return self.tree_hash(root(self.leaf_count))

    def tree_hash(self, node: int) -> bytes:
        """The tree hash of the subtree at ``node``."""
        known = self._hashes.get(node)
        if known is None:
            known = self._hashes[node] = self._hash(node, frozenset())
        return known

    def _hash(self, node: int, without: frozenset[int]) -> bytes:
        """Hash a subtree, as if the leaves ``without`` had never been added."""
        content = self.nodes[node]
        if node % 2 == 0:
            body = content.encoded if content is not None and node // 2 not in without else None
            return self.suite.hash(u8(_LEAF) + u32(node // 2) + optional(body))
        hashes: list[bytes] = []
        for child in (left(node), right(node)):
            below = frozenset(leaf for leaf in without if in_subtree(2 * leaf, child)) if without else without
            hashes.append(self._hash(child, below) if below else self.tree_hash(child))
        if without and isinstance(content, ParentNode):
            kept = tuple(leaf for leaf in content.unmerged_leaves if leaf not in without)
            content = replace(content, unmerged_leaves=kept)
        body = None if content is None else content.encoded
        return self.suite.hash(u8(_PARENT) + optional(body) + opaque(hashes[0]) + opaque(hashes[1]))

    def parent_hash(self, node: ParentNode, copath_child: int) -> bytes:
        """The parent hash that a node gives to the child opposite ``copath_child`` (section 7.9)."""
        unmerged = frozenset(leaf for leaf in node.unmerged_leaves if in_subtree(2 * leaf, copath_child))
        original = self._hash(copath_child, unmerged) if unmerged else self.tree_hash(copath_child)
        return self.suite.hash(opaque(node.encryption_key) + opaque(node.parent_hash) + opaque(original))

    # Edits (sections 7.7, 12.1)

    def _put(self, node: int, content: Node | None) -> None:
        if self._keys is not None:
            self._keys.drop(self.nodes[node])
            self._keys.add(content)
        self.nodes[node] = content

    def _set(self, node: int, content: Node | None) -> None:
        self._put(node, content)
        hashes = self._hashes
        hashes.pop(node, None)
        for above in direct_path(node, self.leaf_count):
            hashes.pop(above, None)

    def add_leaf(self, leaf: LeafNode) -> int:
        """Put a leaf at the leftmost blank place (section 12.1.1) and return that place."""
        place = next((i for i, node in enumerate(self.nodes[::2]) if node is None), None)
        if place is None:
            place = self.leaf_count
            if place * 2 > MAX_ELEMENTS // 2:
                raise InvalidTree("the tree is full")
            self.nodes += [None] * (len(self.nodes) + 1)
        for node in direct_path(2 * place, self.leaf_count):
            content = self.nodes[node]
            if isinstance(content, ParentNode):
                unmerged = tuple(sorted((*content.unmerged_leaves, place)))
                self._put(node, replace(content, unmerged_leaves=unmerged))
        self._set(2 * place, leaf)
        return place

    def update_leaf(self, index: int, leaf: LeafNode) -> None:
        """Replace a leaf and blank its direct path (section 12.1.2)."""
        self._blank_path(index)
        self._set(2 * index, leaf)

    def remove_leaf(self, index: int) -> None:
        """Blank a leaf and its direct path (section 12.1.3); ``truncate`` follows the last removal."""
        self._blank_path(index)
        self._set(2 * index, None)

    def truncate(self) -> None:
        """Drop the right half while it holds no member (section 7.7)."""
        while self.leaf_count > 1 and not any(self.nodes[self.leaf_count :: 2]):
            if self._keys is not None:
                for node in self.nodes[self.leaf_count - 1 :]:
                    self._keys.drop(node)
            del self.nodes[self.leaf_count - 1 :]
            width = len(self.nodes)
            self._hashes = {place: value for place, value in self._hashes.items() if place < width}

    def _blank_path(self, index: int) -> None:
        for node in direct_path(2 * index, self.leaf_count):
            self._put(node, None)

    def merge_path(self, index: int, path: list[tuple[int, int]], keys: list[bytes]) -> bytes:
        """Put new keys on the filtered direct path of a leaf (section 7.5) and return the leaf's parent hash."""
        self._blank_path(index)
        self._set(2 * index, self.nodes[2 * index])
        value = b""
        # Parent hashes chain from the root down: each covers the key and parent hash above it.
        for (node, copath_child), key in zip(reversed(path), reversed(keys), strict=True):
            content = ParentNode(key, value, ())
            self._put(node, content)
            value = self.parent_hash(content, copath_child)
        return value

    def set_leaf(self, index: int, leaf: LeafNode) -> None:
        """Replace a leaf and keep its path: the last step of an update path."""
        self._set(2 * index, leaf)

    # Validation (sections 7.9.2, 12.4.3.1)

    def check_structure(self) -> None:
        """Check parent hashes, unmerged leaves and key uniqueness of a tree that somebody sent."""
        self.check_unique_keys()
        parents = [(i, node) for i, node in enumerate(self.nodes) if isinstance(node, ParentNode)]
        # All lists of unmerged leaves first: resolutions, which parent hashes need, index the tree by them.
        for index, content in parents:
            self._check_unmerged(index, content)
        for index, content in parents:
            self._check_parent_hash(index, content)

    def check_unique_keys(self) -> None:
        """No encryption key and no signature key occurs twice."""
        if self._counted.repeated_encryption:
            # MLS-07.3-07: encryption keys are unique among leaves and parents.
            raise InvalidTree("an encryption key occurs twice")
        if self._counted.repeated_signature:
            # MLS-07.3-08: signature keys are unique among members.
            raise InvalidTree("a signature key occurs twice")

    @property
    def _counted(self) -> KeyCount:
        if self._keys is None:
            self._keys = KeyCount(self.nodes)
        return self._keys

    def has_encryption_key(self, key: bytes) -> bool:
        """Whether any node has that encryption key."""
        return self._counted.has(key)

    def _check_unmerged(self, index: int, content: ParentNode) -> None:
        unmerged = content.unmerged_leaves
        if not self.suite.hpke.kem.valid_public(content.encryption_key):
            # MLS-12.4-23: one can encrypt to every parent.
            raise InvalidTree("a parent's encryption key is not valid")
        if any(a >= b for a, b in pairwise(unmerged)):
            # MLS-07.1-01: unmerged leaves are listed in increasing order, each once.
            raise InvalidTree("unmerged leaves are not in order")
        below = subtree_leaves(index)
        for leaf in unmerged:
            if leaf not in below or self.leaf(leaf) is None:
                # MLS-12.4-02: an unmerged leaf is a member below the node.
                raise InvalidTree("an unmerged leaf is not a member below the node")
            between = parent(2 * leaf)
            while between != index:
                node = self.nodes[between]
                if isinstance(node, ParentNode) and leaf not in node.unmerged_leaves:
                    # MLS-12.4-03: a leaf unmerged above is unmerged at every node in between.
                    raise InvalidTree("a leaf is unmerged above but merged below")
                between = parent(between)

    def _check_parent_hash(self, index: int, content: ParentNode) -> None:
        """MLS-07.9-01: every parent chains to exactly the nodes of one commit below it (section 7.9.2)."""
        for child, across in ((left(index), right(index)), (right(index), left(index))):
            expected = self.parent_hash(content, across)
            resolution = self.resolution(child)
            unmerged = {2 * leaf for leaf in content.unmerged_leaves if in_subtree(2 * leaf, child)}
            for node in resolution:
                candidate = self.nodes[node]
                if isinstance(candidate, LeafNode) and candidate.source != COMMIT:
                    continue
                if candidate is not None and candidate.parent_hash == expected and set(resolution) - {node} == unmerged:
                    return
        raise InvalidTree("a parent hash does not match")
