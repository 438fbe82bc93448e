"""Time bounds: the rules by hand, and thousands of random histories in which some witnesses lie.

Set HOTLINE_TIME_HISTORIES to run more of them (100000 take less than a minute).
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from itertools import combinations

import pytest

from protocols.translog import (
    Bounds,
    Deadline,
    Head,
    ProofRefused,
    Wait,
    absent_bound,
    after_bound,
    bounds_of,
    by_bound,
    ed25519_cosigner,
    head_of,
    judge_deadline,
    judge_wait,
    mldsa44_cosigner,
    open_with_policy,
    parse_policy,
)
from tests.protocols.translog.kit import POLICY, WITNESSES, log_of, policy_text

HISTORIES = int(os.environ.get("HOTLINE_TIME_HISTORIES", "4000"))


def head(size: int, *times: int) -> Head:
    return Head(size, tuple((f"w{at}", time) for at, time in enumerate(times)))


# ------------------------------------------------------------------------------------------------ the rules by hand


def test_an_entry_existed_by_the_second_smallest_time_if_one_may_lie() -> None:
    assert by_bound(4, [head(5, 1, 103, 101, 102)], f=1) == 101
    assert by_bound(4, [head(5, 103, 101, 102)], f=0) == 101


def test_an_entry_was_made_after_the_second_largest_time_of_what_it_has_seen_if_one_may_lie() -> None:
    assert after_bound(5, head(5, 101, 102, 103, 999_999), f=1) == 103
    assert after_bound(5, head(5, 101, 102, 103), f=0) == 103


def test_only_heads_that_hold_the_entry_bound_it_from_above_and_the_tightest_wins() -> None:
    heads = [head(4, 1, 1, 1), head(9, 300, 300, 300), head(5, 200, 200, 200)]
    assert by_bound(4, heads, f=1) == 200
    assert by_bound(9, heads, f=1) is None


def test_nothing_is_known_without_enough_witnesses() -> None:
    assert by_bound(0, [head(1, 100)], f=1) is None
    assert after_bound(1, head(1, 100), f=1) is None
    assert after_bound(1, None, f=0) is None
    assert bounds_of(1, None, [], f=0) == Bounds(None, None)


def test_an_entry_cannot_have_seen_a_head_that_holds_it() -> None:
    with pytest.raises(ProofRefused, match="holds it"):
        after_bound(4, head(5, 100, 100), f=0)


def test_one_witness_counts_once_at_the_time_that_weakens_the_claim() -> None:
    twice = Head(5, (("w0", 100), ("w0", 300), ("w1", 200)))
    assert by_bound(4, [twice], f=0) == 200
    assert by_bound(4, [twice], f=1) == 300
    assert after_bound(5, twice, f=0) == 200
    assert after_bound(5, twice, f=1) == 100


def test_a_negative_number_of_liars_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="negative"):
        by_bound(0, [], f=-1)


@pytest.mark.parametrize(
    ("start", "end", "want"),
    [
        (Bounds(90, 100), Bounds(204, 210), Wait.ELAPSED),
        (Bounds(90, 100), Bounds(203, 210), Wait.UNDETERMINED),
        (Bounds(90, 100), Bounds(150, 185), Wait.NOT_ELAPSED),
        (Bounds(90, 100), Bounds(150, 186), Wait.UNDETERMINED),
        (Bounds(None, 100), Bounds(204, None), Wait.ELAPSED),
        (Bounds(90, None), Bounds(None, 185), Wait.NOT_ELAPSED),
        (Bounds(90, None), Bounds(10_000, None), Wait.UNDETERMINED),
        (Bounds(None, None), Bounds(None, None), Wait.UNDETERMINED),
    ],
)
def test_a_wait_of_100_with_clocks_within_2_is_judged_at_its_edges(start: Bounds, end: Bounds, want: Wait) -> None:
    assert judge_wait(start, end, 100, 2) is want


@pytest.mark.parametrize(
    ("act", "absent", "path_worked", "want"),
    [
        (Bounds(None, 186), None, True, Deadline.IN_TIME),
        (Bounds(None, 187), None, True, Deadline.UNDETERMINED),
        (None, 204, True, Deadline.MISSED),
        (None, 204, False, Deadline.UNDETERMINED),
        (None, 203, True, Deadline.UNDETERMINED),
        (None, None, True, Deadline.UNDETERMINED),
        (Bounds(None, 186), 204, True, Deadline.IN_TIME),
        (Bounds(None, 300), 204, True, Deadline.MISSED),
    ],
)
def test_a_deadline_of_100_with_clocks_within_2_is_judged_at_its_edges(
    act: Bounds | None, absent: int | None, path_worked: bool, want: Deadline
) -> None:
    start = Bounds(90, 100)
    assert judge_deadline(start, act, absent, 100, 2, path_worked=path_worked) is want


def test_with_three_of_four_one_low_liar_can_be_dropped_if_all_four_signed() -> None:
    assert absent_bound(9, head(5, 1, 100, 101, 102), n=4, k=3, f=1) == 100
    assert absent_bound(9, head(5, 1, 100, 101), n=4, k=3, f=1) == 1
    assert absent_bound(None, head(5, 100, 101), n=4, k=3, f=1) is None
    with pytest.raises(ProofRefused, match="holds entry"):
        absent_bound(4, head(5, 1, 2, 3), n=4, k=3, f=1)


def test_the_times_come_out_of_a_real_checkpoint_by_operator() -> None:
    log = log_of(5)
    note = log.note(5, [(signer, 1000 + at) for at, signer in enumerate(WITNESSES)])
    found = head_of(open_with_policy(note, POLICY), POLICY)
    assert found == Head(5, tuple((f"w{at}.example", 1000 + at) for at in range(4)))
    pair = [ed25519_cosigner("w.example", bytes([80]) * 32), mldsa44_cosigner("w.example", bytes([80]) * 32)]
    policy = parse_policy(policy_text("any", pair))
    both = head_of(open_with_policy(log.note(5, [(pair[0], 100), (pair[1], 200)]), policy), policy)
    assert (both.latest(), both.earliest()) == ([200], [100])


def test_a_clock_half_a_million_seconds_ahead_does_not_move_a_one_hour_wait() -> None:
    ahead = 500_000
    start = bounds_of(3, head(3, 0, 2, 1, ahead), [head(4, 60, 61, 62, ahead + 60)], f=1)
    end = bounds_of(9, head(8, 3722, 3724, 3723, ahead + 3722), [head(10, 3782, 3783, 3784, ahead + 3782)], f=1)
    assert judge_wait(start, end, 3600, 2) is Wait.ELAPSED
    assert judge_wait(start, end, 7200, 2) is Wait.NOT_ELAPSED


# ------------------------------------------------------------------------------------------------ absent, by brute force


def first_quorum_with_the_act(honest: list[int], liars: int, k: int) -> int:
    """The earliest moment at which k witnesses can have signed a head with the act: liars sign at once."""
    need = k - liars
    return sorted(honest)[need - 1] if need > 0 else 0


@pytest.mark.parametrize(("n", "k", "f"), [(3, 3, 0), (4, 3, 1), (5, 4, 1), (7, 5, 2)])
def test_absent_holds_against_every_quorum_and_cannot_drop_one_more(n: int, k: int, f: int) -> None:
    """Honest witnesses signed Z at their times and sign a head with the act just afterwards; who did not sign Z may sign
    the act at any time. No choice of liars and of the times they claim puts a quorum before ``absent``."""
    rng = random.Random(n * 100 + k)
    tight = False
    for _ in range(150):
        for k_z in range(k, n + 1):
            true = [rng.randrange(100, 200) for _ in range(k_z)]
            for liars in combinations(range(n), f):
                shown = [rng.choice((0, 10**6, time)) if at in liars else time for at, time in enumerate(true)]
                found = absent_bound(None, head(5, *shown), n, k, f)
                honest = [true[at] if at < k_z else 0 for at in range(n) if at not in liars]
                earliest = first_quorum_with_the_act(honest, f, k)
                if found is not None:
                    assert earliest >= found
                    j = k + k_z - n - f
                    tight = tight or (j < k_z and sorted(shown)[j] > earliest)
    assert tight or f == 0  # with nobody lying the largest time counts already


# ------------------------------------------------------------------------------------------------ random histories


@dataclass
class World:
    """A log with honest clocks off by at most epsilon and f witnesses that say what they like."""

    rng: random.Random
    n: int
    k: int
    f: int
    epsilon: int
    now: int = 1_700_000_000
    size: int = 0
    heads: list[Head] = field(default_factory=list)

    def claim(self, witness: int) -> int:
        if witness < self.f:
            return max(
                1,
                self.rng.choice(
                    (1, 2**62, self.now - 86_400, self.now + 86_400, self.now, self.now + self.rng.randint(-90, 90))
                ),
            )
        return self.now + self.rng.randint(-self.epsilon, self.epsilon)

    def publish(self) -> None:
        """A quorum head over what the log holds, its signatures spread over a few seconds."""
        signers = self.rng.sample(range(self.n), self.rng.randint(self.k, self.n))
        times = []
        for witness in signers:
            times.append((f"w{witness}", self.claim(witness)))
            self.now += self.rng.randint(0, 2)
        self.heads.append(Head(self.size, tuple(times)))

    def wait(self, seconds: int) -> None:
        """Let time pass, with a head every so often."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + self.rng.randint(1, 70))
            if self.now < end:
                self.publish()

    def append(self) -> tuple[int, Head, int]:
        """An entry made now by somebody who holds a recent head; the hub may hold it back. Its index, seen head, time."""
        made, seen = self.now, self.heads[-self.rng.randint(1, min(3, len(self.heads)))]
        if self.rng.random() < 0.3:
            self.wait(self.rng.randint(1, 200))
        self.size += 1
        return self.size - 1, seen, made


def test_no_history_with_up_to_f_liars_leads_to_a_wrong_verdict() -> None:
    rng = random.Random(20261123)
    counts = dict.fromkeys(Wait, 0)
    for _ in range(HISTORIES):
        n, k, f = rng.choice(((4, 3, 1), (7, 5, 2), (10, 7, 3)))
        world = World(rng, n, k, f, epsilon=2)
        world.publish()
        duration = rng.choice((60, 300, 900))
        start, start_seen, start_made = world.append()
        world.publish()
        slack = rng.choice((-duration, -80, -10, -1, 0, 1, 10, 80, 150, 500))
        world.wait(max(0, duration + slack - (world.now - start_made)))
        end, end_seen, end_made = world.append()
        world.publish()
        verdict = judge_wait(
            bounds_of(start, start_seen, world.heads, f), bounds_of(end, end_seen, world.heads, f), duration, 2
        )
        counts[verdict] += 1
        # The wait that the verdict is about runs between moments at which the entries existed.
        if verdict is Wait.ELAPSED:
            assert end_made - start_made >= duration
        if verdict is Wait.NOT_ELAPSED:
            assert end_made - start_made < duration
    assert counts[Wait.ELAPSED] > HISTORIES / 20
    assert counts[Wait.NOT_ELAPSED] > HISTORIES / 20


def test_no_history_with_up_to_f_liars_leads_to_a_wrong_word_on_a_deadline() -> None:
    rng = random.Random(20261124)
    counts = dict.fromkeys(Deadline, 0)
    for _ in range(HISTORIES // 2):
        n, k, f = rng.choice(((4, 3, 1), (7, 5, 2), (10, 7, 3)))
        world = World(rng, n, k, f, epsilon=2)
        world.publish()
        duration = rng.choice((60, 300, 900))
        start, start_seen, start_made = world.append()
        world.publish()
        world.wait(max(0, rng.choice((duration // 3, duration - 30, duration + 30, 2 * duration))))
        before = len(world.heads)
        act, act_seen, act_made = world.append()
        logged = world.now
        world.publish()
        start_bounds = bounds_of(start, start_seen, world.heads, f)
        act_bounds = bounds_of(act, act_seen, world.heads, f)
        for z in world.heads[max(0, before - 2) :]:
            if z.size > act:
                continue
            verdict = judge_deadline(
                start_bounds, act_bounds, absent_bound(act, z, n, k, f), duration, 2, path_worked=True
            )
            counts[verdict] += 1
            if verdict is Deadline.IN_TIME:
                assert act_made - start_made <= duration
            if verdict is Deadline.MISSED:
                assert logged - start_made >= duration
    assert counts[Deadline.IN_TIME] > 0
    assert counts[Deadline.MISSED] > 0
