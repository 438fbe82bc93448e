"""Steps: requesting, accepting and declining them, and what changes when one is taken.

An office is *entitled* to a step when the ladder asks for no option or a clock's running out gave it one. A request
without entitlement is open only as an early exit and then takes effect by the other party's acceptance alone.
"""

from __future__ import annotations

from msgspec.structs import replace

from mediation import awaited, clocks, evidence, holders, passage, requests, standstill, suspension, windows
from mediation.draft import Draft
from mediation.effects import RungChanged, StepAccepted, StepDeclined, StepTaken
from mediation.move import Move
from mediation.nominations import ended_by, open_mediation, under_way
from mediation.refusals import Refusal
from mediation.rules import StepRule
from mediation.state import Clock
from mediation.wording import title_of
from protocols.kinds import Step, StepAnswer


def request(draft: Draft, move: Move) -> Refusal | None:
    """``step-request``: takes the step where nothing more is needed, else leaves it open for those who must consent,
    second or keep silent."""
    act = move.act
    assert isinstance(act, Step)  # noqa: S101 - the form was checked
    step = draft.ladder.steps.get(act.step)
    if step is None or step.trigger != "step-request":
        return draft.refuse("unknown-step", "This ladder has no such step to request.", "Choose a step it has.")
    refusal = _may_ask(draft, step, move) or evidence.lacks(draft, step, act)
    if refusal is not None:
        return refusal
    entitled = is_entitled(draft, step, move.office)
    requester, respondent = draft.sides(move.office)
    if entitled:
        clocks.start(
            draft,
            "request",
            step.id,
            entry=move.id,
            seq=move.seq,
            at=draft.at,
            requester=requester,
            respondent=respondent,
            once=True,
        )
        awaited.expect(draft, move, step.id)
    if entitled and step.consent == "none" and step.seconded_by is None and step.blocked_by is None:
        take(draft, step, entry=move.id, seq=move.seq, at=draft.at, office=move.office, accepted=False)
    else:
        requests.open_request(draft, move, step, entitled=entitled)
    return None


def _may_ask(draft: Draft, step: StepRule, move: Move) -> Refusal | None:
    """Standstill first: it is the reason that matters most to whoever asks."""
    if holders.roles(draft.state, move.office).isdisjoint(step.who):
        return draft.refuse("not-yours", f"The step {step.title!r} is not your office's to take.", rule=step.id)
    refusal = _open_to(draft, step) or _entitlement(draft, step, move.office) or _enough(draft, step, move.office)
    if refusal is None and step.two_person and not move.two_person:
        return draft.refuse(
            "two-person", f"The step {step.title!r} needs two people.", "Have a second officer release the draft."
        )
    return refusal


def accept(draft: Draft, move: Move) -> Refusal | None:
    """``step-accept``: the consent; the step happens now, unless it waits for seconds too."""
    act = move.act
    assert isinstance(act, StepAnswer)  # noqa: S101 - the form was checked
    asked = requests.find(draft, act)
    if isinstance(asked, Refusal):
        return asked
    if asked.office == move.office:
        return draft.refuse(
            "own-request", "An office cannot accept its own request.", "Wait for the other party, or withdraw it."
        )
    step = draft.ladder.steps[asked.step]
    if move.office not in requests.consenters(draft, step, asked):
        return draft.refuse("not-yours", f"The step {step.title!r} does not wait for your office's consent.",
                            "It waits for others, or for its clock.", rule=step.id)  # fmt: skip
    if asked.accepted:
        return draft.refuse("already-accepted", "This request has been accepted; it waits for seconds.", rule=step.id)
    refusal = passage.forbids_step(draft, step)
    if refusal is not None:
        return refusal
    if step.seconded_by is not None and len(asked.seconds) < requests.quorum(draft, step.seconded_by):
        requests.change(draft, replace(asked, accepted=True))
        draft.note(StepAccepted(step.id, move.office, asked.entry))
        return None
    take(draft, step, entry=move.id, seq=move.seq, at=draft.at, office=asked.office, accepted=True)
    return None


def decline(draft: Draft, move: Move) -> Refusal | None:
    """``step-decline``: closes the request; the office that made it withdraws it in the same way. Other clocks that the
    request started go on: declining is not what they wait for."""
    act = move.act
    assert isinstance(act, StepAnswer)  # noqa: S101 - the form was checked
    asked = requests.find(draft, act)
    if isinstance(asked, Refusal):
        return asked
    step = draft.ladder.steps[asked.step]
    if asked.office != move.office:
        if move.office not in requests.consenters(draft, step, asked):
            return draft.refuse("not-yours", f"The step {step.title!r} does not wait for your office's consent.",
                                "It waits for others, or for its clock.", rule=step.id)  # fmt: skip
        if step.blocked_by is not None:
            return draft.refuse("only-blocking", "This request falls only when enough offices block it.", rule=step.id)
    requests.drop(draft, lambda other: other.entry == asked.entry)
    draft.note(StepDeclined(asked.step, move.office, asked.entry))
    return None


def by_kind(draft: Draft, move: Move) -> None:
    """Takes the step that sending this kind means, if it can be taken here by this office.

    In a standstill or a suspension the message passes (a new incident must be reportable) but the rung stays.
    """
    for name in draft.ladder.triggers.get(move.kind, ()):
        step = draft.ladder.steps[name]
        if (
            draft.state.rung in step.start
            and not holders.roles(draft.state, move.office).isdisjoint(step.who)
            and passage.forbids_step(draft, step) is None
        ):
            awaited.expect(draft, move, step.id)
            take(draft, step, entry=move.id, seq=move.seq, at=draft.at, office=move.office, accepted=False)
            return


def by_silence(draft: Draft, clock: Clock, name: str) -> None:
    """Takes a step by negative consensus at the end of ``clock``; where a standstill or a suspension forbids it, or the
    rung has moved on, nothing happens, and a request that only waited for this moment lapses."""
    step = draft.ladder.steps[name]
    asked = next((found for found in draft.state.requests if found.entry == clock.entry and found.step == name), None)
    if step.blocked_by is not None and asked is None:
        return
    if draft.state.rung in step.start and passage.forbids_step(draft, step) is None:
        office = asked.office if asked is not None else clock.requester or draft.state.parties[0]
        take(draft, step, entry=clock.entry, seq=clock.seq, at=clock.end, office=office, accepted=False)
    elif step.blocked_by is not None:
        requests.drop(draft, lambda other: other is asked, lapsed=True)


def take(draft: Draft, step: StepRule, *, entry: str, seq: int, at: int, office: str, accepted: bool) -> None:
    """The step happens at ``at``: rung, options, clocks, standstill and mediation follow."""
    if step.direction == "down":
        draft.set(options=tuple(option for option in draft.state.options if option.step in draft.ladder.appointing))
    if step.direction == "up":
        # A signature under the closing was given for a calmer thread than this one.
        draft.set(closes=())
    draft.drop_options(step.id)
    requests.taken(draft, step)
    clocks.meet_by_step(draft, step.id)
    if step.stops:
        clocks.stop(draft, lambda clock: clock.rule in step.stops)
    if step.track:
        draft.set(track=step.track)
    if step.suspends:
        suspension.begin(draft, step, office, at)
    if step.resumes:
        suspension.resume(draft, office, at)
    if step.to:
        enter(draft, step.to, seq, at)
    else:
        draft.note(StepTaken(step.id, office))
    mediation = draft.ladder.mediation
    skip: tuple[str, ...] = ()
    if mediation is not None and mediation.step == step.id:
        skip = open_mediation(draft, entry, seq, at)
    requester, respondent = draft.sides(office)
    for event in ("opening", "acceptance") if accepted else ("opening",):
        clocks.start(
            draft,
            event,
            step.id,
            entry=entry,
            seq=seq,
            at=at,
            requester=requester,
            respondent=respondent,
            skip=skip,
            once=True,
        )
    if step.direction == "down" and ended_by(draft, step):
        draft.set(options=tuple(option for option in draft.state.options if option.step not in draft.ladder.appointing))
    _open_what_follows(draft, step, Clock("", "", at, at, entry, seq, requester, respondent))
    standstill.begin(draft, step)
    windows.refresh(draft)


def _open_what_follows(draft: Draft, step: StepRule, taken: Clock) -> None:
    """The option that the step's being taken opens; ``taken`` says when, and whose step it was."""
    given = step.when_taken
    if given is not None and clocks.option_makes_sense(draft, given.option):
        for office in holders.of(draft.state, given.to, taken):
            draft.add_option(given.option, office, taken.start)
        holders.invite_callable(draft)


def enter(draft: Draft, rung: str, seq: int, at: int) -> None:
    """Stands the thread on ``rung``. Requests and options that cannot be taken from there lose their object."""
    state = draft.state
    if state.rung == rung:
        return
    draft.set(rung=rung, rung_since=at, entered={**state.entered, rung: seq})
    steps = draft.ladder.steps
    draft.set(options=tuple(option for option in draft.state.options if clocks.option_makes_sense(draft, option.step)))
    draft.note(RungChanged(state.rung, rung))
    requests.drop(draft, lambda asked: rung not in steps[asked.step].start, lapsed=True)
    holders.invite_callable(draft)


def is_entitled(draft: Draft, step: StepRule, office: str) -> bool:
    """Whether ``office`` may have the step without an early exit: option at hand and nothing holding it back."""
    if _held_by(draft, step) is not None:
        return False
    return not step.needs_option or draft.has_option(step.id, office)


def _held_by(draft: Draft, step: StepRule) -> Clock | None:
    return next((clock for clock in draft.state.clocks if step.id in draft.ladder.clocks[clock.rule].holds), None)


def _open_to(draft: Draft, step: StepRule) -> Refusal | None:
    refusal = passage.forbids_step(draft, step)
    if refusal is not None:
        return refusal
    if step.to == draft.state.rung:
        return draft.refuse("already-there", f"The thread already stands on {title_of(draft, step.to)!r}.")
    if draft.state.rung not in step.start:
        return draft.refuse(
            "wrong-rung",
            f"The step {step.title!r} cannot be taken from {title_of(draft, draft.state.rung)!r}.",
            "The ladder panel shows the steps that are open here.",
            rule=step.id,
        )
    if (
        not step.to
        and draft.ladder.mediation is not None
        and draft.ladder.mediation.step == step.id
        and under_way(draft)
    ):
        return draft.refuse("already-there", "Mediation is already open in this thread.", rule=step.id)
    if any(asked.step == step.id for asked in draft.state.requests):
        return draft.refuse(
            "request-open",
            f"A request for {step.title!r} is already waiting for an answer.",
            "Answer it, or wait for the answer.",
            rule=step.id,
        )
    return None


def _enough(draft: Draft, step: StepRule, office: str) -> Refusal | None:
    """Refuses a request that could never get the seconds it needs, because too few offices could give them."""
    rule = step.seconded_by
    if rule is None:
        return None
    able = sum(other != office for other in draft.state.holders.get(rule.role, ()))
    need = requests.quorum(draft, rule)
    if able >= need:
        return None
    return draft.refuse(
        "too-few-to-second",
        f"The step {step.title!r} needs {need} seconds, but only {able} offices of this line could give one.",
        "Choose another step; the offices may agree on more parties to the accord.",
        rule=step.id,
    )


def _entitlement(draft: Draft, step: StepRule, office: str) -> Refusal | None:
    if is_entitled(draft, step, office) or step.early_exit:
        return None
    held = _held_by(draft, step)
    if held is not None:
        return draft.refuse(
            "not-before", f"The step {step.title!r} opens later.", "Wait for the clock.", rule=held.rule, clock=held
        )
    granting = draft.ladder.granted_by.get(step.id, ())
    waiting = [clock for clock in draft.state.clocks if clock.rule in granting]
    return draft.refuse(
        "no-option",
        f"The step {step.title!r} opens only when a clock that gives it has run out.",
        "Wait for it, or propose the step to the other side in a statement.",
        rule=step.id,
        clock=min(waiting, key=lambda clock: clock.end) if waiting else None,
    )
