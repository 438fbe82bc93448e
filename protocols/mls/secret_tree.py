"""The secret tree: one-time keys for every message of every member (RFC 9420 section 9).

Two properties are worth more than speed here. A secret is *gone* once its children or its key were taken, from this
structure and so from every later snapshot. And looking is separate from taking: ``peek`` and ``next_key`` change
nothing, ``consume`` does, so a forged message cannot burn a key or fill the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from .errors import GenerationTooFar, Misuse, Replayed, UnknownSender
from .suites import Suite
from .tree_math import left, parent, right, root

HANDSHAKE: Final = 0
APPLICATION_RATCHET: Final = 1

MAX_JUMP: Final = 1000
"""How far ahead of the last seen generation a message may be."""

MAX_SKIPPED: Final = 1000
"""How many keys of messages not yet arrived are kept per sender; the oldest go first."""

_LABELS = (b"handshake", b"application")
_LAST_GENERATION = 0xFFFF_FFFF

KeyNonce = tuple[bytes, bytes]


@dataclass(frozen=True, repr=False)
class Ratchet:
    """A chain of keys: the secret of the next generation, and keys skipped on the way."""

    generation: int
    secret: bytes
    skipped: dict[int, KeyNonce]


@dataclass(frozen=True, repr=False)
class Taking:
    """A key and nonce, and what taking them will change."""

    generation: int
    key: bytes
    nonce: bytes
    _place: tuple[int, int]
    _ratchet: Ratchet
    _new_ratchets: dict[tuple[int, int], Ratchet] = field(default_factory=dict)
    _spent_nodes: tuple[int, ...] = ()
    _new_nodes: dict[int, bytes] = field(default_factory=dict)


class SecretTree:
    """All message keys of one epoch that were not used yet."""

    __slots__ = ("_leaves", "_nodes", "_ratchets", "_suite")

    def __init__(self, suite: Suite, leaves: int, encryption_secret: bytes) -> None:
        self._suite = suite
        self._leaves = leaves
        self._nodes: dict[int, bytes] = {}
        self._ratchets: dict[tuple[int, int], Ratchet] = {}
        if leaves == 1:
            self._ratchets = self._leaf_ratchets(0, encryption_secret)
        else:
            # The root's secret is the encryption_secret: it is split at once and never stored.
            self._nodes = self._split(root(leaves), encryption_secret)

    @classmethod
    def from_parts(
        cls, suite: Suite, leaves: int, nodes: dict[int, bytes], ratchets: dict[tuple[int, int], Ratchet]
    ) -> SecretTree:
        """Rebuild from a snapshot."""
        tree = cls.__new__(cls)
        tree._suite, tree._leaves, tree._nodes, tree._ratchets = suite, leaves, nodes, ratchets
        return tree

    def parts(self) -> tuple[int, dict[int, bytes], dict[tuple[int, int], Ratchet]]:
        """What a snapshot saves."""
        return self._leaves, self._nodes, self._ratchets

    def retire(self, own_leaf: int) -> None:
        """Keep only what receives late application messages: the epoch is over.

        Our own sending keys go, and so do handshake keys: no proposal or commit of this epoch is accepted any more.
        """
        spent, nodes, fresh = self._open_leaf(own_leaf)
        for node in spent:
            del self._nodes[node]
        self._nodes.update(nodes)
        self._ratchets.update(fresh)
        self._ratchets = {
            (leaf, kind): ratchet
            for (leaf, kind), ratchet in self._ratchets.items()
            if leaf != own_leaf and kind == APPLICATION_RATCHET
        }

    def next_key(self, leaf: int, kind: int) -> Taking:
        """The key for the next message we send."""
        spent, nodes, fresh = self._open_leaf(leaf)
        ratchet = fresh.get((leaf, kind)) or self._ratchets.get((leaf, kind))
        if ratchet is None:
            raise Misuse("no sending keys for this leaf")
        if ratchet.generation >= _LAST_GENERATION:
            raise Misuse("all generations of this epoch are used: commit first")
        key, nonce, following = self._step(ratchet.secret, ratchet.generation)
        after = Ratchet(ratchet.generation + 1, following, ratchet.skipped)
        return Taking(ratchet.generation, key, nonce, (leaf, kind), after, fresh, spent, nodes)

    def peek(self, leaf: int, kind: int, generation: int) -> Taking:
        """The key of a generation that a message names. Nothing changes."""
        if not 0 <= leaf < self._leaves:
            raise UnknownSender("leaf beyond the tree")
        spent, nodes, fresh = self._open_leaf(leaf)
        ratchet = fresh.get((leaf, kind)) or self._ratchets.get((leaf, kind))
        if ratchet is None:
            raise Replayed("the keys of this sender are gone")
        if generation < ratchet.generation:
            found = ratchet.skipped.get(generation)
            if found is None:
                # MLS-09.2-01: a key is used once.
                raise Replayed(f"generation {generation} was used")
            rest = {g: pair for g, pair in ratchet.skipped.items() if g != generation}
            after = Ratchet(ratchet.generation, ratchet.secret, rest)
            return Taking(generation, *found, (leaf, kind), after, fresh, spent, nodes)
        if generation - ratchet.generation > MAX_JUMP or generation >= _LAST_GENERATION:
            # MLS-09.2-02: a message cannot make us derive keys without limit.
            raise GenerationTooFar(f"{generation - ratchet.generation} generations ahead")
        secret, skipped = ratchet.secret, ratchet.skipped
        if generation > ratchet.generation:
            skipped = dict(skipped)
            for number in range(ratchet.generation, generation):
                key, nonce, secret = self._step(secret, number)
                skipped[number] = (key, nonce)
            for number in sorted(skipped)[: max(0, len(skipped) - MAX_SKIPPED)]:
                del skipped[number]
        key, nonce, secret = self._step(secret, generation)
        after = Ratchet(generation + 1, secret, skipped)
        return Taking(generation, key, nonce, (leaf, kind), after, fresh, spent, nodes)

    def consume(self, taking: Taking) -> None:
        """Destroy what was taken. Afterwards no snapshot of this tree can produce that key again."""
        for node in taking._spent_nodes:
            del self._nodes[node]
        self._nodes.update(taking._new_nodes)
        self._ratchets.update(taking._new_ratchets)
        self._ratchets[taking._place] = taking._ratchet

    # Derivation (section 9.1)

    def _open_leaf(self, leaf: int) -> tuple[tuple[int, ...], dict[int, bytes], dict[tuple[int, int], Ratchet]]:
        """Derive a leaf's ratchets if that was not done: the node spent, the nodes and ratchets gained."""
        if (leaf, APPLICATION_RATCHET) in self._ratchets or not self._nodes:
            return (), {}, {}
        target = node = 2 * leaf
        top = root(self._leaves)
        while node not in self._nodes:
            if node == top:
                return (), {}, {}
            node = parent(node)
        start, secret = node, self._nodes[node]
        gained: dict[int, bytes] = {}
        while node != target:
            gained.update(self._split(node, secret))
            node = left(node) if target < node else right(node)
            secret = gained.pop(node)
        return (start,), gained, self._leaf_ratchets(leaf, secret)

    def _split(self, node: int, secret: bytes) -> dict[int, bytes]:
        size = self._suite.hash_size
        return {
            left(node): self._suite.expand_with_label(secret, b"tree", b"left", size),
            right(node): self._suite.expand_with_label(secret, b"tree", b"right", size),
        }

    def _leaf_ratchets(self, leaf: int, secret: bytes) -> dict[tuple[int, int], Ratchet]:
        size = self._suite.hash_size
        return {
            (leaf, kind): Ratchet(0, self._suite.expand_with_label(secret, label, b"", size), {})
            for kind, label in enumerate(_LABELS)
        }

    def _step(self, secret: bytes, generation: int) -> tuple[bytes, bytes, bytes]:
        suite = self._suite
        return (
            suite.derive_tree_secret(secret, b"key", generation, suite.aead.key_size),
            suite.derive_tree_secret(secret, b"nonce", generation, suite.aead.nonce_size),
            suite.derive_tree_secret(secret, b"secret", generation, suite.hash_size),
        )
