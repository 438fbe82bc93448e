"""Many stations of two offices under one accord, and their entries made beforehand: signed and sealed like real ones.

The hub is what is measured, so everything a station does (MLS encryption, signing) is done before the clock starts.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

from nacl.public import PrivateKey

from hotline.hub.hub import HubKeys
from hotline.hub.settings import Limits, Settings
from hotline.ladders import load
from protocols import mls
from protocols.accord import Accord, HubCard, LadderInForce, Office, SignedAccord, draft_bytes, open_accord, sign_accord
from protocols.disclosure import body_to_bytes, make_body
from protocols.encoding import b64u, digest, rfc3339
from protocols.entry import Payload, body_aad, make_entry
from protocols.keys import SeedSigner
from protocols.mandate import Mandate, StationKeys, sign_holder, sign_mandate
from protocols.translog import ed25519_cosigner, ed25519_signer

LADDER = "cpci-default"
SUITE = mls.X25519_CHACHA20
_BEGIN, _END = "2020-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z"


@dataclass
class Station:
    """One station: its keys and its mandate."""

    office: str
    sign: SeedSigner
    mls_seed: bytes
    mandate: bytes

    @property
    def kid(self) -> str:
        return self.sign.kid


@dataclass
class World:
    """``av`` and ``kv``: stations of the two states. One officer writes for each state."""

    folder: Path
    accord: SignedAccord
    keys: HubKeys
    settings: Settings
    av: list[Station]
    kv: list[Station]
    officers: dict[str, SeedSigner]
    officer_mandates: tuple[bytes, ...]


@dataclass
class Thread:
    """An open thread with its group as the opener holds it, and where the next entry stands."""

    id: str
    group: mls.Group
    opened: str = ""
    serial: int = 1


@dataclass
class Made:
    """An entry ready to be handed in."""

    id: str
    entry: bytes
    parts: dict[str, bytes] = field(default_factory=dict)


def make_world(folder: Path, pairs: int) -> World:
    """An accord of two states and no mediator, ``pairs`` stations each, a log without witnesses."""
    roots = {office: SeedSigner(secrets.token_bytes(32)) for office in ("AV", "KV")}
    keys = HubKeys(secrets.token_bytes(32), secrets.token_bytes(32), secrets.token_bytes(32))
    log = ed25519_signer("hub.bench/log/1", keys.log)
    ladder = load(LADDER)
    accord = Accord(
        v=1,
        title="Benchmark",
        status="EXERCISE",
        exercise="EX-BENCH",
        offices=tuple(Office(office, office, "party", b64u(root.public)) for office, root in roots.items()),
        mediators=(),
        monitors=(),
        hub=HubCard("hub.bench", b64u(SeedSigner(keys.sign).public), log.key.vkey),
        ladders=(LadderInForce(LADDER, digest(ladder), 1),),
        policy=f"log {log.key.vkey}\nquorum none\n",
        suite=SUITE,
        not_before=_BEGIN,
        review="2098-01-01T00:00:00.000Z",
        sunset=_END,
    )
    data = draft_bytes(accord)
    for root in roots.values():
        data = sign_accord(data, root)
    stations = {
        office: [_station(office, number, root) for number in range(1, pairs + 1)] for office, root in roots.items()
    }
    officers = {office: SeedSigner(secrets.token_bytes(32)) for office in roots}
    mandates = tuple(
        sign_mandate(
            Mandate(
                1,
                office,
                "officer",
                "officer",
                10_000,
                ("drafter", "releaser"),
                b64u(officer.public),
                _BEGIN,
                _END,
                sign_holder(office, officer, None),
                None,
            ),
            roots[office],
        )
        for office, officer in officers.items()
    )
    settings = Settings("hub.bench", "127.0.0.1:0", True, head_delay=0.5, limits=open_limits())
    return World(folder, open_accord(data), keys, settings, stations["AV"], stations["KV"], officers, mandates)


def open_limits() -> Limits:
    """What is measured is the hub, not its patience."""
    return Limits(
        login_failures=1000,
        answers=65536,
        in_flight=4096,
        claims_per_hour=10000,
        office_claims_per_hour=100000,
        claims_each_per_hour=10000,
        mandates=100000,
        office_entries=10_000_000,
        station_entries=10_000_000,
        office_bytes=1 << 36,
        station_bytes=1 << 36,
        frames_per_second=1_000_000,
        bytes_per_second=1 << 30,
        answer_bytes=1 << 28,
        login=60.0,
        strangers=65536,
        strangers_each=65536,
        arrivals_each=1_000_000,
        in_flight_bytes=1 << 28,
    )


def _station(office: str, number: int, root: SeedSigner) -> Station:
    sign, mls_seed = SeedSigner(secrets.token_bytes(32)), secrets.token_bytes(32)
    keys = StationKeys(
        b64u(sign.public),
        b64u(SeedSigner(mls_seed).public),
        b64u(bytes(PrivateKey.generate().public_key)),
        ed25519_cosigner(f"{office.lower()}{number}.bench", secrets.token_bytes(32)).key.vkey,
    )
    holder = sign_holder(office, sign, keys)
    mandate = Mandate(
        1, office, "station", f"station {number}", number, ("station",), b64u(sign.public), _BEGIN, _END, holder, keys
    )
    return Station(office, sign, mls_seed, sign_mandate(mandate, root))


def key_package(station: Station) -> bytes:
    """A key package that nobody will open: the receiving side is not measured."""
    now = int(time.time())
    made = mls.make_key_package(
        SUITE,
        station.kid.encode(),
        station.mls_seed,
        not_before=now - 60,
        not_after=now + 86400,
        rng=secrets.token_bytes,
    )
    return made.key_package


def make_open(world: World, by: Station, other: Station) -> tuple[Made, Thread]:
    """The opening of a thread between two stations."""
    now = int(time.time())
    raw = secrets.token_bytes(16)
    group = mls.Group.create(SUITE, raw, by.kid.encode(), by.mls_seed, now=now, rng=secrets.token_bytes)
    info = group.group_info()
    staged = group.commit(add=[key_package(other)], now=now, rng=secrets.token_bytes)
    group.merge(staged)
    if staged.welcome is None:
        raise RuntimeError("no welcome")
    parts = {"group_info": info, "commit": staged.commit, "welcome": staged.welcome}
    roster = [{"station": each.kid, "office": each.office} for each in (by, other)]
    act = {"ladder": LADDER, "parties": [by.office, other.office], "roster": roster}
    thread = Thread(b64u(raw), group)
    payload = _payload(world, by, thread, "open", act, {name: digest(data) for name, data in parts.items()})
    made = _made(make_entry(payload, by.sign), parts)
    thread.opened = made.id
    return made, thread


def make_statement(world: World, by: Station, thread: Thread, size: int, precedence: str = "ROUTINE") -> Made:
    """The next statement of ``by`` in ``thread``, ``size`` characters long: signed by officer and station, encrypted."""
    thread.serial += 1
    body, marks = make_body({"text": "x" * size}, secrets.token_bytes)
    payload = _payload(world, by, thread, "statement", {}, {}, marks, precedence)
    sealed = thread.group.encrypt(body_to_bytes(body), aad=body_aad(payload), rng=secrets.token_bytes)
    payload = _payload(world, by, thread, "statement", {}, {"body": digest(sealed)}, marks, precedence, epoch=1)
    return _made(make_entry(payload, by.sign, world.officers[by.office]), {"body": sealed})


def _made(entry: bytes, parts: dict[str, bytes]) -> Made:
    from protocols.entry import parse_entry

    return Made(parse_entry(entry).id, entry, parts)


def _payload(
    world: World,
    by: Station,
    thread: Thread,
    kind: str,
    act: dict[str, object],
    parts: dict[str, str],
    marks: tuple[str, ...] = (),
    precedence: str = "ROUTINE",
    epoch: int | None = None,
) -> Payload:
    return Payload(
        v=1,
        log=world.accord.log_origin,
        accord=world.accord.id,
        status="EXERCISE",
        thread=thread.id,
        kind=kind,
        office=by.office,
        station=by.kid,
        serial=thread.serial,
        prev=thread.opened or None,
        prev_seq=1 if thread.opened else 0,
        precedence=precedence,  # type: ignore[arg-type]
        tlp="AMBER+STRICT",
        act=act,
        claimed=rfc3339(int(time.time() * 1000)),
        nonce=b64u(secrets.token_bytes(16)),
        parts=parts,
        epoch=epoch,
        sd=marks,
    )
