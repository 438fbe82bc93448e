"""Making a bundle that shows less out of one that shows more. The one given stays as it is.

A field is left out by leaving out its disclosure: its digest stays in the signed entry, and so does everything else. An
entry is left out by putting its two hashes and its place in the log where the leaf was: its proof goes on proving that it
is there, and its neighbours in the chain hold it in its place. What was left out stands in the redaction sheet
(`protocols.redaction`) beside what a sheet in the given bundle said already; what that bundle did not show either, without
saying why, is named as such, so that the new sheet is complete as far as anybody can see.

Reports for people that lie in the given bundle are dropped, because they repeat its words; so are the mandates of those who
signed nothing that is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from protocols.accord import SignedAccord, open_accord
from protocols.bundle import Bundle, Exhibit, involved, withhold
from protocols.disclosure import reveal
from protocols.encoding import digest
from protocols.entry import Entry, parse_entry, verify_stamp
from protocols.hub_leaf import check_tail
from protocols.mandate import verify_mandate
from protocols.redaction import (
    CannotRedact,
    Label,
    Reason,
    Redaction,
    Sheet,
    Shown,
    by_entry,
    compare,
    make_sheet,
    parse_sheet,
    sheet_bytes,
    shown_of,
    unaccounted,
)
from protocols.translog import leaf_hash

NO_LABEL = Label()


@dataclass(frozen=True, slots=True)
class Cut:
    """What to leave out, and why. ``hide``: (entry's number, field); None stands for every one that discloses something
    of the kind. ``withhold``: numbers of whole entries. ``by``: who does it."""

    by: str
    reason: Reason
    words: str = ""
    label: Label = NO_LABEL
    hide: tuple[tuple[int | None, str | None], ...] = ()
    withhold: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """What a reader of the new bundle sees of one entry. ``entry`` None: nothing but that it is there. ``shown``: fields in
    the clear; ``hidden``: what the sheet names; ``others``: further digests, decoys or fields that nobody speaks of."""

    seq: int
    entry: Entry | None
    shown: tuple[str, ...]
    hidden: tuple[Redaction, ...]
    others: int


@dataclass(frozen=True, slots=True)
class Redacted:
    """The new bundle, its sheet, and what a reader sees. ``replayed``: the number of the last entry up to which the ladder
    can be replayed from it; what comes after it is the hub's signed claim."""

    bundle: Bundle
    sheet: Sheet
    lines: tuple[Line, ...]
    replayed: int

    @property
    def withheld(self) -> tuple[int, ...]:
        """Numbers of the entries that are left out whole."""
        return tuple(line.seq for line in self.lines if line.entry is None)


def redact(bundle: Bundle, cut: Cut) -> Redacted:
    """The bundle with less in it. Raises `CannotRedact`, and whatever reading a part of the bundle raises
    (`protocols.errors.ProtocolError`): a bundle that is wrong is not mended by leaving something out."""
    before = [_Open.read(seq, exhibit) for seq, exhibit in enumerate(bundle.exhibits, 1)]
    gone = _withheld(before, cut.withhold)
    fields = _hidden(before, cut.hide, gone)
    accord = open_accord(bundle.accord)
    after = [_without(each, fields.get(each.seq, ()), each.seq in gone, accord) for each in before]
    _check_repeated(before, after)
    _check_end(bundle, after, accord)
    sheet = _sheet(bundle, before, after, cut, fields)
    left = [each.entry for each in after if each.entry is not None]
    found = replace(
        bundle,
        exhibits=tuple(each.exhibit for each in after),
        mandates=_mandates(bundle, left, accord),
        redactions=sheet_bytes(sheet),
        reports={},
    )
    listed = by_entry(sheet)
    lines = tuple(_line(each, listed.get(each.seq, [])) for each in after)
    first = next((each.seq for each in after if each.entry is None), len(after) + 1)
    return Redacted(found, sheet, lines, first - 1)


@dataclass(frozen=True, slots=True)
class _Open:
    """An exhibit, read: its entry, and its disclosures by field."""

    seq: int
    exhibit: Exhibit
    entry: Entry | None
    texts: Mapping[str, str]
    fields: Mapping[str, Any]

    @classmethod
    def read(cls, seq: int, exhibit: Exhibit) -> _Open:
        if exhibit.withheld is not None:
            return cls(seq, exhibit, None, {}, {})
        entry = parse_entry(exhibit.leaf)
        fields = reveal(exhibit.disclosures, entry.payload.sd)
        return cls(seq, exhibit, entry, dict(zip(fields, exhibit.disclosures, strict=True)), fields)

    @property
    def shown(self) -> Shown:
        return shown_of(self.seq, self.entry, self.texts, self.texts.values())


def _withheld(entries: Sequence[_Open], wanted: Iterable[int]) -> frozenset[int]:
    there = {each.seq for each in entries if each.entry is not None}
    for seq in wanted:
        if seq not in there:
            raise CannotRedact(f"there is no entry {seq} that is shown in this bundle")
    return frozenset(wanted)


def _hidden(
    entries: Sequence[_Open], wanted: Iterable[tuple[int | None, str | None]], gone: frozenset[int]
) -> dict[int, tuple[str, ...]]:
    """Fields to hide by entry. Each wish must hide something: who misspells a field must not believe that it is out."""
    found: dict[int, dict[str, None]] = {}
    for seq, name in wanted:
        matching = [
            (each.seq, field)
            for each in entries
            for field in each.texts
            if seq in (None, each.seq) and name in (None, field)
        ]
        if not matching:
            where = "any entry" if seq is None else f"entry {seq}"
            raise CannotRedact(f"{name or 'a field'} is not disclosed in {where}")
        for number, field in matching:
            if number not in gone:
                found.setdefault(number, {})[field] = None
    return {seq: tuple(names) for seq, names in found.items()}


def _without(each: _Open, fields: Iterable[str], whole: bool, accord: SignedAccord) -> _Open:
    if whole:
        leaf = each.exhibit.leaf
        assert each.entry is not None  # noqa: S101 - only what is shown is withheld
        hashes = withhold(leaf, verify_stamp(each.entry, accord).index, leaf_hash(leaf))
        return _Open(each.seq, Exhibit(b"", each.exhibit.proof, (), hashes), None, {}, {})
    texts = {name: text for name, text in each.texts.items() if name not in fields}
    return replace(
        each,
        exhibit=replace(each.exhibit, disclosures=tuple(texts.values())),
        texts=texts,
        fields={name: each.fields[name] for name in texts},
    )


def _check_repeated(before: Sequence[_Open], after: Sequence[_Open]) -> None:
    """What is left out of one entry may stand word for word in another: a history handed over holds whole bodies."""
    kept = {text for each in after for text in each.texts.values()}
    gone = {text: each.seq for each in before for text in each.texts.values() if text not in kept}
    for each in after:
        for name, value in each.fields.items():
            for text in _strings(value):
                if text in gone:
                    raise CannotRedact(
                        f"what is left out of entry {gone[text]} stands in {each.seq}:{name} too; hide that as well"
                    )


def _check_end(bundle: Bundle, after: Sequence[_Open], accord: SignedAccord) -> None:
    """What is left out after the last entry that is shown is held by nothing but what the hub logged as the end."""
    tail = bundle.tail
    end = 0 if tail is None else check_tail(tail.leaf, tail.disclosure, bundle.thread, accord).seq
    held = max((each.seq for each in after if each.entry is not None), default=0)
    if max(held, end) < len(after):
        raise CannotRedact(
            f"nothing in this bundle would show that entry {len(after)} is there: no proof of the end reaches it"
        )


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _sheet(
    bundle: Bundle,
    before: Sequence[_Open],
    after: Sequence[_Open],
    cut: Cut,
    fields: Mapping[int, tuple[str, ...]],
) -> Sheet:
    old = [] if bundle.redactions is None else list(parse_sheet(bundle.redactions).items)
    gone = {each.seq for each in after if each.entry is None}
    items = [item for item in old if item.withheld or item.seq not in gone]
    for each, left in zip(before, after, strict=True):
        if left.entry is None and each.entry is not None:
            items.append(Redaction(each.seq, cut.by, cut.reason, withheld=True, words=cut.words, label=cut.label))
        elif names := fields.get(each.seq):
            marks: dict[str, str | None] = {name: digest(each.texts[name].encode("ascii")) for name in names}
            items.append(Redaction(each.seq, cut.by, cut.reason, marks, words=cut.words, label=cut.label))
    listed = by_entry(make_sheet(bundle.thread, items))
    for left in after:
        items.extend(_unsaid(left.shown, listed.get(left.seq, []), cut.by))
    sheet = make_sheet(bundle.thread, items)
    wrong = compare(sheet, bundle.thread, [each.shown for each in after])
    if wrong:
        raise CannotRedact(f"the sheet in the bundle is wrong already: {wrong[0].code} at entry {wrong[0].seq}")
    return sheet


def _unsaid(shown: Shown, items: Sequence[Redaction], by: str) -> Iterator[Redaction]:
    """What the given bundle did not show either and said nothing of."""
    if shown.withheld:
        if not items:
            yield Redaction(shown.seq, by, "not-in-source", withheld=True)
        return
    named = {name for item in items for name in item.fields}
    missing = sorted(shown.required - set(shown.disclosed) - named)
    if missing and shown.hidden:
        yield Redaction(shown.seq, by, "not-in-source", dict.fromkeys(missing))


def _mandates(bundle: Bundle, entries: Sequence[Entry], accord: SignedAccord) -> tuple[bytes, ...]:
    kids = involved(entries)
    return tuple(data for data in bundle.mandates if verify_mandate(data, accord.accord).kid in kids)


def _line(each: _Open, items: Sequence[Redaction]) -> Line:
    others = 0 if each.entry is None else unaccounted(items, each.shown)
    return Line(each.seq, each.entry, tuple(each.texts), tuple(items), others)
