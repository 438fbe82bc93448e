"""What a rehearsal says: where things stand, and what has just happened. Plain lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from hotline.words import act_words
from mediation.effects import (
    AdmissionComplete,
    Blocked,
    ClockExpired,
    ClockExtended,
    ClockMet,
    ClockStarted,
    ClockStopped,
    Closed,
    CloseSigned,
    Crossed,
    DisclosureAnswered,
    Effect,
    ExtensionProposed,
    FindingMade,
    Invited,
    Nominated,
    NominationSealed,
    NomineeRemoved,
    OptionOpened,
    PageAlternate,
    ProposalMade,
    RekeyDue,
    Rekeyed,
    Resumed,
    RevealDue,
    RungChanged,
    Seconded,
    Settled,
    StandstillEnded,
    StandstillStarted,
    StepAccepted,
    StepBlocked,
    StepDeclined,
    StepLapsed,
    StepRequested,
    StepTaken,
    Suspended,
    WindowOpened,
)
from mediation.ladder import Ladder
from mediation.rehearsal import Happening, Session
from mediation.state import Clock, Request
from mediation.words import bound, consequence, extends, mark, ran_out, span, step_name
from protocols.kinds import KINDS, act_to_dict


def moment(at: int) -> str:
    """``Wed 12 Mar 2031 03:12 UTC``; seconds only where there are some."""
    found = datetime.fromtimestamp(at / 1000, UTC)
    return found.strftime(f"%a {found.day} %b %Y %H:%M{':%S' if found.second else ''} UTC")


def where_we_stand(session: Session) -> Iterator[str]:
    """Time, rung, standstill, clocks, what waits for an answer."""
    state, ladder = session.state, session.ladder
    rung = ladder.rungs[state.rung]
    yield ""
    yield f"{moment(session.now)}. {rung.title} (level {rung.level}), for {span(session.now - state.rung_since)}."
    if state.standstill is not None:
        left = state.standstill.end - session.now
        yield f"STANDSTILL: {span(left)} left, until {moment(state.standstill.end)}. Nobody can shorten it."
    if state.suspension is not None:
        away = span(session.now - state.suspension.since)
        yield f"Another forum is seized, for {away}: clocks pause, a standstill does not; steps up or across wait."
    if state.track:
        yield f"Track: {state.track}."
    for office in sorted(session.down):
        yield f"The line of {office} is down; {sum(each[1] == office for each in session.unsigned)} messages wait there."
    yield "Clocks running:" if state.clocks else "No clock is running."
    for clock in sorted(state.clocks, key=lambda clock: (clock.end, clock.id)):
        yield f"  {_clock(session, clock)}"
    for asked in state.requests:
        yield f"Waiting: {step_name(ladder, asked.step)}, asked for by {asked.office}{_support(asked)}."
    for option in state.options:
        yield f"Option: {option.office} may take {step_name(ladder, option.step)}."


def _support(asked: Request) -> str:
    """What a request has so far."""
    said = ["accepted"] if asked.accepted else []
    said += [f"seconded by {len(asked.seconds)}"] if asked.seconds else []
    said += [f"blocked by {len(asked.blocks)}"] if asked.blocks else []
    return f" ({', '.join(said)})" if said else ""


def _clock(session: Session, clock: Clock) -> str:
    rule = session.ladder.clocks[clock.rule]
    then = consequence(session.ladder, rule).replace("*", "")
    marked = f" [{mark(rule)}]" if mark(rule) else ""
    on = clock.respondent if rule.who == "respondent" else clock.subject if rule.who == "nominee" else ""
    return (
        f"{rule.title} ({clock.id}){marked}: {_left(session, clock)}; "
        f"on {on or bound(session.ladder, rule)}; then {then or 'nothing follows'}; "
        f"longer by {extends(session.ladder, rule)}"
    )


def _left(session: Session, clock: Clock) -> str:
    if clock.paused is not None:
        return f"paused, with {span(clock.end - clock.paused)} left"
    if clock.opens is not None and clock.opens > session.now:
        return f"opens in {span(clock.opens - session.now)}, at {moment(clock.opens)}, until {moment(clock.end)}"
    return f"{span(clock.end - session.now)} left, until {moment(clock.end)}"


def happened(session: Session, happening: Happening) -> Iterator[str]:
    """One entry, or the passing of time, and what became true through it."""
    ladder = session.ladder
    seqs = {each.id: each.seq for each in session.written}
    if happening.seq:
        words = act_words(happening.kind, act_to_dict(happening.act), ladder, lambda about: f"#{seqs.get(about, '?')}")
        said = f": {words}" if words else ""
        yield f"* {moment(happening.at)} #{happening.seq} {happening.office} {KINDS[happening.kind].title}{said}"
    for effect in happening.effects:
        if isinstance(effect, ClockExpired) and getattr(happening.act, "clock", "") == effect.clock.id:
            continue  # the hub's own note says it
        yield from (f"    {line}" for line in effect_words(ladder, effect))


def effect_words(ladder: Ladder, effect: Effect) -> Iterator[str]:
    """What became true, in a line; nothing for what only machines need to know."""
    match effect:
        case ClockStarted(clock):
            yield f"clock starts: {_title(ladder, clock)}, until {moment(clock.end)}"
        case ClockMet(clock):
            yield f"clock met: {_title(ladder, clock)}"
        case ClockStopped(clock):
            yield f"clock stopped, as it has lost its object: {_title(ladder, clock)}"
        case ClockExpired(clock):
            yield ran_out(ladder, ladder.clocks[clock.rule], clock.end)
        case ClockExtended(clock, _):
            yield f"clock lengthened: {_title(ladder, clock)}, until {moment(clock.end)}"
        case ExtensionProposed(_, until, office):
            yield f"{office} agrees to an end at {moment(until)}; the others whom the clock binds have not yet"
        case PageAlternate(office, _):
            yield f"the alternate of {office} is paged"
        case OptionOpened(step, office):
            yield f"{office} may now take: {step_name(ladder, step)}"
        case StepRequested(step, office, _):
            yield f"{office} asks for: {step_name(ladder, step)}; it waits for an answer"
        case StepAccepted(step, office, _):
            yield f"{office} accepts: {step_name(ladder, step)}; it waits for seconds or for its clock"
        case Seconded(step, office, _, have, need):
            yield f"{office} seconds: {step_name(ladder, step)}; {have} of {need}"
        case Blocked(step, office, _, have, need):
            yield f"{office} blocks: {step_name(ladder, step)}; {have} of {need}"
        case StepBlocked(step, _):
            yield f"blocked: {step_name(ladder, step)}"
        case StepLapsed(step, office, _):
            yield f"lapsed: {step_name(ladder, step)}, asked for by {office}"
        case StepTaken(step, office):
            yield f"taken: {step_name(ladder, step)} ({office}); the rung stays"
        case WindowOpened(clock):
            yield f"the window opens: {_title(ladder, clock)}, until {moment(clock.end)}"
        case Suspended(office):
            yield f"another forum is seized by {office}: clocks pause, but no standstill does"
        case Resumed(office, pause):
            yield f"{office} leaves the other forum: paused clocks end {span(pause)} later"
        case StepDeclined(step, office, _):
            yield f"not taken: {step_name(ladder, step)} ({office})"
        case RungChanged(old, new):
            yield f"the rung changes: {ladder.rungs[old].title} to {ladder.rungs[new].title}"
        case StandstillStarted(end):
            yield f"a STANDSTILL begins, until {moment(end)}"
        case StandstillEnded(_):
            yield "the standstill is over"
        case Crossed(seq, other):
            yield f"#{seq} crossed with #{other}: its author had not seen it"
        case Nominated(office, how):
            yield f"{office} is chosen (by {how})"
        case NomineeRemoved(office):
            yield f"{office} is out"
        case Invited(office, role):
            yield f"{office} is asked to act as {role}"
        case AdmissionComplete(mediators, _, _):
            yield f"admitted by both parties: {', '.join(mediators)}"
        case Settled(_, version):
            yield f"both parties have accepted version {version}: it is settled"
        case FindingMade(_, office, finding):
            yield f"{office} finds: {finding}"
        case Closed():
            yield "the thread is closed"
        case (
            NominationSealed()
            | RevealDue()
            | RekeyDue()
            | Rekeyed()
            | ProposalMade()
            | CloseSigned()
            | DisclosureAnswered()
        ):
            return  # the entry's own line says it
        case _:
            yield _named(effect)


def _title(ladder: Ladder, clock: Clock) -> str:
    return ladder.clocks[clock.rule].title


def _named(effect: Effect) -> str:
    """An effect without words of its own: its name, spaced, and its fields."""
    name = re.sub(r"(?<!^)(?=[A-Z])", " ", type(effect).__name__).lower()
    fields = ", ".join(str(value) for value in msgspec.to_builtins(effect).values())
    return f"{name}: {fields}"
