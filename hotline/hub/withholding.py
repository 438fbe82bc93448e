"""Entries that a hub's operator leaves out of a bundle, and the sheet that says so (`protocols.redaction`).

A withheld entry keeps its place, its proof and its hashes: a reader sees that there is one, and where. Words cannot be
redacted here, for the hub has none: which sealed fields an entry must have, and that nobody shows them, stands in the
sheet all the same, because a sheet that is silent about something missing does not match its bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from hotline.errors import LocalFault
from protocols.bundle import Bundle, Exhibit, involved, withhold
from protocols.entry import Entry, parse_entry
from protocols.redaction import Redaction, make_sheet, sheet_bytes
from protocols.translog import leaf_hash, parse_proof

SEALED = "the hub holds no words to show"
"""Why every field of a hub's bundle is hidden."""


class CannotWithhold(LocalFault):
    """What was to be left out cannot be left out of this bundle. ``detail`` says why."""

    code = "export.cannot-withhold"
    _sentence = (
        "These entries cannot be left out of this bundle. Nothing was exported. At least one entry must stay; and the newest "
        "can only be left out once the log says in an entry of its own where the incident ends, which it does about every "
        "minute: wait, and try again, or leave out others."
    )


def withhold_entries(
    bundle: Bundle, items: Sequence[Redaction], mandates: Callable[[Iterable[str]], tuple[bytes, ...]], by: str
) -> Bundle:
    """The bundle without the entries that ``items`` name, and with the sheet. ``mandates``: those of key ids, of which only
    the signers that are still to be seen are needed. ``by``: who exports.

    Raises `CannotWithhold`, and `RedactionMalformed` where two items speak of one thing.
    """
    if not items:
        return bundle
    chosen = {item.seq for item in items}
    if not all(item.withheld for item in items):
        raise CannotWithhold("the hub has no fields to redact")
    if not chosen <= set(range(1, len(bundle.exhibits) + 1)):
        raise CannotWithhold("an entry that is not in the bundle")
    if len(chosen) == len(bundle.exhibits):
        raise CannotWithhold("nothing would be left")
    if bundle.tail is None and len(bundle.exhibits) in chosen:
        # The next stamp holds a withheld entry in its place. After the last there is none: only the log's own word on
        # where the thread ends would show that it exists.
        raise CannotWithhold("nothing would show that the last entry exists")
    exhibits, shown, sealed = [], [], []
    for seq, exhibit in enumerate(bundle.exhibits, 1):
        if seq in chosen:
            index = parse_proof(exhibit.proof).index
            exhibits.append(Exhibit(b"", exhibit.proof, (), withhold(exhibit.leaf, index, leaf_hash(exhibit.leaf))))
            continue
        entry = parse_entry(exhibit.leaf)
        exhibits.append(exhibit)
        shown.append(entry)
        sealed += _sealed(seq, entry, by)
    sheet = make_sheet(bundle.thread, [*items, *sealed])
    return replace(bundle, exhibits=tuple(exhibits), mandates=mandates(involved(shown)), redactions=sheet_bytes(sheet))


def _sealed(seq: int, entry: Entry, by: str) -> list[Redaction]:
    """That the fields which this entry must have are hidden."""
    fields: dict[str, str | None] = dict.fromkeys(entry.kind.required) if entry.payload.sd else {}
    return [Redaction(seq, by, "not-in-source", fields, words=SEALED)] if fields else []
