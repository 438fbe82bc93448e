"""Verdicts on clocks out of a hub's store: by what witnesses signed, whatever one of them lies and the hub claims."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from hotline.hub.console import HubConsole
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
from tests.hotline.harness import connect, make_world, running_hub
from tests.hotline.hub.test_clocks import notify
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


async def test_an_answer_is_proven_in_time_by_its_own_head_and_the_start_that_saw_one(tmp_path: Path) -> None:
    for number, (liar, head_at, verdict) in enumerate(
        ((None, 20, "IN TIME"), (500_000, 20, "IN TIME"), (-500_000, 20, "IN TIME"), (None, 3_598, "UNDETERMINED"))
    ):
        (tmp_path / str(number)).mkdir()
        case = Case(tmp_path / str(number))
        case.say(await case.head(0, liar))  # the start
        case.say(None)  # the answer
        await case.head(head_at, liar)
        found = await case.verdict(RanOut("Wait", "KV", 2, 3, 3_600_000, "wait/2", met=True))
        assert found.verdict == verdict, (liar, head_at)


async def test_without_a_head_that_the_start_saw_no_answer_is_proven_in_time(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.say(None)
    case.say(None)
    await case.head(20)
    found = await case.verdict(RanOut("Wait", "KV", 2, 3, 3_600_000, "wait/2", met=True))
    assert (found.verdict, found.most) == ("UNDETERMINED", None)


async def test_a_trail_names_the_clocks_that_were_met_and_by_which_entries(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await notify(av, kv)
        clocks = {clock.rule: clock for clock in hub.hub.threads()[0].state.clocks}
        async with hub.hub.store.read() as connection:
            e = tables.entries.c
            notice = (await connection.execute(sa.select(e.id).where(e.kind == "incident-notice"))).scalar_one()
        await kv.say(kv.threads[thread.id], "acknowledgement", {"entry": notice})
        console = HubConsole(hub.hub)
        trail = await console.trail(thread.id)
        assert trail is not None and trail.ran_out == ()
        found = {each.clock: each for each in trail.met}
        mine = clocks["human-ack"]
        met = found[mine.id]
        assert (met.start_seq, met.noted_seq, met.duration) == (3, 4, mine.end - mine.start)
        assert {each.verdict for each in await console.proven(thread.id)} == {"UNDETERMINED"}, "nobody cosigned"
