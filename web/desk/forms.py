"""A compose form: its inputs for a kind, and the act and sealed fields that what was typed becomes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from protocols.errors import ProtocolError
from protocols.kinds import Author, Kind, Proposal, check_fields, kind_of, parse_act
from web.desk.acts import ACTS, ANSWER_STATES, answered_request, questions_of
from web.desk.acts_mediation import proposal_languages
from web.desk.inputs import FormProblem, Input, Setting, Values, moment, one
from web.shared.language import TEXT_LANGUAGES

QUESTIONS = 5
"""Question lines a fresh form has; more are added a few at a time."""

SEVERITIES = (
    ("", "not said"),
    ("low", "Low: no service lost"),
    ("medium", "Medium: a service disturbed"),
    ("high", "High: a service lost"),
    ("severe", "Severe: several services lost, or many people hit"),
    ("emergency", "Emergency: danger to life"),
)

HARM = (
    ("services", "Services hit"),
    ("people", "People affected"),
    ("facilities", "Places"),
    ("since", "Since when"),
    ("safety", "Danger to life"),
)
"""The parts of a harm assessment, all in free words: (name, label)."""

_FIELDS = {
    "questions": Input("questions", "Questions", "questions"),
    "preserve": Input("preserve", "Data to preserve", "area", hint="What, where, from when.", rows=2),
    "answers": Input("answers", "Answers", "answers"),
    "reason": Input("reason", "Reason", "area", rows=3),
    "next_word": Input("next_word", "Next word by", "time", hint="UTC. When they will hear from you again."),
    "subject": Input("subject", "Subject", "text"),
    "text": Input("text", "Text", "area", rows=6),
    "language": Input("language", "Language of the text", "choice", choices=TEXT_LANGUAGES),
    "severity": Input("severity", "Severity", "choice", choices=SEVERITIES),
    "harm": Input("harm", "Harm", "harm", choices=HARM),
    "asks": Input("asks", "What you ask of them", "lines", hint="One request a line."),
    "next": Input("next", "What you may do next", "area", hint="Say it plainly and neutrally.", rows=2),
    "claim": Input("claim", "What you received", "area", hint="Quote it: from, to, when, words.", rows=3),
    "evidence": Input("evidence", "Evidence", "area", rows=3),
    "addressee": Input(
        "addressee", "Which one exactly", "text", hint="The court and its docket, the paper, the committee."
    ),
    "indicators": Input("indicators", "Indicators", "area", hint="What was measured, over how long.", rows=3),
    "interests": Input("interests", "Interests to disclose", "area", hint="Holdings, contracts, ties.", rows=3),
}
_ORDER = tuple(_FIELDS)


@dataclass(frozen=True, slots=True)
class Form:
    """A form ready to show: ``values`` by input name fill it, ``problem`` names what was wrong."""

    kind: Kind
    setting: Setting
    inputs: tuple[Input, ...]
    values: Values
    problem: FormProblem | None = None


def make_form(setting: Setting, values: Values | None = None, problem: FormProblem | None = None) -> Form:
    """The form for ``setting.offer``, filled with ``values`` where something was typed before. Raises `UnknownKind`."""
    kind = kind_of(setting.offer.kind)
    if kind.author is not Author.OFFICER:
        raise FormProblem("kind", "The station writes this by itself; there is nothing to type.")
    inputs = [*ACTS[kind.act].inputs(setting), *_field_inputs(kind, setting, values)]
    return Form(kind, setting, tuple(inputs), values or {}, problem)


def _field_inputs(kind: Kind, setting: Setting, values: Values | None) -> list[Input]:
    names = setting.offer.fields or kind.fields
    required = set(setting.offer.required or kind.required)
    found = []
    for name in sorted((name for name in names if name in _FIELDS), key=_ORDER.index):
        item = replace(_FIELDS[name], required=name in required)
        if name == "language":
            if kind.act is Proposal:
                continue
            item = replace(item, value=(setting.office.language,))
        elif name == "text" and kind.act is Proposal:
            spoken = dict(TEXT_LANGUAGES)
            choices = tuple((lang, spoken.get(lang, lang)) for lang in proposal_languages(setting))
            item = replace(item, shape="texts", choices=choices, hint="All languages together are one text.")
        elif name == "text" and not item.required:
            item = replace(item, rows=3)
        elif name == "questions":
            typed = len(values.get("question", ())) if values else 0
            item = replace(item, rows=max(QUESTIONS, typed))
        elif name == "answers":
            questions = questions_of(setting, answered_request(setting, values))
            item = replace(item, choices=tuple((str(i), text) for i, text in enumerate(questions)))
        found.append(item)
    return found


def read_form(setting: Setting, values: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    """The act and the sealed fields that ``values`` say. Raises `FormProblem` for what a person must mend.

    For a nomination the act is ``{"nominees": [...]}``: the station seals it.
    """
    form = make_form(setting, values)
    kind = form.kind
    act = ACTS[kind.act].read(setting, values)
    fields: dict[str, Any] = {}
    for item in form.inputs:
        if item.name in _FIELDS and item.name in kind.fields:
            value = _read_field(item, values)
            if value not in ("", None, [], {}):
                fields[item.name] = value
            elif item.required:
                raise FormProblem(item.name, f"Fill in: {item.label.lower()}.")
    if set(fields) == {"language"}:
        fields = {}
    if kind.name != "nomination":
        try:
            parse_act(kind, act)
            check_fields(kind, fields)
        except ProtocolError as error:
            raise FormProblem("kind", error.sentence) from error
    return act, fields


def _read_field(item: Input, values: Values) -> Any:
    match item.shape:
        case "lines":
            return [line.strip() for line in one(values, item.name).splitlines() if line.strip()]
        case "time":
            return moment(values, item)
        case "questions":
            return [text.strip() for text in values.get("question", ()) if text.strip()]
        case "answers":
            return [_read_answer(number, values) for number in range(len(item.choices))]
        case "texts":
            return {lang: one(values, f"text-{lang}") for lang, _ in item.choices if one(values, f"text-{lang}")}
        case "harm":
            return {name: one(values, f"harm-{name}") for name, _ in item.choices if one(values, f"harm-{name}")}
        case _:
            return one(values, item.name).replace("\r\n", "\n")


def _read_answer(number: int, values: Values) -> str:
    text = one(values, f"answer-{number}")
    if not text and one(values, f"state-{number}") == "answered":
        raise FormProblem("answers", f"Question {number + 1} is marked answered, but there is no answer.")
    return text


__all__ = ["ANSWER_STATES", "Form", "FormProblem", "make_form", "read_form"]
