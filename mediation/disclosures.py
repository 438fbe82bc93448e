"""Telling the other party that words of the thread are shown outside, and the other party's yes or no.

Nothing here stops anybody: a bundle is made at home. What is written down is who said what beforehand, in the log, where
it can be proved; whether a yes is needed, the accord says (`protocols.accord`), and `mediation.consent` looks it up. Both
kinds pass always, on the closed rung too, because courts come late. Only parties write them: the words in a thread are
theirs to open.
"""

from __future__ import annotations

from msgspec.structs import replace

from mediation.draft import Draft
from mediation.effects import DisclosureAnswered
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.state import Notice
from protocols.kinds import DisclosureConsent, DisclosureNotice

NOTICES_KEPT = 16
"""Newest notices of one party that can still be answered."""


def notice(draft: Draft, move: Move) -> Refusal | None:
    """``disclosure-notice``: noted; the other party may answer it."""
    act, state = move.act, draft.state
    assert isinstance(act, DisclosureNotice)  # noqa: S101 - the form was checked
    if not draft.is_party(move.office):
        return _not_a_party(draft)
    numbers = [portion.seq for portion in act.portions]
    if numbers != sorted(set(numbers)) or any(len(set(each.fields)) != len(each.fields) for each in act.portions):
        return draft.refuse("notice-order", "A notice of disclosure names each message once, in order.")
    if numbers[-1] >= move.seq:
        return draft.refuse("unknown-reference", "The notice of disclosure names a message that was not yet sent.")
    mine = [each for each in state.notices if each.office == move.office]
    dropped = mine[: max(0, len(mine) + 1 - NOTICES_KEPT)]
    kept = tuple(each for each in state.notices if each not in dropped)
    draft.set(notices=(*kept, Notice(move.id, move.seq, move.office)))
    return None


def consent(draft: Draft, move: Move) -> Refusal | None:
    """``disclosure-consent``: the other party's answer to a notice, once."""
    act, state = move.act, draft.state
    assert isinstance(act, DisclosureConsent)  # noqa: S101 - the form was checked
    if not draft.is_party(move.office):
        return _not_a_party(draft)
    found = next((each for each in state.notices if each.entry == act.notice), None)
    if found is None:
        return draft.refuse(
            "unknown-reference",
            "This answers no notice of disclosure that is still open here.",
            "Ask for a new notice if it is an old one.",
        )
    if found.office == move.office:
        return draft.refuse("own-request", "An office does not consent to its own notice of disclosure.")
    if found.answer:
        return draft.refuse(
            "already-answered",
            "Your office has already answered this notice of disclosure.",
            "If you have changed your mind, say so, and ask for a new notice.",
        )
    answered = replace(found, answer="yes" if act.agree else "no")
    draft.set(notices=tuple(answered if each is found else each for each in state.notices))
    draft.note(DisclosureAnswered(move.office, act.notice, act.agree))
    return None


def _not_a_party(draft: Draft) -> Refusal:
    return draft.refuse("not-yours", "Only the two parties say what of their words is shown outside.")
