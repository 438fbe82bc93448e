"""Whatever anybody sends at whatever time, the promises hold."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mediation.fold import step
from mediation.refusals import Refusal
from mediation.state import to_bytes
from protocols.kinds import KINDS
from tests.mediation.crisis import OFFICES, Crisis
from tests.mediation.places import on
from tests.mediation.play import LADDER, Play

RANDOM = st.randoms(use_true_random=False)


class CrisisMachine(RuleBasedStateMachine):
    """Two parties, three mediators, a monitor, a stranger and the hub; hypothesis looks for the shortest broken promise."""

    def __init__(self) -> None:
        super().__init__()
        self.crisis = Crisis()

    @rule(rng=RANDOM, office=st.sampled_from(OFFICES[:6]), people=st.booleans())
    def what_the_panel_offers(self, rng: Random, office: str, people: bool) -> None:
        self.crisis.what_the_panel_offers(rng, office, people)

    @rule(rng=RANDOM, office=st.sampled_from(OFFICES), kind=st.sampled_from(sorted(KINDS)))
    def anything_at_all(self, rng: Random, office: str, kind: str) -> None:
        self.crisis.anything_at_all(rng, office, kind)

    @rule(rng=RANDOM)
    def any_step_forward(self, rng: Random) -> None:
        self.crisis.act(rng)

    @rule(rng=RANDOM)
    def the_mediator_is_chosen(self, rng: Random) -> None:
        self.crisis.the_mediator_is_chosen(rng)

    @rule(rng=RANDOM, office=st.sampled_from(("AV", "KV", "MD", "HD")), other=st.sampled_from(("AV", "KV", "MD")))
    def the_keys_are_renewed_and_not_followed(self, rng: Random, office: str, other: str) -> None:
        self.crisis.the_keys_are_renewed(rng, office)
        self.crisis.the_keys_are_not_followed(rng, other)

    @rule(rng=RANDOM)
    def the_hub_announces(self, rng: Random) -> None:
        self.crisis.the_hub_announces(rng)

    @invariant()
    def the_promises_hold(self) -> None:
        self.crisis.check()


TestCrisis = CrisisMachine.TestCase
TestCrisis.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_long_random_crises_keep_every_promise_and_get_everywhere() -> None:
    seen: Counter[str] = Counter()
    wanted = [*LADDER.rungs, "admitted", "settled", "standstill", "extended", "withdrawn"]
    rare = {"handover", "finding", "objection-answer", "proposal-refuse"}  # they have tests of their own
    wanted += [f"sent {kind}" for kind in sorted(set(LADDER.kinds) - rare)]
    for seed in range(200):
        if seed > 30 and all(seen[each] for each in wanted):
            break
        rng = Random(seed)
        crisis = Crisis()
        for _ in range(150):
            crisis.act(rng)
            state = crisis.play.state
            seen[state.rung] += 1
            seen["admitted"] += bool(state.admitted)
            seen["settled"] += state.settlement is not None
            seen["standstill"] += state.standstill is not None
            seen["extended"] += any(clock.end - clock.start > LADDER.ms[clock.rule] for clock in state.clocks)
            seen["withdrawn"] += bool(state.due_removes)
        seen.update({f"sent {move}": 1 for move in crisis.kinds})
    assert all(seen[each] for each in wanted), sorted(each for each in wanted if not seen[each])


def test_quarrels_over_keys_keep_every_promise() -> None:
    seen: Counter[str] = Counter()
    for seed in range(40):
        rng = Random(seed)
        crisis = Crisis()
        crisis.play = on("L5-mediation")
        crisis.now, crisis.shadow = crisis.play.state.at, crisis.play.state
        for _ in range(80):
            office, other = rng.choice(("AV", "KV", "MD")), rng.choice(("AV", "KV", "MD"))
            choice = rng.randint(0, 9)
            if choice < 4:
                crisis.the_keys_are_renewed(rng, office)
            elif choice < 7:
                crisis.the_keys_are_not_followed(rng, other)
            elif choice == 7:
                crisis.anything_at_all(rng, office, rng.choice(("withdrawal", "goodwill-note", "followed", "rejoin")))
            else:
                crisis.what_the_panel_offers(rng, office, people=True)
            crisis.check()
            state = crisis.play.state
            assert len(state.disputes) <= 9
            seen["returned"] += bool(state.returned)
            seen["leaving"] += bool(state.leaving)
            seen["stood"] += state.returned > 0 and not state.disputes
            seen["two at once"] += state.renewal is not None and state.renewal.depth > 1
    assert all(seen[wanted] for wanted in ("returned", "leaving", "stood", "two at once")), seen


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
