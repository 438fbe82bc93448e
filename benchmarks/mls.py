"""Measure the group engine: ``python -m benchmarks.mls [SIZE ...]``. Medians of
processor time in microseconds on one core.

Beside each operation stands its floor: the sum of the primitive operations that the protocol cannot do without (signatures,
HPKE seals and opens, key pairs, hashes, AEAD), measured in the same run, so that the load of the machine is in both.
The targets are messages within 3x of the floor, commits and joins within 4x at 16 members and 5x at 1,000, and less than
1 MiB of memory per group of 16; ``--check`` exits 1 where one is missed. Sizes are 16 unless given; ``16 1000`` takes a minute.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

from protocols.mls import ENGINE, HYBRID, X25519_AES128, X25519_CHACHA20, Group, StagedCommit, make_key_package
from protocols.mls.suites import SUITES, Suite, signing_key

NOW = 1_800_000_000
NAMES = {X25519_AES128: "0x0001", X25519_CHACHA20: "0x0003", HYBRID: "X-Wing"}


def median(work: Callable[[], object], runs: int) -> float:
    """Median processor time of one run in microseconds: what other programs do on the machine does not count."""
    times = []
    for _ in range(runs):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return statistics.median(times) * 1e6


def make_group(suite: int, size: int, keep: int) -> list[Group]:
    """A group whose members have all committed once, so that the tree is full; ``keep`` of them are kept and returned.

    Members join in doubling steps and those who are not kept commit right after joining, once.
    """
    seeds = [os.urandom(32) for _ in range(size)]
    groups = [Group.create(suite, b"benchmark", b"m0", seeds[0], now=NOW, rng=os.urandom)]
    bundles = [
        make_key_package(suite, b"m%d" % n, seeds[n], not_before=NOW - 9, not_after=NOW + 9, rng=os.urandom)
        for n in range(1, size)
    ]
    staged = groups[0].commit(add=[b.key_package for b in bundles], now=NOW, rng=os.urandom)
    groups[0].merge(staged)
    assert staged.welcome is not None
    if size <= 64:
        groups += [Group.join(staged.welcome, b, s, now=NOW) for b, s in zip(bundles, seeds[1:], strict=True)]
        for group in groups:
            follow(groups, group, group.commit(now=NOW, rng=os.urandom))
        return [groups[0], groups[size // 2]]
    # One commit at the right edge of every pair, four and so on fills every parent: half of the members are enough, and of
    # those each one joins by an external commit in place of its own leaf, so that only two groups are ever followed.
    kept = [groups[0], Group.join(staged.welcome, bundles[keep - 1], seeds[keep], now=NOW)]
    for leaf in range(1, size, 2):
        if leaf != keep:
            info = kept[0].group_info(external_commit=True)
            _, commit = Group.join_external(info, b"m%d" % leaf, seeds[leaf], now=NOW, rng=os.urandom, replaces=leaf)
            for group in kept:
                group.merge(group.stage(commit, now=NOW))
    for group in kept:
        follow(kept, group, group.commit(now=NOW, rng=os.urandom))
    return kept


def follow(groups: list[Group], committer: Group, staged: StagedCommit) -> None:
    """Let everybody enter a commit's epoch."""
    for group in groups:
        if group is not committer:
            group.merge(group.stage(staged.commit, now=NOW))
    committer.merge(staged)


@dataclass(frozen=True)
class Primitives:
    """What one of each costs here and now, in microseconds."""

    sign: float
    verify: float
    seal: float
    open: float
    key_pair: float
    valid: float
    kdf: float
    sha: float
    aead_1k: float
    sha_octet: float
    sign_octet: float
    verify_octet: float
    aead_octet: float

    @classmethod
    def measure(cls, suite: Suite) -> Primitives:
        """Measure them."""
        key = signing_key(bytes(32))
        text, secret = os.urandom(1024), os.urandom(32)
        signature = suite.sign(key, b"x", text)
        private, public = suite.derive_key_pair(secret)
        enc, ciphertext = suite.encrypt_with_label(public, b"x", text, secret, os.urandom)
        aead_key, nonce = bytes(suite.aead.key_size), bytes(12)
        big = os.urandom(1 << 18)
        long = suite.sign(key, b"x", big)
        return cls(
            median(lambda: suite.sign(key, b"x", text), 300),
            median(lambda: suite.verify(key[32:], b"x", text, signature), 300),
            median(lambda: suite.encrypt_with_label(public, b"x", text, secret, os.urandom), 200),
            median(lambda: suite.decrypt_with_label(private, public, b"x", text, enc, ciphertext), 200),
            median(lambda: suite.derive_key_pair(secret), 200),
            median(lambda: suite.hpke.kem.valid_public(public), 300),
            median(lambda: suite.derive_secret(secret, b"x"), 500),
            median(lambda: hashlib.sha256(text[:200]).digest(), 500),
            median(lambda: suite.aead.seal(aead_key, nonce, b"", text), 500),
            median(lambda: hashlib.sha256(big).digest(), 40) / len(big),
            median(lambda: suite.sign(key, b"x", big), 20) / len(big),
            median(lambda: suite.verify(key[32:], b"x", big, long), 20) / len(big),
            median(lambda: suite.aead.seal(aead_key, nonce, b"", big), 40) / len(big),
        )


def floors(p: Primitives, suite: Suite, size: int) -> dict[str, float]:
    """The sum of primitives of each operation in a full tree of ``size`` members, ``depth`` parents above each leaf."""
    depth = (size - 1).bit_length()
    # 5 steps of the key schedule to the epoch, 9 secrets from it, 2 tags, 2 transcript hashes, 2 halves of the secret tree.
    schedule = 18 * p.kdf
    # Per level: a path secret, a node secret, a key pair, a parent hash and a tree hash.
    node = suite.hpke.kem.public_size + 220
    hashes = 2 * (p.sha + suite.hpke.kem.public_size * p.sha_octet)
    level = 2 * p.kdf + p.key_pair + hashes
    # A key package: two signatures are checked, and its two keys.
    package = 2 * (p.verify + p.valid)
    ours = depth * level + p.key_pair + depth * p.seal + 2 * p.sign + schedule
    theirs = p.verify * 2 + p.open + depth * level + schedule + (depth + 1) * p.valid
    public_part = 2 * p.verify + depth * hashes + (depth + 1) * p.valid
    # A newcomer checks the signature of every leaf, and hashes every node for the tree and for the parent hashes.
    octets = size * node * 1.3
    per_octet = p.sha_octet + p.aead_octet
    tree = size * (p.verify + 2 * p.valid + 4 * p.sha + 3 * node * p.sha_octet) + octets * (per_octet + p.verify_octet)
    # The whole tree is signed, encrypted, and hashed into the HPKE info of each newcomer.
    welcome = p.seal + p.sign + 3 * p.kdf + octets * (per_octet + p.sign_octet)
    return {
        "encrypt 1 KiB": p.sign + 5 * p.kdf + 2 * p.aead_1k,
        "decrypt 1 KiB": p.verify + 5 * p.kdf + 2 * p.aead_1k,
        "update: create": ours,
        "update: process": theirs,
        "update: hub": public_part,
        "add: create": ours + package + welcome,
        "add: process": theirs + package,
        "join": p.open + p.verify + tree + 2 * depth * p.kdf + depth * p.key_pair + schedule,
    }


LIMITS = {"encrypt 1 KiB": (3.0, 3.0), "decrypt 1 KiB": (3.0, 3.0)}
"""The targets: at most so many times the floor, below and from 1,000 members on; commits and joins unless named."""


def measure(suite: int, size: int) -> dict[str, float]:
    """All figures of one suite and group size."""
    alice, bob = make_group(suite, size, size // 2)
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
    few = 50 if size <= 64 else 7
    return {
        "encrypt 1 KiB": median(lambda: alice.encrypt(text, rng=os.urandom), 300),
        "decrypt 1 KiB": median(lambda: bob.decrypt(next(queue)), 200),
        "update: create": median(lambda: alice.commit(now=NOW, rng=os.urandom), few),
        "update: process": median(lambda: bob.stage(update.commit, now=NOW), few),
        "update: hub": median(lambda: hub.stage(update.commit, NOW), few),
        "add: create": median(lambda: alice.commit(add=[bundle.key_package], now=NOW, rng=os.urandom), few),
        "add: process": median(lambda: bob.stage(add.commit, now=NOW), few),
        "join": median(lambda: Group.join(welcome, bundle, seed, now=NOW), min(few, 20)),
        "snapshot": median(bob.snapshot, few),
        "restore": median(lambda: Group.restore(snapshot), few),
        "snapshot, octets": len(snapshot),
    }


def memory(suite: int) -> float:
    """KiB that one member's group of 16 takes, restored and used in three epochs."""
    alice, bob = make_group(suite, 16, 8)
    for _ in range(4):
        follow([alice, bob], alice, alice.commit(now=NOW, rng=os.urandom))
    saved = bob.snapshot()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    group = Group.restore(saved)
    group.merge(group.stage(alice.commit(now=NOW, rng=os.urandom).commit, now=NOW))
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert group.is_member
    return taken / 1024


def main() -> int:
    """Print a table for each suite and size."""
    sizes = [int(argument) for argument in sys.argv[1:] if argument.isdigit()] or [16]
    missed: list[str] = []
    for suite, name in NAMES.items():
        for size in sizes:
            before = floors(Primitives.measure(SUITES[suite]), SUITES[suite], size)
            figures = measure(suite, size)
            after = floors(Primitives.measure(SUITES[suite]), SUITES[suite], size)
            print(f"{name}, {size} members{'':12} microseconds     floor  ratio  target")
            for row, figure in figures.items():
                if row not in before:
                    print(f"  {row:30}{figure:12.0f}")
                    continue
                floor = (before[row] + after[row]) / 2
                limit = LIMITS.get(row, (4.0, 5.0))[size >= 1000]
                missed += [f"{name} x{size} {row}"] if figure > limit * floor else []
                print(f"  {row:30}{figure:12.0f}{floor:10.0f}{figure / floor:7.2f}{limit:8.1f}")
        taken = memory(suite)
        missed += [f"{name} memory"] if taken > 1024 else []
        print(f"{name}, memory of a group of 16: {taken:.0f} KiB (target 1024)\n")
    print(f"targets missed: {', '.join(missed) or 'none'}")
    return 1 if missed and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
