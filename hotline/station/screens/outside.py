"""What an office outside the group may do, by the hub's word: nominees, verifiers, holders of a ladder's roles."""

from __future__ import annotations

from hotline.station.model import Thread
from hotline.station.screens.two_people import needs_two
from hotline.station.views import OfferView
from hotline.words import step_title
from protocols.encoding import rfc3339
from protocols.errors import ProtocolError
from protocols.frames import Opening
from protocols.kinds import KINDS, kind_of, parse_act


def outside_offers(thread: Thread) -> tuple[OfferView, ...]:
    """What the hub's invitation asks for. Its word only: the hub judges, and we replay it all once admitted."""
    wanted: list[tuple[str, dict[str, object]]] = []
    standing = [
        each for invitation in thread.invitations.values() if invitation.status != "over" for each in invitation.open
    ]
    found = [_opening(thread, each) for each in standing if _reads(each)]
    for invitation in thread.invitations.values():
        if invitation.status == "over":
            continue
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
    return tuple(found)


def _reads(opening: Opening) -> bool:
    """Whether the hub's word is of a form that an entry could have; what is not is not offered."""
    try:
        parse_act(kind_of(opening.kind), opening.act)
    except ProtocolError:
        return False
    return True


def _opening(thread: Thread, opening: Opening) -> OfferView:
    """What a role holder could send, told by the hub."""
    kind, name = kind_of(opening.kind), opening.act.get("step")
    step = None if thread.ladder is None or name is None else thread.ladder.steps.get(name)
    asked = f", asked for by {opening.office}" if opening.office else ""
    until = f", until {rfc3339(opening.until)[:16].replace('T', ' ')} UTC" if opening.until is not None else ""
    return OfferView(
        kind=kind.name,
        kind_title=kind.title,
        step=name,
        step_title=("" if name is None else step_title(thread.ladder, name)) + asked + until,
        direction="" if step is None else step.direction,
        allowed=True,
        two_person=needs_two(thread.ladder, kind.name, name),
        act=opening.act,
        fields=kind.fields,
        required=kind.required,
    )
