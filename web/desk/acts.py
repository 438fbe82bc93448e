"""The readable half of a form: for each type of act, which inputs ask for it and how they become the act.

One `ActForm` an act type of `protocols.kinds`; `ACTS` pairs them. Nothing here decides what is allowed.
"""

from __future__ import annotations

from typing import Any

from protocols import kinds
from web.desk.acts_disclosure import DISCLOSURE_ACTS
from web.desk.acts_mediation import MEDIATION_ACTS
from web.desk.inputs import (
    ActForm,
    Choices,
    FormProblem,
    Input,
    Setting,
    Values,
    chosen,
    chosen_many,
    moment,
    one,
    reference,
)
from web.shared.timewords import ms_to_field, utc

_VERDICTS: Choices = (
    ("ours", "Ours: we sent it"),
    ("not-ours", "Not ours: we did not send it"),
    ("unknown", "Cannot say yet"),
)
_FINDINGS: Choices = (
    ("breach", "A breach"),
    ("accidental", "Accidental"),
    ("not-a-breach", "Not a breach"),
    ("undetermined", "Cannot be determined"),
)
_GROUNDS: Choices = (
    ("own-network-defence", "Defence of our own networks"),
    ("public-safety", "Public safety"),
    ("legal-duty", "A legal duty"),
    ("protect-life", "Protecting life"),
)
ANSWER_STATES: Choices = (("answered", "Answered"), ("later", "Later"), ("refused", "Refused"))

_ABOUT: dict[str, tuple[tuple[str, ...] | None, str]] = {
    "session-open": (("step-accept", "step-request"), "The agreed step this session belongs to"),
    "authenticity-answer": (("authenticity-query",), "The question being answered"),
    "clarification-answer": (("clarification-request",), "The questions being answered"),
    "finding": (("breach-report",), "The report this finding is about"),
    "acknowledgement": (None, "What you have in your hands"),
    "holding-reply": (None, "What you will reply to"),
}


def _about_input(setting: Setting) -> Input:
    wanted, label = _ABOUT.get(setting.offer.kind, (None, "About"))
    own = None if setting.offer.kind in ("session-open", "finding") else False
    return reference(setting, "entry", label, setting.entries(wanted, own=own))


def _about_read(setting: Setting, values: Values) -> dict[str, Any]:
    return {"entry": chosen(values, _about_input(setting))}


def _supersede_input(setting: Setting) -> Input:
    own = setting.entries(("incident-notice", "update"), own=True)
    return reference(setting, "supersedes", "Replaces (the old one stays readable)", own, required=False)


def _supersede_read(setting: Setting, values: Values) -> dict[str, Any]:
    entry = chosen(values, _supersede_input(setting))
    return {"supersedes": entry} if entry else {}


_PRESERVATION = Input("preservation", "Also ask them to preserve data", "check")


def _ask_read(_: Setting, values: Values) -> dict[str, Any]:
    questions = [text for text in values.get("question", ()) if text.strip()]
    if not questions:
        raise FormProblem("questions", "Write at least one question.")
    act: dict[str, Any] = {"questions": len(questions)}
    if one(values, "preservation"):
        act["preservation"] = True
    return act


def questions_of(setting: Setting, entry: str) -> list[str]:
    """The questions of a clarification request, as text; numbered blanks where they cannot be read."""
    found = setting.entry_named(entry)
    if found is None:
        return []
    listed = (found.fields or {}).get("questions")
    if isinstance(listed, list):
        return [str(text) for text in listed]
    return [f"Question {number}" for number in range(1, int(found.act.get("questions", 0)) + 1)]


def answered_request(setting: Setting, values: Values | None = None) -> str:
    """The request an answer is about: fixed, chosen, or the only one there is."""
    item = _about_input(setting)
    if item.shape == "fixed":
        return item.value[0]
    if values is not None and one(values, "entry"):
        return one(values, "entry")
    return next(iter((*item.value, *(value for value, _ in item.choices if value))), "")


def _answer_read(setting: Setting, values: Values) -> dict[str, Any]:
    entry = chosen(values, _about_input(setting))
    states = []
    for number in range(len(questions_of(setting, entry))):
        state = one(values, f"state-{number}")
        if state not in dict(ANSWER_STATES):
            raise FormProblem("answers", f"Say for question {number + 1}: answered, later or refused.")
        states.append(state)
    return {"entry": entry, "answers": states}


def _verdict_input(_: Setting) -> Input:
    return Input("verdict", "Was it ours?", "choice", True, choices=(("", "choose"), *_VERDICTS))


def _verdict_read(setting: Setting, values: Values) -> dict[str, Any]:
    return {"entry": chosen(values, _about_input(setting)), "verdict": chosen(values, _verdict_input(setting))}


def _evidence_input(setting: Setting) -> Input:
    """What the step rests on: the entries of its kinds that are seen here, and those that only the hub told of."""
    titles = dict(setting.offer.evidence)
    named = tuple(setting.offer.act.get("evidence", ()))
    choices = setting.entries(titles, own=None)
    there = {entry.kind for entry in setting.view.entries if entry.kind in titles}
    # Where one of each kind is named, they are named in the order of the kinds.
    of = dict(zip(named, titles, strict=True)) if len(named) == len(titles) else {}
    for entry in named:
        if setting.entry_named(entry) is None:
            there.add(of.get(entry, ""))
            words = f"the newest “{titles[of[entry]]}”" if entry in of else "a message"
            choices += ((entry, f"{words}, which this station may not read ({entry[:8]})"),)
    hint = f"At least one of each: {', '.join(f'“{title}”' for title in titles.values())}. At most eight in all."
    missing = [f"“{title}”" for kind, title in titles.items() if kind not in there]
    if missing:
        hint += f" None is known here yet of: {', '.join(missing)}."
    return Input("evidence", "What the step rests on", "many", bool(choices), hint, choices=choices, value=named)


def _step_inputs(setting: Setting) -> tuple[Input, ...]:
    return (_evidence_input(setting),) if setting.offer.evidence else ()


def _step_read(setting: Setting, values: Values) -> dict[str, Any]:
    act: dict[str, Any] = {"step": setting.offer.step or setting.example("step")}
    for item in _step_inputs(setting):
        act["evidence"] = chosen_many(values, item)
    return act


def _request_input(setting: Setting) -> Input:
    return reference(setting, "request", "The request being answered", setting.entries(("step-request",), own=False))


def _step_answer_read(setting: Setting, values: Values) -> dict[str, Any]:
    request = chosen(values, _request_input(setting))
    entry = setting.entry_named(request)
    step = (entry.act.get("step") if entry else None) or setting.offer.step or setting.example("step")
    return {"request": request, "step": step}


def _clock_input(setting: Setting) -> Input:
    given = setting.pointed("clock")
    choices = tuple(
        # An office outside may lengthen a clock of which the hub told it no end.
        (clock.id, clock.title if clock.end is None else f"{clock.title}, ends {utc(clock.end)}")
        for clock in setting.view.clocks
        if (clock.state in ("running", "open") or (clock.end is None and clock.extendable))
        and (clock.extendable or clock.id == given)
    )
    if given is not None:
        words = dict(choices).get(given, given)
        return Input("clock", "Clock", "fixed", True, choices=((given, words),), value=(given,))
    example = setting.example("clock")
    return Input("clock", "Clock to lengthen", "choice", True, choices=choices, value=(example,) if example else ())


def _proposed_end(setting: Setting, clock: str) -> int | None:
    """The end the ladder tried for ``clock``: what another side proposed, else a little more time. ms UTC."""
    offers = [offer.act for offer in setting.view.offers if offer.kind == "extension"]
    return next((int(act["until"]) for act in offers if act.get("clock") == clock and act.get("until")), None)


def _until_input(setting: Setting) -> Input:
    clock = _clock_input(setting)
    first = next(iter((*clock.value, *(known for known, _ in clock.choices))), "")
    ends = [known.end for known in setting.view.clocks if known.id == first and known.end is not None]
    end = _proposed_end(setting, first) or next(iter(ends), None)
    hint = "UTC. Never earlier than it ends now. Where both must agree, both name the same end."
    return Input("until", "New end", "time", True, hint, value=(ms_to_field(end),) if end else ())


def _extension_read(setting: Setting, values: Values) -> dict[str, Any]:
    clock, until = chosen(values, _clock_input(setting)), moment(values, _until_input(setting))
    proposed = _proposed_end(setting, clock)
    if until is not None and proposed is not None and ms_to_field(until) == ms_to_field(proposed):
        # The field holds whole seconds; an end that both must name alike is alike to the millisecond.
        until = proposed
    return {"clock": clock, "until": until}


def _verifier_input(setting: Setting) -> Input:
    choices = tuple((office.id, office.name) for office in setting.offices if office.role in ("monitor", "mediator"))
    return Input("verifier", "Ask this office to look at it", "choice", choices=(("", "nobody"), *choices))


def _breach_read(setting: Setting, values: Values) -> dict[str, Any]:
    verifier = chosen(values, _verifier_input(setting))
    return {"verifier": verifier} if verifier else {}


def _finding_input(_: Setting) -> Input:
    return Input("finding", "Finding", "choice", True, choices=(("", "choose"), *_FINDINGS))


def _finding_read(setting: Setting, values: Values) -> dict[str, Any]:
    return {"entry": chosen(values, _about_input(setting)), "finding": chosen(values, _finding_input(setting))}


def _ground_input(_: Setting) -> Input:
    return Input("ground", "On which ground", "choice", True, choices=(("", "choose"), *_GROUNDS))


def _nothing(_: Setting) -> tuple[Input, ...]:
    return ()


ACTS: dict[type[kinds.Act], ActForm] = {
    **MEDIATION_ACTS,
    **DISCLOSURE_ACTS,
    kinds.Empty: ActForm(_nothing, lambda *_: {}),
    kinds.About: ActForm(lambda s: (_about_input(s),), _about_read),
    kinds.Supersede: ActForm(lambda s: (_supersede_input(s),), _supersede_read),
    kinds.Ask: ActForm(lambda _: (_PRESERVATION,), _ask_read),
    kinds.Answer: ActForm(lambda s: (_about_input(s),), _answer_read),
    kinds.Verdict: ActForm(lambda s: (_about_input(s), _verdict_input(s)), _verdict_read),
    kinds.Step: ActForm(_step_inputs, _step_read),
    kinds.StepAnswer: ActForm(lambda s: (_request_input(s),), _step_answer_read),
    kinds.Extension: ActForm(lambda s: (_clock_input(s), _until_input(s)), _extension_read),
    kinds.Breach: ActForm(lambda s: (_verifier_input(s),), _breach_read),
    kinds.Finding: ActForm(lambda s: (_about_input(s), _finding_input(s)), _finding_read),
    kinds.CarveOut: ActForm(
        lambda s: (_ground_input(s),), lambda s, values: {"ground": chosen(values, _ground_input(s))}
    ),
}
"""Every act an officer can write. Those of stations and the hub have no form."""
