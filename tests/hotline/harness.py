"""A small world for tests: an accord with two states and two mediators, their stations' keys, a hub, raw clients.

::

    world = make_world(tmp_path)
    async with running_hub(world) as hub:                # a real hub on a real socket, SQLite in tmp_path
        async with connect(hub.url, world, "AV") as av:
            thread = await open_thread(av, kv)           # real MLS: both are members afterwards
            answer = await av.submit(*av.write(thread, "incident-notice", fields={"text": "..."}))
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from nacl.public import PrivateKey
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as ws_connect

from hotline.hub.app import make_app
from hotline.hub.hub import Hub, HubKeys
from hotline.hub.lanes import Answer
from hotline.hub.settings import Limits, Settings
from hotline.hub.writer import Writer
from hotline.ladders import load
from hotline.store.place import Place, Server
from protocols import frames, mls
from protocols.accord import Accord, HubCard, LadderInForce, Office, SignedAccord, draft_bytes, open_accord, sign_accord
from protocols.disclosure import body_to_bytes, make_body
from protocols.encoding import b64u, digest, rfc3339, unb64u
from protocols.entry import Entry, Payload, body_aad, draft_content, entry_id, make_entry, parse_entry, sign_draft
from protocols.jws import parse as parse_jws
from protocols.keys import SeedSigner, verify
from protocols.mandate import Mandate, StationKeys, sign_holder, sign_mandate, verify_mandate
from protocols.sealing import seal_box
from protocols.translog import Accepted as WitnessAccepted
from protocols.translog import Signer as LogSigner
from protocols.translog import (
    WitnessState,
    consider_body,
    cosign,
    ed25519_cosigner,
    ed25519_signer,
)

LADDER = "cpci-default"
ORIGIN = "hub.test/log/1"
SUITE = mls.X25519_CHACHA20
F = TypeVar("F", bound=frames.Frame)


def handed_in(writer: Writer, entry: Entry, parts: Mapping[str, bytes]) -> asyncio.Future[Answer]:
    """Hand an entry to a hub's writer; its answer."""
    answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    writer.hand_in(entry, parts, answer.set_result)
    return answer


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_server() -> Server | None:
    """Where `make_world` puts the hub's store; tests that run on both kinds replace it (`tests.hotline.hub.conftest`)."""
    return None


@dataclass
class Station:
    """All keys of one station and of two officers at it."""

    office: str
    name: str
    sign: SeedSigner
    mls_seed: bytes
    seal: PrivateKey
    witness: LogSigner
    mandate: bytes
    officers: tuple[SeedSigner, SeedSigner]
    officer_mandates: tuple[bytes, ...]

    @property
    def kid(self) -> str:
        return self.sign.kid

    @property
    def seal_public(self) -> str:
        return b64u(bytes(self.seal.public_key))


@dataclass
class World:
    path: Path
    accord: SignedAccord
    keys: HubKeys
    roots: dict[str, SeedSigner]
    stations: dict[str, Station]
    ladders: dict[str, bytes]
    settings: Settings
    authorities: tuple[bytes, ...] = ()
    """Root certificates of the time-stamping authorities that the hub trusts."""
    server: Server | None = None
    """The PostgreSQL database of its hubs; None: each `running_hub` opens hub.db in ``path``."""

    @property
    def place(self) -> Place:
        return self.server or self.path / "hub.db"


def make_world(
    path: Path,
    *,
    scale: int = 1,
    head_delay: float = 0.05,
    head_interval: float = 60.0,
    limits: Limits | None = None,
    quorum: int = 3,
    tls: str = "",
    addresses: tuple[str, ...] = (),
    name: str = "hub.test",
    ladder: bytes | None = None,
    keys: HubKeys | None = None,
    origin: str = ORIGIN,
    dates: Mapping[str, str] | None = None,
    neutral: tuple[str, ...] = (),
    others: Mapping[str, str] | None = None,
    ladder_roles: Mapping[str, tuple[str, ...]] | None = None,
) -> World:
    """``quorum``: of the four stations' witnesses, and of a neutral one with the keys ``neutral`` (vkeys).
    ``scale`` above 1 makes the accord an EXERCISE.

    ``dates``: ``not_before``, ``review`` or ``sunset`` in place of a century that holds today. ``others``: further
    offices, to their role. ``ladder_roles``: the offices that hold the ladder's roles.
    """
    ladder = ladder if ladder is not None else load(LADDER)
    roots = {office: SeedSigner(secrets.token_bytes(32)) for office in ("AV", "KV", "MD", "HD", *(others or {}))}
    keys = keys or HubKeys(secrets.token_bytes(32), secrets.token_bytes(32), secrets.token_bytes(32))
    log = ed25519_signer(origin, keys.log)
    witnesses = {office: ed25519_cosigner(f"{office.lower()}.test", secrets.token_bytes(32)) for office in roots}
    policy = f"log {log.key.vkey}\n"
    policy += "".join(f"witness {office} {signer.key.vkey}\n" for office, signer in witnesses.items())
    policy += "".join(f"witness N{number} {vkey}\n" for number, vkey in enumerate(neutral))
    if neutral:
        policy += f"group N any {' '.join(f'N{number}' for number in range(len(neutral)))}\n"
    policy += f"group g {quorum} {' '.join([*witnesses, *(['N'] if neutral else [])])}\nquorum g\n"
    roles = {"AV": "party", "KV": "party", "MD": "mediator", "HD": "mediator", **(others or {})}
    names = {"AV": "Arvenia", "KV": "Kostrava", "MD": "Meridia", "HD": "Halden"}
    accord = Accord(
        v=1,
        title="Test accord",
        status="EXERCISE",
        exercise="EX-TEST",
        offices=tuple(
            Office(office, names.get(office, office), roles[office], b64u(root.public))  # type: ignore[arg-type]
            for office, root in roots.items()
        ),
        mediators=("MD", "HD"),
        monitors=("HD",),
        hub=HubCard(name, b64u(SeedSigner(keys.sign).public), log.key.vkey, tls, addresses),
        ladders=(LadderInForce(LADDER, digest(ladder), scale, dict(ladder_roles or {})),),
        policy=policy,
        suite=SUITE,
        **{
            "not_before": "2020-01-01T00:00:00.000Z",
            "review": "2098-01-01T00:00:00.000Z",
            "sunset": "2099-01-01T00:00:00.000Z",
            **(dates or {}),
        },
    )
    data = draft_bytes(accord)
    for root in roots.values():
        data = sign_accord(data, root)
    stations = {office: make_station(office, "1", roots[office], witnesses[office]) for office in roots}
    settings = Settings(
        name, "127.0.0.1:0", True, head_interval=head_interval, head_delay=head_delay, limits=limits or Limits()
    )
    return World(path, open_accord(data), keys, roots, stations, {LADDER: ladder}, settings, server=new_server())


def make_station(
    office: str, name: str, root: SeedSigner, witness: LogSigner | None = None, serial: int = 1
) -> Station:
    sign, seal = SeedSigner(secrets.token_bytes(32)), PrivateKey.generate()
    mls_seed = secrets.token_bytes(32)
    witness = witness or ed25519_cosigner(f"{office.lower()}{name}.test", secrets.token_bytes(32))
    keys = StationKeys(
        b64u(sign.public), b64u(SeedSigner(mls_seed).public), b64u(bytes(seal.public_key)), witness.key.vkey
    )
    officers = (SeedSigner(secrets.token_bytes(32)), SeedSigner(secrets.token_bytes(32)))
    officer_mandates = tuple(
        sign_mandate(mandate_of(office, f"officer {i}", officer, ("drafter", "releaser"), serial + i), root)
        for i, officer in enumerate(officers, 1)
    )
    mandate = sign_mandate(mandate_of(office, f"station {name}", sign, ("station",), serial, keys), root)
    return Station(office, name, sign, mls_seed, seal, witness, mandate, officers, officer_mandates)


def station_keys(station: Station) -> StationKeys:
    """The public keys of a station, as its mandate holds them."""
    return StationKeys(
        b64u(station.sign.public),
        b64u(SeedSigner(station.mls_seed).public),
        station.seal_public,
        station.witness.key.vkey,
    )


def mandate_of(
    office: str,
    name: str,
    sign: SeedSigner,
    roles: tuple[Any, ...],
    serial: int,
    keys: StationKeys | None = None,
    *,
    not_before: str = "2020-01-01T00:00:00.000Z",
    not_after: str = "2099-01-01T00:00:00.000Z",
) -> Mandate:
    subject: Any = "station" if keys is not None else "officer"
    holder = sign_holder(office, sign, keys)
    return Mandate(1, office, subject, name, serial, roles, b64u(sign.public), not_before, not_after, holder, keys)


@dataclass
class RunningHub:
    hub: Hub
    port: int

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/line"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def running_hub(world: World) -> AsyncIterator[RunningHub]:
    """A hub on a free port of the loopback, its store at ``world.place``; start it again to see what survives."""
    hub = await Hub.open(world.place, world.settings, world.keys, world.accord, world.ladders, world.authorities)
    hub.start()
    runner = web.AppRunner(make_app(hub), access_log=None)
    server: asyncio.Server | None = None
    try:
        await runner.setup()
        server = await hub.front.listen(runner.server, "127.0.0.1", 0)
        yield RunningHub(hub, server.sockets[0].getsockname()[1])
    finally:
        if server is not None:
            server.close()
        await hub.stop()
        await runner.cleanup()


@dataclass
class Thread:
    """A thread as one raw client knows it."""

    id: str
    group: mls.Group | None
    serial: int = 0
    prev: str | None = None
    prev_seq: int = 0
    epoch: int = 1


@dataclass
class Client:
    """A logged-in raw client: frames in order of arrival are in ``inbox`` until taken."""

    world: World
    station: Station
    ws: ClientConnection
    ready: frames.Ready
    inbox: list[frames.Frame] = field(default_factory=list)
    threads: dict[str, Thread] = field(default_factory=dict)
    packages: list[mls.KeyPackageBundle] = field(default_factory=list)
    witness: WitnessState = field(default_factory=WitnessState)
    ref: int = 0

    async def send(self, frame: frames.Frame) -> None:
        await self.ws.send(frames.encode_frame(frame))

    async def recv(self, timeout: float = 30.0) -> frames.Frame:
        async with asyncio.timeout(timeout):
            data = await self.ws.recv()
        assert isinstance(data, bytes)
        return frames.decode_from_hub(data)

    async def expect(self, kind: type[F], timeout: float = 30.0) -> F:
        """The next frame of this type; others stay in the inbox."""
        for at, frame in enumerate(self.inbox):
            if isinstance(frame, kind):
                del self.inbox[at]
                return frame
        while True:
            frame = await self.recv(timeout)
            if isinstance(frame, kind):
                return frame
            self.inbox.append(frame)

    async def answer(self, ref: int, timeout: float = 30.0) -> frames.Accepted | frames.Refused:
        """The answer to a submission."""
        while True:
            for at, frame in enumerate(self.inbox):
                if isinstance(frame, frames.Accepted | frames.Refused) and frame.ref == ref:
                    del self.inbox[at]
                    return frame
            self.inbox.append(await self.recv(timeout))

    async def submit(
        self, entry: bytes, parts: Mapping[str, bytes] | None = None, timeout: float = 30.0
    ) -> frames.Accepted | frames.Refused:
        self.ref += 1
        await self.send(frames.Submit(self.ref, entry, dict(parts or {})))
        return await self.answer(self.ref, timeout)

    async def follow(self, cursors: dict[str, int] | None = None) -> list[frames.Deliver]:
        """Follow and collect what was stored, up to `Caught`."""
        await self.send(frames.Follow(cursors or {}))
        await self.expect(frames.Caught)
        found = [frame for frame in self.inbox if isinstance(frame, frames.Deliver)]
        self.inbox = [frame for frame in self.inbox if not isinstance(frame, frames.Deliver)]
        return found

    async def publish(self, count: int = 2, *, lifetime: int = 86400) -> None:
        """Make so many key packages, good for ``lifetime`` seconds from now, and hand them to the hub."""
        now = int(time.time())
        new = [
            mls.make_key_package(
                SUITE,
                self.station.kid.encode(),
                self.station.mls_seed,
                not_before=now - 60,
                not_after=now + lifetime,
                rng=secrets.token_bytes,
            )
            for _ in range(count)
        ]
        self.packages += new
        await self.send(frames.Publish(tuple(each.key_package for each in new)))
        await self.ping()

    async def ping(self) -> frames.Pong:
        """A round trip: everything sent before has been taken."""
        self.ref += 1
        await self.send(frames.Ping(self.ref))
        return await self.expect(frames.Pong)

    async def claim(self, *stations: str) -> dict[str, bytes] | frames.Refused:
        self.ref += 1
        await self.send(frames.Claim(self.ref, stations))
        while True:
            frame = await self.recv()
            if isinstance(frame, frames.Claimed | frames.Refused) and frame.ref == self.ref:
                return frame.packages if isinstance(frame, frames.Claimed) else frame
            self.inbox.append(frame)

    def payload(self, thread: Thread, kind: str, act: Mapping[str, Any] | None = None, **changes: Any) -> Payload:
        values: dict[str, Any] = {
            "v": 1,
            "log": self.world.accord.log_origin,
            "accord": self.world.accord.id,
            "status": self.world.accord.accord.status,
            "thread": thread.id,
            "kind": kind,
            "office": self.station.office,
            "station": self.station.kid,
            "serial": thread.serial + 1,
            "prev": thread.prev,
            "prev_seq": thread.prev_seq,
            "precedence": "ROUTINE",
            "tlp": "AMBER+STRICT",
            "act": dict(act or {}),
            "claimed": rfc3339(int(time.time() * 1000)),
            "nonce": b64u(secrets.token_bytes(16)),
        }
        return Payload(**(values | changes))

    def write(
        self,
        thread: Thread,
        kind: str,
        act: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        *,
        officer: int | None = 0,
        drafter: int | None = None,
        box_to: tuple[str, ...] = (),
        **changes: Any,
    ) -> tuple[bytes, dict[str, bytes]]:
        """A signed entry and its parts. Counts the serial on; `note` counts the position on."""
        parts: dict[str, bytes] = {}
        marks: tuple[str, ...] = ()
        body = None
        if fields is not None:
            body, marks = make_body(fields, secrets.token_bytes)
        payload = self.payload(thread, kind, act, sd=marks, **changes)
        if body is not None:
            if box_to:
                parts["box"] = seal_box(body_to_bytes(body), box_to, body_aad(payload), secrets.token_bytes)
            if thread.group is not None:
                parts["body"] = thread.group.encrypt(
                    body_to_bytes(body), aad=body_aad(payload), rng=secrets.token_bytes
                )
        values: dict[str, Any] = {"parts": {name: digest(data) for name, data in parts.items()}}
        if "body" in parts:
            values["epoch"] = thread.epoch
        payload = self.payload(
            thread, kind, act, sd=marks, **{"nonce": payload.nonce, "claimed": payload.claimed, **values, **changes}
        )
        if drafter is not None:
            draft = sign_draft(draft_content(payload), self.station.officers[drafter])
            payload = self.payload(
                thread,
                kind,
                act,
                sd=marks,
                draft=draft,
                **{"nonce": payload.nonce, "claimed": payload.claimed, **values, **changes},
            )
        signer = None if officer is None else self.station.officers[officer]
        return make_entry(payload, self.station.sign, signer), parts

    async def say(
        self, thread: Thread, kind: str, act: Mapping[str, Any] | None = None, **more: Any
    ) -> frames.Accepted:
        """Write, submit, insist on acceptance, count on."""
        answer = await self.submit(*self.write(thread, kind, act, **more))
        assert isinstance(answer, frames.Accepted), answer
        thread.serial += 1
        self.note(thread, answer.id, answer.seq)
        return answer

    def note(self, thread: Thread, entry: str, seq: int) -> None:
        """The newest entry this client has seen."""
        if seq > thread.prev_seq:
            thread.prev, thread.prev_seq = entry, seq

    async def deliveries(self, thread: Thread, upto: int) -> list[frames.Deliver]:
        """Deliveries of a thread until ``upto`` has come, noted as seen."""
        found: list[frames.Deliver] = []
        others: list[frames.Frame] = []
        while not found or found[-1].seq < upto:
            frame = await self.expect(frames.Deliver)
            if frame.thread != thread.id:
                others.append(frame)  # a clock of another thread may end at any moment
                continue
            found.append(frame)
            self.note(thread, parse_entry(frame.leaf).id, frame.seq)
        self.inbox[:0] = others
        return found

    async def cosign_next(self, timeout: float = 30.0) -> int:
        """Cosign the next head offered, as a real witness would; its size."""
        log = ed25519_signer(self.world.accord.log_origin, self.world.keys.log).key
        while True:
            head = await self.expect(frames.Head, timeout)
            done = consider_body(head.request.encode(), lambda origin: (self.witness, log), int(time.time()))
            if isinstance(done, WitnessAccepted):
                break
            # Offered before our last answer arrived: say what we cosigned, as a station does.
            assert done.status == 409, done
            await self.send(frames.Cosign(int(done.body), ""))
        self.witness = done.state
        line = cosign(done.checkpoint, self.station.witness, done.time)
        await self.send(frames.Cosign(done.checkpoint.size, line.line))
        return done.checkpoint.size


@asynccontextmanager
async def connect(
    url: str, world: World, station: Station | str, *, follow: bool = True, announce: bool = True
) -> AsyncIterator[Client]:
    """A client that has logged in, announced its officers, and (by default) follows from the start."""
    who = world.stations[station] if isinstance(station, str) else station
    async with ws_connect(url, max_size=frames.MAX_FRAME_BYTES, proxy=None, max_queue=None, close_timeout=1) as ws:
        ready = await login(ws, world, who)
        assert isinstance(ready, frames.Ready), ready
        client = Client(world, who, ws, ready)
        if announce:
            await client.send(frames.Announce(who.officer_mandates))
        if follow:
            await client.send(frames.Follow({}))
            await client.expect(frames.Caught)
        yield client


async def login(ws: ClientConnection, world: World, who: Station, **changes: Any) -> frames.Frame:
    """The station's side of the login; ``changes`` to `Hello`, for tests of refusals. Returns the last frame."""
    nonce = b64u(secrets.token_bytes(32))
    hello = {
        "v": frames.VERSION,
        "accord": world.accord.id,
        "station": who.kid,
        "mandate": who.mandate,
        "nonce": nonce,
    }
    await ws.send(frames.encode_frame(frames.Hello(**(hello | changes))))
    challenge = await _receive(ws)
    if not isinstance(challenge, frames.Challenge):
        return challenge
    common = {
        "hub": world.accord.accord.hub.name,
        "accord": world.accord.id,
        "station": who.kid,
        "theirs": nonce,
        "ours": challenge.nonce,
    }
    verify(unb64u(world.accord.accord.hub.key), frames.login_text("hub", **common), challenge.signature)
    await ws.send(frames.encode_frame(frames.Proof(who.sign.sign(frames.login_text("station", **common)))))
    return await _receive(ws)


async def _receive(ws: ClientConnection) -> frames.Frame:
    async with asyncio.timeout(5):
        data = await ws.recv()
    assert isinstance(data, bytes)
    return frames.decode_from_hub(data)


async def open_thread(by: Client, *others: Client) -> Thread:
    """Opens a thread by ``by`` with ``others`` (who publish key packages if they have none), with a real MLS group."""
    for other in others:
        if not other.packages:
            await other.publish()
    entry, parts, thread = await make_open(by, *(other.station for other in others))
    answer = await by.submit(entry, parts)
    assert isinstance(answer, frames.Accepted), answer
    thread.serial = 1
    by.note(thread, answer.id, answer.seq)
    for other in others:
        other.threads[thread.id] = await join_thread(other, thread.id)
    by.threads[thread.id] = thread
    return thread


async def make_open(by: Client, *others: Station) -> tuple[bytes, dict[str, bytes], Thread]:
    """An ``open`` entry with its parts; the returned thread holds the group in epoch 1."""
    thread = Thread(b64u(secrets.token_bytes(16)), None)
    packages = await by.claim(*(other.kid for other in others))
    assert isinstance(packages, dict), packages
    now = int(time.time())
    group = mls.Group.create(
        SUITE, unb64u(thread.id), by.station.kid.encode(), by.station.mls_seed, now=now, rng=secrets.token_bytes
    )
    info = group.group_info()
    staged = group.commit(add=[packages[other.kid] for other in others], now=now, rng=secrets.token_bytes)
    group.merge(staged)
    assert staged.welcome is not None
    parts = {"group_info": info, "commit": staged.commit, "welcome": staged.welcome}
    roster = [{"station": each.kid, "office": each.office} for each in (by.station, *others)]
    act = {"ladder": LADDER, "parties": [by.station.office, others[0].office], "roster": roster}
    payload = by.payload(thread, "open", act, parts={name: digest(data) for name, data in parts.items()})
    thread.group = group
    return make_entry(payload, by.station.sign), parts, thread


async def join_thread(client: Client, thread: str) -> Thread:
    """Take the delivery that brings this client in, and join its group."""
    while True:
        found = await client.expect(frames.Deliver)
        if found.thread == thread and "welcome" in found.parts:
            break
    error: mls.MlsError | None = None
    for bundle in client.packages:
        try:
            group = mls.Group.join(found.parts["welcome"], bundle, client.station.mls_seed, now=int(time.time()))
        except mls.MlsError as wrong:
            error = wrong
            continue
        client.packages.remove(bundle)
        joined = Thread(thread, group, epoch=group.epoch)
        client.note(joined, entry_id(parse_jws(found.leaf, limit=70_000).payload), found.seq)
        return joined
    raise AssertionError(error)


__all__ = [
    "LADDER",
    "SUITE",
    "Client",
    "RunningHub",
    "Station",
    "Thread",
    "World",
    "connect",
    "free_port",
    "join_thread",
    "login",
    "make_open",
    "make_station",
    "make_world",
    "mandate_of",
    "open_thread",
    "running_hub",
    "station_keys",
    "verify_mandate",
]
