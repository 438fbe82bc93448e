"""The acts that bring a mediator in and settle a text: nominations, objections, admissions, proposals."""

from __future__ import annotations

from typing import Any

from protocols import kinds
from web.desk.inputs import (
    ActForm,
    Choices,
    FormProblem,
    Input,
    Setting,
    Values,
    chosen,
    chosen_many,
    chosen_ranked,
    one,
    reference,
)
from web.shared.timewords import utc


def _mediators(setting: Setting) -> Choices:
    """Those already on their way in, else the roster."""
    known = tuple((mediator.office, mediator.name) for mediator in setting.view.mediators)
    return known or tuple((office.id, office.name) for office in setting.offices if office.role == "mediator")


def _as_given(found: list[str], given: Any) -> list[str]:
    """``found`` in the order of ``given`` where both hold the same: an admission must be the other's word for word."""
    return list(given) if isinstance(given, list | tuple) and set(given) == set(found) else found


def nominees_input(setting: Setting) -> Input:
    """The nominees of a sealed nomination, in order of preference."""
    roster = tuple((office.id, office.name) for office in setting.offices if office.role == "mediator")
    hint = "In order of preference. Sealed until both lists are in; the other side sees only that yours is in."
    return Input("nominees", "Nominees", "ranked", True, hint, choices=roster, rows=min(4, len(roster)))


def _nominate_read(setting: Setting, values: Values) -> dict[str, Any]:
    return {"nominees": chosen_ranked(values, nominees_input(setting))}


def _mediator_input(setting: Setting) -> Input:
    example = setting.example("mediator")
    choices = (("", "choose"), *_mediators(setting))
    return Input("mediator", "Mediator", "choice", True, choices=choices, value=(example,) if example else ())


def _appointed_input(setting: Setting) -> tuple[Input, ...]:
    """Whom the body may appoint, as the ladder offers it; nothing to choose where the roster's order decides."""
    offers = (offer.act.get("mediator") for offer in setting.view.offers if offer.kind == setting.offer.kind)
    offices = tuple((office, setting.name_of(office)) for office in dict.fromkeys(filter(None, offers)))
    hint = "Your office chooses. The office you name is asked at once; it accepts and declares its interests first."
    return (Input("mediator", "Appoint", "choice", True, hint, (("", "choose"), *offices)),) if offices else ()


def _appointment_read(setting: Setting, values: Values) -> dict[str, Any]:
    return {item.name: chosen(values, item) for item in _appointed_input(setting)}


def _co_mediator_input(setting: Setting) -> Input:
    roster = tuple((office.id, office.name) for office in setting.offices if office.role == "mediator")
    hint = "Choose an office if you would accept the mediator beside it."
    return Input("co_mediator", "Acceptable with co-mediator", "choice", hint=hint, choices=(("", "no"), *roster))


def _objection_read(setting: Setting, values: Values) -> dict[str, Any]:
    act = {"mediator": chosen(values, _mediator_input(setting))}
    beside = chosen(values, _co_mediator_input(setting))
    return {**act, "co_mediator": beside} if beside else act


def _objection_input(setting: Setting) -> Input:
    return reference(setting, "objection", "The objection", setting.entries(("objection",), own=False))


_AGREE = Input(
    "agree", "Do you agree to its condition?", "choice", True, choices=(("", "choose"), ("yes", "Yes"), ("no", "No"))
)


def _objection_answer_read(setting: Setting, values: Values) -> dict[str, Any]:
    return {"objection": chosen(values, _objection_input(setting)), "agree": chosen(values, _AGREE) == "yes"}


def _mediators_input(setting: Setting) -> Input:
    given = tuple(setting.example("mediators") or ())
    return Input("mediators", "Mediators", "many", True, choices=_mediators(setting), value=given)


def _waiver_read(setting: Setting, values: Values) -> dict[str, Any]:
    found = chosen_many(values, _mediators_input(setting))
    return {"mediators": _as_given(found, setting.example("mediators"))}


def _scope(setting: Setting) -> dict[str, Any]:
    scope = setting.example("scope")
    return dict(scope) if isinstance(scope, dict) else {}


def _rung_input(setting: Setting) -> Input:
    choices = (("", "nothing by level"), *((rung.id, f"From {rung.title} on") for rung in setting.view.rungs))
    value = _scope(setting).get("from_rung")
    hint = "They read everything sent since this level was entered; nothing earlier unless named below."
    return Input(
        "from_rung", "History they may read", "choice", hint=hint, choices=choices, value=(value,) if value else ()
    )


def _scope_entries_input(setting: Setting) -> Input:
    choices = setting.entries(None, own=None)
    given = tuple(_scope(setting).get("entries", ()))
    return Input("entries", "and these messages", "many", choices=choices, value=given)


def _admission_read(setting: Setting, values: Values) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    rung = chosen(values, _rung_input(setting))
    entries = chosen_many(values, _scope_entries_input(setting))
    if rung:
        scope["from_rung"] = rung
    if entries:
        order = {entry.id: entry.seq for entry in setting.view.entries}
        in_order = sorted(entries, key=lambda entry: order[entry])
        scope["entries"] = _as_given(in_order, _scope(setting).get("entries"))
    mediators = chosen_many(values, _mediators_input(setting))
    return {"mediators": _as_given(mediators, setting.example("mediators")), "scope": scope}


def _withdrawal_read(setting: Setting, values: Values) -> dict[str, Any]:
    return {"mediator": chosen(values, _mediator_input(setting))}


def proposal_languages(setting: Setting) -> tuple[str, ...]:
    """The languages a proposal is asked for in: the parties' own, then English."""
    spoken = [office.language for office in setting.offices if office.id in setting.view.summary.parties]
    return tuple(dict.fromkeys([*spoken, "en"]))


def _proposal_read(setting: Setting, values: Values) -> dict[str, Any]:
    given = setting.example("version")
    newest = max((int(e.act.get("version", 0)) for e in setting.view.entries if e.kind == "proposal"), default=0)
    written = [lang for lang in proposal_languages(setting) if one(values, f"text-{lang}")]
    if not written:
        raise FormProblem("text", "Write the text in at least one language.")
    return {"version": given or newest + 1, "languages": written}


def _proposal_input(setting: Setting) -> Input:
    choices = tuple(
        (entry.id, f"Version {entry.act.get('version', '?')} · {utc(entry.at)}")
        for entry in reversed(setting.view.entries)
        if entry.kind == "proposal"
    )
    return reference(setting, "proposal", "The proposal", choices)


def _proposal_answer_read(setting: Setting, values: Values) -> dict[str, Any]:
    proposal = chosen(values, _proposal_input(setting))
    entry = setting.entry_named(proposal)
    version = (entry.act.get("version") if entry else None) or setting.example("version")
    return {"proposal": proposal, "version": version}


MEDIATION_ACTS: dict[type[kinds.Act], ActForm] = {
    kinds.Appointment: ActForm(_appointed_input, _appointment_read),
    kinds.Nominate: ActForm(lambda s: (nominees_input(s),), _nominate_read),
    kinds.Objection: ActForm(lambda s: (_mediator_input(s), _co_mediator_input(s)), _objection_read),
    kinds.ObjectionAnswer: ActForm(lambda s: (_objection_input(s), _AGREE), _objection_answer_read),
    kinds.Waiver: ActForm(lambda s: (_mediators_input(s),), _waiver_read),
    kinds.Admission: ActForm(lambda s: (_mediators_input(s), _rung_input(s), _scope_entries_input(s)), _admission_read),
    kinds.Withdrawal: ActForm(lambda s: (_mediator_input(s),), _withdrawal_read),
    kinds.Proposal: ActForm(lambda _: (), _proposal_read),
    kinds.ProposalAnswer: ActForm(lambda s: (_proposal_input(s),), _proposal_answer_read),
}
"""The forms of mediation, as `web.desk.acts.ACTS`."""
