"""Whatever parties, bodies and other states do at whatever time, under a ladder that uses the whole language, the
promises hold: no way up inside a standstill, no clock shortened, and the same state for everybody who folds."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mediation.durations import DAY, HOUR, MINUTE
from mediation.effects import RungChanged
from mediation.fold import Outcome, advance, next_due, next_turn, open_thread, step, unannounced
from mediation.move import HUB, Move
from mediation.offers import Offer, allowed, example_move
from mediation.refusals import Refusal
from mediation.state import ThreadState, from_bytes, state_hash, to_bytes
from protocols.kinds import Expired, Received
from tests.mediation.council import OFFICES, STATES, council
from tests.mediation.play import context, kid, opening, t
from tests.mediation.receipts import HEARD, READ, TOLD, UNREAD, ladder

LADDER = ladder(READ, UNREAD, HEARD, TOLD)
SPEAKERS = ("AV", "KV", "CH", "NN", "OO", "PP", "QQ", "AW", "HD", "OV", "XX")
JUMPS = (0, 0, MINUTE, HOUR, HOUR, 5 * HOUR, 13 * HOUR, 49 * HOUR, 5 * DAY)
RANDOM = st.randoms(use_true_random=False)


class Assembly:
    """A thread, what was admitted to it, and a reader who stores and loads the state at every entry."""

    def __init__(self) -> None:
        self.state: ThreadState = council(LADDER).state
        self.shadow = self.state
        self.now = self.state.at
        self.log: list[tuple[Move, int]] = []

    def act(self, rng: Random, office: str, *, wild: bool = False) -> str:
        """One thing that the panel offers (or, ``wild``, refuses); the kind, or the refusal's code."""
        self.now += rng.choice(JUMPS)
        offers = allowed(LADDER, self.state, office, self.now)
        fit = [offer for offer in offers if offer.allowed] if not wild else list(offers)
        if not fit:
            return ""
        offer = rng.choice(fit) if wild else rng.choices(fit, [_weight(offer) for offer in fit])[0]
        move = example_move(self.state, office, offer.kind, offer.act)
        named = kid(f"{self.state.seq} {office} {offer.kind} {offer.step}")
        refusal = self.send(msgspec.structs.replace(move, id=named))
        assert (refusal is None) is offer.allowed
        # Somebody signs for it, or nobody: whose receipt counts, the ladder says.
        for reader in (
            rng.choice((("KV",), ("AV",), ("CH",), (), (), (), ("OO", "NN", "XX"))) if refusal is None else ()
        ):
            self.send(example_move(self.state, reader, "receipt", Received(named)))
        return f"{offer.kind} {offer.step or ''}" if refusal is None else refusal.code

    def announce(self) -> None:
        # One at a time, as the hub does: the end of one may move the thread, which stops another.
        while over := unannounced(self.state, self.now):
            clock = over[0]
            note = example_move(self.state, HUB, "clock-expired", Expired(clock.id, clock.end, self.now - clock.end))
            assert self.send(msgspec.structs.replace(note, station=kid("hub"))) is None
        assert unannounced(self.state, self.now) == ()

    def send(self, move: Move) -> Refusal | None:
        before, kept = advance(LADDER, self.state, self.now), state_hash(self.state)
        outcome = step(LADDER, self.state, move, self.now)
        if isinstance(outcome, Refusal):
            assert state_hash(self.state) == kept
            assert outcome.until is None or outcome.until > self.now
            return outcome
        self.hold(before, outcome)
        stored = step(LADDER, from_bytes(to_bytes(self.shadow)), move, self.now)
        assert isinstance(stored, Outcome)
        self.state, self.shadow = outcome.state, stored.state
        self.log.append((move, self.now))
        return None

    def hold(self, before: ThreadState, outcome: Outcome) -> None:
        after = outcome.state
        ends = {clock.id: clock.end for clock in after.clocks}
        for clock in before.clocks:
            assert ends.get(clock.id, clock.end) >= clock.end, "a clock was shortened"
        if before.suspension is not None and after.suspension is None and after.closed_at is None:
            for clock in before.clocks:
                pause = 0 if clock.paused is None else self.now - clock.paused
                assert ends.get(clock.id, clock.end + pause) == clock.end + pause, "not exactly the pause"
        levels = {name: rung.level for name, rung in LADDER.rungs.items()}
        up = [e for e in outcome.effects if isinstance(e, RungChanged) and levels[e.new] > levels[e.old]]
        if before.standstill is not None:
            assert after.standstill is not None and after.standstill.end >= before.standstill.end
            assert not up or before.rung == after.rung, "an upward step inside a standstill"
        if before.suspension is not None and after.suspension is not None:
            assert levels[after.rung] <= levels[before.rung], "an upward step in a suspension"
        assert len(to_bytes(after)) < 64_000

    def check(self) -> None:
        state = self.state
        assert state_hash(state) == state_hash(self.shadow)
        for middle in (state.at + HOUR, next_due(state) or state.at, next_turn(LADDER, state, state.at) or state.at):
            far = max(middle, state.at + 9 * DAY)
            assert advance(LADDER, advance(LADDER, state, middle), far) == advance(LADDER, state, far)
        for clock in state.clocks:
            assert (clock.paused is not None) is (
                state.suspension is not None and clock.rule not in LADDER.standstill_clocks
            )
        for asked in state.requests:
            assert state.rung in LADDER.steps[asked.step].start
            assert len(set(asked.seconds)) == len(asked.seconds) and asked.office not in asked.seconds

    def refold(self) -> None:
        """The whole log from the first entry comes to the same state."""
        opened = context(LADDER, offices=OFFICES, roles={"chair": ("CH",)}, states=STATES)
        outcome = open_thread(opened, opening(LADDER), t("00:00"))
        for move, at in self.log:
            assert isinstance(outcome, Outcome)
            outcome = step(LADDER, outcome.state, move, at)
        assert isinstance(outcome, Outcome)
        assert to_bytes(outcome.state) == to_bytes(self.state)


def _weight(offer: Offer) -> float:
    if offer.kind in ("second", "block", "step-accept") or offer.step in ("calm", "resume"):
        return 6.0
    if offer.step in ("seize", "down"):
        return 0.2
    if offer.kind == "step-request":
        return 2.0
    return 0.1 if offer.kind in ("close", "step-decline", "withdrawal") else 0.4


class AssemblyMachine(RuleBasedStateMachine):
    """Hypothesis looks for the shortest broken promise."""

    def __init__(self) -> None:
        super().__init__()
        self.assembly = Assembly()

    @rule(rng=RANDOM, office=st.sampled_from(SPEAKERS))
    def what_is_open(self, rng: Random, office: str) -> None:
        self.assembly.act(rng, office)

    @rule(rng=RANDOM, office=st.sampled_from(SPEAKERS))
    def what_may_be_shut(self, rng: Random, office: str) -> None:
        self.assembly.act(rng, office, wild=True)

    @rule()
    def the_hub_announces(self) -> None:
        self.assembly.announce()

    @invariant()
    def the_promises_hold(self) -> None:
        self.assembly.check()

    def teardown(self) -> None:
        self.assembly.refold()


TestAssembly = AssemblyMachine.TestCase
TestAssembly.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_long_walks_keep_every_promise_and_use_the_whole_language() -> None:
    seen: Counter[str] = Counter()
    for seed in range(50):
        rng, assembly = Random(seed), Assembly()
        for _ in range(80):
            choice = rng.random()
            if choice < 0.9:
                office = rng.choice(SPEAKERS[:2] * 3 + SPEAKERS)
                seen[assembly.act(rng, office, wild=choice > 0.55)] += 1
            else:
                assembly.announce()
            assembly.check()
            seen[assembly.state.rung] += 1
            seen["suspended"] += assembly.state.suspension is not None
            seen["standstill"] += assembly.state.standstill is not None
            seen["urgent"] += assembly.state.track == "urgent"
            seen.update(f"runs {clock.rule}" for clock in assembly.state.clocks)
        assembly.refold()
    for wanted in ("L0", "L1", "L2", "L3", "suspended", "standstill", "urgent", "second meet", "block inspect",
                   "step-accept poll", "step-request report", "step-request mediate", "step-request resume",
                   "ladder.standstill", "ladder.suspended", "ladder.not-yours", "ladder.evidence",
                   "runs read", "runs unread", "runs heard", "runs told"):  # fmt: skip
        assert seen[wanted], (wanted, seen)
