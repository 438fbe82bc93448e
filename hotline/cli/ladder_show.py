"""`hotline ladder show`: everything a ladder holds, in words, line by line."""

from __future__ import annotations

from collections.abc import Iterator

from mediation.ladder import Ladder
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
from protocols.encoding import rfc3339
from protocols.kinds import KINDS

_HELD = {
    "named": "named by the accord",
    "others": "the accord's other party offices",
    "all": "all party offices of the accord",
}
_EXCLUDED = {"parties": "the thread's parties", "nationals": "offices of a party's state"}


def words(ladder: Ladder) -> Iterator[str]:
    """The ladder in words."""
    yield f"{ladder.title} ({ladder.id})"
    yield f"Legal status: {ladder.status}. After: {ladder.source}."
    over = f" No new thread opens from {rfc3339(ladder.sunset)[:10]} on." if ladder.sunset is not None else ""
    yield f"Reviewed every {length(ladder.review)}.{over}"
    yield f"SHA-256: {ladder.hash}"
    yield from _unverified(ladder)
    if ladder.preamble:
        yield from ("", ladder.preamble)
    if ladder.notes:
        yield from ("", "Where it departs from the text it is modelled on")
        yield from (f"  - {note}" for note in ladder.notes)
    yield from ("", "Rungs")
    for rung in ladder.rungs.values():
        marks = [word for name, word in ((ladder.start, "start"), (ladder.closed, "end")) if rung.id == name]
        yield f"  {rung.level}  {rung.title} ({rung.id}{', ' if marks else ''}{', '.join(marks)})"
        if rung.about:
            yield f"       {rung.about}"
        if rung.forbids:
            yield f"       refused here: {listed(KINDS[kind].title for kind in rung.forbids)}"
    if ladder.roles:
        yield from ("", "Roles")
        for declared in ladder.roles.values():
            yield from _role(declared)
    yield from ("", "Steps")
    for step in ladder.steps.values():
        yield from _step(ladder, step)
    if ladder.mediation is not None:
        yield from ("", "Mediators", f"  {appointment(ladder)}")
    yield from ("", "Clocks")
    for clock in ladder.clocks.values():
        yield from _clock(ladder, clock)
    yield from ("", "Who may send what")
    for name, rule in ladder.kinds.items():
        two = "; two people must sign" if rule.two_person else ""
        where = f" on {listed(ladder.rungs[rung].title for rung in rule.rungs)}" if rule.rungs else ""
        yield f"  {KINDS[name].title} ({name}): {roles(ladder, rule.who)}{where}{two}"
    always = ", ".join(kind.name for kind in KINDS.values() if kind.always)
    yield f"  On every rung, in every standstill: {always}"


def _unverified(ladder: Ladder) -> Iterator[str]:
    """The count of numbers nobody has read in their source, first of all: whoever signs must know."""
    counts = {check: sum(clock.check == check for clock in ladder.clocks.values()) for check in UNVERIFIED}
    total = len(ladder.clocks)
    for check, (word, meaning) in UNVERIFIED.items():
        if counts[check]:
            yield f"{counts[check]} of {total} clocks are marked {word}: {meaning}."
    if not any(counts.values()):
        yield f"None of its {total} clocks is unverified or inferred."


def _role(declared: RoleRule) -> Iterator[str]:
    yield f"  {declared.title} ({declared.id}): {_HELD[declared.held_by]}"
    if declared.exclude:
        yield f"       never held by {listed((_EXCLUDED[each] for each in declared.exclude), 'or')}"
    if declared.about:
        yield f"       {declared.about}"


def _step(ladder: Ladder, step: StepRule) -> Iterator[str]:
    to = f" to {ladder.rungs[step.to].title}" if step.to else " (the rung stays)"
    start = listed(ladder.rungs[name].title for name in step.start)
    yield f"  {step.title} ({step.id}, {DIRECTIONS[step.direction]}): from {start}{to}"
    if step.trigger != "step-request":
        yield f"       taken by sending {KINDS[step.trigger].title}"
    else:
        two = "; two people must sign" if step.two_person else ""
        yield f"       asked for by {roles(ladder, step.who)}; {consent(ladder, step)}{two}"
    if step.needs_option:
        by = listed(openers(ladder, step.id), "or")
        early = "; or earlier, if the other party accepts" if step.early_exit else ""
        yield f"       open once this gives it: {by or 'nothing in this ladder'}{early}"
    if step.evidence:
        yield f"       must rest on entries sent before: {listed(KINDS[kind].title for kind in step.evidence)}"
    if step.suspends:
        yield "       another forum is seized: clocks other than a standstill pause, and steps up or across wait"
    if step.resumes:
        yield "       the other forum is left: paused clocks go on, later by exactly the pause"
    if step.track:
        yield f"       puts the thread on the track “{step.track}”: clocks that start from then on are its own"
    if step.when_taken is not None:
        given = step.when_taken
        yield f"       then open to {entitled(ladder, given.to)}: {step_name(ladder, given.option)}"
    if step.stops:
        yield f"       stops, by agreement: {listed(ladder.clocks[name].title for name in step.stops)}"
    if step.standstill is not None:
        still = step.standstill
        barred = [f"every step {direction}" for direction in still.forbids_directions]
        barred += [step_name(ladder, name) for name in still.forbids_steps]
        barred += [KINDS[kind].title for kind in still.forbids_kinds]
        yield f"       while {ladder.clocks[still.clock].title} runs, forbidden: {listed(barred)}"
        yield f"       permitted acts may be announced: {listed(still.carve_outs) or 'none'}"


def _clock(ladder: Ladder, clock: ClockRule) -> Iterator[str]:
    marked = f" [{mark(clock)}]" if mark(clock) else ""
    yield f"  {clock.title} ({clock.id}){marked}: {_length(clock)} from {_plain(starts(ladder, clock))}"
    for track, after in clock.tracks.items():
        yield f"       on the track “{track}”: {length(after)}"
    if found := met(ladder, clock):
        yield f"       {bound(ladder, clock)} must act; met by {found}"
    if clock.gives is not None:
        yield f"       while open: {entitled(ladder, clock.gives.to)} may take {step_name(ladder, clock.gives.step)}"
    if clock.holds:
        yield f"       until then nobody may take {listed((step_name(ladder, name) for name in clock.holds), 'or')}"
    if found := consequence(ladder, clock):
        yield f"       when it runs out: {_plain(found)}"
    if clock.wording:
        yield f"       then it says: {clock.wording}"
    yield f"       longer: {extends(ladder, clock)}; why: {clock.why}"


def _length(clock: ClockRule) -> str:
    if clock.opens:
        return f"opens after {length(clock.opens)} and closes after {length(clock.after)}, both"
    return length(clock.after)


def _plain(words: str) -> str:
    return words.replace("*", "")
