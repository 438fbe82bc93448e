"""Whatever anybody sends at whatever time, the promises hold."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mediation.durations import HOUR, MINUTE
from mediation.effects import RungChanged
from mediation.fold import Outcome, advance, due, next_due, step, unannounced
from mediation.move import HUB, Move
from mediation.offers import NOTHING, allowed, example_move
from mediation.refusals import Refusal
from mediation.state import ThreadState, from_bytes, state_hash, to_bytes
from protocols.kinds import (
    KINDS,
    About,
    Act,
    Admission,
    Answer,
    Ask,
    Breach,
    CarveOut,
    Empty,
    Expired,
    Extension,
    Finding,
    Handover,
    Member,
    Nominate,
    Objection,
    ObjectionAnswer,
    Open,
    Proposal,
    ProposalAnswer,
    Rekey,
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


class Crisis(RuleBasedStateMachine):
    """Two parties, three mediators, a monitor, a stranger and the hub do anything at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.play = Play()
        self.now = self.play.state.at
        self.entries = [kid("open"), NOTHING]
        self.shadow = self.play.state

    # -- what can be sent ------------------------------------------------------------------------------------------

    @rule(data=st.data(), office=st.sampled_from(OFFICES[:6]), people=st.booleans())
    def what_the_panel_offers(self, data: st.DataObject, office: str, people: bool) -> None:
        self._tick(data)
        offers = allowed(LADDER, self.play.state, office, self.now, people)
        open_ = [offer for offer in offers if offer.allowed]
        offer = data.draw(st.sampled_from(open_ if open_ and data.draw(st.integers(0, 5)) else offers))
        move = example_move(self._current(), office, offer.kind, offer.act, two_person=people)
        move = msgspec.structs.replace(move, id=kid(f"{self.play.state.seq} {office} {offer.kind}"))
        refusal = self._send(move)
        assert (refusal is None) is offer.allowed
        if refusal is not None:
            assert refusal == offer.refusal

    @rule(data=st.data(), office=st.sampled_from(OFFICES), kind=st.sampled_from(sorted(KINDS)))
    def anything_at_all(self, data: st.DataObject, office: str, kind: str) -> None:
        self._tick(data)
        act = self._act(data, kind)
        move = example_move(self._current(), office, kind, act)
        station = data.draw(st.sampled_from((move.station, kid(f"{office}-2"), kid("AV-1"))))
        seat = self.play.state.seats.get(station)
        self._send(
            msgspec.structs.replace(
                move,
                id=kid(f"{self.play.state.seq} {office} {kind} any"),
                station=station,
                serial=(seat.serial if seat else 0) + data.draw(st.sampled_from((1, 1, 1, 1, 0, 2))),
                prev_seq=data.draw(st.integers(0, self.play.state.seq + 1)),
                epoch=data.draw(st.sampled_from((move.epoch, move.epoch, None, 7))),
            )
        )

    @rule(data=st.data())
    def the_mediator_is_chosen(self, data: st.DataObject) -> None:
        """Nominations as stations would send them; the rest of the path is left to the other rules."""
        self._tick(data)
        for office in ("AV", "KV"):
            nominees = data.draw(st.sampled_from(LISTS[:3]))
            act = Nominate(self.play.sealed(office, *nominees))
            if self._send(self._own(office, "nomination", act)) is None:
                self._later_reveals[office] = (self.entries[-1], nominees)
        for office, (entry, nominees) in tuple(self._later_reveals.items()):
            self._send(self._own(office, "nomination-reveal", Reveal(entry, nominees, SALT)))

    @rule(data=st.data())
    def the_keys_are_renewed(self, data: st.DataObject) -> None:
        self._tick(data)
        state = self._current()
        adds = tuple(Member(kid(f"{office}-1"), office) for office in state.due_adds)
        gone = tuple(
            Member(k, seat.office)
            for k, seat in state.seats.items()
            if seat.member and seat.office in state.due_removes
        )
        self._send(self._own("AV", "rekey", Rekey(state.epoch + 1, adds, gone)))

    @rule(data=st.data())
    def the_hub_announces(self, data: st.DataObject) -> None:
        self._tick(data)
        for clock in unannounced(self.play.state, self.now):
            assert clock.end <= self.now
            assert (
                self._send(self._own(HUB, "clock-expired", Expired(clock.id, clock.end, self.now - clock.end))) is None
            )
            again = self._send(self._own(HUB, "clock-expired", Expired(clock.id, clock.end)))
            assert again is not None
        assert unannounced(self.play.state, self.now) == ()

    # -- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def the_state_is_small_and_survives_storage(self) -> None:
        data = to_bytes(self.play.state)
        assert len(data) < 64_000
        assert to_bytes(from_bytes(data)) == data

    @invariant()
    def a_reader_who_stored_and_loaded_the_state_at_every_entry_agrees(self) -> None:
        assert state_hash(self.shadow) == state_hash(self.play.state)

    @invariant()
    def time_may_pass_in_one_step_or_in_many(self) -> None:
        state, at = self.play.state, self.play.state.at
        for middle in (at, at + 7 * MINUTE, next_due(state) or at, at + 30 * HOUR):
            far = max(middle, at + 100 * HOUR)
            small = advance(LADDER, advance(LADDER, state, middle), far)
            assert small == advance(LADDER, state, far)
            assert advance(LADDER, small, far) == small
        assert [clock.end for clock in due(state)] == sorted(clock.end for clock in state.clocks)

    @invariant()
    def a_standstill_is_the_clock_that_runs(self) -> None:
        state = self.play.state
        if state.standstill is not None:
            clock = state.clock(state.standstill.clock)
            assert clock is not None
            assert clock.end == state.standstill.end > state.at

    # -- helpers -----------------------------------------------------------------------------------------------------

    @property
    def _later_reveals(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        return self.__dict__.setdefault("_reveals", {})

    def _current(self) -> ThreadState:
        return advance(LADDER, self.play.state, self.now)

    def _own(self, office: str, kind: str, act: Act) -> Move:
        move = example_move(self._current(), office, kind, act)
        return msgspec.structs.replace(
            move, id=kid(f"{self.play.state.seq} {office} {kind} own"), station=kid(f"{office}-1")
        )

    def _tick(self, data: st.DataObject) -> None:
        jump = data.draw(st.sampled_from((0, 1, MINUTE, HOUR, 5 * HOUR, 13 * HOUR, 49 * HOUR, -HOUR)))
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
        for effect in outcome.effects:
            if isinstance(effect, RungChanged):
                assert {effect.old, effect.new} <= set(LADDER.rungs)

    def _act(self, data: st.DataObject, kind: str) -> Act:
        entry = data.draw(st.sampled_from(self.entries))
        office = data.draw(st.sampled_from(OFFICES[:7]))
        number = data.draw(st.integers(1, 6))
        state = self.play.state
        clock = data.draw(st.sampled_from([clock.id for clock in (*state.clocks, *state.expired)] or ["none"]))
        end = data.draw(st.sampled_from([clock.end for clock in state.clocks] or [self.now]))
        step_name = data.draw(st.sampled_from([*LADDER.steps, "nowhere"]))
        offices = data.draw(st.sampled_from((("MD",), ("HD",), ("MD", "HD"), ("HD", "HD"), ("XX",))))
        stations = tuple(Member(kid(f"{name}-{number % 3}"), name) for name in offices)
        table: dict[type[Act], Any] = {
            Empty: Empty,
            Open: lambda: Open(LADDER.id, ("AV", "KV"), stations),
            Rekey: lambda: Rekey(state.epoch + number % 2, stations, ()),
            About: lambda: About(entry),
            Supersede: lambda: Supersede(entry),
            Ask: lambda: Ask(number),
            Answer: lambda: Answer(entry, ("answered",) * number),
            Verdict: lambda: Verdict(entry, "ours"),
            Step: lambda: Step(step_name),
            StepAnswer: lambda: StepAnswer(entry, step_name),
            Extension: lambda: Extension(clock, end + data.draw(st.sampled_from((-1, 0, 1, HOUR, 2**60, -(2**60))))),
            Breach: lambda: Breach(office),
            Finding: lambda: Finding(entry, "accidental"),
            CarveOut: lambda: CarveOut("legal-duty"),
            Nominate: lambda: Nominate(entry),
            Reveal: lambda: Reveal(entry, offices, SALT),
            Objection: lambda: Objection(office, data.draw(st.sampled_from((None, "HD", "NR", "AV")))),
            ObjectionAnswer: lambda: ObjectionAnswer(entry, agree=number > 3),
            Waiver: lambda: Waiver(offices),
            Admission: lambda: Admission(offices, Scope(data.draw(st.sampled_from((None, "L3-experts", "no-rung"))))),
            Withdrawal: lambda: Withdrawal(office),
            Handover: lambda: Handover((entry,)),
            Proposal: lambda: Proposal(number),
            ProposalAnswer: lambda: ProposalAnswer(entry, number),
            Expired: lambda: Expired(clock, end),
        }
        wanted = KINDS[kind].act if data.draw(st.integers(0, 19)) else Handover
        return table[wanted]()  # type: ignore[no-any-return]


TestCrisis = Crisis.TestCase
TestCrisis.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@pytest.mark.parametrize("at", [-1, 2**63, 0])
def test_a_stamp_that_is_no_time_or_goes_backwards_is_refused(at: int) -> None:
    play = Play()
    outcome = step(LADDER, play.state, play.move("AV", "goodwill-note"), at)
    assert isinstance(outcome, Refusal)
    assert outcome.code in ("ladder.bad-time", "ladder.time-backwards")


def test_the_state_does_not_grow_with_plain_messages() -> None:
    play = Play()
    play.send("00:01", "AV", "incident-notice")
    for _ in range(50):
        play.send("00:02", "AV", "statement")
        play.send("00:02", "KV", "statement")
    size = len(to_bytes(play.state))
    for _ in range(300):
        play.send("00:02", "AV", "statement")
        play.send("00:02", "KV", "statement")
    assert len(to_bytes(play.state)) <= size + 8
