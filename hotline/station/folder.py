"""A station's folder: what it was set up with, read once at start and checked against the pinned accord.

::

    station.toml      office, name, zone, the pinned accord's id, waits
    station.key       seeds of the station's four keys and the key of its store, sealed with the passphrase
    officers/*.key    officers' signing keys, each sealed with its officer's own passphrase
    accord.jws  ladders/<id>.toml  mandates/*.jws
    station.db        the store
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from nacl import bindings

from hotline.station.errors import BadFolder
from hotline.station.line import LineSettings
from mediation.ladder import Ladder, LadderError, parse_ladder
from protocols.accord import SignedAccord, open_accord
from protocols.encoding import b64u
from protocols.errors import ProtocolError
from protocols.keys import SeedSigner
from protocols.kinds import Name, OfficeId, Text
from protocols.mandate import MandateBook, StationKeys, VerifiedMandate
from protocols.translog import Policy, Signer, VerifierKey, ed25519_cosigner, mldsa44_cosigner, parse_policy, parse_vkey

SECRETS = ("sign", "mls", "seal", "witness", "data", "witness_pq")
OLDER_SECRETS = frozenset(SECRETS) - {"witness_pq"}
"""Of stations that were made before there were ML-DSA-44 cosignatures: they go on without."""


class LineTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[line]``: seconds, as in `hotline.station.line.LineSettings`."""

    base: float = 1.0
    cap: float = 60.0
    connect: float = 10.0
    ping: float = 5.0
    silence: float = 30.0


class DutyTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[duty]``, seconds: how long a station waits for another to do what either may (renew keys, send a receipt), how
    often it looks, how long `Desk.send` waits for the hub's answer before it says "queued"; how long after an
    acknowledgement somebody is reminded that no reply went out (``remind_urgent``: to FLASH and IMMEDIATE; 0: never; an
    exercise's scale divides both); how long the hub may keep an entry that it took from coming back, and an entry from
    standing under a head with a quorum, before the alarm sounds; how old the hub's word on where an open thread ends may be
    before the station asks for it anew."""

    fallback: float = 30.0
    tick: float = 5.0
    answer: float = 3.0
    remind: float = 1800.0
    remind_urgent: float = 300.0
    undelivered: float = 60.0
    heads: float = 900.0
    ends: float = 86_400.0


class StationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``station.toml``. ``accord``: id of the pinned accord, empty before `install`. ``addresses`` of the hub come before
    the accord's own."""

    office: OfficeId
    name: Name
    zone: Text = "UTC"
    accord: str = ""
    addresses: tuple[str, ...] = ()
    line: LineTable = LineTable()
    duty: DutyTable = DutyTable()

    def line_settings(self) -> LineSettings:
        """As the line takes them."""
        return LineSettings(**msgspec.structs.asdict(self.line))


@dataclass(frozen=True)
class Keys:
    """A station's private keys. Each has one purpose."""

    sign: SeedSigner
    mls: bytes
    seal: bytes
    witness: Signer
    data: bytes
    witness_pq: Signer | None = None

    @property
    def cosigners(self) -> tuple[Signer, ...]:
        """What cosigns the log: Ed25519, and ML-DSA-44 beside it where there is such a key."""
        return (self.witness,) if self.witness_pq is None else (self.witness, self.witness_pq)

    @property
    def seal_public(self) -> str:
        """X25519, base64url."""
        return b64u(bindings.crypto_scalarmult_base(self.seal))

    @property
    def mls_public(self) -> bytes:
        """Ed25519, 32 bytes."""
        return SeedSigner(self.mls).public

    def card(self) -> StationKeys:
        """The public keys, as a mandate carries them."""
        return StationKeys(
            sign=b64u(self.sign.public),
            mls=b64u(self.mls_public),
            seal=self.seal_public,
            witness=self.witness.key.vkey,
            witness_pq="" if self.witness_pq is None else self.witness_pq.key.vkey,
        )


@dataclass(frozen=True)
class Identity:
    """Who a station is and what it goes by: everything that does not change while it runs."""

    settings: StationSettings
    keys: Keys
    accord: SignedAccord
    ladders: Mapping[str, Ladder]
    mandates: MandateBook
    mandate: VerifiedMandate
    policy: Policy
    log: VerifierKey
    ladder_files: Mapping[str, bytes] = field(default_factory=dict)
    """Exact bytes of the ladders, by the accord's ids."""

    @property
    def office(self) -> str:
        return self.settings.office

    @property
    def kid(self) -> str:
        """The station's own name on the line."""
        return self.keys.sign.kid


def witness_name(office: str, name: str) -> str:
    """The name under which a station cosigns the log."""
    return f"station.{office.lower()}.{name}"


def make_keys(office: str, name: str, secrets: Mapping[str, bytes]) -> Keys:
    """Keys from the keystore's secrets (32 bytes each, names as in `SECRETS`). Raises `BadFolder`."""
    if set(secrets) not in (set(SECRETS), OLDER_SECRETS) or any(len(secret) != 32 for secret in secrets.values()):
        raise BadFolder("station.key does not hold a station's keys")
    return Keys(
        sign=SeedSigner(secrets["sign"]),
        mls=secrets["mls"],
        seal=secrets["seal"],
        witness=ed25519_cosigner(witness_name(office, name), secrets["witness"]),
        data=secrets["data"],
        witness_pq=mldsa44_cosigner(witness_name(office, name), pq) if (pq := secrets.get("witness_pq")) else None,
    )


def read_settings(folder: Path) -> StationSettings:
    """``station.toml``. Raises `BadFolder`."""
    try:
        value = tomllib.loads((folder / "station.toml").read_text("utf-8"))
        return msgspec.convert(value, StationSettings, strict=True)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise BadFolder(f"station.toml: {error}") from error


def make_identity(
    settings: StationSettings,
    secrets: Mapping[str, bytes],
    accord: bytes,
    ladders: Mapping[str, bytes],
    mandates: tuple[bytes, ...],
    *,
    now: int,
) -> Identity:
    """Check everything against everything. ``ladders``: id to exact bytes; ``now``: ms UTC.

    Raises `BadFolder`, which says what does not fit.
    """
    keys = make_keys(settings.office, settings.name, secrets)
    try:
        signed = open_accord(accord, pinned=settings.accord or None)
        found = {name: _ladder(signed, name, ladders) for name in (each.id for each in signed.accord.ladders)}
        book = MandateBook(signed.accord)
        for data in mandates:
            book.add_bytes(data)
        mandate = book.require(keys.sign.kid, role="station", office=settings.office, at=now)
        policy, log = parse_policy(signed.accord.policy), parse_vkey(signed.accord.hub.log)
    except (ProtocolError, LadderError) as error:
        raise BadFolder(str(error)) from error
    if mandate.station_keys != keys.card():
        raise BadFolder("the mandate names other keys than this station's")
    files = {name: ladders[name] for name in found}
    return Identity(settings, keys, signed, found, book, mandate, policy, log, files)


def load_identity(folder: Path, secrets: Mapping[str, bytes], *, now: int) -> Identity:
    """The identity in a folder, given its unlocked secrets. Raises `BadFolder`."""
    settings = read_settings(folder)
    if not settings.accord:
        raise BadFolder("no accord is installed yet")
    try:
        accord = (folder / "accord.jws").read_bytes()
        ladders = {path.stem: path.read_bytes() for path in sorted((folder / "ladders").glob("*.toml"))}
        mandates = tuple(path.read_bytes() for path in sorted((folder / "mandates").glob("*.jws")))
    except OSError as error:
        raise BadFolder(f"{error.filename}: {error.strerror}") from error
    return make_identity(settings, secrets, accord, ladders, mandates, now=now)


def _ladder(accord: SignedAccord, name: str, ladders: Mapping[str, bytes]) -> Ladder:
    if name not in ladders:
        raise BadFolder(f"the ladder {name} of the accord is not installed")
    accord.accord.check_ladder(name, ladders[name])
    return parse_ladder(ladders[name])
