"""How fast the trail is: appending beside the raw database, proofs at growing sizes, the check of a whole log and of a
bundle.

    .venv/bin/python benchmarks/trail.py [--leaves 1000000]

Stores are SQLite as the hub opens them (WAL, synchronous=FULL), in a temporary folder on this machine's disk.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from hotline.hub.fsck_tree import Fsck, check_tree
from hotline.store.engine import prepare_connection
from hotline.store.migrate import upgrade
from mediation.audit import verify
from protocols.translog import (
    Frontier,
    build_consistency,
    build_inclusion,
    build_root,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.mediation.court import TRUST, Court

LEAF = 600  # bytes; an entry with two signatures and a stamp has some 1,500
APPENDS = 640
BATCH = 64
PROOFS = 500
AUDITED = 1000  # entries of the thread
AUDITED_LOG = 20_000  # leaves of other threads before it


def connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    prepare_connection(connection, None)  # type: ignore[arg-type]  # the DB-API's connection, as SQLAlchemy hands it
    return connection


def leaves(count: int, rng: random.Random) -> list[bytes]:
    return [rng.randbytes(LEAF) for _ in range(count)]


def rate(path: Path, batch: int, *, tree: bool) -> float:
    """Leaves a second, each batch flushed before the next, with or without the tree."""
    upgrade(path, "hub")
    rng, frontier = random.Random(1), Frontier()
    data = leaves(APPENDS if batch > 1 else APPENDS // 4, rng)
    with closing(connect(path)) as db:
        started = time.perf_counter()
        for start in range(0, len(data), batch):
            db.execute("BEGIN IMMEDIATE")
            some = data[start : start + batch]
            db.executemany("INSERT INTO leaves VALUES (?, ?)", list(enumerate(some, start)))
            if tree:
                nodes = []
                for leaf in some:
                    frontier, new = frontier.append(leaf_hash(leaf))
                    nodes += new
                db.executemany("INSERT INTO nodes VALUES (?, ?, ?)", nodes)
            db.execute("COMMIT")
        return len(data) / (time.perf_counter() - started)


def grow(db: sqlite3.Connection, frontier: Frontier, size: int, rng: random.Random) -> Frontier:
    """Bring the log to ``size`` leaves. Not timed, so not flushed leaf by leaf."""
    db.execute("PRAGMA synchronous=OFF")
    while frontier.size < size:
        count = min(20_000, size - frontier.size)
        some, start, nodes = leaves(count, rng), frontier.size, []
        for leaf in some:
            frontier, new = frontier.append(leaf_hash(leaf))
            nodes += new
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO leaves VALUES (?, ?)", list(enumerate(some, start)))
        db.executemany("INSERT INTO nodes VALUES (?, ?, ?)", nodes)
        db.execute("COMMIT")
    db.execute("PRAGMA synchronous=FULL")
    return frontier


def proofs(db: sqlite3.Connection, size: int, rng: random.Random) -> tuple[float, float, float]:
    """Median milliseconds to make an inclusion proof, to make a consistency proof, to check an inclusion proof."""

    def get_node(level: int, index: int) -> bytes:
        return bytes(db.execute("SELECT hash FROM nodes WHERE level = ? AND idx = ?", (level, index)).fetchone()[0])

    root = build_root(size, get_node)
    made, consistent, checked = [], [], []
    for _ in range(PROOFS):
        index, old = rng.randrange(size), rng.randrange(1, size + 1)
        proof, took = timed(lambda: build_inclusion(index, size, get_node))  # noqa: B023 - called at once
        made.append(took)
        path, took = timed(lambda: build_consistency(old, size, get_node))  # noqa: B023
        consistent.append(took)
        leaf = get_node(0, index)
        _, took = timed(lambda: verify_inclusion(leaf, index, size, proof, root))  # noqa: B023
        checked.append(took)
        verify_consistency(old, build_root(old, get_node), size, root, path)
    return statistics.median(made), statistics.median(consistent), statistics.median(checked)


def timed(work: Callable[[], object]) -> tuple[object, float]:
    started = time.perf_counter()
    result = work()
    return result, (time.perf_counter() - started) * 1000


def check(db: sqlite3.Connection) -> tuple[Fsck, float]:
    """The tree's part of fsck: leaves, nodes and every signed root."""
    result = Fsck(quick=True)
    started = time.perf_counter()
    check_tree(db, result)
    return result, time.perf_counter() - started


def audit(entries: int, others: int, rng: random.Random) -> str:
    """A bundle of a thread in a log of so many other leaves, checked whole: half of it what two officers released each,
    with four signatures, half the other side's receipts, with two. Processor seconds of one core."""
    court = Court()
    for _ in range(others):
        court.other_leaf(rng.randbytes(LEAF))
    court.open()
    while len(court.ids) < entries:
        speaker, other = ("AV", "KV") if len(court.ids) % 4 < 2 else ("KV", "AV")
        said = court.send("statement", speaker, fields={"text": "x" * 200}, after=1000, two=True)
        court.send("receipt", other, {"entry": said}, after=1000)
    bundle, took = court.bundle(), []
    for _ in range(3):
        started = time.process_time()
        report = verify(bundle, TRUST)
        took.append(time.process_time() - started)
        assert report.holds, report.problems
    count = len(bundle.exhibits)
    return (
        f"bundle of {count:,} entries, log of {court.frontier.size:,}: {count / statistics.median(took):,.0f} entries/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--leaves", type=int, default=1_000_000)
    most = parser.parse_args().leaves
    with tempfile.TemporaryDirectory() as folder:
        for batch in (1, BATCH):
            raw = rate(Path(folder, f"raw{batch}.db"), batch, tree=False)
            log = rate(Path(folder, f"log{batch}.db"), batch, tree=True)
            print(f"append, {batch} a commit: {log:,.0f}/s; raw database {raw:,.0f}/s ({log / raw:.0%})")
        path, rng, frontier = Path(folder, "hub.db"), random.Random(2), Frontier()
        upgrade(path, "hub")
        with closing(connect(path)) as db:
            for size in (10**n for n in range(3, 8)):
                if size > most:
                    break
                frontier = grow(db, frontier, size, rng)
                db.execute("INSERT INTO heads VALUES (?, ?, 0)", (size, frontier.root()))
                inclusion, consistency, verify = proofs(db, size, rng)
                print(
                    f"{size:>9,} leaves: inclusion proof {inclusion:.3f} ms, consistency proof {consistency:.3f} ms, "
                    f"check {verify:.3f} ms"
                )
            result, seconds = check(db)
            assert result.holds, result.findings
            print(f"fsck of the tree, {result.leaves:,} leaves and {result.heads} heads: {seconds:.2f} s")
    print(audit(AUDITED, AUDITED_LOG, random.Random(3)))


if __name__ == "__main__":
    main()
