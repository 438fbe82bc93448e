"""The hub's settings: ``hub.toml``, typed and checked; nothing else is configured anywhere."""

from __future__ import annotations

import tomllib
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

import msgspec

from hotline.hub.errors import HubNotReady
from hotline.store.place import Place, server
from protocols.kinds import Name, Text

Network = IPv4Network | IPv6Network
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86400)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much one station may ask of the hub. Times in seconds.

    ``in_flight``: submissions a connection may have waiting; ``answers``: frames that may wait to be read by it; both have a
    limit in bytes too. ``frames_per_second``, ``bytes_per_second``: how fast it is read.

    ``office_entries``, ``station_entries``, ``office_bytes``, ``station_bytes``: a minute, see `hotline.hub.allowance`.
    ``office_urgent``: entries above ROUTINE that are carried as what they say.

    ``claims_per_hour``: key packages one station may claim; ``office_claims_per_hour``: all stations of an office;
    ``claims_each_per_hour``: an office, of one station. ``claims_reserved``: of what a station last published, so many are kept
    for each office that has not claimed them yet.

    ``login_failures``: per address and minute, at the line and at the console. An address is an IPv4 address or an IPv6
    network of 64 bits. ``strangers``: connections on which no station has logged in, the console's browsers among them;
    ``strangers_each``: of one address; ``arrivals_each``: new connections of one address a minute. ``stranger_bytes``: what
    such a connection may send until its login succeeds. ``body``: time for the body of a request. ``idle``: time between
    two requests on one connection.
    """

    login: Seconds = 10.0
    send: Seconds = 20.0
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 128
    answers: Annotated[int, msgspec.Meta(ge=8, le=65536)] = 1024
    key_packages: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    claims_per_hour: Annotated[int, msgspec.Meta(ge=1, le=10000)] = 120
    office_claims_per_hour: Annotated[int, msgspec.Meta(ge=1, le=100000)] = 240
    claims_each_per_hour: Annotated[int, msgspec.Meta(ge=1, le=10000)] = 60
    claims_reserved: Annotated[int, msgspec.Meta(ge=0, le=20)] = 2
    login_failures: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    mandates: Annotated[int, msgspec.Meta(ge=8, le=100000)] = 2000
    strangers: Annotated[int, msgspec.Meta(ge=8, le=65536)] = 512
    strangers_each: Annotated[int, msgspec.Meta(ge=4, le=65536)] = 256
    arrivals_each: Annotated[int, msgspec.Meta(ge=10, le=1_000_000)] = 600
    stranger_bytes: Annotated[int, msgspec.Meta(ge=65536, le=1 << 24)] = 1 << 18
    office_entries: Annotated[int, msgspec.Meta(ge=10, le=10_000_000)] = 6000
    station_entries: Annotated[int, msgspec.Meta(ge=10, le=10_000_000)] = 3000
    office_bytes: Annotated[int, msgspec.Meta(ge=8 << 20, le=1 << 40)] = 256 << 20
    station_bytes: Annotated[int, msgspec.Meta(ge=8 << 20, le=1 << 40)] = 128 << 20
    office_urgent: Annotated[int, msgspec.Meta(ge=2, le=10_000_000)] = 120
    in_flight_bytes: Annotated[int, msgspec.Meta(ge=1 << 20, le=1 << 32)] = 16 << 20
    answer_bytes: Annotated[int, msgspec.Meta(ge=1 << 20, le=1 << 32)] = 8 << 20
    frames_per_second: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 500
    bytes_per_second: Annotated[int, msgspec.Meta(ge=1 << 16, le=1 << 32)] = 8 << 20
    body: Seconds = 300.0
    idle: Seconds = 90.0


class TimestampTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Time-stamping authorities (RFC 3161) that are asked to stamp published heads. No ``urls``: none is asked.

    ``roots``: the file, in the hub's folder, with the self-signed certificates (PEM) of those that are trusted. ``every``:
    seconds between two tokens; ``escalations``: one more when an incident goes up the ladder. ``answer``: seconds that one
    may take to answer.
    """

    urls: Annotated[tuple[Text, ...], msgspec.Meta(max_length=8)] = ()
    roots: Text = "timestamp-roots.pem"
    every: Annotated[float, msgspec.Meta(ge=60, le=31 * 86400)] = 86400.0
    escalations: bool = True
    answer: Annotated[float, msgspec.Meta(gt=0, le=300)] = 20.0


class AttachmentTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files that go with entries. Sizes in MiB of ciphertext.

    ``largest``: one file; 0: none is taken. ``thread``, ``office``: all files of one thread, and all that one office has
    handed over. ``spare``: what stays free on the disk, for the log. ``transfers``: at once, of one station. ``unfinished``:
    seconds that a file may be announced without a byte of it coming, before its place is given free; ``unbound``: that one may
    lie here whole without any station saying that an entry binds it. ``idle``: seconds that a transfer may stand still.
    ``folder``: where they lie; empty: ``blobs`` in the hub's folder. Hubs that share a store must share this folder too.
    """

    largest: Annotated[int, msgspec.Meta(ge=0, le=101)] = 101
    thread: Annotated[int, msgspec.Meta(ge=0)] = 1024
    office: Annotated[int, msgspec.Meta(ge=0)] = 4096
    spare: Annotated[int, msgspec.Meta(ge=0)] = 1024
    transfers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    unfinished: Annotated[float, msgspec.Meta(ge=60, le=31 * 86400)] = 86400.0
    unbound: Annotated[float, msgspec.Meta(ge=60, le=366 * 86400)] = 7 * 86400.0
    idle: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0
    folder: Text = ""


class StoreTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the store lies. ``url``: a PostgreSQL server that several hubs share, as a libpq connection string without a
    password (that stands in a password file: PGPASSFILE). Empty: the file hub.db in the hub's folder.
    """

    url: str = ""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``listen``: host:port. ``plain``: no TLS, because the line runs inside the operator's own tunnel.

    ``head_interval``: seconds between heads while the line is idle; ``head_delay``: seconds that new entries wait for
    company before a head is signed over them. ``metrics_from``: addresses that may read ``/metrics``, beside the loopback.
    ``witnesses``: witnesses of the accord that are reached over HTTP, key name to URL, where the accord names no URL or
    another one. ``timestamps``: authorities outside the line that stamp its log. ``store``: where what it holds is kept.
    ``attachments``: files that go with entries.
    """

    name: Name
    listen: Text
    plain: bool = False
    head_interval: Seconds = 60.0
    head_delay: Seconds = 0.5
    console_hosts: tuple[Text, ...] = ()
    metrics_from: tuple[Text, ...] = ()
    witnesses: dict[Text, Text] = {}
    timestamps: TimestampTable = TimestampTable()
    store: StoreTable = StoreTable()
    attachments: AttachmentTable = AttachmentTable()
    limits: Limits = Limits()

    @property
    def metrics_readers(self) -> tuple[Network, ...]:
        """The networks that may read ``/metrics``. Raises `HubNotReady`."""
        try:
            return (*LOOPBACK, *(ip_network(text) for text in self.metrics_from))
        except ValueError as error:
            raise HubNotReady(f"metrics_from: {error}") from error

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on. Raises `HubNotReady`."""
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise HubNotReady(f"listen = {self.listen!r} is not host:port")
        return host.strip("[]"), int(port)


def read_settings(path: Path) -> Settings:
    """Raises `HubNotReady` for a file that is missing, no TOML, or holds what the hub does not know."""
    try:
        settings = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Settings, strict=False)
    except (OSError, ValueError) as error:  # tomllib's and msgspec's errors are ValueErrors
        raise HubNotReady(f"{path.name}: {error}") from error
    settings.metrics_readers  # noqa: B018 - found wrong before anything is opened
    if not all(url.startswith(("http://", "https://")) for url in settings.timestamps.urls):
        raise HubNotReady("timestamps: a URL that is neither http:// nor https://")
    return settings


def place_of(path: Path) -> Place:
    """Where the store of a hub's folder lies; without settings there, hub.db. Raises `HubNotReady`, `StorePlaceFault`."""
    settings = path / "hub.toml"
    url = read_settings(settings).store.url if settings.exists() else ""
    return server(url) if url else path / "hub.db"
