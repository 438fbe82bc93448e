"""Whether both parties agreed, in the thread and before everybody, that words of it are shown to outsiders.

An accord may ask for it (``disclosure = "both"``). Then each disclosed field of a bundle must be named by a notice of one
party (`DisclosureNotice`) to which the other has said yes (`DisclosureConsent`). Both are entries like any other: signed by
an officer, stamped, in the log. The station that exports and the court that verifies look it up here, in the same entries.

Only signatures count here, not the ladder: what an officer of a party signed, that party said, whatever rung it was on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from protocols.accord import Accord
from protocols.entry import Entry
from protocols.kinds import DisclosureConsent, DisclosureNotice, Open, Recipient

Consented = Literal["CONSENTED", "NOT CONSENTED", "NOT REQUIRED"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """A notice of disclosure with what became of it. ``fields``: what it names, by entry (``seq``). ``answer_seq``: of the
    other party's first answer, None where there is none; ``agreed``: whether that was a yes. ``made``: it has been shown
    already, the notice says. ``sheet``: SHA-256 of the redaction sheet it speaks of."""

    seq: int
    office: str
    recipient: Recipient
    made: bool
    fields: Mapping[int, frozenset[str]] = field(default_factory=dict)
    sheet: str | None = None
    answer_seq: int | None = None
    agreed: bool = False

    def covers(self, seq: int, name: str) -> bool:
        """Whether both parties agreed to show this field of this entry."""
        return self.agreed and name in self.fields.get(seq, frozenset())


def agreements(entries: Iterable[tuple[int, Entry]]) -> tuple[Agreement, ...]:
    """Every notice in these entries (number and entry, signatures verified by the caller), in order of number.

    Who the parties are, the opening says; without it (it may be withheld) nobody's word counts.
    """
    parties: frozenset[str] = frozenset()
    found: dict[str, Agreement] = {}
    for seq, entry in entries:
        act, office = entry.act, entry.payload.office
        if seq == 1 and isinstance(act, Open):
            parties = frozenset(act.parties)
        elif office not in parties:
            continue
        elif isinstance(act, DisclosureNotice):
            # What was not yet sent cannot have been meant.
            named = {each.seq: frozenset(each.fields) for each in act.portions if each.seq < seq}
            found[entry.id] = Agreement(seq, office, act.recipient, act.made, named, act.sheet)
        elif isinstance(act, DisclosureConsent):
            notice = found.get(act.notice)
            if notice is not None and notice.office != office and notice.answer_seq is None:
                found[act.notice] = Agreement(
                    notice.seq,
                    notice.office,
                    notice.recipient,
                    notice.made,
                    notice.fields,
                    notice.sheet,
                    seq,
                    act.agree,
                )
    return tuple(found.values())


def consent_to(accord: Accord, agreed: Sequence[Agreement], seq: int, name: str) -> Consented:
    """Whether a disclosed field has the consent that the accord asks for; told where the accord asks for none, too."""
    if any(each.covers(seq, name) for each in agreed):
        return "CONSENTED"
    return "NOT CONSENTED" if accord.disclosure == "both" else "NOT REQUIRED"


def lacking(
    accord: Accord, entries: Iterable[tuple[int, Entry]], disclosed: Mapping[int, Iterable[str]]
) -> tuple[tuple[int, str], ...]:
    """The fields (entry's number, name) among ``disclosed`` that may not be shown yet."""
    agreed = agreements(entries)
    return tuple(
        (seq, name)
        for seq, names in sorted(disclosed.items())
        for name in sorted(names)
        if consent_to(accord, agreed, seq, name) == "NOT CONSENTED"
    )
