"""Two references: the language of ladder files, and the default ladder in plain words."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterable, Iterator

import msgspec

from hotline import ladders
from mediation import ladder_check, rules
from mediation.ladder import Ladder, parse_ladder
from mediation.rules import ClockRule, StepRule
from protocols.kinds import KINDS, Author

QUOTES = "'\""
TABLES = (
    ("The file", rules.LadderFile, ""),
    ("Rung", rules.Rung, "[[rung]]"),
    ("Step", rules.StepRule, "[[step]]"),
    ("Standstill", rules.StandstillRule, "[step.standstill]"),
    ("Clock", rules.ClockRule, "[[clock]]"),
    ("Timeout", rules.Timeout, "timeout = { ... }"),
    ("Kind", rules.KindRule, "[kinds.NAME]"),
    ("Mediation", rules.MediationRule, "[mediation]"),
    ("Limits", rules.Limits, "[limits]"),
)
_CHOICES = {
    "Direction": rules.Direction,
    "StartsFrom": rules.StartsFrom,
    "Ground": rules.Ground,
}
_FROM = {
    "receipt": "the signed receipt of the *{of}* by the other side's station",
    "admission": "the hub's admission of the *{of}*",
    "request": "the request for *{of}*",
    "acceptance": "the acceptance of *{of}*",
    "opening": "the opening of *{of}*",
    "appointment": "the nominee's appointment",
    "declaration": "the nominee's declaration of interests",
    "objection": "the objection",
    "mediators-admitted": "the moment the mediators hold keys",
    "settlement": "the settlement",
    "close": "the closing",
}
_BOUND = {"respondent": "the other side", "both": "both parties", "nominee": "the nominee"}
_EXTEND = {
    "requester": "the side that waits",
    "mutual": "both parties together",
    "consensus": "all members together",
    "nobody": "nobody",
}
_TO = {"requester": "the side that waited", "respondent": "the side that was to act", "either": "either party"}
_DIRECTION = {"up": "up", "down": "down", "deescalate": "calms", "across": "the level stays"}
_FILE = (
    "`format` is 1. `id` is the ladder's name in accords; `title`, `status` (as in *design proposal*) and `source` are for"
    " people. `review`: ISO 8601, how often those who adopted it look at it again. `start`: the rung a thread begins on."
    " `monitoring`: the rung on which an agreement is watched. `closed`: the rung of a thread that both parties closed; no"
    " step leads to it or from it. The rest are the tables below."
)
_UNITS = {"D": "day", "H": "hour", "M": "minute", "S": "second"}


def ladder_language() -> list[str]:
    """``ladder.md``."""
    lines = [
        "# The ladder file",
        "",
        "A ladder is one TOML file in UTF-8, at most 256 KiB. The accord puts it in force by the SHA-256 of its exact",
        "bytes: a changed comment makes another ladder. Unknown fields are refused. Names (`id` and wherever one is",
        "referred to) are short: letters, digits, dots, dashes. Durations are ISO 8601 (`PT72H`, `P14D`); an EXERCISE",
        "accord may divide all of them by a scale, an ACTUAL one never. The engine knows no rung's or step's name: all",
        "it does, it reads from the file. `hotline ladder show FILE` says in words what a file holds;",
        "[the default ladder](default-ladder.md) is a complete example, and `hotline ladder save cpci-default FILE`",
        "writes its file.",
        "",
    ]
    for title, struct, head in TABLES:
        lines += [f"## {title}", ""]
        if head:
            lines += ["```toml", head, "```", ""]
        lines += [_FILE if struct is rules.LadderFile else _prose(struct), ""]
        lines += ["| field | type | |", "|---|---|---|"]
        annotations = inspect.get_annotations(struct)
        for field in msgspec.structs.fields(struct):
            default = "required" if field.required else f"default {_default(field.default)}"
            lines.append(f"| `{field.encode_name}` | {_type(annotations[field.name])} | {default} |")
        lines.append("")
    lines += ["## Words with a fixed meaning", ""]
    for name, values in _CHOICES.items():
        words = ", ".join(f"`{value}`" for value in typing.get_args(values))
        lines.append(f"- *{_spaced(name)}*: {words}")
    lines += [
        "",
        "A clock's `from` says which event starts it:",
        "",
        *(f"- `{name}`: {words.format(of='kind or step in `of`')}" for name, words in _FROM.items()),
        "",
        "## What is checked before a ladder is used",
        "",
        "The first complaint refuses the file and names its line and field. The codes:",
        "",
    ]
    lines += [f"- `ladder.file.{code}`" for code in sorted(_check_codes())]
    lines += [
        "",
        "Besides form and references: every rung can be reached, and every rung above level 0 has a step down; `close`",
        "can be sent by somebody; an `up` step leads up, a `down` step down; whoever needs an option can get it from a",
        "clock; a standstill's clock is a duration that nothing meets, stops or shortens, and that forbids neither",
        "de-escalation nor what [always passes](kinds.md); silence moves only steps that say `negative_consensus`.",
    ]
    return lines


def default_ladder() -> list[str]:
    """``default-ladder.md``."""
    ladder = parse_ladder(ladders.load("cpci-default"))
    still = [step for step in ladder.steps.values() if step.standstill is not None]
    lines = [
        f"# The default ladder: {ladder.title.lower().removeprefix('default ladder for ')}",
        "",
        f"`{ladder.id}`, SHA-256 `{ladder.hash}`. Status: {ladder.status}. Modelled on: {ladder.source}. It is a model,",
        "not legal advice, and no state has agreed to it. Those who adopt it review it at least every",
        f"{_length(ladder.review)}.",
        "",
        "## In short",
        "",
        "An incident climbs step by step, from a notice to talks with mediators, and every level has a way down. Whoever",
        "is asked has time to answer, counted from when their station signed for the question. Silence moves nothing: when",
        "time runs out, the side that waited *may* take the next step. In a cooling-off nobody may step up or accuse in",
        "public, whatever the hub's operator or an administrator may wish; what protects life, what calms and what reports",
        "a breach always passes.",
        "",
        "## Levels",
        "",
        "| level | name | |",
        "|---|---|---|",
        *(f"| {rung.level} | {rung.title} | {rung.about} |" for rung in ladder.rungs.values()),
        "",
        "## Steps",
        "",
    ]
    for step in ladder.steps.values():
        lines += [f"### {step.title}", "", " ".join(_step(ladder, step)), ""]
    lines += ["## What a cooling-off forbids", ""]
    for step in still:
        rule = step.standstill
        assert rule is not None
        barred = [f"every step {direction}" for direction in rule.forbids_directions]
        barred += [f"*{ladder.steps[name].title}*" for name in rule.forbids_steps]
        barred += [f"*{KINDS[name].title}*" for name in rule.forbids_kinds]
        lines.append(
            f"*{step.title}* ({_of(ladder, rule.clock)}): {_list(barred)}. Permitted acts may be announced on these "
            f"grounds: {_list(ground.replace('-', ' ') for ground in rule.carve_outs)}."
        )
        lines.append("")
    always = [kind.title for kind in KINDS.values() if kind.always and kind.author is Author.OFFICER]
    lines += [
        f"Always possible, on every level and in every cooling-off: {_list(always)}. Steps down and *Open mediation* too.",
        "",
        "## Clocks",
        "",
        "Times in an exercise are divided by the exercise's scale.",
        "",
        "| clock | how long | runs from | who must act | is met by | when it runs out | longer if agreed by | why |",
        "|---|---|---|---|---|---|---|---|",
        *(_clock(ladder, clock) for clock in ladder.clocks.values()),
        "",
        "## Mediators",
        "",
        "Either party opens mediation alone. Both seal a list from the accord's roster"
        f" ({_of(ladder, 'nominations')}); the lists are opened together, and who stands on both is appointed. If nothing"
        f" comes of it within {_of(ladder, 'default-appointment')}, either party may ask for the accord's default"
        " appointment. The nominee accepts and declares interests"
        f" ({_of(ladder, 'nominee-answer')}); the parties may then object, with a condition if they wish"
        f" ({_of(ladder, 'objections')}), or waive. Both parties sign the admission, two persons each, and say what the"
        " mediators may read. Only then the keys are renewed with them among the members: from before, they read what is"
        f" handed over to them, and nothing else. They work for {_of(ladder, 'mediation')}, at most"
        f" {_of(ladder, 'mediation-cap')} in all from the opening.",
        "",
        "## Who may send what",
        "",
        "| message | who | where | two officers |",
        "|---|---|---|---|",
    ]
    for name, kind in ladder.kinds.items():
        where = ", ".join(ladder.rungs[rung].title for rung in kind.rungs) or (
            "everywhere" if KINDS[name].always else "until closed"
        )
        lines.append(
            f"| {KINDS[name].title} (`{name}`) | {_list(kind.who)} | {where} | {'yes' if kind.two_person else ''} |"
        )
    return lines


def _step(ladder: Ladder, step: StepRule) -> Iterator[str]:
    starts = _list(ladder.rungs[name].title for name in step.start)
    to = f"to **{ladder.rungs[step.to].title}**" if step.to else "without leaving the level"
    whole = len(step.start) == len(ladder.rungs) - 1
    yield f"From {'any level' if whole else starts} {to} ({_DIRECTION[step.direction]})."
    if step.trigger != "step-request":
        yield f"Taken by sending *{KINDS[step.trigger].title}*."
    elif step.consent == "none":
        yield "Asked for by one party; takes effect at once."
    else:
        yield "Asked for by one party; takes effect when the other accepts."
    if step.needs_option:
        by = [f"*{ladder.clocks[name].title}*" for name in ladder.granted_by.get(step.id, ())]
        early = "; earlier only with the other party's consent" if step.early_exit else ""
        yield f"Open once one of these clocks has run out: {_list(by)}{early}."
    if step.two_person:
        yield "Needs a drafter and a releaser."
    if step.standstill is not None:
        yield f"Starts a standstill of {_length(ladder.clocks[step.standstill.clock].after)}."
    if step.stops:
        stopped = list(dict.fromkeys(ladder.clocks[name].title for name in step.stops))
        yield f"Stops, by agreement: {_list(stopped)}."


def _clock(ladder: Ladder, clock: ClockRule) -> str:
    of = KINDS[clock.of].title if clock.of in KINDS else ladder.steps[clock.of].title if clock.of else ""
    met = (
        _list(dict.fromkeys(KINDS[name].title for name in (*clock.met_by, *clock.met_by_any)))
        or "nothing; it simply ends"
    )
    if clock.kind == "reply-by" and not (clock.met_by or clock.met_by_any):
        met = "what it waits for"
    out = "nothing follows"
    if clock.timeout is not None:
        name = clock.timeout.option or clock.timeout.moves
        step = f"*{ladder.steps[name].title}*" if name in ladder.steps else "the default appointment"
        out = f"{_TO[clock.timeout.to]} may take {step}" if clock.timeout.option else f"{step} takes effect"
    if clock.page:
        out = "the other side's alternate is paged" if clock.timeout is None else f"{out}; the alternate is paged"
    cells = (
        clock.title, _length(clock.after), _FROM[clock.starts].format(of=of), _BOUND[clock.who], met, out,
        _EXTEND[clock.extend], clock.why,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _of(ladder: Ladder, clock: str) -> str:
    return _length(ladder.clocks[clock].after)


def _length(text: str) -> str:
    """``PT72H`` as "72 hours"."""
    if text.startswith("P") and text.endswith(("Y", "W")):
        number, unit = int(text[1:-1]), {"Y": "year", "W": "week"}[text[-1]]
        return unit if number == 1 else f"{number} {unit}s"
    found = re.findall(r"(\d+)([DHMS])", text)
    return " ".join(f"{number} {_UNITS[unit]}{'' if number == '1' else 's'}" for number, unit in found)


def _list(words: Iterable[str]) -> str:
    found = list(words)
    return f"{', '.join(found[:-1])} and {found[-1]}" if len(found) > 1 else "".join(found)


def _prose(struct: type) -> str:
    text = " ".join((struct.__doc__ or "").split()).replace("``", "`")
    # The docstrings use the names of Python's attributes where the file's are reserved words.
    for name, written in (
        ("`start`", "`from`"),
        ("`starts`", "`from`"),
        ("`who`: who must act", "`for`: who must act"),
    ):
        text = text.replace(name, written)
    return text


def _type(text: str) -> str:
    words = {
        "Name": "name", "Sentence": "text, 1 to 400 characters", "str": "text", "bool": "true or false",
        "MediationRule | None": "[mediation](#mediation)", "Limits": "[limits](#limits)",
        "StandstillRule | None": "[standstill](#standstill)", "Timeout | None": "[timeout](#timeout)",
        "dict[str, KindRule]": "table of [kinds](#kind) by name",
    }  # fmt: skip
    if text in words:
        return words[text]
    if text in _CHOICES:
        return f"a *{_spaced(text)}*"
    if found := re.fullmatch(r"tuple\[(\w+), \.\.\.\]", text):
        inner = _type(found[1]).removeprefix("a ")
        return f"list of {'names' if inner == 'name' else inner}"
    if found := re.fullmatch(r"Annotated\[(.+), msgspec\.Meta\((.*)\)\]", text):
        bounds = dict(each.split("=") for each in found[2].split(", "))
        low, high = bounds.get("ge", bounds.get("min_length", "")), bounds.get("le", bounds.get("max_length", ""))
        between = f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"
        return f"{_type(found[1])} ({between})"
    if text.startswith("Literal["):
        return " or ".join(
            f"`{word.strip(QUOTES)}`" for word in text.removeprefix("Literal[").removesuffix("]").split(", ")
        )
    return {
        "int": "whole number", "Rung": "[rungs](#rung)", "StepRule": "[steps](#step)", "ClockRule": "[clocks](#clock)",
    }.get(text, f"`{text}`")  # fmt: skip


def _default(value: object) -> str:
    if value is True or value is False:
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{list(value)}`".replace("'", '"') if value else "none"
    return "none" if value in (None, "") or isinstance(value, msgspec.Struct) else f"`{value}`"


def _spaced(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r" \1", name).lower()


def _check_codes() -> set[str]:
    return set(ladder_check.CODES)
