"""The library of shipped ladders: an index, and for each ladder its source, legal status, steps, and clocks with marks."""

from __future__ import annotations

from collections.abc import Iterator

from hotline import ladders
from mediation.ladder import Ladder, parse_ladder
from mediation.rules import ClockRule, RoleRule, StepRule
from mediation.words import (
    DIRECTIONS,
    UNVERIFIED,
    appointment,
    bound,
    consent,
    consequence,
    entitled,
    extends,
    length,
    listed,
    mark,
    met,
    openers,
    roles,
    starts,
    step_name,
)
from protocols.kinds import KINDS

_HELD = {
    "named": "the offices that the accord names",
    "others": "every party office that is no party of the thread",
    "all": "every party office",
}
_EXCLUDED = {"parties": "the thread's parties", "nationals": "offices of the parties' states"}
_MARKS = {"S": "read", "T": "**unverified**", "A": "**inferred**", "D": "own choice"}
_INDEX = """\
# Shipped ladders

Models of real mechanisms, and the default ladder. They are not legal advice, and no state has agreed to any of them: whoever
puts one in force checks it against the text first, above all the clocks marked *unverified*.

A clock's number is marked by where it comes from:

- **read** in the public source named;
- **unverified**: {unverified};
- **inferred**: {inferred};
- **own choice** of the model.

The mark is about the number. The article or paragraph beside it says where to look and is to be checked with it. `hotline
ladder show ID`, the desk and the console show the same marks. Where a model departs from its text, its page says so.

| ladder | legal status | clocks | unverified | inferred |
|---|---|---|---|---|
"""


def library() -> dict[str, list[str]]:
    """The pages of the folder by file name."""
    found = [parse_ladder(data) for data in ladders.shipped().values()]
    return {"README.md": _index(found), **{f"{ladder.id}.md": list(_page(ladder)) for ladder in found}}


def _index(found: list[Ladder]) -> list[str]:
    head = _INDEX.format(unverified=UNVERIFIED["T"][1], inferred=UNVERIFIED["A"][1]).splitlines()
    return [*head, *map(_row, found)]


def _row(ladder: Ladder) -> str:
    checks = [clock.check for clock in ladder.clocks.values()]
    many = f"{len(checks)} | {checks.count('T') or ''} | {checks.count('A') or ''}"
    return f"| [{ladder.title}]({ladder.id}.md) | {ladder.status} | {many} |"


def _page(ladder: Ladder) -> Iterator[str]:
    unread = sum(clock.check == "T" for clock in ladder.clocks.values())
    yield f"# {ladder.title}"
    yield ""
    if ladder.preamble:
        yield from (ladder.preamble, "")
    yield f"- Id: `{ladder.id}`, SHA-256 `{ladder.hash}`"
    yield f"- Legal status: {ladder.status}"
    yield f"- Source: {f'<{ladder.source}>' if ladder.source.startswith('http') else ladder.source}"
    yield f"- Clocks: {len(ladder.clocks)}, of which unverified: {unread}"
    yield f"- Review every {length(ladder.review).removeprefix('1 ')}"
    if ladder.id == "cpci-default":
        yield "- In plain words, level by level: [the default ladder](../default-ladder.md)"
    if ladder.notes:
        yield from ("", "## Where the model departs from the text", "")
        yield from (f"- {note}" for note in ladder.notes)
    if ladder.roles:
        yield from ("", "## Roles beside the parties", "")
        yield from (_role(role) for role in ladder.roles.values())
    yield from ("", "## Rungs", "", "| level | rung | |", "|---|---|---|")
    for rung in ladder.rungs.values():
        barred = listed(KINDS[kind].title for kind in rung.forbids)
        yield f"| {rung.level} | {rung.title} | {rung.about}{f' Not here: {barred}.' if barred else ''} |"
    yield from ("", "## Steps", "", "| step | from | to | who | |", "|---|---|---|---|---|")
    yield from (_step(ladder, step) for step in ladder.steps.values())
    if ladder.mediation is not None:
        yield from ("", appointment(ladder))
    if ladder.clocks:
        head = "| clock | how long | from | who must act | met by | then | longer if agreed by | mark | why |"
        yield from ("", "## Clocks", "", head, "|---|---|---|---|---|---|---|---|---|")
        yield from (_clock(ladder, clock) for clock in ladder.clocks.values())


def _role(role: RoleRule) -> str:
    out = [_EXCLUDED[name] for name in role.exclude]
    held = f"{_HELD[role.held_by]}{f', but never {listed(out)}' if out else ''}"
    return f"- **{role.title}**: {held}. {role.about}".rstrip()


def _step(ladder: Ladder, step: StepRule) -> str:
    everywhere = len(step.start) == len(ladder.rungs) - 1
    start = "any rung" if everywhere else listed((ladder.rungs[name].title for name in step.start), "or")
    to = ladder.rungs[step.to].title if step.to else "the same rung"
    taken = f"by sending *{KINDS[step.trigger].title}*" if step.trigger != "step-request" else consent(ladder, step)
    said = [DIRECTIONS[step.direction], taken]
    if step.needs_option:
        by = listed((f"*{title}*" for title in openers(ladder, step.id)), "or")
        said.append(f"an option of {by}{', earlier by agreement' if step.early_exit else ''}")
    if step.evidence:
        said.append(f"rests on {listed(f'*{KINDS[kind].title}*' for kind in step.evidence)}")
    if step.negative_consensus and step.blocked_by is None:
        said.append("silence lets it happen")
    if step.two_person:
        said.append("two officers")
    if step.standstill is not None:
        said.append(f"standstill of {length(ladder.clocks[step.standstill.clock].after)}")
    if step.suspends or step.resumes:
        said.append("clocks stand still" if step.suspends else "clocks go on")
    if step.when_taken is not None:
        option = step_name(ladder, step.when_taken.option)
        said.append(f"then *{option}* is open to {entitled(ladder, step.when_taken.to)}")
    if step.track:
        said.append(f"track *{step.track}*")
    return f"| {step.title} | {start} | {to} | {roles(ladder, step.who)} | {'; '.join(said)} |"


def _clock(ladder: Ladder, clock: ClockRule) -> str:
    span = f"from {length(clock.opens)} to {length(clock.after)}" if clock.opens else length(clock.after)
    span += "".join(f"; {track}: {length(after)}" for track, after in clock.tracks.items())
    kind = clock.kind.replace("-", " ")
    cells = (
        clock.title, f"{span} ({kind})", starts(ladder, clock), bound(ladder, clock), met(ladder, clock),
        consequence(ladder, clock), extends(ladder, clock), _MARKS[clock.check], clock.why,
    )  # fmt: skip
    assert bool(mark(clock)) == (clock.check in "TA"), "the page's marks are those of the screens"
    return f"| {' | '.join(cells)} |"
