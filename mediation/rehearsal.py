"""A ladder rehearsed: two invented parties take its steps under a clock that the person who rehearses moves.

The very fold of the line judges every move; only what machines do is done by itself here: stations sign for what they
receive, those of a role too whose receipt starts a clock, open sealed nominations and renew keys; the hub notes clocks
that ran out. An office whose line is `down` signs for nothing until it is up again. Time and the salts of nominations are
arguments; a session is a value, so that undoing is keeping the one before.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from mediation.awaited import readers
from mediation.context import ThreadContext
from mediation.draft import Draft
from mediation.durations import DAY
from mediation.effects import Effect
from mediation.fold import elapse, open_thread, step, unannounced
from mediation.ladder import Ladder
from mediation.move import HUB, Move
from mediation.offers import allowed
from mediation.refusals import Refusal
from mediation.rehearsal_acts import Sealed, Unfit, Written, fill
from mediation.rehearsal_cast import PARTIES, cast
from mediation.rules import DEFAULT_APPOINTMENT
from mediation.state import ThreadState
from mediation.steps import is_entitled
from protocols.encoding import digest
from protocols.kinds import KINDS, Act, Empty, Expired, Member, Open, Received, Rekey, Reveal, Step

__all__ = [
    "Choice",
    "Happening",
    "Session",
    "Unfit",
    "actors",
    "begin",
    "choices",
    "do",
    "entitled",
    "find",
    "next_moment",
    "set_line",
    "wait",
]

FAR = 20_000 * DAY
"""The longest single wait, milliseconds."""


class Happening(msgspec.Struct, frozen=True):
    """One entry, or (``seq`` 0) the passing of time: at which moment (ms UTC), by whom, and what became true."""

    at: int
    office: str
    kind: str
    act: Act
    seq: int
    effects: tuple[Effect, ...]


class Session(msgspec.Struct, frozen=True):
    """A rehearsal at one moment: the thread's ``state``, the virtual time ``now`` (ms UTC), what was ``written``, lists
    ``sealed`` by office, offices whose line is ``down``, and ``unsigned``: (entry, receiver) without a receipt."""

    ladder: Ladder
    state: ThreadState
    now: int
    written: tuple[Written, ...]
    sealed: dict[str, Sealed] = {}
    down: frozenset[str] = frozenset()
    unsigned: tuple[tuple[str, str], ...] = ()


class Choice(msgspec.Struct, frozen=True):
    """Something ``office`` could do now. ``name`` says it in the words a script uses (``step-request L3-experts``,
    ``clarification-answer #4``); ``refusal`` says why not, where it is closed."""

    office: str
    name: str
    kind: str
    step: str | None
    subject: str
    act: Act
    refusal: Refusal | None


def begin(ladder: Ladder, at: int) -> tuple[Session, tuple[Happening, ...]] | Refusal:
    """A thread just opened by the first party at ``at`` (ms UTC). Refused as on the line: after the ladder's sunset, say."""
    context: ThreadContext = cast(ladder)
    first, second = PARTIES
    roster = tuple(Member(_station(office), office) for office in PARTIES)
    entry = digest(b"rehearsal 1")
    move = Move(entry, 1, "open", first, _station(first), 1, 0, Open(ladder.id, (first, second), roster))
    outcome = open_thread(context, move, at)
    if isinstance(outcome, Refusal):
        return outcome
    happening = Happening(at, first, "open", move.act, 1, outcome.effects)
    return Session(ladder, outcome.state, at, (Written(entry, 1, "open", first),)), (happening,)


def actors(session: Session) -> tuple[str, ...]:
    """Every office of the cast, the parties first."""
    state = session.state
    return (*state.parties, *(office.id for office in state.offices if office.id not in state.parties))


def choices(session: Session, office: str) -> tuple[Choice, ...]:
    """Everything an officer of ``office`` could write, open or closed, in the catalogue's order; whom a body may appoint
    it says in words, so that stands once."""
    seqs = {written.id: written.seq for written in session.written}
    found = (
        Choice(
            office,
            _name(offer.kind, offer.step, offer.subject, seqs),
            offer.kind,
            offer.step,
            offer.subject,
            offer.act,
            offer.refusal,
        )
        for offer in allowed(session.ladder, session.state, office, session.now)
    )
    once: dict[tuple[str, str], Choice] = {}
    for number, choice in enumerate(found):
        once.setdefault((choice.name, "" if choice.kind == DEFAULT_APPOINTMENT else str(number)), choice)
    return tuple(once.values())


def entitled(session: Session, choice: Choice) -> bool:
    """Whether the step that ``choice`` asks for is the office's by right; otherwise it is an early exit, by agreement."""
    step_rule = session.ladder.steps.get(choice.step or "")
    return step_rule is None or is_entitled(Draft(session.ladder, session.state, session.now), step_rule, choice.office)


def _name(kind: str, step_name: str | None, subject: str, seqs: dict[str, int]) -> str:
    # An office that an act names is a word of it, not part of the choice's name.
    about = f"#{seqs[subject]}" if subject in seqs else subject if kind == "extension" else ""
    return " ".join(part for part in (kind, step_name or "", about) if part)


def find(found: tuple[Choice, ...], words: tuple[str, ...]) -> tuple[Choice, tuple[str, ...]]:
    """The choice that ``words`` begin with, and the words left for its act. The longest name wins; a kind that stands
    once needs no more than its name. Raises `Unfit`."""
    best: Choice | None = None
    for choice in found:
        parts = tuple(choice.name.split())
        if words[: len(parts)] == parts and (best is None or len(parts) > len(best.name.split())):
            best = choice
    if best is not None:
        return best, words[len(best.name.split()) :]
    named = [choice for choice in found if choice.kind == words[0]]
    if len(named) == 1:
        return named[0], words[1:]
    if named:
        raise Unfit(f"Say which: {', '.join(choice.name for choice in named)}.")
    raise Unfit(f"There is nothing called {' '.join(words)!r} to do here.")


def do(
    session: Session, choice: Choice, words: tuple[str, ...], salt: str
) -> tuple[Session, tuple[Happening, ...]] | Refusal:
    """The session after ``choice`` and what the machines do upon it. ``words`` fill the act (`rehearsal_acts.fill`);
    ``salt`` (32 bytes, base64url) seals a nomination. Raises `Unfit` for words that fit no such act."""
    if choice.office in session.down:
        raise Unfit(f"The line of {choice.office} is down: nothing goes out there.")
    act, sealed = fill(session.ladder, session.state, session.written, choice, words, salt)
    move = _move(session, choice.office, choice.kind, act)
    sent = _send(session, move, session.now)
    if isinstance(sent, Refusal):
        return sent
    session, happening = sent
    if sealed is not None:
        session = replace(session, sealed={**session.sealed, choice.office: replace(sealed, entry=move.id)})
    session, after = _machines(session)
    return session, (happening, *after)


def set_line(session: Session, office: str, *, up: bool) -> tuple[Session, tuple[Happening, ...]]:
    """Takes the line of ``office`` down, or up again: then its station signs for what has waited."""
    down = session.down - {office} if up else session.down | {office}
    return _machines(replace(session, down=down))


def next_moment(session: Session) -> int | None:
    """When the next running clock ends, or the next window opens (ms UTC); None when nothing runs."""
    moments = [
        moment
        for clock in session.state.clocks
        if clock.paused is None
        for moment in (clock.end, clock.opens)
        if moment is not None and moment > session.now
    ]
    return min(moments, default=None)


def wait(session: Session, until: int) -> tuple[Session, tuple[Happening, ...]]:
    """Time passes up to ``until`` (ms UTC): clocks run out one after the other, and the hub notes each."""
    if not session.now <= until <= session.now + FAR:
        raise Unfit("Time goes forward, and at most some fifty years at once.")
    found: list[Happening] = []
    while over := unannounced(session.state, until):
        clock = over[0]
        at = max(clock.end, session.state.at)
        sent = _send(session, _move(session, HUB, "clock-expired", Expired(clock.id, clock.end, at - clock.end)), at)
        if isinstance(sent, Refusal):  # pragma: no cover - the hub announces what the fold says is over
            break
        session, happening = sent
        session, after = _machines(replace(session, now=at))
        found += [happening, *after]
    outcome = elapse(session.ladder, session.state, until)
    if outcome.effects:
        found.append(Happening(until, HUB, "", Empty(), 0, outcome.effects))
    return replace(session, state=outcome.state, now=until), tuple(found)


def _station(office: str) -> str:
    return digest(f"rehearsal station {office}".encode())


def _move(session: Session, office: str, kind: str, act: Act) -> Move:
    state = session.state
    seat = state.seats.get(_station(office))
    two = KINDS[kind].author.value == "officer"
    return Move(
        id=digest(f"rehearsal {state.seq + 1} {office}".encode()),
        seq=state.seq + 1,
        kind=kind,
        office=office,
        station=_station(office),
        serial=(0 if seat is None else seat.serial) + 1,
        prev_seq=state.seq,
        act=act,
        officers=("drafter", "releaser") if two else (),
        two_person=two,
        epoch=state.epoch if KINDS[kind].fields and seat is not None and seat.member else None,
    )


def _send(session: Session, move: Move, at: int) -> tuple[Session, Happening] | Refusal:
    outcome = step(session.ladder, session.state, move, at)
    if isinstance(outcome, Refusal):
        return outcome
    unsigned = session.unsigned
    if KINDS[move.kind].receipt:
        step_name = move.act.step if isinstance(move.act, Step) else ""
        asked = (outcome.state.holders.get(role, ()) for role in readers(session.ladder, move.kind, step_name))
        receivers = dict.fromkeys((*outcome.state.parties, *(office for offices in asked for office in offices)))
        unsigned = (*unsigned, *((move.id, office) for office in receivers if office != move.office))
    written = (*session.written, Written(move.id, move.seq, move.kind, move.office))
    happening = Happening(at, move.office, move.kind, move.act, move.seq, outcome.effects)
    return replace(session, state=outcome.state, written=written, unsigned=unsigned), happening


def _machines(session: Session) -> tuple[Session, tuple[Happening, ...]]:
    """What stations do by themselves, until nothing is left that an office with a line could do."""
    found: list[Happening] = []
    session, signed = _sign(session)
    found += signed
    while (work := _work(session)) is not None:
        sent = _send(session, _move(session, *work), session.now)
        if isinstance(sent, Refusal):
            break
        session, happening = sent
        found.append(happening)
    return session, tuple(found)


def _sign(session: Session) -> tuple[Session, list[Happening]]:
    """Receipts of every office that has a line. One that the ladder does not want is simply not sent."""
    found: list[Happening] = []
    waiting = session.unsigned
    session = replace(session, unsigned=tuple(each for each in waiting if each[1] in session.down))
    for entry, receiver in waiting:
        if receiver in session.down:
            continue
        sent = _send(session, _move(session, receiver, "receipt", Received(entry)), session.now)
        if not isinstance(sent, Refusal):
            session, happening = sent
            found.append(happening)
    return session, found


def _work(session: Session) -> tuple[str, str, Act] | None:
    """The next entry a station owes: an opened nomination, or new keys."""
    state, mediation = session.state, session.state.mediation
    up = [party for party in state.parties if party not in session.down]
    if mediation is not None and len(mediation.nominations) == 2:
        for nomination in mediation.nominations:
            sealed = session.sealed.get(nomination.office)
            if nomination.office in up and not nomination.nominees and sealed is not None:
                return nomination.office, "nomination-reveal", Reveal(nomination.entry, sealed.nominees, sealed.salt)
    if up and (state.due_adds or state.due_removes):
        adds = tuple(Member(_station(office), office) for office in state.due_adds)
        removes = tuple(
            Member(station, seat.office)
            for station, seat in state.seats.items()
            if seat.member and seat.office in state.due_removes
        )
        return up[0], "rekey", Rekey(state.epoch + 1, adds, removes)
    return None
