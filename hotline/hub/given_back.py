"""What stations gave back, read together: leaves by index, heads, mandates, and who has spoken.

Every leaf is believed by the hub's own stamp on it and every head by the log's key: a station can hand in less than it holds,
never other than it was given. Two leaves that the hub signed for one place are the proof of two histories, and end everything.

The files stay where they are and are gone through twice: first each alone, to its signed end (`Given.read`), of which only
the places of its leaves, heads and mandates are kept; then all together, leaf by leaf (`Given.walk`), as they are needed.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from hotline import give_back
from hotline.errors import LocalFault
from hotline.give_back import BadFile
from hotline.hub.marks import Marks
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
    """A leaf of the hub's own, verified; ``sealed`` as a station kept it, ``others`` as others did."""

    leaf: HubLeaf
    data: bytes
    sealed: bytes
    others: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    """One file, read to its signed end. ``speaker``: the station's kid. Offsets in bytes; -1: there are no such records."""

    path: Path
    speaker: str
    leaves: int
    own: int


@dataclass(frozen=True, slots=True)
class SaidFile:
    """A sealed file as one station gave it back. ``at``: where its pieces begin."""

    said: give_back.File
    source: Source
    at: int


@dataclass
class Given:
    """All that was handed in for one log. ``roots``: by size, of heads signed by the log's key; ``notes``: by digest;
    ``spoken``: kids of the stations whose files were read to their signed end; ``files``: the sealed files that they named."""

    accord: SignedAccord
    roots: dict[int, bytes] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    papers: set[bytes] = field(default_factory=set)
    spoken: set[str] = field(default_factory=set)
    files: list[SaidFile] = field(default_factory=list)
    since: int = 0
    """The first leaf that is needed, as `read` was told."""
    _sources: list[Source] = field(default_factory=list)
    _there: Marks = field(default_factory=Marks)
    _parts: dict[int, set[str]] = field(default_factory=dict)
    """Entries of which no file has all parts: what there is of each, in all files together."""
    _whole: Marks = field(default_factory=Marks)

    def read(self, path: Path, since: int) -> None:
        """Take in one file. ``since``: the first leaf that is needed. Raises `BadFile`, `TwoHistories`."""
        reading = _Reading(self, path, since)
        try:
            with path.open("rb") as file:
                at = len(give_back.MAGIC)
                for record in give_back.read(file):
                    reading.take(record, at, file.tell())
                    at = file.tell()
        except (OSError, ProtocolError) as error:
            raise BadFile(f"{path.name}: {error}") from error
        reading.done()

    @property
    def top(self) -> int:
        """One more than the index of the last leaf that was given back; 0 where none was."""
        return self._there.top

    def missing(self, start: int, end: int) -> Iterator[int]:
        """The leaves from ``start`` on, below ``end``, that nobody gave back."""
        return (index for index in range(start, end) if index not in self._there)

    def lacking(self) -> Iterator[int]:
        """The entries of which sealed parts are missing in all files together."""
        return (index for index in sorted(self._parts) if index not in self._whole)

    def walk(self) -> Iterator[GivenEntry | GivenOwn]:
        """Every leaf that is needed, in order, with the parts that any file has of it. Raises `BadFile` where a file is not
        what it was any more, and `TwoHistories`."""
        runs = [self._run(source, at) for source in self._sources for at in (source.leaves, source.own) if at >= 0]
        found: GivenEntry | GivenOwn | None = None
        for place, name, record in heapq.merge(*runs, key=itemgetter(0)):
            if found is None or _place(found) != place:
                if found is not None:
                    yield found
                found = self._open(name, record)
                continue
            if _bytes(found) != record.leaf:
                # Both are opened first: what the hub did not sign proves nothing against it.
                self._open(name, record)
                raise TwoHistories(f"two leaves at {place}")
            if isinstance(found, GivenEntry) and isinstance(record, give_back.Leaf):
                check_parts(found.entry.payload, record.parts, complete=False)
                found.parts.update(record.parts)
            elif isinstance(found, GivenOwn) and isinstance(record, give_back.Own):
                found.others.append(record.sealed)
        if found is not None:
            yield found

    def pieces(self, given: SaidFile) -> Iterator[bytes]:
        """The bytes of a sealed file as a station gave them back. Raises ``OSError``, `BadFile`."""
        left = given.said.size
        with given.source.path.open("rb") as file:
            file.seek(given.at)
            for record in give_back.read_on(file):
                if not isinstance(record, give_back.Piece) or left <= 0:
                    return
                left -= len(record.data)
                yield record.data

    def _run(self, source: Source, at: int) -> Iterator[tuple[int, str, give_back.Leaf | give_back.Own]]:
        with source.path.open("rb") as file:
            file.seek(at)
            kind: type[give_back.Leaf | give_back.Own] = give_back.Leaf if at == source.leaves else give_back.Own
            for record in give_back.read_on(file):
                if not isinstance(record, kind):
                    return
                if record.index >= self.since:
                    yield record.index, source.path.name, record

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

    def _open(self, name: str, record: give_back.Leaf | give_back.Own) -> GivenEntry | GivenOwn:
        try:
            return self._own(record) if isinstance(record, give_back.Own) else self._entry(record)
        except ProtocolError as error:
            raise BadFile(f"{name}: leaf {record.index}: {error}") from error

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


_ORDER: dict[type[give_back.Record], int] = {
    give_back.Leaf: 1,
    give_back.Own: 2,
    give_back.File: 3,
    give_back.Piece: 3,
}


class _Reading:
    """One file on its first way through. Nothing of it counts before its signed end (`done`), but heads: the log's key signed
    those."""

    def __init__(self, given: Given, path: Path, since: int) -> None:
        self._given, self._path, self._since = given, path, since
        self._speaker = ""
        self._there, self._whole = Marks(), Marks()
        self._parts: dict[int, set[str]] = {}
        self._papers: list[bytes] = []
        self._files: list[tuple[give_back.File, int]] = []
        self._begins = {give_back.Leaf: -1, give_back.Own: -1}
        self._order, self._last, self._left = 0, -1, 0

    def take(self, record: give_back.Record, at: int, after: int) -> None:
        """One record, which stands from ``at`` to ``after``."""
        order = _ORDER.get(type(record), 0)
        if self._left and not isinstance(record, give_back.Piece):
            raise BadFile("pieces of a sealed file are missing")
        if order < self._order:
            raise BadFile("its records are not in their order")
        if order > self._order:
            self._order, self._last = order, -1
        match record:
            case give_back.Begin():
                self._begin(record)
            case give_back.Head():
                self._given.hear(record.note)
            case give_back.Paper():
                self._papers.append(record.data)
            case give_back.Leaf() | give_back.Own():
                if record.index <= self._last:
                    raise BadFile("its leaves are not in their order")
                self._last = record.index
                if record.index >= self._since:
                    self._leaf(record, at)
            case give_back.File():
                self._left = record.size if record.here else 0
                self._files.append((record, after))
            case give_back.Piece():
                self._left -= len(record.data)
                if self._left < 0:
                    raise BadFile("more pieces than the sealed file has bytes")

    def _begin(self, begin: give_back.Begin) -> None:
        accord = self._given.accord
        self._speaker = kid_of(public_from(begin.sign))
        if (begin.log, begin.accord) != (accord.log_origin, accord.id):
            raise BadFile("it is of another log, or under another accord")
        if begin.since > self._since:
            raise BadFile(f"it begins at leaf {begin.since}; from leaf {self._since} on is needed")

    def _leaf(self, record: give_back.Leaf | give_back.Own, at: int) -> None:
        kind = type(record)
        if self._begins[kind] < 0:
            self._begins[kind] = at
        found = self._given._open(self._path.name, record)
        self._there.add(record.index)
        if isinstance(found, GivenOwn) or not found.lacks:
            self._whole.add(record.index)
        else:
            self._parts[record.index] = set(found.parts)
            self._wanted(found, record.index)

    def _wanted(self, found: GivenEntry, index: int) -> None:
        have = self._parts[index] | self._given._parts.get(index, set())
        if set(found.entry.payload.parts) <= have:
            self._whole.add(index)

    def done(self) -> None:
        """It was signed: now it counts."""
        given = self._given
        if self._left:
            raise BadFile(f"{self._path.name}: pieces of a sealed file are missing")
        source = Source(self._path, self._speaker, self._begins[give_back.Leaf], self._begins[give_back.Own])
        given._sources.append(source)
        given.since = max(given.since, self._since)
        given._there.update(self._there)
        given._whole.update(self._whole)
        for index, parts in self._parts.items():
            given._parts.setdefault(index, set()).update(parts)
        given.papers.update(self._papers)
        given.files += [SaidFile(said, source, at) for said, at in self._files]
        given.spoken.add(self._speaker)


def _bytes(leaf: GivenEntry | GivenOwn) -> bytes:
    return leaf.leaf if isinstance(leaf, GivenEntry) else leaf.data


def _place(leaf: GivenEntry | GivenOwn) -> int:
    return leaf.stamp.index if isinstance(leaf, GivenEntry) else leaf.leaf.payload.index
