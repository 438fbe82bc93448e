"""Array-based binary trees (RFC 9420 section 7.1 and appendix C).

Leaves sit at even indices, parents between them. A tree is always full: its number of leaves is a power of two. The
level of a node is the number of its trailing one bits.
"""

from __future__ import annotations

from .errors import Malformed


def level(node: int) -> int:
    """Height of a node above the leaves."""
    return (~node & (node + 1)).bit_length() - 1


def node_width(leaves: int) -> int:
    """Number of nodes of a tree with that many leaves."""
    return 2 * leaves - 1 if leaves else 0


def root(leaves: int) -> int:
    """Root of a full tree."""
    return leaves - 1


def left(node: int) -> int:
    """Left child of a parent."""
    return node ^ (1 << (level(node) - 1))


def right(node: int) -> int:
    """Right child of a parent."""
    return node ^ (3 << (level(node) - 1))


def parent(node: int) -> int:
    """Parent of a node, whatever the size of the tree."""
    height = level(node)
    return (node | (1 << height)) & ~(1 << (height + 1))


def sibling(node: int) -> int:
    """The other child of the node's parent."""
    above = parent(node)
    return right(above) if node < above else left(above)


def direct_path(node: int, leaves: int) -> list[int]:
    """Parents from just above ``node`` up to and including the root."""
    top = root(leaves)
    if not 0 <= node < node_width(leaves):
        raise Malformed("node outside the tree")
    path: list[int] = []
    while node != top:
        node = parent(node)
        path.append(node)
    return path


def in_subtree(node: int, top: int) -> bool:
    """Whether ``node`` is ``top`` or below it."""
    reach = (1 << level(top)) - 1
    return top - reach <= node <= top + reach


def subtree_leaves(top: int) -> range:
    """Leaf indices below ``top``."""
    reach = (1 << level(top)) - 1
    return range((top - reach) // 2, (top + reach) // 2 + 1)


def common_ancestor(first_leaf: int, second_leaf: int) -> int:
    """Lowest common ancestor of two distinct leaves, as a node index."""
    a, b = 2 * first_leaf, 2 * second_leaf
    shift = (a ^ b).bit_length()
    return (a >> shift << shift) | ((1 << (shift - 1)) - 1)
