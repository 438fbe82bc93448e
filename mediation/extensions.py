"""Lengthening a clock, by those whom it protects or binds (RLA practice; JCPOA paras 36-37). Nobody shortens one."""

from __future__ import annotations

from mediation import clocks, holders
from mediation.draft import Draft
from mediation.effects import ExtensionProposed
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.rules import ClockRule
from mediation.state import Clock, ExtensionProposal
from protocols.kinds import Extension


def extension(draft: Draft, move: Move) -> Refusal | None:
    """``extension``: lengthens a clock once everybody whom the ladder names has agreed to the same end."""
    act = move.act
    assert isinstance(act, Extension)  # noqa: S101 - the form was checked
    clock = clocks.find(draft, act.clock)
    if isinstance(clock, Refusal):
        return clock
    rule = draft.ladder.clocks[clock.rule]
    refusal = _possible(draft, clock, act.until)
    if refusal is not None:
        return refusal
    needed = _must_agree(draft, rule, clock)
    if move.office not in needed:
        return draft.refuse(
            "extension-not-yours",
            "Only those whom this clock protects or binds may lengthen it."
            if rule.extend != "nobody"
            else "Nobody may lengthen this clock.",
            "Ask the other side in a statement.",
            rule=clock.rule,
            clock=clock,
        )
    others = tuple(found for found in draft.state.extensions if (found.clock, found.office) != (clock.id, move.office))
    agreed = {found.office for found in others if found.clock == clock.id and found.until == act.until}
    if agreed | {move.office} >= set(needed):
        clocks.lengthen(draft, clock, act.until)
        return None
    draft.set(extensions=(*others, ExtensionProposal(clock.id, act.until, move.office)))
    draft.note(ExtensionProposed(clock.id, act.until, move.office))
    return None


def _possible(draft: Draft, clock: Clock, until: int) -> Refusal | None:
    if clock.paused is not None:
        return draft.refuse(
            "clock-paused",
            "That clock stands still while another forum is seized.",
            "It goes on, and can be lengthened, when the suspension is over.",
            rule=clock.rule,
        )
    if until <= clock.end:
        return draft.refuse(
            "not-longer",
            "A clock can only be lengthened, never shortened.",
            "Name a later end.",
            rule=clock.rule,
            clock=clock,
        )
    if until > draft.at + draft.ladder.extension_ms:
        return draft.refuse(
            "extension-too-long",
            "That end is further away than this ladder allows.",
            "Name an earlier end.",
            clock=clock,
        )
    return None


def _must_agree(draft: Draft, rule: ClockRule, clock: Clock) -> tuple[str, ...]:
    match rule.extend:
        case "consensus":
            return (*draft.state.parties, *draft.state.admitted)
        case "nobody":
            return ()
    return holders.of(draft.state, rule.extend, clock)
