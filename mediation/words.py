"""The words of a ladder: what its fixed terms mean to people. For the command line, the screens and the documentation.

Titles of the ladder's own rungs, steps, clocks and roles are people's words already; here are those for what the
language itself says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction

from mediation.ladder import Ladder
from mediation.rules import OTHER, ClockRule, Quorum, StepRule
from protocols.kinds import KINDS

UNVERIFIED = {
    "T": ("unverified", "known treaty text that has not been read again in its source"),
    "A": ("inferred", "worked out by arithmetic from other numbers, not written in the source"),
}
"""Marks of clocks whose number was not read in the source, by the ladder's `check`: the word, and what it means."""

DIRECTIONS = {"up": "up", "down": "down", "deescalate": "calms", "across": "the level stays"}
ROLES = {
    "party": "either party",
    "initiator": "the party that opened the thread",
    "counterpart": "the party that did not open the thread",
    "mediator": "an admitted mediator",
    "nominee": "a nominee",
    "verifier": "an office asked to verify a report",
    "monitor": "a monitor",
}
EVENTS = {
    "receipt": "the signed receipt of the *{of}* by the other side's station",
    "admission": "the hub's admission of the *{of}*",
    "request": "the request for *{of}*",
    "acceptance": "the acceptance of *{of}*",
    "opening": "the taking of *{of}*",
    "appointment-due": "the moment the appointing body may appoint",
    "appointment": "the nominee's appointment",
    "declaration": "the nominee's declaration of interests",
    "objection": "the objection",
    "mediators-admitted": "the moment the mediators are admitted",
    "settlement": "the settlement",
    "close": "the closing",
}
_BOUND = {
    "respondent": "the other side",
    "requester": "the side that asked",
    "both": "both parties",
    "nominee": "the nominee",
}
_EXTEND = {
    "requester": "the side that waits",
    "mutual": "both parties together",
    "consensus": "all members together",
    "nobody": "nobody",
}
_TO = {"requester": "the side that waited", "respondent": "the side that was to act", "either": "either party"}
_PARTS = {3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth", 9: "ninth", 10: "tenth"}
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_UNITS = {"Y": "year", "W": "week", "D": "day"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIMES = {"H": "hour", "M": "minute", "S": "second"}
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def length(text: str) -> str:
    """An ISO 8601 length in words: ``PT72H`` is 72 hours, ``P1Y6M`` 1 year 6 months."""
    date, _, time = text.removeprefix("P").partition("T")
    parts = [(number, {**_UNITS, "M": "month"}[unit]) for number, unit in re.findall(r"(\d+)([YMWD])", date)]
    parts += [(number, _TIMES[unit]) for number, unit in re.findall(r"(\d+)([HMS])", time)]
    return " ".join(f"{number} {unit}{'' if number == '1' else 's'}" for number, unit in parts)


def span(ms: int) -> str:
    """The two largest units of milliseconds: ``2 d 3 h``, ``4 min 10 s``, ``0 s``."""
    seconds, parts = abs(ms) // 1000, []
    for size, word in _SPANS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {word}")
    return " ".join(parts[:2]) or "0 s"


def listed(words: Iterable[str], last: str = "and") -> str:
    """``a, b and c``."""
    found = list(words)
    return f"{', '.join(found[:-1])} {last} {found[-1]}" if len(found) > 1 else "".join(found)


def role(ladder: Ladder, name: str) -> str:
    """Who holds a role, built in or declared."""
    declared = ladder.roles.get(name)
    return declared.title if declared is not None else ROLES.get(name, name)


def roles(ladder: Ladder, names: Iterable[str]) -> str:
    """The same for several: either of them."""
    return listed((role(ladder, name) for name in names), "or")


def step_name(ladder: Ladder, name: str) -> str:
    """A step's title; also of the one option that is no step."""
    found = ladder.steps.get(name)
    return found.title if found is not None else KINDS[name].title if name in KINDS else name


def starts(ladder: Ladder, clock: ClockRule) -> str:
    """What a clock runs from."""
    of = KINDS[clock.of].title if clock.of in KINDS else step_name(ladder, clock.of)
    said = EVENTS[clock.starts].format(of=of)
    if clock.starts != "receipt":
        return said
    if clock.of in ladder.steps:
        said = f"the signed receipt, by the other side's station, of the request for *{of}*"
    return said if clock.by == OTHER else said.replace("the other side's station", received_by(ladder, clock))


def received_by(ladder: Ladder, clock: ClockRule) -> str:
    """Whose receipt a clock runs from; of a role's holders the first to sign counts."""
    if clock.by == OTHER:
        return "the other side"
    declared = ladder.roles.get(clock.by)
    several = declared is not None and declared.held_by != "named"
    return f"the first of: {role(ladder, clock.by)}" if several else role(ladder, clock.by)


def bound(ladder: Ladder, clock: ClockRule) -> str:
    """Who must act while a clock runs."""
    return _BOUND.get(clock.who) or role(ladder, clock.who)


def extends(ladder: Ladder, clock: ClockRule) -> str:
    """Who may lengthen a clock."""
    return _EXTEND.get(clock.extend) or f"{role(ladder, clock.extend)}, all who hold it"


def entitled(ladder: Ladder, to: str) -> str:
    """Whom a timeout or an open window entitles."""
    return _TO.get(to) or role(ladder, to)


def quorum(ladder: Ladder, rule: Quorum) -> str:
    """How many of whom."""
    many = str(rule.count) if rule.count else _part(Fraction(rule.fraction))
    return f"{many} of: {role(ladder, rule.role)}"


def _part(part: Fraction) -> str:
    """A part of all. It is rounded up, so that no fewer than this are enough."""
    if part == 1:
        return "all"
    if part == Fraction(1, 2):
        return "at least half"
    name = _PARTS.get(part.denominator)
    if name is None:
        return f"at least {part}"
    return f"at least {_NUMBERS[part.numerator]} {name}{'' if part.numerator == 1 else 's'}"


def met(ladder: Ladder, clock: ClockRule) -> str:
    """What meets a clock; "" where nothing does."""
    kinds = dict.fromkeys(KINDS[name].title for name in (*clock.met_by, *clock.met_by_any))
    return listed([*kinds, *(step_name(ladder, name) for name in clock.met_by_steps)], "or")


def consequence(ladder: Ladder, clock: ClockRule) -> str:
    """What a clock's running out brings; "" for nothing."""
    said = []
    if clock.timeout is not None and clock.timeout.moves:
        said.append(f"*{step_name(ladder, clock.timeout.moves)}* takes effect by silence")
    elif clock.timeout is not None:
        said.append(f"{entitled(ladder, clock.timeout.to)} may take *{step_name(ladder, clock.timeout.option)}*")
    if clock.when_met is not None:
        option = step_name(ladder, clock.when_met.option)
        said.append(f"met in time, {entitled(ladder, clock.when_met.to)} may take *{option}*")
    if clock.kind == "second-by":
        said.append("the request lapses")
    if clock.page:
        said.append("the other side's alternate is paged")
    return "; ".join(said)


def moment(at: int) -> str:
    """A time (ms UTC) as people read it: ``12 Mar 2031 11:13:00Z``."""
    found = datetime.fromtimestamp(at // 1000, UTC)
    return f"{found.day} {_MONTHS[found.month - 1]} {found:%Y %H:%M:%S}Z"


def ran_out(ladder: Ladder, clock: ClockRule, end: int) -> str:
    """The neutral sentence on a clock that ran out at ``end`` (ms UTC): the ladder's own, or the same plain one for every
    clock. It says what ran out, what did or did not move, and what is open now to whom; it blames nobody. It needs no
    state, so that every screen says the same about an old entry."""
    if clock.wording:
        return clock.wording
    said = f"{clock.title} ran out at {moment(end)}."
    if clock.kind == "second-by":
        return f"{said} The request lapsed; it may be made again."
    if clock.timeout is not None and clock.timeout.moves:
        return f"{said} As the ladder declares, silence takes “{step_name(ladder, clock.timeout.moves)}” if nothing forbids it."
    said += " Nothing moved by itself."
    if clock.timeout is None or not clock.timeout.option:
        return said
    who = entitled(ladder, clock.timeout.to)
    return f"{said} {who[0].upper()}{who[1:]} may now take “{step_name(ladder, clock.timeout.option)}”."


def openers(ladder: Ladder, option: str) -> tuple[str, ...]:
    """Titles of what opens an option: clocks that run out, are met or are open, and steps that are taken."""
    asked = (step.title for step in ladder.steps.values() if step.when_taken and step.when_taken.option == option)
    return (*(ladder.clocks[name].title for name in ladder.granted_by.get(option, ())), *asked)


def appointment(ladder: Ladder) -> str:
    """Who has a mediator appointed, and whom, where the parties do not agree; "" without mediation."""
    rule = ladder.mediation
    if rule is None:
        return ""
    first = "the first office of the roster without objection"
    whom = "an office of the roster, as it chooses" if rule.appoints == "any" else first
    never = ", never one of a party's state" if rule.exclude else ""
    does = f"the {role(ladder, rule.appointed_by)} appoints" if rule.appointed_by else "either party may have appointed"
    return f"Where the parties agree on no mediator, {does} {whom}{never}."


def mark(clock: ClockRule) -> str:
    """``unverified`` or ``inferred``, for a clock whose number was not read in the source; else ""."""
    return UNVERIFIED.get(clock.check, ("", ""))[0]


def consent(ladder: Ladder, step: StepRule) -> str:
    """When a step that is asked for happens."""
    needed = []
    if step.consent == "other":
        needed.append("the other party accepts")
    elif step.consent != "none":
        needed.append(f"{role(ladder, step.consent)} accepts")
    if step.seconded_by is not None:
        within = ladder.clocks.get(step.seconded_by.within)
        by = f" within {length(within.after)}" if within is not None else ""
        needed.append(f"it is seconded{by} by {quorum(ladder, step.seconded_by)}")
    said = f"takes effect when {' and '.join(needed)}" if needed else "takes effect at once"
    if step.blocked_by is not None:
        said = f"takes effect by silence, unless it is blocked by {quorum(ladder, step.blocked_by)}"
    return said
