"""One crisis, folded four times: by the bare ladder, by a hub over its store, and by a station of each side.

The line between them is a function call, so that a random walk is quick and the same in every run; everything at its
ends is real: signatures, mandates, MLS, two kinds of SQLite store. Time is whatever the walk says it is.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from hotline.clock import SystemClock
from hotline.hub import delivery
from hotline.hub import hub as hub_module
from hotline.hub.commits import Position
from hotline.hub.hub import Hub
from hotline.station.observer import begin_memory
from hotline.station.officers import OfficersInMemory
from hotline.station.station import Station as RealStation
from mediation import fold
from mediation.inputs import context_of, move_of
from mediation.ladder import Ladder, parse_ladder
from mediation.refusals import Refusal
from mediation.state import ThreadState, state_hash
from protocols import frames, mls
from protocols.encoding import b64u, digest, unb64u
from protocols.entry import make_entry, parse_entry, verify_entry, verify_stamp
from protocols.errors import ProtocolError
from tests.hotline.harness import LADDER, SUITE, Client, Station, Thread, World, handed_in, make_station, make_world
from tests.hotline.station.kit import identity_of

T0 = 1_931_051_520_000  # 2031-03-12T03:12Z
LASTS = 90 * 86_400  # s


class SteppedClock(SystemClock):
    """Stands still until it is moved."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def now(self) -> int:
        return self.at

    def raise_floor(self, floor: int) -> None:
        self.at = max(self.at, floor)


class Table:
    """A thread between AV and KV. ``writers`` are raw stations that write anything; ``readers`` are the real ones."""

    def __init__(self, world: World, hub: Hub, clock: SteppedClock, readers: dict[str, RealStation]) -> None:
        self.world, self.hub, self.clock, self.readers = world, hub, clock, readers
        self.ladder: Ladder = parse_ladder(world.ladders[LADDER])
        self.writers = {
            office: Client(world, station, cast(Any, None), cast(Any, None))
            for office, station in world.stations.items()
        }
        self.thread = b64u(secrets.token_bytes(16))
        self.state: ThreadState | None = None
        self.ids: list[str] = []
        self.said: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.readable = 0
        self._cursors = {office: delivery.Cursors() for office in readers}

    # -- the opening --------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """AV opens the thread with all four stations of the two parties."""
        hub = self.hub
        own = [station.core.identity.mandate.data for station in self.readers.values()]
        for station in self.world.stations.values():
            own += [station.mandate, *station.officer_mandates]
        await hub.take_mandates(tuple(own))
        for reader in self.readers.values():
            await reader._mandates(tuple(own))
            reader.sender._send = _to_hub(hub, reader)
            await reader.sender.replenish(0)
        for client in self.writers.values():
            client.packages = [self.package(client.station) for _ in range(4)]
        av, kv = self.writers["AV"], self.writers["KV"]
        group = mls.Group.create(
            SUITE,
            unb64u(self.thread),
            av.station.kid.encode(),
            av.station.mls_seed,
            now=T0 // 1000,
            rng=secrets.token_bytes,
        )
        info = group.group_info()
        packages = [kv.packages[-1].key_package, *[await self.claim(office) for office in self.readers]]
        staged = group.commit(add=packages, now=T0 // 1000, rng=secrets.token_bytes)
        group.merge(staged)
        assert staged.welcome is not None
        parts = {"group_info": info, "commit": staged.commit, "welcome": staged.welcome}
        seats = [(av.station.kid, "AV"), (kv.station.kid, "KV")]
        seats += [(reader.core.identity.kid, office) for office, reader in self.readers.items()]
        act = {
            "ladder": LADDER,
            "parties": ["AV", "KV"],
            "roster": [{"station": kid, "office": office} for kid, office in seats],
        }
        av.threads[self.thread] = Thread(self.thread, group)
        payload = av.payload(
            av.threads[self.thread], "open", act, parts={name: digest(data) for name, data in parts.items()}
        )
        assert await self.hand_in(make_entry(payload, av.station.sign), parts) is None
        joined = mls.Group.join(staged.welcome, kv.packages.pop(), kv.station.mls_seed, now=T0 // 1000)
        kv.threads[self.thread] = Thread(self.thread, joined)
        for office in ("MD", "HD"):
            self.writers[office].threads[self.thread] = Thread(self.thread, None)

    def package(self, station: Station) -> mls.KeyPackageBundle:
        now = T0 // 1000
        return mls.make_key_package(
            SUITE,
            station.kid.encode(),
            station.mls_seed,
            not_before=now - 60,
            not_after=now + LASTS,
            rng=secrets.token_bytes,
        )

    async def claim(self, office: str) -> bytes:
        """A key package of a real station, as its peer would get it from the hub."""
        kid = self.readers[office].core.identity.kid
        mandate = self.hub.directory.book.find(self.world.stations["AV"].kid, self.clock.now())
        return (await self.hub.directory.claim(mandate, (kid,), self.hub.threads))[kid]

    # -- an entry's way -----------------------------------------------------------------------------------------------

    async def hand_in(self, data: bytes, parts: Mapping[str, bytes]) -> str | None:
        """Hand an entry to the hub, let everybody follow, insist that all agree. The refusal's code, or None."""
        try:
            entry = parse_entry(data)
        except ProtocolError as error:  # the hub's line, which parses first, answers with just this
            self.refused[error.code] += 1
            return error.code
        answer = await handed_in(self.hub.writer, entry, parts)
        expected = None if self.state is None else self.state.seq + 1
        await self.follow()
        if isinstance(answer, Position):
            assert self.ids[-1] == answer.id == entry.id
            self.said[entry.payload.kind] += 1
            return None
        assert entry.id not in self.ids, "a refused entry stands in the log"
        assert answer.sentence.endswith(".")
        self.refused[answer.code] += 1
        if self.state is not None:
            assert expected is not None
            self._refused_alike(data, answer.code)
        return answer.code

    def _refused_alike(self, data: bytes, code: str) -> None:
        """The bare fold gives the ladder's refusals word for word; the stations, asked before sending, the same."""
        state, at = self.state, self.clock.now()
        assert state is not None
        if code.startswith("ladder."):
            verified = verify_entry(parse_entry(data), self.world.accord, self.hub.directory.book, at=at)
            verdict = fold.step(self.ladder, state, move_of(verified, state.seq + 1), at)
            assert isinstance(verdict, Refusal) and verdict.code == code, (verdict, code)
        if code.startswith("ladder.") or code in ("entry.bad-signature", "entry.out-of-mandate", "entry.wrong-epoch"):
            for office, reader in self.readers.items():
                found = reader.refusal(data)
                assert found is not None, (office, code)
                assert found.code == code, (office, found.code, code)

    async def follow(self) -> None:
        """Deliver what is new to both stations, fold it here, and compare all four."""
        thread = next(each for each in self.hub.threads() if each.thread == self.thread)
        delivered: dict[str, list[frames.Deliver]] = {}
        for office, reader in self.readers.items():
            mandate = reader.core.identity.mandate
            more = True
            while more:
                batch = await delivery.next_batch(
                    self.hub.store, self.hub.backlog, thread, self._cursors[office], mandate
                )
                delivered.setdefault(office, []).extend(batch.frames)
                more = batch.more
            for frame in delivered[office]:
                await reader.intake.take((frame,), [])
        first, second = delivered.values()
        assert [frame.leaf for frame in first] == [frame.leaf for frame in second]
        for frame in first:
            self._fold(frame)
        assert self.state is not None
        stored = thread.state
        hashes = {"fold": state_hash(self.state), "hub": state_hash(stored)}
        for office, reader in self.readers.items():
            held = reader.core.threads[self.thread]
            assert held.frozen is None and held.state is not None, (office, held.frozen)
            hashes[office] = state_hash(held.state)
        assert len(set(hashes.values())) == 1, hashes

    def _fold(self, frame: frames.Deliver) -> None:
        entry = parse_entry(frame.leaf)
        stamp = verify_stamp(entry, self.world.accord)
        verified = verify_entry(entry, self.world.accord, self.hub.directory.book, at=stamp.at)
        move = move_of(verified, frame.seq)
        if self.state is None:
            context = context_of(self.world.accord, LADDER, self.ladder, self.thread, stamp.at)
            outcome = fold.open_thread(context, move, stamp.at)
        else:
            outcome = fold.step(self.ladder, self.state, move, stamp.at)
        assert isinstance(outcome, fold.Outcome), outcome
        assert state_hash(outcome.state) == stamp.state
        self.state = outcome.state
        self.ids.append(entry.id)
        for client in self.writers.values():
            mine = client.threads.get(self.thread)
            if mine is not None:
                seat = self.state.seats.get(client.station.kid)
                mine.serial = 0 if seat is None else seat.serial
                client.note(mine, entry.id, frame.seq)
        if "body" in frame.parts:
            self.readable += 1

    async def restart_readers(self) -> None:
        """Both stations end and read their stores again."""
        for office, reader in tuple(self.readers.items()):
            await reader.core.store.close()
            again = await open_reader(self.world, reader.core.identity, self.clock)
            self.readers[office] = again
        await self.follow()


def _to_hub(hub: Hub, reader: RealStation) -> Any:
    async def send(frame: frames.Frame) -> None:
        if isinstance(frame, frames.Publish):
            await hub.directory.publish(reader.core.identity.mandate, frame.key_packages)

    return send


async def open_reader(world: World, identity: Any, clock: SteppedClock) -> RealStation:
    path = world.path / f"{identity.office}-{identity.settings.name}.db"
    if not path.exists():
        await begin_memory(path, identity.keys.witness.key)
    return await RealStation.open(identity, path, OfficersInMemory({}), clock=clock)


@asynccontextmanager
async def table(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Table]:
    """An open thread at the table, and everything closed at the end."""
    clock = SteppedClock(T0)
    monkeypatch.setattr(hub_module, "SystemClock", lambda: clock)
    world = make_world(path)
    hub = await Hub.open(path / "hub.db", world.settings, world.keys, world.accord, world.ladders)
    writing = asyncio.create_task(hub.writer.run())
    readers = {}
    try:
        for office in ("AV", "KV"):
            second = make_station(office, "2", world.roots[office], serial=10)
            readers[office] = await open_reader(world, identity_of(world, second, "ws://127.0.0.1:9/line"), clock)
        found = Table(world, hub, clock, readers)
        await found.begin()
        yield found
    finally:
        hub.writer.stop()
        await writing
        for reader in readers.values():
            await reader.core.store.close()
        await hub.store.close()


__all__ = ["SUITE", "T0", "Table", "table"]
