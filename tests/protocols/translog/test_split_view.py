"""The game a forking hub plays: with f colluding witnesses it convinces nobody of two histories; with one more it does.

Two verifiers, who never talk to each other, each go by the same policy, k of n. The hub grows one log to a point, then two
branches from it, and shows each verifier one. An honest witness cosigns by `consider` alone, whatever order the hub asks in;
a colluding one signs everything.
"""

from __future__ import annotations

import itertools
import random

import pytest

from protocols.translog import (
    Accepted,
    Checkpoint,
    Cosignature,
    Policy,
    QuorumNotMet,
    Signer,
    WitnessState,
    add_signatures,
    consider_body,
    cosign,
    ed25519_cosigner,
    format_add_checkpoint,
    liars_tolerated,
    open_with_policy,
    parse_policy,
    quorum_met,
    sign_checkpoint,
)
from tests.protocols.translog.kit import LOG, ORIGIN, Log, log_of, policy_text

COMMON = 5
HISTORY = log_of(12)
FORK = log_of(12, lambda index: b"forged %d" % index if index >= COMMON else b"leaf %d" % index)
BOUNDS = [(4, 3), (7, 5), (10, 7), (3, 3), (5, 4)]


def cast(n: int, k: int) -> tuple[list[Signer], Policy]:
    witnesses = [ed25519_cosigner(f"w{each}.example", bytes([each + 60]) * 32) for each in range(n)]
    return witnesses, parse_policy(policy_text(str(k), witnesses))


class Game:
    """The hub's side of it. ``liars``: which witnesses collude."""

    def __init__(self, n: int, k: int, liars: set[int], rng: random.Random) -> None:
        self.witnesses, self.policy = cast(n, k)
        self.liars, self.rng = liars, rng
        self.states: list[WitnessState | None] = [None] * n
        self.lines: dict[Checkpoint, dict[int, Cosignature]] = {}
        self.raw: dict[Checkpoint, dict[int, object]] = {}

    def ask(self, number: int, log: Log, size: int) -> None:
        """Ask one witness for its cosignature, with the best request the hub can make."""
        state, signer = self.states[number], self.witnesses[number]
        checkpoint = log.checkpoint(size)
        if number not in self.liars:
            old = state.size if state is not None else 0
            proof = log.consistency(old, size) if old <= size else ()
            body = format_add_checkpoint(old, proof, sign_checkpoint(checkpoint, LOG))
            verdict = consider_body(body, {ORIGIN: (state, LOG.key)}.get, 1000)
            if not isinstance(verdict, Accepted):
                return
            self.states[number] = verdict.state
        line = cosign(checkpoint, signer, 1000)
        self.lines.setdefault(checkpoint, {})[number] = Cosignature(signer.key, 1000)
        self.raw.setdefault(checkpoint, {})[number] = line

    def convinced(self, log: Log, size: int) -> bool:
        """Whether a verifier who is shown this head accepts it."""
        checkpoint = log.checkpoint(size)
        note = add_signatures(sign_checkpoint(checkpoint, LOG), list(self.raw.get(checkpoint, {}).values()))  # type: ignore[arg-type]
        try:
            open_with_policy(note, self.policy)
        except QuorumNotMet:
            return False
        assert quorum_met(self.policy, self.lines[checkpoint].values())
        return True

    def play(self) -> bool:
        """Ask everybody for every head of both branches in some order; True if both branches found their verifier."""
        for number in range(len(self.witnesses)):
            self.ask(number, HISTORY, COMMON)
        asks = [
            (number, log, size)
            for number in range(len(self.witnesses))
            for log in (HISTORY, FORK)
            for size in range(COMMON + 1, 9)
        ]
        self.rng.shuffle(asks)
        for ask in asks:
            self.ask(*ask)
        return all(any(self.convinced(log, size) for size in range(COMMON + 1, 9)) for log in (HISTORY, FORK))


@pytest.mark.parametrize(("n", "k"), BOUNDS)
def test_with_f_colluding_witnesses_nobody_is_convinced_of_two_histories(n: int, k: int) -> None:
    rng = random.Random(n * 100 + k)
    f = 2 * k - n - 1
    assert f >= liars_tolerated(cast(n, k)[1])
    for liars in itertools.islice(itertools.combinations(range(n), f), 8):
        for _ in range(5):
            assert not Game(n, k, set(liars), rng).play()


@pytest.mark.parametrize(("n", "k"), BOUNDS)
def test_with_one_more_the_hub_succeeds_so_the_bound_is_tight(n: int, k: int) -> None:
    game = Game(n, k, set(range(2 * k - n)), random.Random(1))
    honest = [number for number in range(n) if number not in game.liars]
    half = k - len(game.liars)
    for number in range(n):
        game.ask(number, HISTORY, COMMON)
    for log, chosen in ((HISTORY, honest[:half]), (FORK, honest[half : 2 * half])):
        for number in [*game.liars, *chosen]:
            game.ask(number, log, 8)
        assert game.convinced(log, 8)


def test_an_honest_witness_signs_one_branch_only_whatever_it_is_asked_in_which_order() -> None:
    rng = random.Random(7)
    for _ in range(60):
        game = Game(4, 3, set(), rng)
        game.play()
        for number in range(4):
            branches = {
                log is FORK
                for log in (HISTORY, FORK)
                for size in range(COMMON + 1, 9)
                if number in game.lines.get(log.checkpoint(size), {})
            }
            assert len(branches) <= 1
