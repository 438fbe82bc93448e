"""The checks of one clock: what starts it, whom it binds, what meets it, and what its running out brings."""

from __future__ import annotations

from mediation.complaints import Complaints
from mediation.durations import end_of, parse_span
from mediation.kind_groups import kinds_of
from mediation.rules import DEFAULT_APPOINTMENT, OTHER, PARTY_ROLES, ClockRule, StepRule, Timeout
from protocols.kinds import KINDS

_BY_STEP = frozenset({"request", "acceptance", "opening"})
_TO = frozenset({"requester", "respondent", "either"})
_FOR = frozenset({"requester", "respondent", "both"})
_EXTEND = frozenset({"requester", "mutual", "consensus", "nobody"})


def check_clock(found: Complaints, clock: ClockRule, at: str) -> None:
    """Adds every complaint about ``clock``, which stands at ``at``."""
    found.duration(clock.after, f"{at}.after")
    _start(found, clock, at)
    found.kinds(clock.met_by, f"{at}.met_by")
    found.kinds(clock.met_by_any, f"{at}.met_by_any")
    found.known(clock.met_by_steps, found.steps, "step", f"{at}.met_by_steps")
    if clock.who not in _FOR:
        found.known([clock.who], found.roles, "role", f"{at}.for")
    if clock.extend not in _EXTEND:
        found.known([clock.extend], found.roles, "role", f"{at}.extend")
    if clock.timeout is not None:
        check_timeout(found, clock.timeout, f"{at}.timeout")
    if clock.when_met is not None:
        check_timeout(found, clock.when_met, f"{at}.when_met")
        if clock.when_met.moves:
            found.add("contradiction", "Being met gives an option; it moves nothing.", f"{at}.when_met.moves")
        if not (clock.met_by or clock.met_by_any or clock.met_by_steps):
            found.add("contradiction", "Nothing meets this clock.", f"{at}.when_met")
    if clock.holds and clock.kind != "not-before":
        found.add("contradiction", "Only a not-before clock holds steps back.", f"{at}.holds")
    found.known(clock.holds, found.steps, "step", f"{at}.holds")
    for name in clock.holds:
        if name in found.steps and found.steps[name].direction in ("down", "deescalate"):
            found.add("contradiction", f"{name!r} de-escalates; no clock holds it back.", f"{at}.holds")
    if clock.who == "nominee" and clock.starts not in ("appointment", "declaration"):
        found.add("contradiction", "A nominee is bound only from appointment or declaration.", f"{at}.for")
    _second_by(found, clock, at)
    _window(found, clock, at)
    _tracks(found, clock, at)


def _start(found: Complaints, clock: ClockRule, at: str) -> None:
    if clock.starts == "receipt":
        _receipt(found, clock, at)
        return
    if clock.by != OTHER:
        found.add("contradiction", "Only a clock from receipt says by whom.", f"{at}.by")
    if clock.starts == "admission":
        if found.kinds([clock.of], f"{at}.of") and not KINDS[clock.of].content:
            found.add("contradiction", f"{clock.of!r} opens nothing that a clock could be about.", f"{at}.of")
    elif clock.starts in _BY_STEP:
        if found.known([clock.of], found.steps, "step", f"{at}.of"):
            step = found.steps[clock.of]
            if clock.starts == "request" and step.trigger != "step-request":
                found.add("contradiction", f"{clock.of!r} is never requested, so no clock starts.", f"{at}.of")
            if clock.starts == "acceptance" and step.consent == "none" and not step.early_exit:
                found.add("contradiction", f"{clock.of!r} is never accepted, so no clock starts.", f"{at}.of")
    elif clock.starts == "appointment-due" and not (found.file.mediation and found.file.mediation.appointed_by):
        found.add("contradiction", "No body appoints under this ladder, so no clock starts.", f"{at}.from")
    elif clock.of:
        found.add("contradiction", f"A clock from {clock.starts!r} is of nothing.", f"{at}.of")


def _receipt(found: Complaints, clock: ClockRule, at: str) -> None:
    """Of what, a kind or a step, and by whom, who must be able to sign for it and not be the one who sends it."""
    step = found.steps.get(clock.of)
    if step is None:
        if not found.kinds([clock.of], f"{at}.of"):
            return
        kind = KINDS[clock.of]
    else:
        kind = KINDS.get(step.trigger, KINDS["step-request"])
        if clock.of in KINDS:
            found.add("contradiction", f"{clock.of!r} is a step and a kind: nobody knows of which the receipt is.",
                      f"{at}.of")  # fmt: skip
        if clock.timeout is not None and clock.timeout.moves:
            found.add("contradiction", "Silence moves a step from a time that no receiver can hold back.", f"{at}.from")
    if not kind.receipt:
        found.add("contradiction", f"{clock.of!r} is never received, so no clock starts.", f"{at}.of")
    if not kind.content:
        found.add("contradiction", f"{clock.of!r} opens nothing that a clock could be about.", f"{at}.of")
    _receiver(found, clock, step, at)


def _receiver(found: Complaints, clock: ClockRule, step: StepRule | None, at: str) -> None:
    kinds = kinds_of(found.file)
    senders = set(step.who) if step is not None else set(kinds[clock.of].who) if clock.of in kinds else {OTHER}
    if clock.by == OTHER:
        if senders.isdisjoint(PARTY_ROLES) and OTHER not in senders:
            found.add("contradiction", f"No party sends {clock.of!r}: say by which role's receipt the clock starts.",
                      f"{at}.of")  # fmt: skip
        return
    declared = {role.id for role in found.file.role}
    if clock.by not in declared | {"initiator", "counterpart"}:
        if found.known([clock.by], found.roles, "role", f"{at}.by"):
            found.add("contradiction", f"No {clock.by!r} is sent it, so no clock starts.", f"{at}.by")
        return
    if senders == {clock.by}:
        found.add("contradiction", f"{clock.by!r} sends it: nobody confirms the receipt of their own.", f"{at}.by")
    signing = kinds["receipt"].who if "receipt" in kinds else ("party",)
    if clock.by not in signing and not (clock.by in PARTY_ROLES and "party" in signing):
        found.add("contradiction", f"{clock.by!r} may send no receipt here, so no clock starts.", f"{at}.by")


def check_timeout(found: Complaints, timeout: Timeout, at: str) -> None:
    """Adds every complaint about an option that is given, or a step that silence takes, at ``at``."""
    if bool(timeout.option) == bool(timeout.moves):
        found.add("contradiction", "A timeout gives an option or moves, one of the two.", f"{at}.option")
    if timeout.option == DEFAULT_APPOINTMENT:
        rule = found.file.mediation
        body = rule.appointed_by if rule is not None else ""
        if rule is None:
            found.add("reference", "Nobody is appointed in a ladder without mediation.", f"{at}.option")
        elif timeout.to not in {*_TO, *PARTY_ROLES, body} and timeout.to in found.roles:
            found.add(
                "contradiction", f"Parties or the body of 'appointed_by' appoint, not {timeout.to!r}.", f"{at}.to"
            )
    elif timeout.option:
        found.known([timeout.option], found.steps, "step", f"{at}.option")
    if timeout.to not in _TO:
        found.known([timeout.to], found.roles, "role", f"{at}.to")
    if timeout.moves and found.known([timeout.moves], found.steps, "step", f"{at}.moves"):
        step = found.steps[timeout.moves]
        if not step.negative_consensus:
            found.add("contradiction", "Silence moves only steps that declare negative consensus.", f"{at}.moves")
        if step.seconded_by is not None:
            found.add("contradiction", "Silence seconds nothing.", f"{at}.moves")


def _second_by(found: Complaints, clock: ClockRule, at: str) -> None:
    if clock.kind != "second-by":
        return
    if not any(
        step.seconded_by is not None and step.seconded_by.within == clock.id and step.id == clock.of
        for step in found.file.step
    ):
        found.add("contradiction", "No step waits for seconds within this clock.", f"{at}.kind")
    if clock.timeout is not None or clock.met_by or clock.met_by_any or clock.met_by_steps:
        found.add("contradiction", "A second-by clock is met by seconds; when it runs out the request lapses.",
                  f"{at}.kind")  # fmt: skip


def _window(found: Complaints, clock: ClockRule, at: str) -> None:
    if clock.kind != "window" and (clock.opens or clock.gives is not None):
        found.add("contradiction", "Only a window opens and gives something while it is open.", f"{at}.kind")
    if clock.opens and found.duration(clock.opens, f"{at}.opens"):
        for after in (clock.after, *clock.tracks.values()):
            try:
                late = end_of(0, parse_span(clock.opens)) >= end_of(0, parse_span(after))
            except ValueError:  # complained about where it stands
                continue
            if late:
                found.add("contradiction", f"The window opens after {clock.opens} but ends after {after}.",
                          f"{at}.opens")  # fmt: skip
    if clock.gives is not None:
        found.known([clock.gives.step], found.steps, "step", f"{at}.gives.step")
        if clock.gives.to not in _TO:
            found.known([clock.gives.to], found.roles, "role", f"{at}.gives.to")


def _tracks(found: Complaints, clock: ClockRule, at: str) -> None:
    for track, after in clock.tracks.items():
        found.duration(after, f"{at}.tracks.{track}")
        if not any(step.track == track for step in found.file.step):
            found.add("contradiction", f"No step puts a thread on the track {track!r}.", f"{at}.tracks")
    if clock.tracks and clock.id in found.standing:
        found.add("contradiction", "A standstill lasts as long on every track.", f"{at}.tracks")
