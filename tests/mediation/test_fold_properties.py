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
    for seed in range(60):
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
    for wanted in (*LADDER.rungs, "admitted", "settled", "standstill", "extended", "withdrawn"):
        assert seen[wanted], (wanted, seen)
    rare = {"handover", "finding", "objection-answer", "proposal-refuse"}  # they have tests of their own
    assert {f"sent {kind}" for kind in set(LADDER.kinds) - rare} <= set(seen)


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
