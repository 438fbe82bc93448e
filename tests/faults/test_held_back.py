"""A hub that holds the newest entry back from one side, or signs another end of a thread: the station finds out, and has the
hub's signature for it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hotline.hub import own_leaves
from hotline.hub.fsck import fsck
from hotline.hub.hub import Hub
from hotline.hub.looks import looks_from_folder
from hotline.hub.own_leaves import Heads
from hotline.hub.sending import Sending
from hotline.station.folder import DutyTable
from hotline.station.station import Station
from hotline.station.tails import CONTRADICTIONS
from hotline.store.station import tails
from protocols import frames
from protocols.accord import open_accord
from protocols.encoding import digest
from protocols.frames import Deliver
from protocols.hub_leaf import ThreadEnd, check_tail, make_heads
from protocols.translog import parse_policy, parse_proof, verify_proof
from tests.faults.kit import texts, until
from tests.hotline.harness import World, make_world, running_hub
from tests.hotline.station.kit import DUTY, officer, open_station, opened, running

Rule = Callable[[frames.Frame], frames.Frame | None]


@dataclass
class Stage:
    """A hub, two stations, and what becomes of the frames that the hub sends to KV's."""

    world: World
    hub: Hub
    url: str
    av: Station
    kv: Station
    thread: str
    rule: Rule = lambda frame: frame

    async def say(self, text: str) -> None:
        answer = await self.av.send(officer(self.av), self.thread, "goodwill-note", {}, {"text": text})
        assert answer.ok, answer

    async def heads(self) -> None:
        """The hub says in the log where the thread ends, and publishes it."""
        await self.hub.writer.write(Heads(frozenset({self.thread})))
        size = self.hub.writer.standing.heads
        await until(lambda: self.hub.heads.published is not None and self.hub.heads.published.checkpoint.size >= size)

    def alarms(self, station: Station | None = None) -> str:
        return " ".join((station or self.kv).connection().alarms)


@asynccontextmanager
async def stage(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, heartbeat: float = 60.0, duty: DutyTable = DUTY
) -> AsyncIterator[Stage]:
    world = make_world(path, quorum=1, head_interval=heartbeat)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url, duty=duty) as kv,
    ):
        made = Stage(world, hub.hub, hub.url, av, kv, await opened(av, kv))
        honest = Sending._send_frame

        async def lies(sending: Sending, frame: frames.Frame) -> None:
            told = made.rule(frame) if sending._kid == world.stations["KV"].kid else frame
            if told is not None:
                await honest(sending, told)

        monkeypatch.setattr(Sending, "_send_frame", lies)
        monkeypatch.setattr(Sending, "_at_once", False)  # so that everything goes the way that lies
        await made.say("first")
        await until(lambda: texts(kv, made.thread) == ["first"])
        yield made


async def rows(station: Station) -> list[Any]:
    return list(await station.core.store.rows(tails, tails.c.idx))


async def test_an_honest_hubs_ends_are_kept_by_every_member_and_raise_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, monkeypatch) as at:
        for text in ("second", "third"):
            await at.say(text)
            await at.heads()
        for station in (at.av, at.kv):
            await until(lambda station=station: (kept := station.tails.newest(at.thread)) and kept.index > 3)  # type: ignore[misc]
            kept = station.tails.newest(at.thread)
            assert kept is not None and kept.doubt == ""
            (row,) = await rows(station)
            assert row.seq == station.core.threads[at.thread].position.seq
            tail = check_tail(row.leaf, row.disclosure, at.thread, at.world.accord)
            assert (tail.seq, tail.index, tail.leaf) == (row.seq, row.idx, row.end)
            verify_proof(parse_proof(row.proof), row.leaf, parse_policy(at.world.accord.accord.policy))
            assert at.alarms(station) == ""
    assert fsck(tmp_path / "hub.db", at.world.accord).holds


async def test_a_newest_entry_that_is_held_back_is_found_told_and_told_again_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, monkeypatch) as at:
        have = at.kv.core.threads[at.thread].position.seq
        at.rule = lambda frame: None if isinstance(frame, Deliver) and frame.seq > have else frame
        await at.say("held back")
        await at.heads()
        await until(lambda: "Messages are held back" in at.alarms())
        assert f"only up to entry {have}" in at.alarms() and "not take silence for an answer" in at.alarms()
        assert at.alarms(at.av) == ""
        (row,) = await rows(at.kv)
        assert row.doubt == "behind" and row.seq > have
        assert any("held back" in words for _, _, words in at.kv.journal())
        await at.kv.stop()
        again = await open_station(at.world, "KV", at.url)
        assert "Messages are held back" in at.alarms(again)
        at.rule = lambda frame: frame
        await again.start()
        await until(lambda: "held back" in texts(again, at.thread))
        await until(lambda: "held back" not in at.alarms(again))
        (row,) = await rows(again)
        assert row.doubt == ""
        await again.stop()


async def test_an_entry_that_comes_late_lowers_the_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(tmp_path, monkeypatch) as at:
        have, late = at.kv.core.threads[at.thread].position.seq, list[Deliver]()

        def rule(frame: frames.Frame) -> frames.Frame | None:
            if isinstance(frame, Deliver) and frame.seq > have:
                late.append(frame)
                return None
            return frame

        at.rule = rule
        await at.say("late")
        await at.heads()
        await until(lambda: "Messages are held back" in at.alarms())
        for frame in late:
            await at.kv.receive(frame)
        assert "late" in texts(at.kv, at.thread) and "held back" not in at.alarms()


@pytest.mark.parametrize("lie", ["leaf", "short"])
async def test_an_end_other_than_what_was_delivered_is_found_and_the_proof_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    """The hub signs that the thread ends in another entry, or before one that it has delivered."""
    async with stage(tmp_path, monkeypatch) as at:
        first = at.kv.core.threads[at.thread].held[0].admitted.leaf

        def false(place: Any, said: Any, *more: Any) -> Any:
            told = {
                name: ThreadEnd(1, digest(first)) if lie == "short" else ThreadEnd(end.seq, "A" * 43)
                for name, end in said.items()
            }
            return make_heads(place, told, *more)

        with monkeypatch.context() as patch:
            patch.setattr(own_leaves, "make_heads", false)
            await at.heads()
            await until(lambda: "another conversation" in at.alarms() and "another conversation" in at.alarms(at.av))
            (row,) = await rows(at.kv)
            assert row.doubt == "other"
            for _ in range(CONTRADICTIONS + 1):
                await at.heads()
            await until(lambda: at.kv.tails.next == at.hub.writer.standing.heads)
        await at.heads()
        await until(lambda: (kept := at.kv.tails.newest(at.thread)) and kept.doubt == "")
        kept = await rows(at.kv)
        assert [row.doubt for row in kept] == ["other"] * CONTRADICTIONS + [""]
        await at.kv.stop()
        again = await open_station(at.world, "KV", at.url)
        assert "another conversation" in at.alarms(again), "proof against the hub is not forgotten"
        await again.core.store.close()


TAMPERED: dict[str, Callable[[frames.Tails], frames.Tails]] = {
    # Not just any letter: a signature's last one is an "A" in a quarter of all cases.
    "a changed leaf": lambda told: msgspec.structs.replace(
        told, leaf=told.leaf[:-1] + (b"Q" if told.leaf.endswith(b"A") else b"A")
    ),
    "a forged disclosure": lambda told: msgspec.structs.replace(told, disclosures=("A" + told.disclosures[0][1:],)),
    "a disclosure twice": lambda told: msgspec.structs.replace(told, disclosures=told.disclosures * 2),
    "another leaf's proof": lambda told: msgspec.structs.replace(
        told, proof=told.proof.replace("index ", "index 1", 1)
    ),
    "a proof without cosignatures": lambda told: msgspec.structs.replace(
        told, proof="\n".join(told.proof.split("\n")[:-2]) + "\n"
    ),
    "no proof": lambda told: msgspec.structs.replace(told, proof=""),
}


async def test_an_end_that_does_not_hold_is_refused_and_nothing_of_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, monkeypatch) as at:
        told: list[frames.Tails] = []

        def keep(frame: frames.Frame) -> frames.Frame | None:
            if isinstance(frame, frames.Tails):
                told.append(frame)
                return None
            return frame

        at.rule = keep
        await at.heads()
        await until(lambda: told)
        for what, change in TAMPERED.items():
            at.kv.core.alarms.pop("tails", None)
            await at.kv.receive(change(told[0]))
            assert "could not prove it" in at.alarms(), what
            assert await rows(at.kv) == [] and at.kv.tails.next == 0, what
        at.kv.core.alarms.pop("tails", None)
        for _ in range(2):
            await at.kv.receive(told[0])
        assert at.alarms() == "" and len(await rows(at.kv)) == 1


async def test_a_thread_that_this_station_froze_itself_raises_no_second_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, monkeypatch) as at:
        broken = {"body": b"not what was sealed"}
        at.rule = lambda frame: msgspec.structs.replace(frame, parts=broken) if isinstance(frame, Deliver) else frame
        await at.say("with another body")
        await until(lambda: at.kv.core.threads[at.thread].frozen)
        await at.heads()
        await until(lambda: at.kv.tails.next > 0)
        assert "held back" not in at.alarms() and await rows(at.kv) == []


async def test_the_end_of_a_thread_that_is_asked_for_again_is_asked_for_again_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, monkeypatch) as at:
        at.kv.intake.held_back.add(at.thread)
        await at.heads()
        await until(lambda: at.kv.tails.next > 0)
        assert await rows(at.kv) == [] and at.alarms() == ""
        await at.kv.line._socket.close()  # type: ignore[union-attr]
        await until(lambda: at.kv.tails.newest(at.thread))
        (row,) = await rows(at.kv)
        assert row.doubt == "" and at.kv.tails.resume() == row.idx + 1


async def test_a_hub_that_does_not_say_where_a_quiet_thread_ends_is_asked_and_its_silence_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the newest entry back, and every end of the thread with it: nothing moves at the station."""
    impatient = msgspec.structs.replace(DUTY, tick=0.05, ends=0.3, heads=1.0)
    async with stage(tmp_path, monkeypatch, heartbeat=0.2, duty=impatient) as at:
        have = at.kv.core.threads[at.thread].position.seq
        await until(lambda: (kept := at.kv.tails.newest(at.thread)) and kept.seq == have)
        index = at.kv.tails.next
        await until(lambda: at.kv.tails.next > index)
        assert at.alarms() == "", "it asks, and is answered although nothing moved"
        at.rule = lambda frame: None if isinstance(frame, frames.Tails | Deliver) else frame
        await at.say("held back")
        await until(lambda: "asked to sign where it ends, and has not" in at.alarms())
        assert at.alarms(at.av) == ""
        at.rule = lambda frame: None if isinstance(frame, Deliver) else frame
        await until(lambda: "Messages are held back" in at.alarms())
        assert "and has not" not in at.alarms()


async def test_asking_costs_a_hub_one_leaf_a_heartbeat_and_is_for_members_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, monkeypatch) as at:
        await at.heads()
        size = at.hub.writer.standing.frontier.size
        for _ in range(50):
            await at.kv.line.send(frames.AskTails((at.thread, "A" * 22)))
        stranger = at.world.stations["MD"].kid
        at.hub.ask_tails(stranger, (at.thread,))
        assert at.hub.writer.standing.frontier.size == size
        await until(lambda: at.hub._asked == {at.thread})
        at.hub._asked.clear()
        at.hub.ask_tails(stranger, (at.thread,))
        assert at.hub._asked == set()


def test_a_hub_killed_between_a_look_and_its_page_has_the_look(tmp_path: Path) -> None:
    """What was shown was in the log: the child prints a line, the page as it were, once a look is recorded."""
    command = [sys.executable, "-m", "tests.faults.look_child", str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        shown: list[str] = []
        for line in child.stdout:
            shown.append(line.strip())
            if len(shown) == 25:
                child.kill()
    accord = open_accord((tmp_path / "accord.jws").read_bytes())
    result = fsck(tmp_path / "hub.db", accord)
    assert result.holds, result.findings
    logged = {look.what for look in asyncio.run(looks_from_folder(tmp_path, accord, 10_000))}
    assert len(shown) >= 25 and set(shown) <= logged
