"""The acts about showing words of a thread to outsiders: the notice to the other party, and the answer to one."""

from __future__ import annotations

from typing import Any

from protocols import kinds
from web.desk.inputs import ActForm, Choices, FormProblem, Input, Setting, Values, chosen, chosen_many, one, reference

RECIPIENTS: Choices = (
    ("court", "A court"),
    ("arbitrator", "An arbitrator"),
    ("investigator", "An investigator or a panel of inquiry"),
    ("legislature", "A legislature"),
    ("public", "The public"),
    ("other", "Somebody else"),
)
_RECIPIENT = Input(
    "to",
    "To whom",
    "choice",
    True,
    hint="Where your agreement asks for the consent of both parties, show nothing before the other side's yes.",
    choices=(("", "choose"), *RECIPIENTS),
)
_MADE = Input("made", "It has been shown already", "check")
_ANSWER = Input(
    "agree",
    "Do you consent to showing exactly that?",
    "choice",
    True,
    hint="Your answer is signed and logged, and it stands. Of another selection you are asked anew.",
    choices=(("", "choose"), ("yes", "Yes"), ("no", "No")),
)


def _portions_input(setting: Setting) -> Input:
    """Each readable field of each message, newest message first; the value is ``SEQ:FIELD``."""
    choices = tuple(
        (f"{entry.seq}:{field}", f"{setting.words(entry)} · {field}")
        for entry in reversed(setting.view.entries)
        for field in sorted(entry.fields or {})
    )
    hint = "What is not ticked stays hidden. The act of each message (which step, which answer) is always readable."
    return Input("portions", "What is shown", "many", True, hint, choices=choices)


def _notice_read(setting: Setting, values: Values) -> dict[str, Any]:
    fields: dict[int, list[str]] = {}
    for value in chosen_many(values, _portions_input(setting)):
        seq, _, field = value.partition(":")
        fields.setdefault(int(seq), []).append(field)
    if len(fields) > kinds.MAX_PORTIONS:
        raise FormProblem(
            "portions", f"Choose from at most {kinds.MAX_PORTIONS} messages; give a second notice for more."
        )
    act: dict[str, Any] = {
        "recipient": chosen(values, _RECIPIENT),
        "portions": [{"seq": seq, "fields": names} for seq, names in sorted(fields.items())],
    }
    if one(values, "made"):
        act["made"] = True
    return act


def _notice_input(setting: Setting) -> Input:
    return reference(setting, "notice", "The notice being answered", setting.entries(("disclosure-notice",), own=False))


def _consent_read(setting: Setting, values: Values) -> dict[str, Any]:
    return {"notice": chosen(values, _notice_input(setting)), "agree": chosen(values, _ANSWER) == "yes"}


DISCLOSURE_ACTS: dict[type[kinds.Act], ActForm] = {
    kinds.DisclosureNotice: ActForm(lambda s: (_RECIPIENT, _portions_input(s), _MADE), _notice_read),
    kinds.DisclosureConsent: ActForm(lambda s: (_notice_input(s), _ANSWER), _consent_read),
}
"""The forms of disclosure, as `web.desk.acts.ACTS`."""
