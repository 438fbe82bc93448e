"""The default ladder for those who sit at the desk: level by level, every number and every name from the ladder itself."""

from __future__ import annotations

from collections.abc import Iterator

from hotline import ladders
from mediation.ladder import Ladder, parse_ladder
from mediation.rules import ClockRule, Rung, StepRule
from mediation.words import bound, consequence, extends, length, listed, mark, met, starts
from protocols.kinds import KINDS, Author

PICTURE = "ladder-cpci-default.svg"
MEANING = {
    "L0-routine": "Nothing has happened. The line is tested, goodwill notes go over it, and both sides know that it works.",
    "L1-notify": (
        "One side has told the other of an incident. What counts now is that a person has read it. Saying *I have it* "
        "admits nothing; it only says that somebody is awake."
    ),
    "L2-clarify": (
        "One side has asked numbered questions. Each can be answered, refused or left for later; a refusal is an answer, "
        "silence is not. A holding reply buys no more time here."
    ),
    "L3-experts": "People who know the machines talk to each other, in one joint session, while the diplomats listen.",
    "L4-cooling-off": (
        "Both sides have agreed to do nothing for a while that makes it worse. This is not a concession: neither side "
        "gives up a position, both gain time."
    ),
    "L5-mediation": (
        "Mediators whom both sides have admitted help to find one text that both can sign. Opening it takes nothing from "
        "anybody: it can be done from every level, alone, and also in a cooling-off."
    ),
    "L6-inquiry": "A panel on which neither side has nationals establishes what happened. It finds facts, it blames nobody.",
    "L7-referral": "The matter goes to arbitration, a court or a council. The line stays open meanwhile.",
    "monitoring": "Both sides have accepted one text. What they promised is being watched; what is broken can be reported.",
    "closed": "Both sides have closed the incident. What is left is to write down together what was learned.",
}
_HEAD = """\
# The default ladder

How an incident is handled between two states that do not trust each other, from the first notice to the end. For those who
sit at the desk and those who instruct them; you need no other page to use it.

![The default ladder: levels, the steps between them with their time limits, and the ways down](../images/{picture})

*How to read the picture.* Each bar is a level, the calmest at the bottom. A card beside an arrow says who may take that
step, who must agree, and which clocks run. Hatched: a cooling-off. Broken arrows lead to calmer ground.

## In short

- An incident climbs one level at a time, and **every level has a way down**.
- Whoever is asked has time to answer, counted from the moment their own station signed for the question.
- **Silence moves nothing.** When time runs out, the side that waited *may* take the next step; it need not.
- In a cooling-off nobody may step up or accuse in public, and **nobody can shorten it**: no government, no operator, no
  administrator.
- What protects life, what calms and what reports a breach **always passes**.
- Mediation can be opened by either side, alone, at every level.

The ladder is a model, not legal advice, and no state has agreed to it. Status: {status}. Modelled on: {source}. Those who
adopt it look at it again at least every {review}. `{id}`, SHA-256 `{hash}`; the exact rules in the order in which the line
reads them: `hotline ladder show {id}`. To try it without a line: `hotline ladder rehearse {id}`.
"""


def default_ladder() -> list[str]:
    """``default-ladder.md``."""
    ladder = parse_ladder(ladders.load("cpci-default"))
    assert MEANING.keys() == ladder.rungs.keys(), "every level is explained, and none that is not there"
    review = length(ladder.review).removeprefix("1 ")
    lines = _HEAD.format(
        picture=PICTURE, status=ladder.status, source=ladder.source, review=review, id=ladder.id, hash=ladder.hash
    ).splitlines()
    for rung in ladder.rungs.values():
        lines += ["", *_section(ladder, rung)]
    return [*lines, *_standstills(ladder), *_mediators(ladder), *_two(ladder), *_clocks(ladder)]


def _section(ladder: Ladder, rung: Rung) -> Iterator[str]:
    yield f"## {rung.title}"
    yield ""
    level = "" if rung.id in (ladder.monitoring, ladder.closed) else f"Level {rung.level}. "
    yield f"{level}{MEANING[rung.id]}"
    steps = [step for step in ladder.steps.values() if rung.id in step.start and step.to != rung.id]
    yield from ("", "**What you may do**", "")
    if rung.id == ladder.start:
        yield "- send goodwill notes and statements, and test the line"
    for step in steps:
        if step.direction != "down":
            yield f"- *{step.title}*{_leads(ladder, step)}: {_how(ladder, step)}"
    named = [KINDS[kind].title for kind, rule in ladder.kinds.items() if rung.id in rule.rungs and _by_people(kind)]
    if rung.id == ladder.closed:
        yield "- what always passes (below), and nothing else; for a new matter open a new thread"
    elif named:
        yield f"- send what belongs here: {listed(named)}"
    if rung.id not in (ladder.closed, ladder.start):
        yield "- write statements and updates, ask whether a message is genuine, and propose to close the incident"
    yield from ("", "**Which clocks run**", "")
    clocks = [clock for clock in ladder.clocks.values() if _starts_on(ladder, clock, rung)]
    for clock in clocks:
        yield f"- {_told(ladder, clock)}"
    if not clocks:
        yield "None begins here."
    yield from ("", "**How to come down**", "")
    yield from _down(ladder, rung, steps)


def _down(ladder: Ladder, rung: Rung, steps: list[StepRule]) -> Iterator[str]:
    if rung.id == ladder.start:
        yield "You are at the bottom."
        return
    if rung.id == ladder.closed:
        yield "It is over."
        return
    for step in steps:
        if step.direction == "down":
            yield f"- *{step.title}*{_leads(ladder, step)}: {_how(ladder, step)}"
    if rung.level and ladder.monitoring:
        yield f"- both accept one text of the mediators: the thread goes to *{ladder.rungs[ladder.monitoring].title}*"
    yield "- both sign the closing, two officers each: the incident is closed"


def _how(ladder: Ladder, step: StepRule) -> str:
    """How a step comes about, as one says it to somebody who has to do it."""
    if step.trigger != "step-request":
        return f"by sending *{KINDS[step.trigger].title}*"
    agreed = "at once" if step.consent == "none" else "when the other side accepts"
    said = f"ask for it; it takes effect {agreed}"
    if step.needs_option:
        by = listed((f"*{ladder.clocks[name].title}*" for name in ladder.granted_by.get(step.id, ())), "or")
        said = f"open to the side entitled once this has run out: {by}; then it takes effect {agreed}"
        said += ", and earlier only by agreement" if step.early_exit else ""
    return f"{said}{' (two officers)' if step.two_person else ''}"


def _leads(ladder: Ladder, step: StepRule) -> str:
    return f" (to *{ladder.rungs[step.to].title}*)" if step.to else ""


def _by_people(kind: str) -> bool:
    return KINDS[kind].author is Author.OFFICER and not KINDS[kind].always


def _starts_on(ladder: Ladder, clock: ClockRule, rung: Rung) -> bool:
    """Whether a clock begins with the step into this level, with the message that makes it, or with what happens here."""
    if clock.starts == "close":
        return rung.id == ladder.closed
    if clock.starts in ("appointment", "declaration", "objection", "mediators-admitted"):
        return ladder.mediation is not None and rung.id == ladder.steps[ladder.mediation.step].to
    into = {step.id for step in ladder.steps.values() if step.to == rung.id and step.direction != "down"}
    beside = {step.id for step in ladder.steps.values() if not step.to and rung.id in step.start}
    kinds = {step.trigger for step in ladder.steps.values() if step.id in into and step.trigger != "step-request"}
    return clock.of in into | beside | kinds


def _told(ladder: Ladder, clock: ClockRule) -> str:
    """One clock in a sentence."""
    marked = f" ({mark(clock)})" if mark(clock) else ""
    who = "" if clock.who == "both" else f" for {bound(ladder, clock)}"
    after = consequence(ladder, clock)
    out = (
        f" If it runs out, {after}."
        if after
        else ""
        if clock.kind != "reply-by"
        else " If it runs out, nothing follows."
    )
    return f"**{clock.title}**: {length(clock.after)}{marked}{who}, from {starts(ladder, clock)}.{out}"


def _standstills(ladder: Ladder) -> Iterator[str]:
    yield from ("", "## What a cooling-off forbids", "")
    for step in ladder.steps.values():
        rule = step.standstill
        if rule is None:
            continue
        barred = [f"every step {direction}" for direction in rule.forbids_directions]
        barred += [f"*{ladder.steps[name].title}*" for name in rule.forbids_steps]
        barred += [f"*{KINDS[name].title}*" for name in rule.forbids_kinds]
        yield f"*{step.title}* ({length(ladder.clocks[rule.clock].after)}): {listed(barred)}."
        yield f"Acts on these grounds are permitted and can be announced: {_grounds(rule.carve_outs)}."
        yield ""
    always = [f"*{kind.title}*" for kind in KINDS.values() if kind.always and kind.author is Author.OFFICER]
    yield f"**Always possible**, on every level and in every cooling-off: {listed(always)}; and every step down, and"
    yield "*Open mediation*. If the other side breaks the cooling-off, report it; the report ends nothing and starts nothing."


def _grounds(grounds: tuple[str, ...]) -> str:
    return listed(ground.replace("-", " ") for ground in grounds)


def _mediators(ladder: Ladder) -> Iterator[str]:
    rule = ladder.mediation
    assert rule is not None
    lasts = {
        name: length(ladder.clocks[getattr(rule, name)].after)
        for name in rule.__struct_fields__
        if getattr(rule, name) in ladder.clocks
    }
    cap = next(length(clock.after) for clock in ladder.clocks.values() if clock.kind == "cap")
    yield from ("", "## How mediators come in", "")
    yield "1. Either side opens mediation, alone."
    yield f"2. Both seal a list from the agreed roster ({lasts['nominations']}). The lists are opened together; who stands on"
    yield "   both is chosen, by the least sum of ranks."
    yield f"3. If that comes to nothing within {lasts['default_appointment']}, either side may have one appointed."
    yield f"4. The one chosen accepts and declares interests ({lasts['nominee_answer']})."
    yield f"5. Both may object, or accept only beside another mediator ({lasts['objections']}), or waive."
    yield "6. Both sign the admission, two officers each, in the same words, and say what the mediators may read from before."
    yield "   Only then do the mediators get keys. They read what is handed over to them, and nothing else from before."
    yield f"7. They work for {lasts['duration']}, and mediation lasts at most {cap} in all. Either side can withdraw its"
    yield "   consent at any time."


def _two(ladder: Ladder) -> Iterator[str]:
    kinds = [f"*{KINDS[name].title}*" for name, rule in ladder.kinds.items() if rule.two_person]
    steps = [f"*{step.title}*" for step in ladder.steps.values() if step.two_person]
    yield from ("", "## What two officers must sign", "")
    yield f"One drafts, another releases: {listed(kinds)}; and the steps {listed(steps)}."


def _clocks(ladder: Ladder) -> Iterator[str]:
    yield from ("", "## All clocks, and why they are as long as they are", "")
    yield "In an exercise all times are divided by its scale. A clock can be lengthened by those named, never shortened."
    yield ""
    yield "| clock | how long | is met by | when it runs out | longer if agreed by | why |"
    yield "|---|---|---|---|---|---|"
    for clock in ladder.clocks.values():
        ends = "what it waits for" if clock.kind == "reply-by" else "nothing; it simply ends"
        cells = (
            f"{clock.title}{f' ({mark(clock)})' if mark(clock) else ''}",
            length(clock.after),
            met(ladder, clock) or ends,
            consequence(ladder, clock) or "nothing follows",
            extends(ladder, clock),
            clock.why,
        )
        yield f"| {' | '.join(cells)} |"
