"""Reading a ladder file: form first, then every reference, then what the rules must hold together.

Each complaint names the line, the column and the field; all of them are collected. The checks are the ones whose
absence was found out too late elsewhere: unreachable rungs, rungs without a way down, options for steps that do not
exist, clocks that nothing starts, a standstill whose clock others could stop. (What only shows when steps follow one
another is `mediation.checker`'s part.)
"""

from __future__ import annotations

from datetime import date

from mediation.complaints import Complaints
from mediation.durations import parse_duration, parse_period
from mediation.errors import LadderError
from mediation.kind_groups import GROUPS, kinds_of
from mediation.ladder_check_clocks import check_clock
from mediation.ladder_check_steps import check_step
from mediation.ladder_form import MAX_BYTES, read_form
from mediation.rules import BUILT_IN_ROLES, DEFAULT_APPOINTMENT, LadderFile
from protocols.kinds import KINDS, Author

__all__ = ["CODES", "MAX_BYTES", "read_all", "read_ladder"]

CODES = frozenset(
    {"size", "syntax", "field", "reference", "duration", "duplicate", "contradiction", "unreachable", "no-way-down"}
)
"""What stands behind ``ladder.file.`` in a complaint's code."""


def read_ladder(data: bytes) -> LadderFile:
    """The checked file. Raises `LadderError`, the first that `read_all` finds."""
    file, errors = read_all(data)
    if errors or file is None:
        raise errors[0]
    return file


def read_all(data: bytes) -> tuple[LadderFile | None, tuple[LadderError, ...]]:
    """The file where its form holds, and everything that is wrong with it. References are checked once the form
    holds."""
    text, file, errors = read_form(data)
    if file is None:
        return None, errors
    found = Complaints(text, file)
    _names(found)
    _roles(found)
    for index, step in enumerate(file.step):
        check_step(found, step, f"step[{index}]")
    for index, clock in enumerate(file.clock):
        check_clock(found, clock, f"clock[{index}]")
    _kinds(found)
    _mediation(found)
    _ways(found)
    return file, tuple(found.errors)


def _names(found: Complaints) -> None:
    file = found.file
    for table, names in (
        ("rung", [rung.id for rung in file.rung]),
        ("role", [role.id for role in file.role]),
        ("step", [step.id for step in file.step]),
        ("clock", [clock.id for clock in file.clock]),
    ):
        for index, name in enumerate(names):
            if name in names[:index]:
                found.add("duplicate", f"The {table} {name!r} stands twice.", f"{table}[{index}].id")
    found.known([file.start], found.rungs, "rung", "start")
    found.known([file.closed], found.rungs, "rung", "closed")
    if file.monitoring:
        found.known([file.monitoring], found.rungs, "rung", "monitoring")
    if len({file.start, file.closed, file.monitoring}) != 3:
        found.add("contradiction", "Start, monitoring and closed must be different rungs.", "closed")
    found.duration(file.review, "review", parse_period)
    found.duration(file.limits.extension, "limits.extension", parse_duration)
    for group in file.uses:
        if group not in GROUPS:
            found.add("reference", f"There is no group of kinds {group!r}.", "uses")
    if file.sunset:
        try:
            date.fromisoformat(file.sunset)
        except ValueError:
            found.add("field", f"{file.sunset!r} is not a date such as 2040-01-01.", "sunset")
    for index, rung in enumerate(file.rung):
        at = f"rung[{index}].forbids"
        found.kinds(rung.forbids, at)
        for name in rung.forbids:
            if name in KINDS and (KINDS[name].always or name == "rekey"):
                found.add("contradiction", f"{name!r} always passes; no rung may forbid it.", at)


def _roles(found: Complaints) -> None:
    for index, role in enumerate(found.file.role):
        at = f"role[{index}]"
        if role.id in BUILT_IN_ROLES or role.id in ("none", "other", "requester", "respondent", "either", "both"):
            found.add("duplicate", f"{role.id!r} is a word of the language, not a name for a role.", f"{at}.id")
        if role.id in ("mutual", "consensus", "nobody"):
            found.add("duplicate", f"{role.id!r} is a word of the language, not a name for a role.", f"{at}.id")
        if role.held_by == "all" and "nationals" in role.exclude and "parties" not in role.exclude:
            found.add("contradiction", "Nationals are out, so the parties are too: say both.", f"{at}.exclude")


def _kinds(found: Complaints) -> None:
    file = found.file
    all_kinds = kinds_of(file)
    for name, rule in file.kinds.items():
        at = f"kinds.{name}"
        if not found.kinds([name], at):
            continue
        found.known(rule.rungs, found.rungs, "rung", f"{at}.rungs")
        found.known(rule.who, found.roles, "role", f"{at}.who")
        kind = KINDS[name]
        if kind.always and (rule.two_person or rule.rungs):
            found.add("contradiction", f"{name!r} always passes: no rungs, no second person.", at)
        if rule.two_person and kind.author is not Author.OFFICER:
            found.add("contradiction", f"{name!r} is not signed by people.", f"{at}.two_person")
        if kind.always and not rule.who:
            found.add("contradiction", f"{name!r} always passes: somebody must be able to send it.", f"{at}.who")
        if found.file.closed in rule.rungs:
            found.add("contradiction", "After closing only kinds that always pass are sent.", f"{at}.rungs")
        outsiders = [role for role in rule.who if role in found.declared]
        if outsiders and not kind.outside:
            found.add("contradiction", f"{name!r} is sealed to the group; {outsiders[0]!r} is outside.", f"{at}.who")
    for index, step in enumerate(file.step):
        if step.trigger != "step-request":
            continue
        for kind_name, roles, field in (
            ("step-request", step.who, "who"),
            ("step-accept", (step.consent,) if step.consent in found.declared else (), "consent"),
            ("second", (step.seconded_by.role,) if step.seconded_by is not None else (), "seconded_by"),
            ("block", (step.blocked_by.role,) if step.blocked_by is not None else (), "blocked_by"),
        ):
            allowed = all_kinds[kind_name].who if kind_name in all_kinds else ()
            for role in roles:
                if not found.covered(role, allowed):
                    sentence = f"{role!r} may not send {kind_name!r}, so it cannot do its part in {step.id!r}."
                    found.add("contradiction", sentence, f"step[{index}].{field}")


def _mediation(found: Complaints) -> None:
    rule = found.file.mediation
    if rule is None:
        return
    found.known([rule.step], found.steps, "step", "mediation.step")
    expected = {
        "nominations": "opening",
        "default_appointment": "opening",
        "nominee_answer": "appointment",
        "objections": "declaration",
        "objection_answer": "objection",
        "duration": "mediators-admitted",
    }
    for field, starts in expected.items():
        name = getattr(rule, field)
        if found.known([name], found.clocks, "clock", f"mediation.{field}") and found.clocks[name].starts != starts:
            found.add("contradiction", f"This clock must run from {starts}.", f"mediation.{field}")
    if rule.appointed_by:
        _appointer(found, rule.appointed_by)
    elif rule.appoints != "first":
        found.add("contradiction", "Only a body of 'appointed_by' chooses; a party would choose for both.",
                  "mediation.appoints")  # fmt: skip


def _appointer(found: Complaints, name: str) -> None:
    """The body that appoints is declared, is no party, and may send the appointment."""
    at = "mediation.appointed_by"
    if not found.known([name], found.declared, "declared role", at):
        return
    role = next(role for role in found.file.role if role.id == name)
    if role.held_by != "others" and "parties" not in role.exclude:
        found.add(
            "contradiction", f"A party could hold the role {name!r} and appoint for both: exclude the parties.", at
        )
    rule = kinds_of(found.file).get(DEFAULT_APPOINTMENT)
    if rule is None or name not in rule.who:
        found.add("contradiction", f"{name!r} may not send {DEFAULT_APPOINTMENT!r}, so it cannot appoint.", at)


def _ways(found: Complaints) -> None:
    """Every rung can be reached, and every rung above the first can be left downwards (domain rule: a way down)."""
    file = found.file
    reached = {file.start, file.closed, file.monitoring}
    moved = True
    while moved:
        new = {step.to for step in file.step if step.to and ("*" in step.start or reached & set(step.start))}
        moved = not new <= reached
        reached |= new
    for index, rung in enumerate(file.rung):
        if rung.id not in reached:
            found.add("unreachable", f"No step leads to the rung {rung.id!r}.", f"rung[{index}].id")
        down = any(step.direction == "down" and ({rung.id, "*"} & set(step.start)) for step in file.step)
        if rung.level > 0 and not down:
            found.add("no-way-down", f"The rung {rung.id!r} has no way down.", f"rung[{index}].id")
    if "close" not in kinds_of(file):
        found.add("no-way-down", "Nobody can close a thread: the kind 'close' is missing.", "kinds")
