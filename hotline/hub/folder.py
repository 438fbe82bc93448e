"""The hub's folder.

::

    hub.toml         settings (`hotline.hub.settings`)
    hub.key          its private keys, sealed: sign, log, operators, tls (`hotline.keystore`)
    hub-card.json    what goes into the accord: public
    tls.crt          its certificate: public; the key is in hub.key
    accord.jws       the accord, once installed; accord.id holds the id it was pinned by
    ladders/<id>.toml
    hub.db           where hub.toml names no PostgreSQL server
    blobs/           sealed files that go with entries, unless hub.toml names another folder
    timestamp-roots.pem  certificates of time-stamping authorities, where hub.toml names any
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hotline import keystore
from hotline.hub import tls
from hotline.hub.errors import HubNotReady
from hotline.hub.hub import HubKeys
from hotline.hub.settings import Settings, read_settings
from hotline.store.place import Place, server
from protocols.accord import MAX_ACCORD_BYTES, HubCard, SignedAccord, open_accord
from protocols.encoding import b64u, digest
from protocols.keys import SeedSigner
from protocols.translog import ed25519_signer
from protocols.translog.errors import RootMalformed
from protocols.translog.timestamp import MAX_ROOTS_BYTES, read_roots

MAX_LADDER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class HubFolder:
    """Everything a hub is started from but its keys."""

    path: Path
    settings: Settings
    accord: SignedAccord
    ladders: Mapping[str, bytes]

    @property
    def database(self) -> Path:
        """The file of its store. Raises `HubNotReady` where it lies on a server: that has tools of its own for copies."""
        if self.settings.store.url:
            raise HubNotReady(
                "the store is on a PostgreSQL server: copy, restore and check it with the server's own tools"
            )
        return self.path / "hub.db"

    @property
    def place(self) -> Place:
        """Where its store lies. Raises `StorePlaceFault`."""
        url = self.settings.store.url
        return server(url) if url else self.path / "hub.db"

    @property
    def files(self) -> Path:
        """The folder of the sealed files that go with entries."""
        return self.path / (self.settings.attachments.folder or "blobs")

    def timestamp_roots(self) -> tuple[bytes, ...]:
        """The certificates of the time-stamping authorities that the settings trust; none where none is to be asked.

        Raises `HubNotReady` for a file that is missing or holds none.
        """
        wanted = self.settings.timestamps
        if not wanted.urls:
            return ()
        try:
            data = _read(self.path / wanted.roots, MAX_ROOTS_BYTES)
            read_roots(data)
        except (OSError, RootMalformed) as error:
            raise HubNotReady(f"timestamps: {wanted.roots}: {error}") from error
        return (data,)

    def unlock(self, passphrase: bytes) -> tuple[HubKeys, ssl.SSLContext | None]:
        """The private keys, and TLS unless the hub runs in the clear.

        Raises what `hotline.keystore.unlock` raises, and `HubNotReady` where certificate and accord differ.
        """
        found = keystore.unlock(self.path / "hub.key", passphrase)
        keys = HubKeys(found["sign"], found["log"], found["operators"])
        pinned = self.accord.accord.hub.tls
        if self.settings.plain:
            if pinned:
                raise HubNotReady("hub.toml says plain, the accord pins a certificate")
            return keys, None
        certificate = (self.path / "tls.crt").read_bytes()
        self.check_certificate(certificate)
        return keys, tls.server_context(certificate, found["tls"])

    def check_certificate(self, certificate: bytes) -> None:
        """Raises `HubNotReady` for another certificate (PEM) than the accord pins."""
        if tls.fingerprint(certificate) != self.accord.accord.hub.tls:
            raise HubNotReady("tls.crt is not the certificate that the accord pins")


def create(
    path: Path,
    *,
    name: str,
    addresses: tuple[str, ...],
    listen: str,
    passphrase: bytes,
    now: int,
    plain: bool = False,
    head_interval: float = 60.0,
    profile: keystore.Profile = "standard",
    generation: int = 1,
) -> HubCard:
    """Make a hub's folder and keys; the card goes into the accord. ``now``: ms UTC. Raises `HubNotReady`.

    ``generation``: above 1 for a hub that begins a new log after an older one of its name was lost or discredited: the new
    log has a name of its own, so that nothing of the two can be taken for each other.
    """
    if path.exists() and any(path.iterdir()):
        raise HubNotReady(f"{path} is not empty")
    scheme = "ws://" if plain else "wss://"
    if not addresses or not all(address.startswith(scheme) for address in addresses):
        raise HubNotReady(f"addresses are URLs that begin with {scheme}")
    try:
        settings = msgspec.convert(
            {"name": name, "listen": listen, "plain": plain, "head_interval": head_interval}, Settings, strict=False
        )
    except msgspec.ValidationError as error:
        raise HubNotReady(str(error)) from error
    _ = settings.address
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    (path / "ladders").mkdir()
    sign, log = secrets.token_bytes(32), secrets.token_bytes(32)
    sealed = {"sign": sign, "log": log, "operators": secrets.token_bytes(32)}
    mark = ""
    if not plain:
        certificate, key, mark = tls.make_certificate(name, addresses, now)
        (path / "tls.crt").write_bytes(certificate)
        sealed["tls"] = key
    keystore.create(path / "hub.key", sealed, passphrase, profile=profile)
    origin = f"{name}/log" if generation == 1 else f"{name}/log/{generation}"
    vkey = ed25519_signer(origin, log).key.vkey
    card = HubCard(name, b64u(SeedSigner(sign).public), vkey, mark, addresses)
    text = json.dumps(msgspec.to_builtins(card), ensure_ascii=False, indent=2)
    (path / "hub-card.json").write_text(text + "\n", "utf-8")
    (path / "hub.toml").write_text(
        f"# Settings of the hub. Its keys are in hub.key.\nname = {json.dumps(name)}\nlisten = {json.dumps(listen)}\n"
        f"plain = {json.dumps(plain)}\nhead_interval = {float(head_interval)}\n",
        "utf-8",
    )
    return card


def install(path: Path, accord: bytes, ladders: tuple[bytes, ...]) -> SignedAccord:
    """Pin the accord, for ever, and keep the ladders it puts in force.

    Raises `HubNotReady` where another accord is pinned, or it names another hub, or a ladder is missing or unknown;
    and what `open_accord` raises.
    """
    read_settings(path / "hub.toml")
    signed = open_accord(accord)
    pin = path / "accord.id"
    if pin.exists() and pin.read_text("ascii").strip() != signed.id:
        raise HubNotReady("another accord is pinned; a new accord needs a new hub folder")
    card = msgspec.json.decode((path / "hub-card.json").read_bytes(), type=HubCard)
    if (card.name, card.key, card.log, card.tls) != (
        signed.accord.hub.name,
        signed.accord.hub.key,
        signed.accord.hub.log,
        signed.accord.hub.tls,
    ):
        raise HubNotReady("the accord names another hub, or other keys")
    by_hash = {digest(data): data for data in ladders}
    for in_force in signed.accord.ladders:
        if in_force.hash not in by_hash:
            raise HubNotReady(f"the exact file of the ladder {in_force.id} was not given")
        (path / "ladders" / f"{in_force.id}.toml").write_bytes(by_hash[in_force.hash])
    (path / "accord.jws").write_bytes(accord)
    pin.write_text(signed.id + "\n", "ascii")
    return signed


def open_folder(path: Path) -> HubFolder:
    """Raises `HubNotReady`, and what `open_accord` raises."""
    settings = read_settings(path / "hub.toml")
    try:
        pinned = (path / "accord.id").read_text("ascii").strip()
        accord = open_accord(_read(path / "accord.jws", MAX_ACCORD_BYTES), pinned=pinned)
        ladders = {
            each.id: _read(path / "ladders" / f"{each.id}.toml", MAX_LADDER_BYTES) for each in accord.accord.ladders
        }
    except (OSError, UnicodeError) as error:
        raise HubNotReady(f"no accord is installed here: {error}") from error
    return HubFolder(path, settings, accord, ladders)


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Holds the folder's lock: one process a folder. Hubs that share a store have a folder each. Raises `HubNotReady`."""
    handle = os.open(path / "hub.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise HubNotReady("another hub process runs from this folder") from error
        yield
    finally:
        os.close(handle)


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise HubNotReady(f"{path.name} is over {limit} bytes")
    return data
