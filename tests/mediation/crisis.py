"""A crisis in which anybody does anything at any time, with the promises checked at every entry."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

from mediation.durations import HOUR, MINUTE
from mediation.effects import KeysReturned, Rekeyed, RungChanged
from mediation.fold import HANDLERS, Outcome, advance, due, next_due, step, unannounced
from mediation.move import HUB, Move
from mediation.offers import NOTHING, Offer, allowed, example_move
from mediation.refusals import Refusal
from mediation.state import ThreadState, from_bytes, state_hash, to_bytes
from protocols.kinds import (
    KINDS,
    About,
    Act,
    Admission,
    Answer,
    Appointment,
    Ask,
    Breach,
    CannotFollow,
    CarveOut,
    Complaint,
    DisclosureConsent,
    DisclosureNotice,
    Empty,
    Expired,
    Extension,
    Finding,
    Followed,
    Handover,
    Member,
    Nominate,
    Objection,
    ObjectionAnswer,
    Open,
    Portion,
    Proposal,
    ProposalAnswer,
    Received,
    Rejoin,
    Rekey,
    Resealed,
    Reveal,
    Scope,
    Step,
    StepAnswer,
    Supersede,
    Verdict,
    Waiver,
    Withdrawal,
)
from tests.mediation.play import LADDER, SALT, Play, kid

OFFICES = ("AV", "KV", "MD", "HD", "NR", "OV", "XX", HUB)
LISTS = (("MD", "HD"), ("HD",), ("NR", "MD"), ("OSTERRA",), ("AV", "MD"))
NEVER_UP = {found.to for found in LADDER.steps.values() if found.direction != "up"} | {"monitoring", "closed"}


class Crisis:
    """Two parties, three mediators, a monitor, a stranger and the hub do anything at any time."""

    def __init__(self) -> None:
        self.play = Play()
        self.now = self.play.state.at
        self.entries = [kid("open"), NOTHING]
        self.shadow = self.play.state
        self.kinds: set[str] = set()
        self.lists: dict[str, tuple[str, tuple[str, ...]]] = {}

    # -- what can be sent ------------------------------------------------------------------------------------------

    def what_the_panel_offers(self, rng: Random, office: str, people: bool) -> None:
        self._tick(rng)
        offers = allowed(LADDER, self.play.state, office, self.now, people)
        open_ = [offer for offer in offers if offer.allowed]
        offer = rng.choice(open_ if open_ and rng.randint(0, 5) else list(offers))
        move = example_move(self._current(), office, offer.kind, offer.act, two_person=people)
        move = msgspec.structs.replace(move, id=kid(f"{self.play.state.seq} {office} {offer.kind}"))
        refusal = self._send(move)
        assert (refusal is None) is offer.allowed
        if refusal is not None:
            assert refusal == offer.refusal

    def anything_at_all(self, rng: Random, office: str, kind: str) -> None:
        self._tick(rng)
        act = self._act(rng, kind)
        move = example_move(self._current(), office, kind, act)
        station = rng.choice((move.station, kid(f"{office}-2"), kid("AV-1")))
        seat = self.play.state.seats.get(station)
        self._send(
            msgspec.structs.replace(
                move,
                id=kid(f"{self.play.state.seq} {office} {kind} any"),
                station=station,
                serial=(seat.serial if seat else 0) + rng.choice((1, 1, 1, 1, 0, 2)),
                prev_seq=rng.randint(0, self.play.state.seq + 1),
                epoch=rng.choice((move.epoch, move.epoch, None, 7)),
            )
        )

    def the_mediator_is_chosen(self, rng: Random) -> None:
        """Nominations as stations would send them; the rest of the path is left to the other rules."""
        self._tick(rng)
        for office in ("AV", "KV"):
            nominees = rng.choice(LISTS[:3])
            act = Nominate(self.play.sealed(office, *nominees))
            if self._send(self._own(office, "nomination", act)) is None:
                self.lists[office] = (self.entries[-1], nominees)
        for office, (entry, nominees) in tuple(self.lists.items()):
            self._send(self._own(office, "nomination-reveal", Reveal(entry, nominees, SALT)))

    def the_keys_are_renewed(self, rng: Random, office: str = "AV") -> None:
        self._tick(rng)
        state = self._current()
        adds = tuple(Member(kid(f"{office}-1"), office) for office in state.due_adds)
        gone = tuple(
            Member(k, seat.office)
            for k, seat in state.seats.items()
            if (seat.member and seat.office in state.due_removes) or Member(k, seat.office) in state.leaving
        )
        self._send(self._own(office, "rekey", Rekey(state.epoch + 1, adds, gone)))

    def the_keys_are_not_followed(self, rng: Random, office: str) -> None:
        self._tick(rng)
        state = self._current()
        if state.renewal is not None:
            act = CannotFollow(state.epoch, state.renewal.newest.entry, "mls.bad-tag")
            self._send(self._own(office, "cannot-follow", act))

    def the_hub_announces(self, rng: Random) -> None:
        self._tick(rng)
        for clock in unannounced(self.play.state, self.now):
            assert clock.end <= self.now
            assert (
                self._send(self._own(HUB, "clock-expired", Expired(clock.id, clock.end, self.now - clock.end))) is None
            )
            again = self._send(self._own(HUB, "clock-expired", Expired(clock.id, clock.end)))
            assert again is not None
        assert unannounced(self.play.state, self.now) == ()

    def all_that_is_open_goes_forward(self, rng: Random) -> None:
        """A permitted move, seldom chatter, seldom closing or going down: how a walk gets far."""
        office = rng.choice(("AV", "KV", "MD", "HD", "NR"))
        offers = [offer for offer in allowed(LADDER, self._current(), office, self.now) if offer.allowed]
        weights = [_weight(offer) for offer in offers]
        if sum(weights):
            offer = rng.choices(offers, weights)[0]
            move = example_move(self._current(), office, offer.kind, offer.act)
            named = kid(f"{self.play.state.seq} {office} {offer.kind} walk")
            assert self._send(msgspec.structs.replace(move, id=named)) is None
            receiver = "KV" if office == "AV" else "AV"
            if KINDS[offer.kind].receipt and office in ("AV", "KV") and rng.random() < 0.8:
                assert self._send(self._own(receiver, "receipt", Received(named))) is None

    def act(self, rng: Random) -> None:
        """One random thing, then every promise is checked."""
        choice = rng.random()
        if choice < 0.6:
            self.all_that_is_open_goes_forward(rng)
        elif choice < 0.7:
            self.what_the_panel_offers(rng, rng.choice(OFFICES[:6]), rng.random() < 0.8)
        elif choice < 0.8:
            self.anything_at_all(rng, rng.choice(OFFICES), rng.choice(sorted(KINDS)))
        elif choice < 0.9:
            self.the_mediator_is_chosen(rng)
            self.the_keys_are_renewed(rng)
        else:
            self.the_hub_announces(rng)
        self.check()

    # -- what must hold ----------------------------------------------------------------------------------------------

    def check(self) -> None:
        self.the_state_is_small_and_survives_storage()
        self.a_reader_who_stored_and_loaded_the_state_at_every_entry_agrees()
        self.time_may_pass_in_one_step_or_in_many()
        self.a_standstill_is_the_clock_that_runs()

    def the_state_is_small_and_survives_storage(self) -> None:
        data = to_bytes(self.play.state)
        assert len(data) < 64_000
        assert to_bytes(from_bytes(data)) == data

    def a_reader_who_stored_and_loaded_the_state_at_every_entry_agrees(self) -> None:
        assert state_hash(self.shadow) == state_hash(self.play.state)

    def time_may_pass_in_one_step_or_in_many(self) -> None:
        state, at = self.play.state, self.play.state.at
        for middle in (at, at + 7 * MINUTE, next_due(state) or at, at + 30 * HOUR):
            far = max(middle, at + 100 * HOUR)
            small = advance(LADDER, advance(LADDER, state, middle), far)
            assert small == advance(LADDER, state, far)
            assert advance(LADDER, small, far) == small
        assert [clock.end for clock in due(state)] == sorted(clock.end for clock in state.clocks)

    def a_standstill_is_the_clock_that_runs(self) -> None:
        state = self.play.state
        if state.standstill is not None:
            clock = state.clock(state.standstill.clock)
            assert clock is not None
            assert clock.end == state.standstill.end > state.at

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _current(self) -> ThreadState:
        return advance(LADDER, self.play.state, self.now)

    def _own(self, office: str, kind: str, act: Act) -> Move:
        move = example_move(self._current(), office, kind, act)
        return msgspec.structs.replace(
            move, id=kid(f"{self.play.state.seq} {office} {kind} own"), station=kid(f"{office}-1")
        )

    def _tick(self, rng: Random) -> None:
        jump = rng.choice((0, 0, 1, MINUTE, MINUTE, 10 * MINUTE, HOUR, 5 * HOUR, 13 * HOUR, 49 * HOUR, -HOUR))
        if jump >= 0:
            self.now += jump

    def _send(self, move: Move) -> Refusal | None:
        before = self._current()
        hash_before = state_hash(self.play.state)
        outcome = step(LADDER, self.play.state, move, self.now)
        if isinstance(outcome, Refusal):
            assert state_hash(self.play.state) == hash_before
            assert outcome.code.startswith("ladder.")
            assert outcome.sentence.endswith(".")
            assert (outcome.clock is None) is (outcome.until is None)
            if outcome.until is not None:
                assert outcome.until > self.now
            return outcome
        assert isinstance(outcome, Outcome)
        after = outcome.state
        self._hold(before, after, outcome)
        self.entries.append(move.id)
        self.kinds.add(move.kind)
        self.play.state = after
        stored = step(LADDER, from_bytes(to_bytes(self.shadow)), move, self.now)
        assert isinstance(stored, Outcome)
        self.shadow = stored.state
        return None

    def _hold(self, before: ThreadState, after: ThreadState, outcome: Outcome) -> None:
        assert after.seq == before.seq + 1
        ends = {clock.id: clock.end for clock in after.clocks}
        for clock in before.clocks:
            assert ends.get(clock.id, clock.end) >= clock.end, "a clock was shortened"
        if before.standstill is not None:
            assert after.standstill is not None, "a standstill was lifted"
            assert after.standstill.end >= before.standstill.end
            if after.rung != before.rung:
                assert after.rung in NEVER_UP, "an upward step inside a standstill"
        assert after.epoch >= before.epoch and 1 <= after.mls_epoch <= after.epoch
        assert set(after.roster.values()) >= set(after.parties), "a party fell out of the keys"
        assert not {member.station for member in after.leaving} & set(after.roster)
        if before.leaving and not after.leaving:
            assert any(isinstance(effect, Rekeyed) for effect in outcome.effects), "who was put out is in the keys"
        for effect in outcome.effects:
            if isinstance(effect, KeysReturned):
                assert set(after.roster) <= set(before.roster), "a return to old keys let somebody in"
                assert after.epoch == before.epoch + 1 and after.mls_epoch < before.mls_epoch
            if isinstance(effect, RungChanged):
                assert {effect.old, effect.new} <= set(LADDER.rungs)

    def _act(self, rng: Random, kind: str) -> Act:
        entry = rng.choice(self.entries)
        office = rng.choice(OFFICES[:7])
        number = rng.randint(1, 6)
        state = self.play.state
        clock = rng.choice([clock.id for clock in (*state.clocks, *state.expired)] or ["none"])
        end = rng.choice([clock.end for clock in state.clocks] or [self.now])
        step_name = rng.choice([*LADDER.steps, "nowhere"])
        offices = rng.choice((("MD",), ("HD",), ("MD", "HD"), ("HD", "HD"), ("XX",)))
        stations = tuple(Member(kid(f"{name}-{number % 3}"), name) for name in offices)
        table: dict[type[Act], Any] = {
            Empty: Empty,
            Open: lambda: Open(LADDER.id, ("AV", "KV"), stations),
            Rekey: lambda: Rekey(state.epoch + number % 2, stations, ()),
            About: lambda: About(entry),
            Received: lambda: Received(entry, tuple(self.entries[-number:] if number % 2 else ())),
            Followed: lambda: Followed(max(1, state.epoch - number % 2)),
            CannotFollow: lambda: CannotFollow(
                state.epoch, entry if state.renewal is None else state.renewal.newest.entry, "mls.bad-tag"
            ),
            Rejoin: lambda: Rejoin(state.epoch + number % 2),
            Resealed: lambda: Resealed((entry,)),
            Supersede: lambda: Supersede(entry),
            Ask: lambda: Ask(number),
            Answer: lambda: Answer(entry, ("answered",) * number),
            Verdict: lambda: Verdict(entry, "ours"),
            Step: lambda: Step(step_name),
            StepAnswer: lambda: StepAnswer(entry, step_name),
            Extension: lambda: Extension(clock, end + rng.choice((-1, 0, 1, HOUR, 2**60, -(2**60)))),
            Breach: lambda: Breach(office),
            Finding: lambda: Finding(entry, "accidental"),
            CarveOut: lambda: CarveOut("legal-duty"),
            Nominate: lambda: Nominate(entry),
            Reveal: lambda: Reveal(entry, offices, SALT),
            Objection: lambda: Objection(office, rng.choice((None, "HD", "NR", "AV"))),
            ObjectionAnswer: lambda: ObjectionAnswer(entry, agree=number > 3),
            Waiver: lambda: Waiver(offices),
            Admission: lambda: Admission(offices, Scope(rng.choice((None, "L3-experts", "no-rung")))),
            Withdrawal: lambda: Withdrawal(office),
            Appointment: lambda: Appointment(rng.choice((None, "HD", "NR", "AV"))),
            Handover: lambda: Handover((entry,)),
            Proposal: lambda: Proposal(number),
            ProposalAnswer: lambda: ProposalAnswer(entry, number),
            Expired: lambda: Expired(clock, end),
            Complaint: lambda: Complaint(entry, "entry.digest-mismatch"),
            DisclosureNotice: lambda: DisclosureNotice(
                "court", tuple(Portion(seq, ("text",)) for seq in sorted({number, state.seq - 1 + number}))
            ),
            DisclosureConsent: lambda: DisclosureConsent(entry, agree=number > 3),
        }
        wanted = KINDS[kind].act if rng.randint(0, 19) else Handover
        return table[wanted]()  # type: ignore[no-any-return]


def _weight(offer: Offer) -> float:
    if offer.kind == "close":
        return 0.08
    if offer.kind in ("withdrawal", "proposal-refuse", "step-decline"):
        return 0.03
    if offer.step is not None and LADDER.steps[offer.step].direction == "down":
        return 0.1
    if offer.kind in ("waiver", "admission", "proposal-accept", "mediator-acceptance"):
        return 8.0
    if offer.kind in ("step-request", "default-appointment", "extension", "breach-report", "declaration"):
        return 0.3
    if offer.kind in HANDLERS or offer.kind in LADDER.triggers:
        return 1.0
    return 0.1
