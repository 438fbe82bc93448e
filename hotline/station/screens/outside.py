"""What an office outside the group is asked for: a nominee, a verifier, the holder of a ladder's role.

It follows no ladder state. What the hub tells it is the hub's word; what the ladder's text says beside it is its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from hotline.station.model import Thread
from hotline.station.screens.clocks import then_words
from hotline.station.screens.requests import evidence_words, serving_rules, why
from hotline.station.screens.two_people import needs_two
from hotline.station.views import ClockView, OfferView, StandingView
from hotline.words import step_title
from mediation.ladder import Ladder
from mediation.rules import StepRule
from mediation.words import listed, mark
from protocols.errors import ProtocolError
from protocols.frames import Invitation, Opening
from protocols.kinds import KINDS, kind_of, parse_act

_BUILT_IN = {"nominee": "a nominated mediator", "verifier": "a verifier"}
_AWAITED = {
    "acceptance": "Say whether your office accepts the nomination.",
    "declaration": "Declare your office's interests.",
    "objections": "Your declaration is with the parties; they may object now.",
    "admission": "Both parties must admit your office before it can read anything.",
    "rekey": "Admitted; the keys are being renewed.",
    "finding": "Look at the report and give your finding.",
    "open": "You may act now.",
    "waiting": "Nothing is asked of your office now. You will be called when it is.",
}


def standing(thread: Thread) -> StandingView | None:
    """As what this office stands outside; None for a member."""
    if thread.state is not None or thread.invitation is None:
        return None
    live = _live(thread)
    if not live:
        return StandingView((), "Your office's part in this incident is over.")
    titles = tuple(dict.fromkeys(_role_title(thread.ladder, each.role) for each in live))
    return StandingView(titles, " ".join(dict.fromkeys(_AWAITED.get(each.status, each.status) for each in live)))


def standing_words(thread: Thread) -> str:
    """The same in one line for the list of incidents; "" for a member."""
    found = standing(thread)
    if found is None:
        return ""
    if not found.roles:
        return "Your part is over"
    able = any(offer.allowed for offer in outside_offers(thread))
    return f"As {listed(found.roles)}: {'you may act now' if able else 'nothing asked now'}"


def rung(thread: Thread) -> str:
    """The rung on which the thread stands by the hub's newest word to a role holder; "" where it told none."""
    told = [each for each in _live(thread) if each.rung]
    return max(told, key=lambda each: each.seq).rung if told else ""


def outside_clocks(thread: Thread) -> tuple[ClockView, ...]:
    """The clocks of which the hub told this office: those of requests on which it has a say, those it may lengthen."""
    ladder, found = thread.ladder, {}
    for opening in _openings(thread):
        if ladder is None:
            continue
        if opening.kind == "extension":
            name = str(opening.act["clock"])
            found[name] = _clock(ladder, name.split("/", 1)[0], name, None, extendable=True)
        elif opening.until is not None and {"request", "step"} <= opening.act.keys():
            step = str(opening.act["step"])
            for rule in serving_rules(ladder, step)[:1] if step in ladder.steps else ():
                name = f"{rule}/{opening.act['request']}"
                found[name] = _clock(ladder, rule, name, opening.until, extendable=False)
    return tuple(sorted(found.values(), key=lambda clock: (clock.end is None, clock.end or 0)))


def outside_offers(thread: Thread) -> tuple[OfferView, ...]:
    """What the hub's invitations ask for, then the office's other steps with why the hub does not offer them."""
    wanted: list[tuple[str, dict[str, object]]] = []
    found = [_opening(thread, each) for each in _openings(thread)]
    for invitation in _live(thread):
        if invitation.role == "verifier" and invitation.about is not None:
            wanted.append(("finding", {"entry": invitation.about, "finding": "undetermined"}))
        elif invitation.status == "acceptance":
            wanted.append(("mediator-acceptance", {}))
        elif invitation.status in ("declaration", "objections", "admission"):
            wanted.append(("declaration", {}))
    found += [
        OfferView(
            kind=kind,
            kind_title=KINDS[kind].title,
            step=None,
            step_title="",
            direction="",
            allowed=True,
            two_person=needs_two(thread.ladder, kind, None),
            act=act,
            fields=KINDS[kind].fields,
            required=KINDS[kind].required,
        )
        for kind, act in wanted
    ]
    return (*found, *_not_offered(thread, {offer.step for offer in found if offer.kind == "step-request"}))


def _live(thread: Thread) -> list[Invitation]:
    return [each for each in thread.invitations.values() if each.status != "over"]


def _openings(thread: Thread) -> Iterator[Opening]:
    """The hub's openings of a form that an entry could have; what is not is not offered."""
    for invitation in _live(thread):
        for opening in invitation.open:
            try:
                parse_act(kind_of(opening.kind), opening.act)
            except ProtocolError:
                continue
            yield opening


def _opening(thread: Thread, opening: Opening) -> OfferView:
    """What a role holder could send, told by the hub."""
    kind, name = kind_of(opening.kind), opening.act.get("step")
    step = None if thread.ladder is None or name is None else thread.ladder.steps.get(name)
    return OfferView(
        kind=kind.name,
        kind_title=kind.title,
        step=name,
        step_title="" if name is None else step_title(thread.ladder, name),
        direction="" if step is None else step.direction,
        allowed=True,
        two_person=needs_two(thread.ladder, kind.name, name),
        act=opening.act,
        fields=kind.fields,
        required=kind.required,
        asked_by=opening.office,
        closes=opening.until,
        why=() if step is None or thread.ladder is None else why(thread.ladder, step),
        evidence=() if step is None else tuple((each, KINDS[each].title) for each in step.evidence),
    )


def _not_offered(thread: Thread, offered: set[str | None]) -> Iterator[OfferView]:
    """Steps of this office's roles that the hub does not offer now, with what the ladder's text says they need."""
    ladder, roles = thread.ladder, {each.role for each in _live(thread)}
    if ladder is None or not roles:
        return
    kind, here = kind_of("step-request"), rung(thread)
    for step in ladder.steps.values():
        if step.id in offered or step.trigger != kind.name or roles.isdisjoint(step.who):
            continue
        yield OfferView(
            kind=kind.name,
            kind_title=kind.title,
            step=step.id,
            step_title=step.title,
            direction=step.direction,
            allowed=False,
            two_person=needs_two(ladder, kind.name, step.id),
            act={"step": step.id},
            fields=kind.fields,
            required=kind.required,
            reason=_reason(ladder, step, here),
            rule=f"{ladder.id}/{step.id}",
            why=why(ladder, step),
            evidence=tuple((each, KINDS[each].title) for each in step.evidence),
        )


def _reason(ladder: Ladder, step: StepRule, here: str) -> str:
    """Why the hub may not offer it, from the ladder's text alone."""
    if here in ladder.rungs and here not in step.start:
        places = listed(f"“{ladder.rungs[each].title}”" for each in step.start if each in ladder.rungs)
        stands = ladder.rungs[here].title
        return f"The hub does not offer it now. It can be taken from {places}; the incident stands on “{stands}”."
    if step.evidence:
        return (
            f"The hub does not offer it now. It rests on {evidence_words(step)}, and one of each must have been sent in this "
            "incident before."
        )
    if step.needs_option:
        return (
            "The hub does not offer it now. It opens only when a clock that gives it has run out, a window has opened, or the "
            "step that asks for it was taken."
        )
    return "The hub does not offer it now. A standstill, a request that waits already or a clock may stand in its way."


def _clock(ladder: Ladder, rule: str, name: str, end: int | None, *, extendable: bool) -> ClockView:
    definition = ladder.clocks.get(rule)
    return ClockView(
        id=name,
        title=rule if definition is None else definition.title,
        kind="" if definition is None else definition.kind,
        on="us",
        start=None,
        end=end,
        state="running" if end is not None else "running, its end is not told",
        then=then_words(ladder, rule),
        standstill=False,
        extendable=extendable,
        mark="" if definition is None else mark(definition),
    )


def _role_title(ladder: Ladder | None, role: str) -> str:
    declared = None if ladder is None else ladder.roles.get(role)
    return _BUILT_IN.get(role, role) if declared is None else declared.title
