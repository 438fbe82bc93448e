"""The redaction sheet of an evidence bundle: what was taken out, by whom, why, and under which protective order.

``redactions.json`` is canonical JSON (`sheet_bytes`): a list of items, each about one entry, either the whole entry
(withheld) or named fields of its body, with a reason from a short list, free words and a label such as a court's order.
A field may be named with the digest that stands for it in the entry's ``_sd``: then a judge who is shown the field in
private can see that it is the one that was left out.

A sheet is a claim of whoever made the bundle; it carries no signature. What makes it useful is that it must match what
is really there, both ways (`compare`). One thing it cannot show: a field that its kind does not oblige anybody to write
and that the sheet does not name looks like a decoy (`protocols.disclosure`). How many such places are left is counted
and told (`unaccounted`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from protocols.encoding import Malformed, digest, from_json, to_json
from protocols.entry import Entry, ThreadId
from protocols.errors import LocalError, RemoteError
from protocols.kinds import Id, Name, Text

MAX_SHEET_BYTES = 8 << 20
MAX_ITEMS = 100_000
MAX_SEQ = 100_000

Reason = Literal[
    "court-order",
    "legal-privilege",
    "life-safety",
    "mediation-confidence",
    "national-security",
    "not-in-source",
    "not-relevant",
    "personal-data",
    "third-party",
    "other",
]
"""``not-in-source``: it was hidden already in the bundle from which this one was made, without a reason given there."""

REASONS: Mapping[str, str] = {
    "court-order": "by order of a court",
    "legal-privilege": "legal privilege",
    "life-safety": "it would endanger somebody's life",
    "mediation-confidence": "said in confidence to mediators",
    "national-security": "national security",
    "not-in-source": "not shown in the bundle that this one was made from",
    "not-relevant": "not about the matter",
    "personal-data": "personal data",
    "third-party": "it belongs to somebody who is no party here",
    "other": "another reason",
}
"""Every reason in words."""


class RedactionMalformed(RemoteError):
    """A redaction sheet that is not in the agreed form."""

    code = "redaction.malformed"
    _sentence = (
        "The list of what was left out of this evidence is not in the agreed form. It says nothing as it stands; "
        "ask for the bundle again."
    )


class CannotRedact(LocalError):
    """What was to be taken out is not there, or would still be readable elsewhere. ``detail`` says which."""

    code = "redaction.refused"
    _sentence = "It cannot be left out in this way. Nothing was written and the bundle you have is as it was."


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What protects it: the ``order`` (of which court, of which date), its ``docket`` number, and the ``level`` of
    protection it gives. Each is free text, empty where there is none."""

    order: Text = ""
    docket: Text = ""
    level: Text = ""

    @property
    def words(self) -> str:
        """The label on one line, "" for none."""
        return ", ".join(text for text in (self.order, self.docket, self.level) if text)


class Redaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was taken out of the entry ``seq``, by ``by`` (an office, a court, a person; a claim).

    ``fields``: names of fields of its body, each to its digest in ``_sd`` or None where whoever redacted did not know
    it; empty with ``withheld``, by which the whole entry was taken out. ``reason``, ``words`` and ``label`` say why.
    """

    seq: Annotated[int, msgspec.Meta(ge=1, le=MAX_SEQ)]
    by: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    reason: Reason
    fields: dict[Name, Id | None] = {}
    withheld: bool = False
    words: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    label: Label = Label()

    @property
    def why(self) -> str:
        """Reason, words and label on one line."""
        return "; ".join(text for text in (REASONS[self.reason], self.words, self.label.words) if text)


class Sheet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``redactions.json``: the thread it is about, and its items in order of ``seq``, then of their first field."""

    v: Literal[1]
    thread: ThreadId
    items: Annotated[tuple[Redaction, ...], msgspec.Meta(max_length=MAX_ITEMS)]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a bundle really shows of one entry. ``withheld``: not its leaf. ``disclosed``: its disclosed fields, each to its
    digest; ``hidden``: the digests of ``_sd`` for which nothing is disclosed. ``known`` and ``required``: the fields that
    its kind may and must have."""

    seq: int
    withheld: bool
    disclosed: Mapping[str, str]
    hidden: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A point in which sheet and bundle do not agree. ``code`` is stable; ``seq`` is the entry, None for the sheet as a
    whole."""

    code: str
    seq: int | None
    sentence: str


def make_sheet(thread: str, items: Iterable[Redaction]) -> Sheet:
    """A sheet of these items in their order. Raises `RedactionMalformed` where two speak of one thing or a text is too long."""
    found = [msgspec.structs.replace(item, fields=dict(sorted(item.fields.items()))) for item in items]
    return parse_sheet(sheet_bytes(Sheet(1, thread, tuple(sorted(found, key=_order)))))


def sheet_bytes(sheet: Sheet) -> bytes:
    """The one encoding of a sheet: compact JSON, members as declared, defaults left out, a newline at the end."""
    return to_json(msgspec.to_builtins(sheet)) + b"\n"


def parse_sheet(data: bytes) -> Sheet:
    """Raises `RedactionMalformed` for everything but the one encoding of a sheet."""
    try:
        value: Any = from_json(data, limit=MAX_SHEET_BYTES)
        sheet = msgspec.convert(value, Sheet, strict=True)
    except (Malformed, msgspec.ValidationError) as error:
        raise RedactionMalformed(str(error)) from None
    _check(sheet)
    if sheet_bytes(sheet) != data:
        raise RedactionMalformed("not the one encoding of this sheet")
    return sheet


def shown_of(seq: int, entry: Entry | None, fields: Iterable[str], disclosures: Iterable[str]) -> Shown:
    """What is shown of an entry (None: withheld): ``fields`` are the names that ``disclosures`` open, in their order."""
    if entry is None:
        return Shown(seq, True, {})
    marks = {name: digest(text.encode()) for name, text in zip(fields, disclosures, strict=False)}
    kind, hidden = entry.kind, frozenset(entry.payload.sd) - set(marks.values())
    return Shown(seq, False, marks, hidden, frozenset(kind.fields), frozenset(kind.required))


def compare(sheet: Sheet, thread: str, shown: Sequence[Shown]) -> tuple[Mismatch, ...]:
    """Where the sheet says other than what the bundle shows, and where it says nothing of what is missing."""
    if sheet.thread != thread:
        return (Mismatch("redaction.other-thread", None, "The list of redactions is about another conversation."),)
    found: list[Mismatch] = []
    entries = {each.seq: each for each in shown}
    listed = by_entry(sheet)
    found += [
        _mismatch("redaction.unknown", seq, "an entry that is not in the bundle")
        for seq in sorted(listed.keys() - entries.keys())
    ]
    for seq, entry in sorted(entries.items()):
        found.extend(_of_entry(entry, listed.get(seq, ())))
    return tuple(found)


def by_entry(sheet: Sheet) -> dict[int, list[Redaction]]:
    """The sheet's items by the entry they are about."""
    found: dict[int, list[Redaction]] = {}
    for item in sheet.items:
        found.setdefault(item.seq, []).append(item)
    return found


def unaccounted(items: Iterable[Redaction], entry: Shown) -> int:
    """How many digests of the entry are neither disclosed nor named by ``items``: decoys, or fields nobody speaks of."""
    return len(entry.hidden) - sum(len(item.fields) for item in items)


def _of_entry(entry: Shown, items: Sequence[Redaction]) -> list[Mismatch]:
    seq, found = entry.seq, []
    if entry.withheld:
        if not any(item.withheld for item in items):
            found.append(
                _mismatch("redaction.unlisted", seq, "It does not say that this entry was withheld", whole=True)
            )
        return found
    if any(item.withheld for item in items):
        return [_mismatch("redaction.shown", seq, "this entry as withheld, but it is here")]
    named: dict[str, str | None] = {}
    for item in items:
        named |= item.fields
    for name, mark in named.items():
        if name in entry.disclosed:
            found.append(_mismatch("redaction.shown", seq, f"the field {name!r} as hidden, but it is disclosed"))
        elif name not in entry.known:
            found.append(_mismatch("redaction.unknown", seq, f"a field {name!r}, which such an entry does not have"))
        elif mark is not None and mark not in entry.hidden:
            found.append(_mismatch("redaction.unknown", seq, f"a digest for {name!r} that the entry does not hold"))
    marks = [mark for mark in named.values() if mark is not None]
    if len(named) > len(entry.hidden) or len(set(marks)) != len(marks):
        found.append(_mismatch("redaction.unknown", seq, "more hidden fields than the entry has places for"))
    missing = sorted(entry.required - set(entry.disclosed) - set(named))
    if missing and entry.hidden:
        words = "It does not name what such an entry must have and what is not shown: " + ", ".join(missing)
        found.append(_mismatch("redaction.unlisted", seq, words, whole=True))
    return found


def _mismatch(code: str, seq: int, words: str, *, whole: bool = False) -> Mismatch:
    said = words if whole else f"It names {words}"
    return Mismatch(code, seq, f"The list of redactions does not match the bundle. {said}.")


def _check(sheet: Sheet) -> None:
    items = sheet.items
    if list(items) != sorted(items, key=_order) or any(list(item.fields) != sorted(item.fields) for item in items):
        raise RedactionMalformed("its items, or the fields of one, are not in order")
    seen: set[tuple[int, str]] = set()
    whole: set[int] = set()
    for item in items:
        if item.withheld == bool(item.fields):
            raise RedactionMalformed(f"entry {item.seq}: either the whole entry or some of its fields")
        places = {(item.seq, name) for name in item.fields} or {(item.seq, "")}
        if places & seen or item.seq in whole:
            raise RedactionMalformed(f"entry {item.seq}: one thing stands twice")
        seen |= places
        if item.withheld:
            whole.add(item.seq)


def _order(item: Redaction) -> tuple[int, str]:
    return item.seq, min(item.fields, default="")
