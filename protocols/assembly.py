"""Making an evidence bundle out of what a hub or a station holds: proofs of everything under one head.

Whoever holds the leaves, the heads and the nodes of the tree (a hub's table, a station's mirror) comes to the same files.
Nothing is taken on trust from the holder's own store either: each proof is checked before it is handed on, so that a
damaged store makes no bundle rather than one that fails elsewhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from protocols.accord import SignedAccord
from protocols.bundle import Bundle, Exhibit, Head, Tail, involved
from protocols.encoding import b64u
from protocols.entry import parse_entry
from protocols.translog import (
    GetNode,
    TlogProof,
    build_consistency,
    build_inclusion,
    consistency_nodes,
    format_consistency,
    format_proof,
    inclusion_nodes,
    leaf_hash,
    note_digest,
    peek_checkpoint,
    verify_consistency,
    verify_inclusion,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """An entry: its place in the log, its exact leaf, and what is disclosed of its body."""

    index: int
    leaf: bytes
    disclosures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """The hub's leaf with the ends of threads, its place in the log, and the disclosure of this thread's end."""

    index: int
    leaf: bytes
    disclosure: str


@dataclass(frozen=True, slots=True)
class KnownHead:
    """A published head by what is known of it without its note. ``digest``: base64url SHA-256 of the note."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Material:
    """What goes into a bundle. ``final``: the note of the head that everything is proven under. ``pieces``: the entries
    in order of ``seq``, from 1, none beyond that head. ``notes``: other heads, none greater. ``mandates``: (key id, bytes),
    of which those are taken that somebody signed by. ``tokens``: time-stamp tokens by the digest of the note."""

    thread: str
    ladder_id: str
    ladder: bytes
    accord: SignedAccord
    final: str
    pieces: Sequence[Piece]
    notes: Sequence[str]
    mandates: Iterable[tuple[str, bytes]]
    tokens: Mapping[str, bytes] = field(default_factory=dict)
    end: End | None = None

    @property
    def size(self) -> int:
        """Leaves under the final head."""
        return peek_checkpoint(self.final).size


def dating(heads: Sequence[KnownHead], indexes: Iterable[int], seen: Iterable[str | None]) -> set[str]:
    """Digests of the heads, of those known, that date entries at ``indexes`` whose authors had ``seen`` these.

    ``heads``: in the order of publication. For each entry the last head before it (nothing was there yet), the first one
    over it (it existed by then) and the one it names itself (it was made after that).
    """
    sizes = [head.size for head in heads]
    found = {head.digest for head in heads} & {each for each in seen if each is not None}
    for index in indexes:
        at = bisect_right(sizes, index)
        found |= {head.digest for head in heads[max(0, at - 1) : at + 1]}
    return found


def nodes_wanted(material: Material) -> set[tuple[int, int]]:
    """The complete nodes ``(level, index)`` of the tree that `assemble` reads."""
    size = material.size
    indexes = [piece.index for piece in material.pieces]
    if material.end is not None:
        indexes.append(material.end.index)
    found = {node for index in indexes for node in inclusion_nodes(index, size)}
    return found | {node for note in material.notes for node in consistency_nodes(peek_checkpoint(note).size, size)}


def assemble(material: Material, get_node: GetNode) -> Bundle:
    """The bundle. Raises `ProofRefused` where leaves, heads and nodes are not of one tree."""
    final = peek_checkpoint(material.final)

    def prove(index: int, leaf: bytes) -> bytes:
        hashes = tuple(build_inclusion(index, final.size, get_node))
        verify_inclusion(leaf_hash(leaf), index, final.size, hashes, final.root)
        return format_proof(TlogProof(index, hashes, material.final)).encode()

    def head(note: str) -> Head:
        earlier = peek_checkpoint(note)
        hashes = build_consistency(earlier.size, final.size, get_node)
        verify_consistency(earlier.size, earlier.root, final.size, final.root, hashes)
        return Head(note.encode(), format_consistency(hashes), material.tokens.get(_digest(note)))

    others = sorted(set(material.notes) - {material.final}, key=lambda note: (peek_checkpoint(note).size, note))
    kids = involved(parse_entry(piece.leaf) for piece in material.pieces)
    end = material.end
    return Bundle(
        thread=material.thread,
        ladder_id=material.ladder_id,
        checkpoint=material.final.encode(),
        policy=material.accord.accord.policy.encode(),
        accord=material.accord.data,
        ladder=material.ladder,
        mandates=tuple(data for kid, data in material.mandates if kid in kids),
        exhibits=tuple(
            Exhibit(piece.leaf, prove(piece.index, piece.leaf), piece.disclosures) for piece in material.pieces
        ),
        heads=tuple(head(note) for note in others),
        final_token=material.tokens.get(_digest(material.final)),
        tail=None if end is None else Tail(end.leaf, prove(end.index, end.leaf), end.disclosure),
    )


def _digest(note: str) -> str:
    return b64u(note_digest(note))
