"""Where a mediation stands, in words."""

from __future__ import annotations

from collections.abc import Iterable

from hotline.station.core import Core
from hotline.station.views import MediatorView
from mediation.rules import DEFAULT_APPOINTMENT
from mediation.state import ThreadState


def mediators(core: Core, state: ThreadState) -> tuple[MediatorView, ...]:
    mediation = state.mediation
    if mediation is None:
        return ()
    found = []
    members = set(state.roster.values())
    for office in mediation.admitted:
        waiting = "" if office in members else "the keys are being renewed"
        found.append(
            MediatorView(office, core.office_name(office), "in the thread" if not waiting else "admitted", waiting)
        )
    for nominee in mediation.nominees:
        if not nominee.accepted:
            words, waiting = "chosen", f"{nominee.office} accepts"
        elif not nominee.declared:
            words, waiting = "has accepted", f"{nominee.office} declares its interests"
        elif not nominee.window_over:
            left = [party for party in state.parties if party not in nominee.waived_by]
            words, waiting = "has declared", f"objections or waivers of {' and '.join(left)}"
        else:
            signed = {consent.office for consent in mediation.consents}
            left = [party for party in state.parties if party not in signed]
            words, waiting = "no objection left", f"admission by {' and '.join(left)}"
        found.append(MediatorView(nominee.office, core.office_name(nominee.office), words, waiting))
    found += [MediatorView(office, core.office_name(office), "excluded", "") for office in mediation.excluded]
    return tuple(found)


def mediation_words(state: ThreadState | None) -> str:
    """Where the mediation stands, in one sentence."""
    if state is None:
        return ""
    mediation = state.mediation
    if state.settlement is not None:
        return f"Version {state.settlement.version} of the text, accepted by both parties, is in force."
    if mediation is None:
        return ""
    if mediation.admitted and state.text is not None and state.text.accepted:
        accepted = _list(state.text.accepted)
        return f"{accepted} accepted version {state.text.version}; it binds nobody until both have."
    if mediation.admitted:
        return (
            f"{_list(mediation.admitted)} mediate." if not state.due_adds else "Admitted; the keys are being renewed."
        )
    if mediation.objection is not None:
        objection = mediation.objection
        return (
            f"{objection.office} takes {objection.mediator} only beside {objection.co_mediator}; an answer is awaited."
        )
    if mediation.nominees:
        return f"{_list(nominee.office for nominee in mediation.nominees)} chosen, not admitted yet."
    bodies = [o.office for o in state.options if o.step == DEFAULT_APPOINTMENT and o.office not in state.parties]
    if bodies:
        return f"{_list(bodies)} may now appoint a mediator."
    sealed = {each.office for each in mediation.nominations}
    missing = [party for party in state.parties if party not in sealed]
    if missing:
        return f"Sealed nominations are awaited from {' and '.join(missing)}."
    if not all(each.nominees for each in mediation.nominations):
        return "Both sealed nominations are in; they are being opened."
    return "The lists have no office in common; one is appointed, as the ladder says."


def _list(offices: Iterable[str]) -> str:
    return " and ".join(offices)
