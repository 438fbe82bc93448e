"""What an office of the thread may do now, each with why not."""

from __future__ import annotations

from hotline.station.core import Core
from hotline.station.model import Thread
from hotline.station.parting import CODE, passes
from hotline.station.screens.outside import outside_offers
from hotline.station.screens.requests import closes, why
from hotline.station.screens.two_people import needs_two
from hotline.station.views import OfferView
from mediation.offers import allowed
from mediation.refusals import Refusal
from mediation.state import ThreadState
from protocols.kinds import KINDS, act_to_dict


def offers(core: Core, thread: Thread, state: ThreadState | None) -> tuple[OfferView, ...]:
    """Every kind and every step, tried; of an office outside, what the hub told it."""
    if thread.frozen:
        return ()
    if state is None or thread.ladder is None:
        return outside_offers(thread)
    ladder, found = thread.ladder, []
    for offer in allowed(ladder, state, core.identity.office, max(core.now(), state.at)):
        kind = KINDS[offer.kind]
        step = None if offer.step is None else ladder.steps.get(offer.step)
        asked = next((each for each in state.requests if offer.step is not None and each.entry == offer.subject), None)
        refusal = offer.refusal
        if thread.parted is not None:
            talks = passes(offer.kind, ladder, thread.state)
            refusal = None if talks else Refusal(CODE, "station", thread.parted.refusal())
        found.append(
            OfferView(
                kind=offer.kind,
                kind_title=kind.title,
                step=offer.step,
                step_title="" if step is None else step.title,
                direction="" if step is None else step.direction,
                allowed=refusal is None,
                two_person=needs_two(ladder, offer.kind, offer.step),
                act=act_to_dict(offer.act),
                fields=kind.fields,
                required=kind.required,
                code=None if refusal is None else refusal.code,
                reason=None if refusal is None else refusal.sentence,
                rule=None if refusal is None else refusal.rule,
                clock=None if refusal is None else refusal.clock,
                until=None if refusal is None else refusal.until,
                asked_by="" if asked is None else asked.office,
                closes=None if asked is None else closes(ladder, state, asked),
                why=() if step is None else why(ladder, step),
                evidence=() if step is None else tuple((each, KINDS[each].title) for each in step.evidence),
            )
        )
    return tuple(found)
