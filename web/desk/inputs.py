"""The inputs a compose form is made of, the values it comes back with, and what it says when one is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hotline.station.views import EntryView, OfferView, OfficeView, ThreadView
from web.shared.timewords import field_to_ms, utc

Shape = Literal[
    "text",
    "area",
    "lines",
    "choice",
    "many",
    "time",
    "check",
    "questions",
    "answers",
    "texts",
    "ranked",
    "harm",
    "fixed",
]
Choices = tuple[tuple[str, str], ...]
"""(value, words) pairs."""
Values = Mapping[str, Sequence[str]]
"""A form as it was typed: every name to all its values, in order."""


_BLANKS = ("A" * 43, "none", "NONE", 0)
"""What the ladder's examples hold where the thread has nothing that fits (see `mediation.offers`)."""


@dataclass(frozen=True, slots=True)
class Input:
    """One question of a form. ``choices``: (value, words) for a choice; (label, words) rows for composite shapes."""

    name: str
    label: str
    shape: Shape
    required: bool = False
    hint: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    value: tuple[str, ...] = ()
    rows: int = 3


class FormProblem(Exception):
    """Something typed cannot be sent as it is. ``name``: the input it concerns."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Setting:
    """What a form is made from: the thread, the offer it acts on, the offices, and the reference it was opened with."""

    view: ThreadView
    offer: OfferView
    office: OfficeView
    offices: tuple[OfficeView, ...]
    entry: str | None = None

    def example(self, name: str) -> Any:
        """What the ladder tried the offer with: a good first choice, never a must; None where it is a blank."""
        value = self.offer.act.get(name)
        return None if value in _BLANKS else value

    def pointed(self, name: str) -> str | None:
        """What the officer pointed at with the link that opened the form: an entry, or for ``clock`` a clock."""
        if self.entry is None:
            return None
        is_clock = any(clock.id == self.entry for clock in self.view.clocks)
        return self.entry if is_clock is (name == "clock") else None

    def name_of(self, office: str) -> str:
        return next((known.name for known in self.offices if known.id == office), office)

    def entry_named(self, entry: str) -> EntryView | None:
        return next((known for known in self.view.entries if known.id == entry), None)

    def entries(self, kinds: Iterable[str] | None, *, own: bool | None) -> tuple[tuple[str, str], ...]:
        """Entries of the thread as choices, newest first. ``kinds`` None: whatever people wrote."""
        wanted = None if kinds is None else frozenset(kinds)
        return tuple(
            (entry.id, self.words(entry))
            for entry in reversed(self.view.entries)
            if (entry.fields is not None or entry.sealed if wanted is None else entry.kind in wanted)
            and (own is None or entry.own is own)
        )

    def words(self, entry: EntryView) -> str:
        return f"{entry.seq} · {entry.kind_title} · {self.name_of(entry.office)} · {utc(entry.at)}"


def one(values: Values, name: str) -> str:
    """The single value of ``name``, stripped; "" when it is absent."""
    found = values.get(name, ())
    return found[0].strip() if found else ""


def chosen(values: Values, item: Input) -> str:
    """The value of a choice, which must be among its choices; "" where none is required and none made."""
    value = one(values, item.name) or ("" if item.shape != "fixed" else "".join(item.value[:1]))
    if not value and not item.required:
        return ""
    if not value or value not in {known for known, _ in item.choices}:
        raise FormProblem(item.name, f"Choose: {item.label.lower()}.")
    return value


def chosen_many(values: Values, item: Input) -> list[str]:
    """All values ticked, in the order of the choices."""
    ticked = set(values.get(item.name, ()))
    found = [known for known, _ in item.choices if known in ticked]
    if item.required and not found:
        raise FormProblem(item.name, f"Choose at least one: {item.label.lower()}.")
    return found


def chosen_ranked(values: Values, item: Input) -> list[str]:
    """Several choices in the order given, none twice."""
    found: list[str] = []
    for value in values.get(item.name, ()):
        if value and value in found:
            raise FormProblem(item.name, "The same office stands twice.")
        if value and value in {known for known, _ in item.choices}:
            found.append(value)
    if item.required and not found:
        raise FormProblem(item.name, f"Choose at least one: {item.label.lower()}.")
    return found


def moment(values: Values, item: Input) -> int | None:
    """A UTC time in ms, or None where it was left empty and may be."""
    text = one(values, item.name)
    if not text:
        if item.required:
            raise FormProblem(item.name, f"Give a time in UTC: {item.label.lower()}.")
        return None
    try:
        return field_to_ms(text)
    except ValueError:
        raise FormProblem(item.name, "Write the time as 2031-03-12T20:00, in UTC.") from None


def reference(setting: Setting, name: str, label: str, choices: Choices, *, required: bool = True) -> Input:
    """A reference to an entry: fixed where the officer pointed at one, else a choice beginning with the example."""
    given = setting.pointed(name)
    if given is not None:
        entry = setting.entry_named(given)
        words = dict(choices).get(given) or (setting.words(entry) if entry else given)
        return Input(name, label, "fixed", required, choices=((given, words),), value=(given,))
    example = setting.example(name)
    value = (example,) if example in dict(choices) else ()
    if not required:
        choices = (("", "nothing"), *choices)
    elif len(choices) > 1:
        choices = (("", "choose"), *choices)
    return Input(name, label, "choice", required, choices=choices, value=value)


@dataclass(frozen=True, slots=True)
class ActForm:
    """How one type of act is asked for and read back. ``read`` raises `FormProblem`."""

    inputs: Callable[[Setting], tuple[Input, ...]]
    read: Callable[[Setting, Values], dict[str, Any]]
