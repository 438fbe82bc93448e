"""What a step's card says: who, with whose consent, what opens it, what it starts; one short line each.

Every clock of a ladder is told in full exactly once: on the step that its running out opens, else on the step it runs
from, else among the clocks beside the picture. Numbers whose source nobody has read again are marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mediation.drawing.clock_words import Line, clock_line, opened, opening_to, opening_when, since, told
from mediation.drawing.position import Position
from mediation.ladder import Ladder
from mediation.rules import ClockRule, StepRule
from mediation.words import appointment, entitled, length, listed, mark, quorum, role, roles, step_name
from protocols.kinds import KINDS

_HELD = {
    "named": "named in the accord",
    "others": "every state of the accord that is no party to the thread",
    "all": "every state of the accord",
}
_EXCLUDED = {"parties": "a party", "nationals": "an office of a party's state"}


@dataclass(frozen=True, slots=True)
class Card:
    """A step in words. ``kind`` is the step's direction."""

    step: str
    title: str
    kind: str
    lines: tuple[Line, ...]


def role_lines(ladder: Ladder) -> Iterator[Line]:
    """The declared roles: who holds them, who never does."""
    for found in ladder.roles.values():
        words = f"{found.title}: {_HELD[found.held_by]}"
        if found.exclude:
            words += f"; never {_or(_EXCLUDED[out] for out in found.exclude)}"
        yield Line(f"{words}. {found.about}".rstrip())


def cards(ladder: Ladder) -> dict[str, Card]:
    """Each step's card, in the ladder's order."""
    found = told(ladder)
    return {
        step.id: Card(step.id, step.title, step.direction, tuple(_lines(ladder, step, found[step.id])))
        for step in ladder.steps.values()
    }


def other_clocks(ladder: Ladder) -> tuple[Line, ...]:
    """The clocks that no step tells."""
    shown = {clock for clocks in told(ladder).values() for clock in clocks}
    return tuple(clock_line(ladder, clock, None) for clock in ladder.clocks.values() if clock.id not in shown)


def rung_lines(ladder: Ladder, rung: str) -> Iterator[Line]:
    """What a rung's box says beside its title."""
    found = ladder.rungs[rung]
    if found.about:
        yield Line(found.about)
    if rung == ladder.start:
        yield Line("Every thread begins here.")
    if rung == ladder.monitoring:
        yield Line("Reached from every level when both parties accept one text.")
    if rung == ladder.closed:
        yield Line("Reached from every level when both parties close.")
    if found.forbids:
        yield Line(f"Not on this level: {listed(_kind(kind) for kind in found.forbids)}.")


def summary(ladder: Ladder, position: Position | None) -> str:
    """The picture in a few sentences, for those who cannot see it."""
    levels = sorted({rung.level for rung in ladder.rungs.values()})
    words = [
        f"{len(ladder.rungs)} rungs on levels {levels[0]} to {levels[-1]}, {len(ladder.steps)} steps, "
        f"{len(ladder.clocks)} clocks, lowest level at the bottom."
    ]
    if doubtful := sum(clock.check == "T" for clock in ladder.clocks.values()):
        words.append(f"{doubtful} of the clocks are unverified.")
    if position is not None:
        words.append(f"The thread is on {ladder.rungs[position.rung].title}.")
    return " ".join([*words, "The same is told as a list beside the picture, where there is one."])


def _kind(kind: str) -> str:
    return KINDS[kind].title if kind in KINDS else kind


def _lines(ladder: Ladder, step: StepRule, told_here: list[str]) -> Iterator[Line]:
    yield Line(_who(ladder, step))
    yield from _conditions(ladder, step)
    special = {step.standstill.clock} if step.standstill is not None else set()
    special |= {step.seconded_by.within} if step.seconded_by is not None else set()
    here = [ladder.clocks[name] for name in told_here if name not in special]
    opens = [clock for clock in here if step.id in opened(clock)]
    held = [clock for clock in here if step.id in clock.holds and clock not in opens]
    moved = [clock for clock in here if clock not in opens and _moves(clock) == step.id]
    yield from _opening(ladder, step, opens)
    yield from (clock_line(ladder, clock, step) for clock in (*opens, *held))
    yield from _elsewhere(ladder, step, here)
    if moved:
        yield Line("Silence takes it: it proceeds when this runs out (negative consensus).")
        yield from (clock_line(ladder, clock, step) for clock in moved)
    if step.standstill is not None:
        yield from _still(ladder, step)
    yield from _effects(ladder, step)
    rest = [clock for clock in here if clock not in (*opens, *held, *moved)]
    if rest:
        yield Line("Then these run:")
        yield from (clock_line(ladder, clock, step) for clock in rest)


def _moves(clock: ClockRule) -> str:
    return clock.timeout.moves if clock.timeout is not None else ""


_WHEN = {
    "in": "in this window",
    "out": "when this has run out",
    "met": "when this was met but does not satisfy",
    "out+met": "when this has run out, or was met but does not satisfy",
    "several": "when one of these has run out, or was met but does not satisfy",
}


def _opening(ladder: Ladder, step: StepRule, here: list[ClockRule]) -> Iterator[Line]:
    """The line over the clocks that open a step; those told elsewhere are named in it."""
    others = [clock for clock in ladder.clocks.values() if clock not in here and step.id in opened(clock)]
    if not step.needs_option:
        if here:
            yield Line("It is also what follows when one of these has run out:")
        return
    early = "; earlier only if the other party accepts" if step.early_exit else ""
    both = [*here, *others]
    whom = _or(dict.fromkeys(opening_to(ladder, clock, step.id) for clock in both)) or "whoever waited"
    ways = sorted({opening_when(clock, step.id) for clock in both})
    asked = [f"“{asker.title}” is taken" for asker in ladder.steps.values() if _opened_by(asker) == step.id]
    if asked and not both:
        whom = _or(dict.fromkeys(entitled(ladder, s.when_taken.to) for s in ladder.steps.values()
                                 if s.when_taken is not None and s.when_taken.option == step.id))  # fmt: skip
        yield Line(f"Opens for {whom} when {_or(asked)}{early}")
        return
    when = _WHEN["several"] if len(ways) > 1 else _WHEN[ways[0]] if ways else "by a clock"
    when += f", or when {_or(asked)}" if asked else ""
    if ways == ["out"] and len(both) > 1:
        when = "when one of these has run out"
    named = f"{_or(clock.title for clock in others)}" if others else ""
    if not here:
        yield Line(f"Opens for {whom} {when}: {named}{early}")
    else:
        yield Line(f"Opens for {whom} {when}{f' (or {named})' if named else ''}{early}:")


def _opened_by(step: StepRule) -> str:
    return step.when_taken.option if step.when_taken is not None else ""


def _elsewhere(ladder: Ladder, step: StepRule, here: list[ClockRule]) -> Iterator[Line]:
    """Clocks that hold or move this step but are told on another card."""
    held = [clock.title for clock in ladder.clocks.values() if step.id in clock.holds and clock not in here]
    if held:
        yield Line(f"Not before this has run out: {listed(held)}")
    moved = [clock.title for clock in ladder.clocks.values() if _moves(clock) == step.id and clock not in here]
    if moved:
        yield Line(f"Silence takes it when this runs out (negative consensus): {_or(moved)}")


def _or(words: Iterable[str]) -> str:
    return listed(words, "or")


def _who(ladder: Ladder, step: StepRule) -> str:
    who = roles(ladder, step.who)
    words = who[:1].upper() + who[1:]
    if step.two_person:
        words += ", two officers"
    if step.trigger != "step-request":
        words += f", by sending: {_kind(step.trigger)}"
    if step.consent == "other":
        return f"{words}; the other party must accept" if step.trigger == "step-request" else words
    if step.consent != "none":
        return f"{words}; {role(ladder, step.consent)} must accept"
    return words if step.seconded_by or step.blocked_by or step.negative_consensus else f"{words}; at once"


def _conditions(ladder: Ladder, step: StepRule) -> Iterator[Line]:
    """What else it takes."""
    if step.seconded_by is not None:
        clock = ladder.clocks.get(step.seconded_by.within)
        within = f" within {length(clock.after)}" if clock is not None else ""
        title = f" ({clock.title})" if clock is not None else ""
        words = f"Seconded by {quorum(ladder, step.seconded_by)}{within}{title}; else the request lapses"
        yield Line(
            words,
            "clock" if clock is not None else "",
            clock.id if clock is not None else "",
            mark(clock) if clock is not None else "",
        )
    if step.blocked_by is not None:
        yield Line(f"Proceeds unless blocked by {quorum(ladder, step.blocked_by)}")
    if step.evidence:
        yield Line(f"Must name as evidence: {listed(_kind(kind) for kind in step.evidence)}")


def _effects(ladder: Ladder, step: StepRule) -> Iterator[Line]:
    """What else it does."""
    if step.suspends:
        yield Line("Another forum is seized: clocks pause, only steps down, calming steps and the return pass")
    if step.resumes:
        yield Line("The other forum is done: clocks run on, later by exactly the pause")
    if step.track:
        yield Line(f"From then on clocks take their length for the track “{step.track}”")
    if step.when_taken is not None:
        option = step_name(ladder, step.when_taken.option)
        yield Line(f"Then “{option}” is open to {entitled(ladder, step.when_taken.to)}")
    rule = ladder.mediation
    if rule is not None and rule.step == step.id and (rule.appointed_by or rule.exclude):
        yield Line(appointment(ladder))
    met = [clock.title for clock in ladder.clocks.values() if step.id in clock.met_by_steps]
    if met:
        yield Line(f"Meets: {listed(met)}")


def _still(ladder: Ladder, step: StepRule) -> Iterator[Line]:
    rule = step.standstill
    assert rule is not None  # noqa: S101 - asked before
    clock = ladder.clocks[rule.clock]
    barred = [{"up": "step up", "across": "step across"}.get(way, way) for way in rule.forbids_directions]
    barred += [_kind(kind) for kind in rule.forbids_kinds]
    named = [ladder.steps[name] for name in rule.forbids_steps if name in ladder.steps]
    barred += [found.title for found in named if found.direction not in rule.forbids_directions]
    yield Line(
        f"{clock.title}: standstill for {length(clock.after)} ({since(ladder, clock, step)}): no {_or(barred)}. "
        "Nobody can lift or shorten it.",
        "still",
        clock.id,
        mark(clock),
    )
    if rule.carve_outs:
        yield Line(f"Permitted all the same: {listed(ground.replace('-', ' ') for ground in rule.carve_outs)}.")
