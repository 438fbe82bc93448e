"""Verdicts on clocks out of a hub's store: by what witnesses signed, whatever one of them lies and the hub claims."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from hotline.hub.proven import Prover
from hotline.hub.views import ProvenClock, RanOut
from hotline.store import hub as tables
from hotline.store.engine import Store
from hotline.store.migrate import upgrade
from protocols.encoding import b64u
from protocols.translog import (
    Checkpoint,
    add_signatures,
    cosign,
    ed25519_cosigner,
    ed25519_signer,
    note_digest,
    parse_policy,
    sign_checkpoint,
)
from tests.mediation.court import LOG, POLICY, WITNESSES, Court
from tests.protocols.kit import seed

HOUR = RanOut("Wait", "KV", 1, 2, 3_600_000)
START = 1_900_000_000


class Case:
    """A thread of notes, and heads that the witnesses cosigned at the seconds given (after START)."""

    def __init__(self, path: Path) -> None:
        upgrade(path / "hub.db", "hub")
        self.store = Store(path / "hub.db")
        self.court = Court().open()
        self.heads = 0

    async def head(self, at: int, liar: int | None = None, digest: str = "") -> str:
        """All four cosign the log as it stands; ``liar``: seconds by which HD's clock is off. The note's digest."""
        self.heads += 1
        checkpoint = Checkpoint(LOG, self.court.frontier.size, self.court.frontier.root())
        lines = [
            cosign(
                checkpoint,
                ed25519_cosigner(f"{office.lower()}.example", seed(f"{office} cosigner")),
                START + at + (liar or 0 if office == "HD" else 0),
            )
            for office in WITNESSES
        ]
        note = add_signatures(sign_checkpoint(checkpoint, ed25519_signer(LOG, seed("log"))), lines)
        digest = digest or b64u(note_digest(note))
        async with self.store.write() as connection:
            known = sa.select(tables.heads.c.size).where(tables.heads.c.size == checkpoint.size)
            if (await connection.execute(known)).first() is None:
                row = {"size": checkpoint.size, "root": checkpoint.root, "at": 0}
                await connection.execute(tables.heads.insert().values(**row))
            row = {"number": self.heads, "size": checkpoint.size, "at": 0, "note": note, "digest": digest}
            await connection.execute(tables.published.insert().values(**row))
        return digest

    def say(self, seen: str | None) -> None:
        self.court.send("goodwill-note", fields={"text": "x"}, seen=seen)

    async def verdict(self, clock: RanOut = HOUR) -> ProvenClock:
        try:
            prover = Prover(self.store, parse_policy(POLICY))
            return (await prover.judge([clock], [leaf for _, leaf in self.court.leaves]))[0]
        finally:
            await self.store.close()


async def test_a_wait_is_proven_by_the_first_entry_that_saw_a_head_cosigned_after_it(tmp_path: Path) -> None:
    case = Case(tmp_path)
    begin = await case.head(1)
    case.say(begin)  # the hub's note: its own head is older than the end
    late = await case.head(3606)
    case.say(late)
    await case.head(3607)
    found = await case.verdict()
    assert (found.verdict, found.proven_by) == ("ELAPSED", 3)
    assert found.least == 3605


async def test_before_anything_proves_it_the_verdict_is_open(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.say(await case.head(1))
    await case.head(3601)
    found = await case.verdict()
    assert (found.verdict, found.proven_by) == ("UNDETERMINED", None)


async def test_a_note_that_came_too_early_is_proven_to_have(tmp_path: Path) -> None:
    case = Case(tmp_path)
    before = await case.head(0)
    case.court.send("goodwill-note", fields={"text": "start"}, seen=before)
    case.say(await case.head(10))
    await case.head(20)
    found = await case.verdict(RanOut("Wait", "KV", 2, 3, 3_600_000))
    assert found.verdict == "NOT ELAPSED"
    assert found.most == 20


async def test_one_lying_witness_moves_no_verdict(tmp_path: Path) -> None:
    for number, liar in enumerate((-500_000, 500_000)):
        (tmp_path / str(number)).mkdir()
        case = Case(tmp_path / str(number))
        case.say(await case.head(1, liar))
        case.say(await case.head(3606, liar))
        await case.head(3607, liar)
        found = await case.verdict()
        assert (found.verdict, found.proven_by) == ("ELAPSED", 3)
        (tmp_path / f"{number}b").mkdir()
        case = Case(tmp_path / f"{number}b")
        case.say(await case.head(1, liar))
        await case.head(3500, liar)
        assert (await case.verdict()).verdict == "UNDETERMINED"


async def test_a_head_that_nobody_published_and_one_that_holds_the_entry_itself_prove_nothing(tmp_path: Path) -> None:
    case = Case(tmp_path)
    await case.head(1)
    case.say("A" * 43)
    # A hub that lies about which head a digest is: the head already holds the entry that is to be later than it.
    case.say("B" * 43)
    await case.head(9_000, digest="B" * 43)
    found = await case.verdict()
    assert (found.verdict, found.least) == ("UNDETERMINED", None)
