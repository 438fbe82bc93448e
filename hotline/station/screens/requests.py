"""Requests that wait, and what a step asks for before it happens."""

from __future__ import annotations

from collections.abc import Callable

from hotline.station.views import RequestView
from hotline.words import step_title
from mediation.ladder import Ladder
from mediation.requests import needed
from mediation.rules import Quorum, StepRule
from mediation.state import Request, ThreadState
from mediation.words import consent, listed, role, roles
from protocols.kinds import KINDS


def requests(ladder: Ladder, state: ThreadState, name: Callable[[str], str]) -> tuple[RequestView, ...]:
    """The open requests of a thread. ``name`` gives an office's name."""
    return tuple(
        RequestView(
            entry=asked.entry,
            step_title=step_title(ladder, asked.step),
            office=asked.office,
            waits=tuple(_waits(ladder, state, asked, name)),
            closes=closes(ladder, state, asked),
        )
        for asked in state.requests
    )


def closes(ladder: Ladder, state: ThreadState, asked: Request) -> int | None:
    """When the clock ends that serves this request alone (ms UTC); None where none runs."""
    rules = serving_rules(ladder, asked.step)
    ends = [c.end for c in state.clocks if c.rule in rules and c.entry == asked.entry and c.paused is None]
    return min(ends, default=None)


def serving_rules(ladder: Ladder, step: str) -> tuple[str, ...]:
    """The clocks that may serve a request for ``step``: the one for its seconds, and the one whose end takes it."""
    found = ladder.steps[step]
    seconds = () if found.seconded_by is None else (found.seconded_by.within,)
    return (*(rule for rule in seconds if rule), *ladder.moved_by.get(step, ()))


def why(ladder: Ladder, step: StepRule) -> tuple[str, ...]:
    """What an officer must know before sending: whose the step is, when it happens, what it rests on."""
    said = [f"Open to {roles(ladder, step.who)}; it {consent(ladder, step)}."]
    if step.evidence:
        said.append(f"It must name what it rests on: {evidence_words(step)}.")
    return tuple(said)


def evidence_words(step: StepRule) -> str:
    """``a Breach report and a Finding``."""
    return listed(f"“{KINDS[kind].title}”" for kind in step.evidence)


def _waits(ladder: Ladder, state: ThreadState, asked: Request, name: Callable[[str], str]) -> list[str]:
    step, said = ladder.steps[asked.step], []
    if step.seconded_by is not None:
        said.append(_count(ladder, state, "Seconded", step.seconded_by, asked.seconds, name))
    if step.blocked_by is not None:
        said.append(_count(ladder, state, "Blocked", step.blocked_by, asked.blocks, name))
        said.append("Otherwise silence takes it.")
    if asked.accepted:
        said.append("Accepted; it waits for seconds.")
    elif step.consent == "other" or not asked.entitled:
        said.append(f"{listed(name(party) for party in state.parties if party != asked.office)} must accept.")
    elif step.consent != "none":
        said.append(f"{role(ladder, step.consent)} must accept.")
    return said


def _count(
    ladder: Ladder, state: ThreadState, what: str, rule: Quorum, by: tuple[str, ...], name: Callable[[str], str]
) -> str:
    who = listed(name(office) for office in by) or "nobody yet"
    return f"{what} by {len(by)} of {needed(state, rule)} needed ({role(ladder, rule.role)}): {who}."
