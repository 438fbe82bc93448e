"""The third stage: who signed. Every stamp is the hub's; station and officers were mandated at the stamp's time under the
accord; stations that are seated belong to the office under whose name they are."""

from __future__ import annotations

from mediation.audit.case import Case, Item
from mediation.audit.findings import Refuted
from protocols.entry import Entry, parse_entry, verify_entry, verify_stamp
from protocols.kinds import Open, Rekey
from protocols.mandate import MandateBook


def check_signatures(case: Case) -> None:
    """Sets each item's ``entry``, ``stamp`` and ``verified``, or clears ``sound``."""
    for item in case.items:
        if item.exhibit.withheld is None:
            with case.findings.noting(item.seq):
                _check(case, item)
            item.sound = item.sound and item.verified is not None


def _check(case: Case, item: Item) -> None:
    item.entry = parse_entry(item.exhibit.leaf)
    item.stamp = verify_stamp(item.entry, case.accord)
    if item.index is not None and item.stamp.index != item.index:
        raise Refuted("audit.index")
    verified = verify_entry(item.entry, case.accord, case.book, at=item.stamp.at)
    _check_members(item.entry, case.book, item.stamp.at)
    item.verified = verified


def _check_members(entry: Entry, book: MandateBook, at: int) -> None:
    """Each station that joins is mandated by the office under whose name it joins."""
    act = entry.act
    members = act.roster if isinstance(act, Open) else act.adds if isinstance(act, Rekey) else ()
    for member in members:
        book.require(member.station, role="station", office=member.office, at=at)
