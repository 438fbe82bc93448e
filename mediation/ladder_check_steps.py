"""The checks of one step: references, direction, consent, seconds, blocks, evidence and standstill."""

from __future__ import annotations

from mediation.complaints import Complaints
from mediation.ladder_check_clocks import check_timeout
from mediation.rules import PARTY_ROLES, Quorum, StepRule
from protocols.kinds import KINDS


def check_step(found: Complaints, step: StepRule, at: str) -> None:
    """Adds every complaint about ``step``, which stands at ``at``."""
    file = found.file
    found.known([name for name in step.start if name != "*"], found.rungs, "rung", f"{at}.from")
    if file.closed in (*step.start, step.to):
        found.add("contradiction", "A closed thread is left and entered by no step.", f"{at}.to")
    found.kinds([step.trigger], f"{at}.trigger")
    found.known(step.who, found.roles, "role", f"{at}.who")
    _by_kind(found, step, at)
    _direction(found, step, at)
    if step.needs_option and step.id not in found.optioned:
        found.add("unreachable", f"No clock ever gives the option that {step.id!r} needs.", f"{at}.needs_option")
    if step.early_exit and not step.needs_option and not _held(found, step):
        found.add("contradiction", "An early exit is from an option; this step needs none.", f"{at}.early_exit")
    found.known(step.stops, found.clocks, "clock", f"{at}.stops")
    if found.standing & set(step.stops):
        found.add("contradiction", "No step can stop a standstill.", f"{at}.stops")
    if any(found.clocks[name].starts == "appointment-due" for name in step.stops if name in found.clocks):
        found.add(
            "contradiction", "The time of the body that appoints stops only when it need not appoint.", f"{at}.stops"
        )
    if step.stops and (step.consent != "other" or step.direction != "down"):
        found.add("contradiction", "Only a step down by agreement can stop clocks.", f"{at}.stops")
    _consent(found, step, at)
    _quorums(found, step, at)
    found.kinds(step.evidence, f"{at}.evidence")
    _suspension(found, step, at)
    if step.track and not any(step.track in clock.tracks for clock in file.clock):
        found.add("contradiction", f"No clock has a length for the track {step.track!r}.", f"{at}.track")
    if step.standstill is not None:
        _standstill(found, step, f"{at}.standstill")
    if step.when_taken is not None:
        check_timeout(found, step.when_taken, f"{at}.when_taken")
        if step.when_taken.moves:
            found.add("contradiction", "Taking a step gives an option; it moves nothing.", f"{at}.when_taken.moves")


def _held(found: Complaints, step: StepRule) -> bool:
    """A not-before clock holds the step, so there is something to exit early."""
    return any(step.id in clock.holds for clock in found.file.clock)


def _by_kind(found: Complaints, step: StepRule, at: str) -> None:
    if step.trigger == "step-request":
        return
    if step.consent != "none" or step.needs_option or step.two_person:
        found.add("contradiction", "A step taken by sending a kind has neither consent nor option.", f"{at}.trigger")
    elif step.seconded_by is not None or step.blocked_by is not None or step.evidence:
        found.add("contradiction", "A step taken by sending a kind is not requested, so nobody can second or block it.",
                  f"{at}.trigger")  # fmt: skip


def _direction(found: Complaints, step: StepRule, at: str) -> None:
    if step.to:
        if not found.known([step.to], found.rungs, "rung", f"{at}.to"):
            return
        level = found.rungs[step.to].level
        levels = [found.rungs[name].level for name in step.start if name in found.rungs]
        if step.direction == "up" and any(level <= other for other in levels):
            found.add("contradiction", f"{step.id!r} is an up step but does not lead up.", f"{at}.direction")
        if step.direction == "down" and any(level >= other for other in levels):
            found.add("contradiction", f"{step.id!r} is a down step but does not lead down.", f"{at}.direction")
    elif not _does_something(found, step):
        found.add("contradiction", f"{step.id!r} leads nowhere and does nothing else.", f"{at}.to")


def _does_something(found: Complaints, step: StepRule) -> bool:
    file = found.file
    return (
        step.standstill is not None
        or step.suspends
        or step.resumes
        or bool(step.track)
        or step.when_taken is not None
        or (file.mediation is not None and file.mediation.step == step.id)
        or any(
            step.id in clock.met_by_steps
            or (clock.of == step.id and clock.starts in ("request", "acceptance", "opening"))
            for clock in file.clock
        )
    )


def _consent(found: Complaints, step: StepRule, at: str) -> None:
    if step.consent not in ("none", "other"):
        found.known([step.consent], found.declared, "declared role", f"{at}.consent")
    parties_only = set(step.who) <= PARTY_ROLES
    if step.consent == "other" and step.trigger == "step-request" and not parties_only:
        found.add(
            "contradiction", "Only a party has an other party that could consent; name a role or none.", f"{at}.consent"
        )
    if step.early_exit and (not parties_only or step.consent not in ("none", "other")):
        found.add("contradiction", "An early exit is agreed between the two parties.", f"{at}.early_exit")


def _quorums(found: Complaints, step: StepRule, at: str) -> None:
    if step.seconded_by is not None:
        rule = step.seconded_by
        _quorum(found, rule, f"{at}.seconded_by")
        if rule.within and found.known([rule.within], found.clocks, "clock", f"{at}.seconded_by.within"):
            clock = found.clocks[rule.within]
            if (clock.kind, clock.starts, clock.of) != ("second-by", "request", step.id):
                found.add(
                    "contradiction",
                    "Seconds come within a second-by clock that runs from the request of this very step.",
                    f"{at}.seconded_by.within",
                )
        if step.early_exit or step.blocked_by is not None:
            found.add("contradiction", "Seconds go neither with an early exit nor with blocking.", f"{at}.seconded_by")
    if step.blocked_by is not None:
        rule = step.blocked_by
        _quorum(found, rule, f"{at}.blocked_by")
        if rule.within:
            found.add("contradiction", "Blocking ends with the clock that moves the step.", f"{at}.blocked_by.within")
        moved = any(
            clock.timeout is not None
            and clock.timeout.moves == step.id
            and (clock.starts, clock.of) == ("request", step.id)
            for clock in found.file.clock
        )
        if not moved or not step.negative_consensus:
            found.add(
                "contradiction",
                "A step that can be blocked declares negative consensus, and a clock from its request moves it.",
                f"{at}.blocked_by",
            )


def _quorum(found: Complaints, rule: Quorum, at: str) -> None:
    found.known([rule.role], {*found.declared, "monitor"}, "declared role", f"{at}.role")
    if bool(rule.count) == bool(rule.fraction):
        found.add("contradiction", "So many are a count or a fraction, one of the two.", at)
    if rule.fraction:
        part, whole = (int(number) for number in rule.fraction.split("/"))
        if part > whole:
            found.add("contradiction", f"{rule.fraction} is more than all.", f"{at}.fraction")


def _suspension(found: Complaints, step: StepRule, at: str) -> None:
    if not (step.suspends or step.resumes):
        return
    field = f"{at}.{'suspends' if step.suspends else 'resumes'}"
    if step.suspends and step.resumes:
        found.add("contradiction", "A step suspends or resumes, not both.", field)
    if step.direction != "across" or step.to or step.trigger != "step-request":
        found.add("contradiction", "Suspending and resuming leave the rung: direction across, no rung to go to.", field)
    if step.suspends and not any(other.resumes for other in found.file.step):
        found.add("no-way-down", "Nothing resumes what this step suspends.", field)


def _standstill(found: Complaints, step: StepRule, at: str) -> None:
    rule = step.standstill
    assert rule is not None  # noqa: S101 - the caller looked
    if found.known([rule.clock], found.clocks, "clock", f"{at}.clock"):
        clock = found.clocks[rule.clock]
        if clock.kind != "duration" or clock.of != step.id or clock.starts not in ("acceptance", "opening"):
            found.add(
                "contradiction", "A standstill's clock is a duration from the opening or acceptance.", f"{at}.clock"
            )
        if clock.starts == "acceptance" and (step.consent == "none" or step.negative_consensus):
            found.add("contradiction", "A standstill from acceptance needs the other's consent.", f"{at}.clock")
        moves = clock.timeout is not None and clock.timeout.moves
        if clock.met_by or clock.met_by_any or clock.met_by_steps or moves:
            found.add("contradiction", "Nothing meets a standstill's clock, and it moves nothing.", f"{at}.clock")
        if clock.extend not in ("mutual", "consensus", "nobody"):
            found.add("contradiction", "Only the parties together lengthen a standstill.", f"{at}.clock")
    found.kinds(rule.forbids_kinds, f"{at}.forbids_kinds")
    for name in rule.forbids_kinds:
        if name in KINDS and KINDS[name].always:
            found.add("contradiction", f"{name!r} always passes; no standstill may forbid it.", f"{at}.forbids_kinds")
    found.known(rule.forbids_steps, found.steps, "step", f"{at}.forbids_steps")
    if "down" in rule.forbids_directions or any(
        found.steps[name].direction in ("down", "deescalate") for name in rule.forbids_steps if name in found.steps
    ):
        found.add("contradiction", "A standstill never forbids de-escalation.", f"{at}.forbids_directions")
