"""The reference of the ladder language, from its own code: every field in the sentence its docstring has for it."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator

import msgspec

from mediation import rules
from mediation.durations import end_of, parse_span
from mediation.kind_groups import (
    APPOINTERS,
    BLOCKERS,
    CONSENTERS,
    EVERYWHERE,
    EXTENDERS,
    GROUPS,
    HOLDERS,
    SECONDERS,
    TAKERS,
)
from mediation.ladder_check import CODES
from mediation.schema import fields, intro, structures
from mediation.words import EVENTS, ROLES
from protocols.encoding import from_rfc3339, rfc3339
from protocols.kinds import KINDS

QUOTES = "'\""
TABLES: tuple[tuple[str, type[msgspec.Struct], str], ...] = (
    ("The file", rules.LadderFile, ""),
    ("Rung", rules.Rung, "[[rung]]"),
    ("Role", rules.RoleRule, "[[role]]"),
    ("Step", rules.StepRule, "[[step]]"),
    ("Quorum", rules.Quorum, "seconded_by = { ... }   # or blocked_by"),
    ("Standstill", rules.StandstillRule, "[step.standstill]"),
    ("Clock", rules.ClockRule, "[[clock]]"),
    ("Timeout", rules.Timeout, "timeout = { ... }"),
    ("Gives", rules.Gives, "gives = { ... }"),
    ("Kind", rules.KindRule, "[kinds.NAME]"),
    ("Mediation", rules.MediationRule, "[mediation]"),
    ("Limits", rules.Limits, "[limits]"),
)
_CHOICES = {"Direction": rules.Direction, "StartsFrom": rules.StartsFrom, "Ground": rules.Ground}
_FILLED = {
    TAKERS: "whoever a step names in `who`",
    CONSENTERS: "whoever a step needs the consent of",
    SECONDERS: "the roles in `seconded_by`",
    BLOCKERS: "the roles in `blocked_by`",
    EXTENDERS: "the roles in `extend`",
    HOLDERS: "every declared role",
    APPOINTERS: "whoever may appoint by default",
}
_HEAD = """\
# The ladder file

A ladder is one TOML file in UTF-8, at most 256 KiB. The accord puts it in force by the SHA-256 of its exact bytes: a
changed comment makes another ladder. Unknown fields are refused. The engine knows no rung's or step's name: all it does,
it reads from the file.

How to write one, step by step: [write a ladder](../how-to/write-a-ladder.md). A complete example is
[the default ladder](default-ladder.md); `hotline ladder save cpci-default FILE` writes its file, and
`hotline ladder show FILE` says in words what a file holds. Editors that check and complete TOML take
[the JSON Schema](ladder.schema.json), which `hotline ladder schema` prints; form is all it checks, the rest is
`hotline ladder check FILE`.

## How the parts work together

- A thread stands on one **rung**. **Steps** lead between rungs, or do something that leaves the rung as it is. Who may
  take a step, with whose consent, with whose seconds and upon which evidence, the step says.
- **Clocks** start by events: a message received or admitted, a step asked for, accepted or taken. A clock that runs out
  gives somebody an *option*; it moves nothing, unless it says `moves` and the step says `negative_consensus`. What comes
  in the very instant of its end is late.
- An **option** is held by an office for a step. A clock gives it, or another step with `when_taken`. It goes when the step
  is taken, when a step down is taken, and when the step cannot be taken from the rung the thread stands on. An option to
  have a mediator appointed outlives a step down as long as mediation goes on.
- A clock is lengthened by those whom `extend` names, all of them agreeing on the same end; nobody can shorten it. What
  meets it stops it.
- A **standstill** is a clock beside the rung. No role, no track, no suspension and no operator shortens or pauses it. Kinds
  that [always pass](kinds.md), steps down and steps that calm go on.
- `step-request` leaves the step waiting until its consent (if any) *and* its seconds (if any) are there; then it is taken.
  A step with `blocked_by` waits for the clock that moves it, and falls when so many have blocked it. A `second-by` clock
  that runs out before lets the request lapse; it may be made again.
- **Suspension**: a step with `suspends` says that another forum is seized. Clocks pause, all but a standstill's, and end
  later by exactly the pause; steps `up` and `across` wait; talk, steps down and steps that calm go on. A step with
  `resumes` ends it; it must be open to either party with consent `none`, so that nobody is held there.
- **Tracks**: a step with `track` changes what clocks started afterwards last; those that run stay as they are.
- Mediators come in by `[mediation]`; its step may leave the rung, and then mediation runs beside it.
- Where the parties agree on no mediator, either has the roster's first appointed by `default-appointment`, under the option
  of a clock; or, with `appointed_by`, a body does, from outside the group. The option then goes `to` the body, by a clock or
  by a step's `when_taken`; no party appoints in its place unless a clock gives parties the option too. The ladder must have
  a way on if the body stays silent: a clock from `appointment-due` that lets a party appoint, or a way off the rung.

## Roles

Built in, without being declared:

"""
_CALENDAR = """\
## Durations and the calendar

Durations are ISO 8601: `PT30M`, `PT72H`, `P14D`, `P3W`, and with months and years `P1M`, `P1Y6M`, `P1M10D`. Ten years at
most. Weeks, days, hours, minutes and seconds have a fixed length. Months and years are counted on the calendar, in UTC,
from the instant the clock starts:

1. years and months are added; the day is brought back to the month's last where that month is shorter;
2. the time of day stays the same;
3. then weeks, days and time are added.

| starts | lasts | ends |
|---|---|---|
{rows}

So every office computes the same end from the same stamp. In an EXERCISE the length that results is divided by the
accord's scale; in an ACTUAL accord the scale is 1.

"""
_EXAMPLES = """\
## Examples

A request that at least twelve other states second within forty-eight hours, and a meeting that then takes place:

```toml
[[role]]
id = "others"
title = "the other participating states"
held_by = "others"

[[step]]
id = "emergency-meeting"
title = "Call an emergency meeting"
from = ["clarified"]
to = "meeting"
direction = "up"
consent = "none"
seconded_by = { role = "others", count = 12, within = "seconds" }

[[clock]]
id = "seconds"
title = "Twelve states second the request"
kind = "second-by"
after = "PT48H"
from = "request"
of = "emergency-meeting"
extend = "nobody"
check = "D"
why = "Long enough for capitals, short enough for an emergency."
```

A decision that is adopted unless three quarters of the council block it in thirty days:

```toml
[[step]]
id = "adopt"
title = "Adopt the report"
from = ["reported"]
to = "adopted"
direction = "across"
consent = "none"
negative_consensus = true
blocked_by = { role = "council", fraction = "3/4" }

[[clock]]
id = "adoption"
title = "Adoption by silence"
kind = "duration"
after = "P30D"
from = "request"
of = "adopt"
timeout = { moves = "adopt" }
extend = "nobody"
check = "D"
why = "A month on the desks of all members."
```

A window that opens two days after a request and closes five days after it:

```toml
[[clock]]
id = "inspection-window"
title = "Inspection"
kind = "window"
opens = "PT48H"
after = "P5D"
from = "acceptance"
of = "inspection"
gives = { step = "inspect", to = "requester" }
tracks = { urgent = "P3D" }
check = "D"
why = "Two days to prepare, three to look."
```

"""


def ladder_language() -> list[str]:
    """``ladder.md``."""
    described = {struct for _, struct, _ in TABLES}
    assert described == set(structures(rules.LadderFile)), "a structure of the language without a section"
    lines = _HEAD.splitlines()
    lines += [f"- `{name}`: {words}" for name, words in ROLES.items()]
    lines += [
        "",
        "Others are declared ([role](#role)), for bodies that are not in the group. The accord names who holds them",
        "(`named`), or they follow from it (`others`, `all`). A role that the accord must name and that nobody is left to",
        "hold keeps a thread from being opened.",
        "",
    ]
    for title, struct, head in TABLES:
        lines += [f"## {title}", ""]
        if head:
            lines += ["```toml", head, "```", ""]
        lines += [intro(struct), "", *_table(struct), ""]
    lines += _CALENDAR.format(rows="\n".join(_calendar())).splitlines()
    lines += ["## Words with a fixed meaning", ""]
    for name, values in _CHOICES.items():
        words = ", ".join(f"`{value}`" for value in typing.get_args(values))
        lines.append(f"- *{_spaced(name)}*: {words}")
    lines += ["", "A clock's `from` says which event starts it:", ""]
    said = {name: words.format(of="kind or step in `of`") for name, words in EVENTS.items()}
    said["receipt"] += ", or by that of whoever `by` names (of several holders, the first that signs)"
    lines += [f"- `{name}`: {words}" for name, words in said.items()]
    lines += ["", "## Groups of kinds", "", *_groups(), "", *_EXAMPLES.splitlines(), *_checks()]
    return lines


def _calendar() -> Iterator[str]:
    """Ends that the fold itself computes."""
    for start, span in (
        ("2031-01-31", "P1M"),
        ("2032-01-31", "P1M"),
        ("2031-12-31", "P1Y6M"),
        ("2031-03-15", "P1M10D"),
    ):
        begun = from_rfc3339(f"{start}T03:12:00Z")
        yield f"| {rfc3339(begun)[:16]} | `{span}` | {rfc3339(end_of(begun, parse_span(span)))[:16]} |"


def _table(struct: type[msgspec.Struct]) -> list[str]:
    annotations = inspect.get_annotations(struct)
    said = fields(struct)
    lines = ["| field | type | default | |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(struct):
        default = "required" if field.required else _default(field)
        sentence = said[field.encode_name].replace("|", "\\|")
        assert sentence, f"{struct.__name__}.{field.encode_name} is not described"
        lines.append(f"| `{field.encode_name}` | {_type(annotations[field.name])} | {default} | {sentence} |")
    return lines


def _groups() -> list[str]:
    lines = [
        'A ladder names those it wants: `uses = ["talk", "steps"]`. An entry under `[kinds]` overrides the group\'s. Where a',
        "group says *whoever*, the ladder's own steps, clocks and roles fill it in. What stands without a group is in every",
        "ladder.",
        "",
        "| group | kind | who | two officers |",
        "|---|---|---|---|",
    ]
    for group, kinds in {"": EVERYWHERE, **GROUPS}.items():
        for name, rule in kinds.items():
            who = " or ".join(_FILLED.get(word, f"`{word}`") for word in rule.who)
            two = "yes" if rule.two_person else ""
            mark = f"`{group}`" if group else "every ladder"
            lines.append(f"| {mark} | `{name}` ({KINDS[name].title}) | {who} | {two} |")
    return lines


def _checks() -> list[str]:
    return [
        "## What is checked before a ladder is used",
        "",
        "`hotline ladder check FILE` reports everything at once, each fault with its line and column. What the text alone",
        "shows has one of these codes:",
        "",
        *(f"- `ladder.file.{code}`" for code in sorted(CODES)),
        "",
        "Besides form and references: every rung can be reached, and every rung above level 0 has a step down; `close`",
        "can be sent by somebody; an `up` step leads up, a `down` step down; whoever needs an option can get it from a",
        "clock; a standstill's clock is a duration that nothing meets, stops or shortens, and that forbids neither",
        "de-escalation nor what [always passes](kinds.md); silence moves only steps that say `negative_consensus`.",
        "Then it tries out everything that can happen under the ladder; what it finds that way has codes of the form",
        "`ladder.check.…` and comes with the story of entries that leads there.",
    ]


def _type(text: str) -> str:
    """An annotation of the language in words."""
    words = {
        "Name": "name", "str": "text", "bool": "true or false",
        "int": "whole number", "MediationRule | None": "[mediation](#mediation)", "Limits": "[limits](#limits)",
        "StandstillRule | None": "[standstill](#standstill)", "Timeout | None": "[timeout](#timeout)",
        "Quorum | None": "[quorum](#quorum)", "Gives | None": "[gives](#gives)", "Rung": "[rungs](#rung)",
        "RoleRule": "[roles](#role)", "StepRule": "[steps](#step)", "ClockRule": "[clocks](#clock)",
        "dict[str, KindRule]": "table of [kinds](#kind) by name", "dict[Name, str]": "table of durations by track",
    }  # fmt: skip
    if text in words:
        return words[text]
    if text in _CHOICES:
        return f"a *{_spaced(text)}*"
    if found := re.fullmatch(r"tuple\[(.+), \.\.\.\]", text):
        inner = _type(found[1]).removeprefix("a ")
        return f"list of {'names' if inner == 'name' else 'texts' if inner.startswith('text') else inner}"
    if found := re.fullmatch(r"Annotated\[(.+), msgspec\.Meta\((.*)\)\](?: \| None)?", text):
        bounds = dict(each.split("=", 1) for each in re.split(r", (?=\w+=)", found[2]))
        low, high = bounds.get("ge", bounds.get("min_length", "")), bounds.get("le", bounds.get("max_length", ""))
        between = f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"
        return f"{_type(found[1])} ({between})"
    if text.startswith("Literal["):
        choices = text.removeprefix("Literal[").removesuffix("]").split(", ")
        return " or ".join(f"`{word.strip(QUOTES)}`" for word in choices)
    alias = getattr(rules, text, None)
    if typing.get_origin(alias) is typing.Annotated and alias.__origin__ is str:
        meta = alias.__metadata__[0]
        if meta.pattern is not None:
            return "text like `1/3`"
        if meta.max_length is None:
            return f"text, at least {meta.min_length} character{'' if meta.min_length == 1 else 's'}"
        return f"text, {meta.min_length or 0} to {meta.max_length:,} characters"
    raise AssertionError(f"no words for the type {text}")


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is True or value is False:
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple) and value:
        return f"`{list(value)}`".replace("'", '"')
    return "none" if value in (None, "", (), {}) or isinstance(value, msgspec.Struct) else f"`{value}`"


def _spaced(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r" \1", name).lower()
