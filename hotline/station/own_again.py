"""An entry of our own that comes back with the hub's stamp: what was read and checked when it was sealed is not read again.

Every check of the entry is made again at the stamped time: the accord, the roles, the mandates. Only the arithmetic of a
signature is left out, and only where the very same signature over the very same text by the very same key held before.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from protocols import jws
from protocols.encoding import digest
from protocols.entry import MAX_LEAF_BYTES, Entry, parse_entry

_BEFORE = b'{"payload":"'
_NOTHING = b'{"payload":"AA","signatures":['
_END = b"]}"


class Remembered(jws.Signature, frozen=True):
    """A signature that remembers under which text and key it held."""

    held: set[tuple[str, bytes]] = msgspec.field(default_factory=set)

    def check(self, payload: str, public: bytes) -> None:
        """As `Signature.check`."""
        if (payload, public) not in self.held:
            jws.Signature.check(self, payload, public)
            self.held.add((payload, public))


def remembering(entry: Entry) -> Entry:
    """The same entry with signatures that remember."""
    if any(isinstance(each, Remembered) for each in entry.jws.signatures):
        return entry
    kept = tuple(
        Remembered(each.protected, each.signature, each.kid, each.typ, each.role, each.extra)
        for each in entry.jws.signatures
    )
    return replace(entry, jws=jws.Jws(entry.jws.payload, kept, entry.jws.decoded))


def name_of(leaf: bytes) -> str:
    """The id that an entry has by its payload's text, if it is one; nothing is checked."""
    begin = len(_BEFORE)
    return digest(leaf[begin : max(begin, leaf.find(b'"', begin))])


def stamped(sent: Entry, leaf: bytes) -> Entry:
    """``leaf`` as an entry: ``sent`` with one signature more, or whatever else it is. Raises as `parse_entry`."""
    begun = sent.jws.to_bytes().removesuffix(_END) + b","
    if len(leaf) > MAX_LEAF_BYTES or not leaf.startswith(begun):
        return parse_entry(leaf)
    # Byte for byte what was sent, up to here: only what follows is read.
    more = jws.parse(_NOTHING + leaf[len(begun) :], limit=MAX_LEAF_BYTES).signatures
    if len(more) != 1 or sent.jws.by_role(more[0].role) is not None:
        return parse_entry(leaf)
    return replace(sent, jws=sent.jws.with_signature(more[0]))
