"""Views: a thread as the desk shows it, in words, from what was replayed. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hotline.clock import span_words
from hotline.station.core import Core
from hotline.station.lookout import unanswered
from hotline.station.model import Held, Thread
from hotline.station.outbox import Item
from hotline.station.parting import CODE, passes, state_words
from hotline.station.views import (
    ClockView,
    EntryView,
    Mark,
    MediatorView,
    OfferView,
    PartingView,
    PendingView,
    ReportView,
    RungView,
    ThreadSummary,
    ThreadView,
)
from hotline.station.words import act_words, clock_title, late_words, step_title
from mediation.drawing import Chart
from mediation.fold import advance
from mediation.ladder import Ladder
from mediation.offers import allowed
from mediation.refusals import Refusal
from mediation.state import Clock, ThreadState, state_hash
from mediation.words import entitled, mark
from protocols.encoding import rfc3339
from protocols.errors import ProtocolError
from protocols.frames import Opening
from protocols.kinds import KINDS, act_to_dict, kind_of, parse_act


def summary(core: Core, thread: Thread) -> ThreadSummary:
    """One line of the list."""
    now, state, ladder = core.now(), shown_state(core, thread), thread.ladder
    rung = "" if state is None else state.rung
    found = None if ladder is None or state is None else ladder.rungs.get(rung)
    closed = state is not None and ladder is not None and state.rung == ladder.closed
    clocks = () if state is None else state.clocks
    coming = min(
        (clock for clock in clocks if clock.paused is None and clock.end >= now),
        key=lambda clock: clock.end,
        default=None,
    )
    return ThreadSummary(
        id=thread.id,
        title=title(thread),
        parties=_parties(thread),
        members=thread.offices() if state is not None else (),
        rung=rung,
        rung_title=("outside" if found is None else found.title),
        standstill_until=None if state is None or state.standstill is None else state.standstill.end,
        next_clock=None if coming is None else coming.end,
        next_title="" if coming is None else clock_title(ladder, coming),
        unread=sum(_unread(core, thread, held) for held in thread.held),
        last_at=thread.held[-1].stamp.at if thread.held else thread.position.at,
        closed=closed,
        frozen=thread.frozen,
        parted=None if thread.parted is None else thread.parted.sentence(thread.id),
        next_mark="" if coming is None or ladder is None else mark(ladder.clocks[coming.rule]),
    )


def title(thread: Thread) -> str:
    """What people call the thread: as it was opened here, else its first subject, else its parties."""
    if thread.title:
        return thread.title
    for held in thread.held:
        subject = None if held.fields is None else held.fields.get("subject")
        if isinstance(subject, str) and subject:
            return subject
    parties = " – ".join(_parties(thread)) or "Thread"
    return f"{parties}, {rfc3339(thread.held[0].stamp.at)[:10]}" if thread.held else parties


def view(core: Core, thread: Thread, since: int) -> ThreadView:
    """Everything the page of a thread shows; entries after ``since``."""
    state, ladder = shown_state(core, thread), thread.ladder
    in_force = next((each for each in core.identity.accord.accord.ladders if each.id == thread.ladder_id), None)
    return ThreadView(
        summary=summary(core, thread),
        ladder=thread.ladder_id,
        ladder_title="" if ladder is None else ladder.title,
        scale=1 if in_force is None else in_force.scale,
        rungs=() if ladder is None else _rungs(ladder, state),
        clocks=() if state is None or ladder is None else _clocks(thread, ladder, state),
        offers=_offers(core, thread, state),
        mediators=() if state is None else _mediators(core, state),
        mediation=_mediation(thread, state),
        entries=tuple(entry(core, thread, held) for held in thread.held if held.seq > since),
        pending=tuple(pending(core, item) for item in core.pending(thread.id) if not item.intent.auto),
        epoch=None if state is None or thread.mls is None else state.epoch,
        state_hash="" if thread.state is None else state_hash(thread.state),
        newest=thread.held[-1].seq if thread.held else 0,
        parting=parting(core, thread),
        chart=None if ladder is None else Chart(ladder, state, core.now()),
    )


def parting(core: Core, thread: Thread) -> PartingView | None:
    """Where stations and hub differ over the state of this thread, if any does."""
    reports = tuple(
        ReportView(
            _office_of(core, thread, said.station),
            said.seq,
            _kind_title(said.kind),
            said.stamped,
            said.computed,
            said.at,
        )
        for said in sorted(thread.reports.values(), key=lambda each: each.seq)
    )
    parted = thread.parted
    if parted is not None:
        state = thread.apart if thread.apart is not None else thread.state
        return PartingView(
            own=True,
            seq=parted.seq,
            kind_title=_kind_title(parted.kind),
            at=parted.noticed,
            stamped=parted.stamped,
            computed=parted.computed,
            words=() if state is None else state_words(thread.ladder, state, core.office_name),
            moved=parted.moved,
            reports=reports,
        )
    if not reports:
        return None
    first = reports[0]
    agreed = "" if (held := thread.by_seq.get(first.seq)) is None else held.stamp.state
    words = () if thread.state is None else state_words(thread.ladder, thread.state, core.office_name)
    return PartingView(False, first.seq, first.kind_title, first.at, first.stamped, agreed, words, (), reports)


def _office_of(core: Core, thread: Thread, kid: str) -> str:
    seat = None if thread.state is None else thread.state.seats.get(kid)
    return kid[:8] if seat is None else seat.office


def _kind_title(kind: str) -> str:
    found = KINDS.get(kind)
    return kind if found is None else found.title


def shown_state(core: Core, thread: Thread) -> ThreadState | None:
    """The state as time has moved it up to now: a clock is over when it is over, not when the hub says so."""
    if thread.state is None or thread.ladder is None:
        return thread.state
    return advance(thread.ladder, thread.state, core.now())


def entry(core: Core, thread: Thread, held: Held) -> EntryView:
    """One entry, with where every other office stands with it."""
    payload = held.payload
    act = held.admitted.verified.entry.payload.act

    def name(about: str) -> str:
        found = thread.by_id.get(about)
        return "an entry not shown here" if found is None else f"entry {found.seq}"

    notes = [*held.notes]
    if held.complaint is not None:
        notes.append(f"not readable here and not shown: ask them to send it again ({held.complaint})")
    elif payload.station == core.identity.kid and payload.sd and held.fields is None:
        notes.append("not readable here: this station sent it before it was restored from an older copy")
    if (waiting := unanswered(core, thread, held)) is not None:
        notes.append(f"acknowledged by us {span_words(waiting)} ago and not answered")
    if payload.kind == "clock-expired" and (late := late_words(act.get("late", 0))):
        notes.append(late)
    return EntryView(
        id=held.id,
        seq=held.seq,
        index=held.stamp.index,
        at=held.stamp.at,
        kind=payload.kind,
        kind_title=held.kind.title,
        office=payload.office,
        own=payload.office == core.identity.office,
        officers=tuple(core.officer_name(kid, held.stamp.at) for kid in held.admitted.verified.officers),
        precedence=payload.precedence,
        tlp=payload.tlp,
        act=act,
        act_words=act_words(payload.kind, act, thread.ladder, name),
        fields=_shown(held, name),
        sealed=bool(payload.sd),
        handed_over=held.how == "handover",
        notes=tuple(notes),
        marks=_marks(core, thread, held),
        unread=_unread(core, thread, held),
        proven=held.proven,
        agreed=thread.parted is None or held.seq < thread.parted.seq,
    )


def pending(core: Core, item: Item) -> PendingView:
    """Something of ours the hub has not taken."""
    intent, answer = item.intent, item.answer
    fields = core.fields(intent)
    return PendingView(
        id=item.id,
        thread=item.thread,
        state=item.state,  # type: ignore[arg-type]  # the store's CHECK holds the same words
        kind=intent.kind,
        kind_title=kind_of(intent.kind).title,
        act=intent.act,
        fields=fields,
        precedence=intent.precedence,
        tlp=intent.tlp,
        drafter=intent.writer,
        created=intent.created,
        by=intent.officer,
        code=None if answer is None else answer.code,
        sentence=item.waiting if answer is None else answer.sentence,
        rule=None if answer is None else answer.rule,
        clock=None if answer is None else answer.clock,
        until=None if answer is None else answer.until,
    )


def needs_two(ladder: Ladder | None, kind: str, step: str | None) -> bool:
    """Whether the ladder wants a drafter and a releaser."""
    if ladder is None:
        return False
    rule = ladder.kinds.get(kind)
    if rule is not None and rule.two_person:
        return True
    found = ladder.steps.get(step or "")
    return kind == "step-request" and found is not None and found.two_person


def _parties(thread: Thread) -> tuple[str, ...]:
    if thread.state is not None:
        return thread.state.parties
    return () if thread.invitation is None else thread.invitation.parties


def _unread(core: Core, thread: Thread, held: Held) -> bool:
    counts = held.kind.content or held.kind.fields != ()
    return counts and held.seq > thread.read_to and held.payload.office != core.identity.office


def _shown(held: Held, name: Callable[[str], str]) -> Mapping[str, Any] | None:
    """The body as people read it. A handover carries other entries' bodies: those are shown where they belong."""
    if held.payload.kind != "handover" or held.fields is None:
        return held.fields
    history = held.fields.get("history")
    # The sender chose its type. What is no table of entries was complained about when it came; it opens nothing.
    return {"history": [name(entry) for entry in history] if isinstance(history, dict) else []}


def _marks(core: Core, thread: Thread, held: Held) -> tuple[Mark, ...]:
    if not (held.kind.receipt or held.kind.content) or thread.state is None:
        return ()
    marks = []
    for office in dict.fromkeys((*held.awaited, *held.reached)):
        reached = held.reached.get(office)
        if reached is not None:
            marks.append(Mark(office, reached[0], reached[1]))
            continue
        if not held.kind.receipt:
            continue  # nobody owes a sign for it, so nobody is silent
        line, since = core.office_line(office)
        marks.append(Mark(office, "line down" if line == "down" else "silent", since if line == "down" else None))
    return tuple(marks)


def _rungs(ladder: Ladder, state: ThreadState | None) -> tuple[RungView, ...]:
    return tuple(
        RungView(rung.id, rung.title, rung.level, state is not None and rung.id == state.rung)
        for rung in ladder.rungs.values()
    )


def _clocks(thread: Thread, ladder: Ladder, state: ThreadState) -> tuple[ClockView, ...]:
    found = [_clock(ladder, state, clock, "running") for clock in sorted(state.clocks, key=lambda clock: clock.end)]
    found += [_clock(ladder, state, clock, "met" if clock.answered else "ran out") for clock in state.expired]
    for awaiting in state.awaiting:
        if awaiting.received:
            continue
        for rule in ladder.starting.get(("receipt", awaiting.kind), ()):
            if rule in awaiting.met:
                continue
            definition = ladder.clocks[rule]
            respondent = state.other_party(awaiting.office) if awaiting.office in state.parties else "the other side"
            found.append(
                ClockView(
                    id=f"{rule}/{awaiting.seq}",
                    title=definition.title,
                    kind=definition.kind,
                    on=respondent,
                    start=None,
                    end=None,
                    state="waiting for receipt",
                    then=_then(ladder, rule),
                    standstill=False,
                    extendable=False,
                    mark=mark(definition),
                )
            )
    return tuple(found)


def _clock(ladder: Ladder, state: ThreadState, clock: Clock, words: str) -> ClockView:
    definition = ladder.clocks.get(clock.rule)
    return ClockView(
        id=clock.id,
        title=clock_title(ladder, clock),
        kind="" if definition is None else definition.kind,
        on=clock.respondent or clock.subject or "both",
        start=clock.start,
        end=clock.end,
        state=_run(clock) if words == "running" else words,
        then=_then(ladder, clock.rule),
        standstill=clock.rule in ladder.standstill_clocks,
        extendable=words == "running" and definition is not None and definition.extend != "nobody",
        mark="" if definition is None else mark(definition),
    )


def _run(clock: Clock) -> str:
    """Whether a clock that has not run out counts down."""
    if clock.paused is not None:
        return "paused"
    return "opens later" if clock.opens is not None and not clock.open else "running"


def _then(ladder: Ladder, rule: str) -> str:
    definition = ladder.clocks.get(rule)
    if definition is None or definition.timeout is None:
        return "ends; nothing moves by itself"
    if definition.timeout.moves:
        return f"takes the step “{step_title(ladder, definition.timeout.moves)}”"
    option = definition.timeout.option
    words = KINDS[option].title if option in KINDS else step_title(ladder, option)
    return f"opens “{words}” to {entitled(ladder, definition.timeout.to)}; nothing moves by itself"


def _offers(core: Core, thread: Thread, state: ThreadState | None) -> tuple[OfferView, ...]:
    if thread.frozen:
        return ()
    if state is None or thread.ladder is None:
        return _outside_offers(thread)
    ladder, found = thread.ladder, []
    for offer in allowed(ladder, state, core.identity.office, max(core.now(), state.at)):
        kind = KINDS[offer.kind]
        step = None if offer.step is None else ladder.steps.get(offer.step)
        refusal = offer.refusal
        if thread.parted is not None:
            talks = passes(offer.kind, ladder, thread.state)
            refusal = None if talks else Refusal(CODE, "station", thread.parted.refusal())
        found.append(
            OfferView(
                kind=offer.kind,
                kind_title=kind.title,
                step=offer.step,
                step_title="" if step is None else step.title,
                direction="" if step is None else step.direction,
                allowed=refusal is None,
                two_person=needs_two(ladder, offer.kind, offer.step),
                act=act_to_dict(offer.act),
                fields=kind.fields,
                required=kind.required,
                code=None if refusal is None else refusal.code,
                reason=None if refusal is None else refusal.sentence,
                rule=None if refusal is None else refusal.rule,
                clock=None if refusal is None else refusal.clock,
                until=None if refusal is None else refusal.until,
            )
        )
    return tuple(found)


def _outside_offers(thread: Thread) -> tuple[OfferView, ...]:
    """What the hub's invitation asks for. Its word only: the hub judges, and we replay it all once admitted."""
    wanted: list[tuple[str, dict[str, object]]] = []
    standing = [
        each for invitation in thread.invitations.values() if invitation.status != "over" for each in invitation.open
    ]
    found = [_opening(thread, each) for each in standing if _reads(each)]
    for invitation in thread.invitations.values():
        if invitation.status == "over":
            continue
        if invitation.role == "verifier" and invitation.about is not None:
            wanted.append(("finding", {"entry": invitation.about, "finding": "undetermined"}))
        elif invitation.status == "acceptance":
            wanted.append(("mediator-acceptance", {}))
        elif invitation.status in ("declaration", "objections", "admission"):
            wanted.append(("declaration", {}))
    found += [
        OfferView(
            kind=kind,
            kind_title=KINDS[kind].title,
            step=None,
            step_title="",
            direction="",
            allowed=True,
            two_person=needs_two(thread.ladder, kind, None),
            act=act,
            fields=KINDS[kind].fields,
            required=KINDS[kind].required,
        )
        for kind, act in wanted
    ]
    return tuple(found)


def _reads(opening: Opening) -> bool:
    """Whether the hub's word is of a form that an entry could have; what is not is not offered."""
    try:
        parse_act(kind_of(opening.kind), opening.act)
    except ProtocolError:
        return False
    return True


def _opening(thread: Thread, opening: Opening) -> OfferView:
    """What a role holder could send, told by the hub."""
    kind, name = kind_of(opening.kind), opening.act.get("step")
    step = None if thread.ladder is None or name is None else thread.ladder.steps.get(name)
    asked = f", asked for by {opening.office}" if opening.office else ""
    until = f", until {rfc3339(opening.until)[:16].replace('T', ' ')} UTC" if opening.until is not None else ""
    return OfferView(
        kind=kind.name,
        kind_title=kind.title,
        step=name,
        step_title=("" if name is None else step_title(thread.ladder, name)) + asked + until,
        direction="" if step is None else step.direction,
        allowed=True,
        two_person=needs_two(thread.ladder, kind.name, name),
        act=opening.act,
        fields=kind.fields,
        required=kind.required,
    )


def _mediators(core: Core, state: ThreadState) -> tuple[MediatorView, ...]:
    mediation = state.mediation
    if mediation is None:
        return ()
    found = []
    members = set(state.roster.values())
    for office in mediation.admitted:
        waiting = "" if office in members else "the keys are being renewed"
        found.append(
            MediatorView(office, core.office_name(office), "in the thread" if not waiting else "admitted", waiting)
        )
    for nominee in mediation.nominees:
        if not nominee.accepted:
            words, waiting = "chosen", f"{nominee.office} accepts"
        elif not nominee.declared:
            words, waiting = "has accepted", f"{nominee.office} declares its interests"
        elif not nominee.window_over:
            left = [party for party in state.parties if party not in nominee.waived_by]
            words, waiting = "has declared", f"objections or waivers of {' and '.join(left)}"
        else:
            signed = {consent.office for consent in mediation.consents}
            left = [party for party in state.parties if party not in signed]
            words, waiting = "no objection left", f"admission by {' and '.join(left)}"
        found.append(MediatorView(nominee.office, core.office_name(nominee.office), words, waiting))
    found += [MediatorView(office, core.office_name(office), "excluded", "") for office in mediation.excluded]
    return tuple(found)


def _mediation(thread: Thread, state: ThreadState | None) -> str:
    """Where the mediation stands, in one sentence."""
    if state is None:
        if thread.invitation is None:
            return ""
        if all(each.status == "over" for each in thread.invitations.values()):
            return "Your office's part in this thread is over."
        return f"Your office is asked to act as {thread.invitation.role}; awaited from you: {thread.invitation.status}."
    mediation = state.mediation
    if state.settlement is not None:
        return f"Version {state.settlement.version} of the text, accepted by both parties, is in force."
    if mediation is None:
        return ""
    if mediation.admitted and state.text is not None and state.text.accepted:
        accepted = _list(state.text.accepted)
        return f"{accepted} accepted version {state.text.version}; it binds nobody until both have."
    if mediation.admitted:
        return (
            f"{_list(mediation.admitted)} mediate." if not state.due_adds else "Admitted; the keys are being renewed."
        )
    if mediation.objection is not None:
        objection = mediation.objection
        return (
            f"{objection.office} takes {objection.mediator} only beside {objection.co_mediator}; an answer is awaited."
        )
    if mediation.nominees:
        return f"{_list(nominee.office for nominee in mediation.nominees)} chosen, not admitted yet."
    sealed = {each.office for each in mediation.nominations}
    missing = [party for party in state.parties if party not in sealed]
    if missing:
        return f"Sealed nominations are awaited from {' and '.join(missing)}."
    if not all(each.nominees for each in mediation.nominations):
        return "Both sealed nominations are in; they are being opened."
    return "The lists have no office in common; either side may have one appointed."


def _list(offices: Iterable[str]) -> str:
    return " and ".join(offices)
