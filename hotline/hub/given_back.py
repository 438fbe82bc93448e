"""What stations gave back, read together: leaves by index, heads, mandates, and who has spoken.

Every leaf is believed by the hub's own stamp on it and every head by the log's key: a station can hand in less than it holds,
never other than it was given. Two leaves that the hub signed for one place are the proof of two histories, and end everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hotline import give_back
from hotline.errors import LocalFault
from hotline.give_back import BadFile
from protocols.accord import SignedAccord
from protocols.encoding import b64u
from protocols.entry import Entry, Stamp, check_parts, parse_entry, verify_stamp
from protocols.errors import ProtocolError
from protocols.hub_leaf import HubLeaf, verify_hub_leaf
from protocols.keys import kid_of, public_from
from protocols.mandate import MandateBook
from protocols.translog import TranslogError, note_digest, open_checkpoint, parse_vkey


class TwoHistories(LocalFault):
    """The hub's keys signed two leaves for one place, or two heads of one size. ``detail`` says where."""

    code = "refill.two-histories"
    exit_status = 3
    _sentence = (
        "This hub's keys have signed two different histories of the log. Nothing was changed. No refill can mend that: keep "
        "every file, find out what happened, and found a new log that every office signs."
    )


@dataclass(frozen=True, slots=True)
class GivenEntry:
    """An entry with its stamp verified, and the union of its parts that were handed in."""

    entry: Entry
    stamp: Stamp
    leaf: bytes
    parts: dict[str, bytes]

    @property
    def lacks(self) -> set[str]:
        return set(self.entry.payload.parts) - set(self.parts)


@dataclass(frozen=True, slots=True)
class GivenOwn:
    """A leaf of the hub's own, verified; ``sealed`` as it was kept."""

    leaf: HubLeaf
    data: bytes
    sealed: bytes


@dataclass
class Given:
    """All that was handed in for one log. ``heads``: notes by size, signed by the log's key; ``notes``: by digest;
    ``spoken``: kids of the stations whose files were read to their signed end."""

    accord: SignedAccord
    leaves: dict[int, GivenEntry | GivenOwn] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    papers: set[bytes] = field(default_factory=set)
    spoken: set[str] = field(default_factory=set)

    def read(self, path: Path, since: int) -> None:
        """Take in one file. ``since``: the first leaf that is needed. Raises `BadFile`, `TwoHistories`."""
        speaker, leaves = "", list[give_back.Leaf | give_back.Own]()
        try:
            with path.open("rb") as file:
                for record in give_back.read(file):
                    match record:
                        case give_back.Begin():
                            speaker = kid_of(public_from(record.sign))
                            self._begin(record, since)
                        case give_back.Head():
                            self.hear(record.note)
                        case give_back.Paper():
                            self.papers.add(record.data)
                        case give_back.Leaf() | give_back.Own() if record.index >= since:
                            leaves.append(record)
        except (OSError, ProtocolError) as error:
            raise BadFile(f"{path.name}: {error}") from error
        for each in leaves:
            self._take(path.name, each)
        self.spoken.add(speaker)

    def hear(self, note: str) -> None:
        """Take in a head. What the log's key did not sign is passed over. Raises `TwoHistories`."""
        try:
            head = open_checkpoint(note, parse_vkey(self.accord.accord.hub.log))
        except TranslogError:
            return
        if self.roots.setdefault(head.size, head.root) != head.root:
            raise TwoHistories(f"two heads of {head.size} leaves")
        self.notes[b64u(note_digest(note))] = note

    def book(self, known: Iterable[bytes]) -> MandateBook:
        """Every mandate, those of the store first. One that was handed in and does not hold is no mandate: it is left out, and
        what would need it is refused."""
        book = MandateBook(self.accord.accord)
        for data in known:
            book.add_bytes(data)
        for data in sorted(self.papers):
            try:
                book.add_bytes(data)
            except ProtocolError:
                self.papers.discard(data)
        return book

    def _begin(self, begin: give_back.Begin, since: int) -> None:
        if (begin.log, begin.accord) != (self.accord.log_origin, self.accord.id):
            raise BadFile("it is of another log, or under another accord")
        if begin.since > since:
            raise BadFile(f"it begins at leaf {begin.since}; from leaf {since} on is needed")

    def _take(self, name: str, record: give_back.Leaf | give_back.Own) -> None:
        known = self.leaves.get(record.index)
        try:
            found = self._own(record) if isinstance(record, give_back.Own) else self._entry(record)
        except ProtocolError as error:
            raise BadFile(f"{name}: leaf {record.index}: {error}") from error
        if known is None:
            self.leaves[record.index] = found
        elif _bytes(known) != _bytes(found):
            raise TwoHistories(f"two leaves at {record.index}")
        elif isinstance(known, GivenEntry) and isinstance(found, GivenEntry):
            known.parts.update(found.parts)

    def _entry(self, record: give_back.Leaf) -> GivenEntry:
        entry = parse_entry(record.leaf)
        stamp = verify_stamp(entry, self.accord)
        check_parts(entry.payload, record.parts, complete=False)
        if stamp.index != record.index:
            raise BadFile(f"leaf {record.index} is stamped for {stamp.index}")
        return GivenEntry(entry, stamp, record.leaf, dict(record.parts))

    def _own(self, record: give_back.Own) -> GivenOwn:
        leaf = verify_hub_leaf(record.leaf, self.accord)
        if leaf.payload.index != record.index:
            raise BadFile(f"leaf {record.index} says {leaf.payload.index}")
        return GivenOwn(leaf, record.leaf, record.sealed)


def _bytes(leaf: GivenEntry | GivenOwn) -> bytes:
    return leaf.leaf if isinstance(leaf, GivenEntry) else leaf.data
