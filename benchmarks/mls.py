"""Measure the group engine: ``python -m benchmarks.mls``. Prints microseconds, the median of many runs on one core."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

from protocols.mls import ENGINE, HYBRID, X25519_AES128, X25519_CHACHA20, Group, StagedCommit, make_key_package

NOW = 1_800_000_000


def median(work: Callable[[], object], runs: int) -> float:
    """Median time of one run in microseconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def make_group(suite: int, size: int) -> list[Group]:
    """Members who have all committed once, so that the tree is full."""
    seeds = [os.urandom(32) for _ in range(size)]
    first = Group.create(suite, b"benchmark", b"m0", seeds[0], now=NOW, rng=os.urandom)
    bundles = [
        make_key_package(suite, b"m%d" % n, seeds[n], not_before=NOW - 9, not_after=NOW + 9, rng=os.urandom)
        for n in range(1, size)
    ]
    staged = first.commit(add=[b.key_package for b in bundles], now=NOW, rng=os.urandom)
    first.merge(staged)
    assert staged.welcome is not None
    joined = [Group.join(staged.welcome, b, s, now=NOW) for b, s in zip(bundles, seeds[1:], strict=True)]
    groups = [first, *joined]
    for group in groups:
        follow(groups, group, group.commit(now=NOW, rng=os.urandom))
    return groups


def follow(groups: list[Group], committer: Group, staged: StagedCommit) -> None:
    """Let everybody enter a commit's epoch."""
    for group in groups:
        if group is not committer:
            group.merge(group.stage(staged.commit, now=NOW))
    committer.merge(staged)


def measure(suite: int, size: int) -> dict[str, float]:
    """All figures of one suite and group size."""
    groups = make_group(suite, size)
    alice, bob = groups[0], groups[size // 2]
    text = os.urandom(1024)
    messages = [alice.encrypt(text, rng=os.urandom) for _ in range(200)]
    queue = iter(messages)
    seed = os.urandom(32)
    bundle = make_key_package(suite, b"new", seed, not_before=NOW - 9, not_after=NOW + 9, rng=os.urandom)
    update = alice.commit(now=NOW, rng=os.urandom)
    add = alice.commit(add=[bundle.key_package], now=NOW, rng=os.urandom)
    welcome = add.welcome or b""
    hub = ENGINE.follow(alice.group_info(), NOW)
    snapshot = bob.snapshot()
    return {
        "encrypt 1 KiB": median(lambda: alice.encrypt(text, rng=os.urandom), 300),
        "decrypt 1 KiB": median(lambda: bob.decrypt(next(queue)), 200),
        "update: create": median(lambda: alice.commit(now=NOW, rng=os.urandom), 50),
        "update: process": median(lambda: bob.stage(update.commit, now=NOW), 50),
        "add: create": median(lambda: alice.commit(add=[bundle.key_package], now=NOW, rng=os.urandom), 50),
        "add: process": median(lambda: bob.stage(add.commit, now=NOW), 50),
        "update: hub": median(lambda: hub.stage(update.commit, NOW), 50),
        "join": median(lambda: Group.join(welcome, bundle, seed, now=NOW), 30),
        "snapshot": median(bob.snapshot, 50),
        "restore": median(lambda: Group.restore(snapshot), 50),
        "snapshot octets": len(snapshot),
    }


def main() -> None:
    """Print a table: one line per operation, one column per suite and size."""
    sizes = [int(argument) for argument in sys.argv[1:]] or [4, 16]
    names = {X25519_AES128: "0x0001", X25519_CHACHA20: "0x0003", HYBRID: "X-Wing"}
    columns = {f"{names[s]} x{n}": measure(s, n) for s in names for n in sizes}
    print(f"{'microseconds':18}" + "".join(f"{name:>13}" for name in columns))
    for row in next(iter(columns.values())):
        print(f"{row:18}" + "".join(f"{figures[row]:13.0f}" for figures in columns.values()))


if __name__ == "__main__":
    main()
