"""An office's folder: its root key, and the mandates it has given and taken back.

::

    office.toml          who the office is
    root.key             its root key, sealed (`hotline.keystore`)
    office-card.json     what goes into the accord: public
    mandates/NNNN.jws    every mandate it has signed, in order of serial: public

The root key signs accords and mandates and nothing else. Keep the folder on a machine without a network.
"""

from __future__ import annotations

import json
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hotline import keystore
from hotline.errors import LocalFault
from protocols.accord import Office
from protocols.encoding import Malformed, b64u, from_json, rfc3339, unb64u
from protocols.errors import ProtocolError
from protocols.jws import parse
from protocols.keys import SeedSigner, Signer, public_from
from protocols.kinds import OfficeId, Text
from protocols.mandate import MAX_MANDATE_BYTES, Mandate, MandateRole, StationKeys, sign_mandate, verify_holder

MAX_CARD_BYTES = 16 * 1024
FOREVER = "9999-12-31T23:59:59.000Z"
"""End of a revocation: it must outlast every mandate it takes back."""


class OfficeFault(LocalFault):
    """The office's folder, or a card given to it, is not what it must be. ``detail`` says how."""

    code = "office.fault"
    _sentence = "The office's folder or the card cannot be used as it is. Nothing was signed."


class StationCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a station hands its office: its public keys, and ``holder``, their proof that they are this office's. Holds no
    secret."""

    office: OfficeId
    name: Text
    keys: StationKeys
    holder: str

    def check(self) -> None:
        """Raises `ProtocolError` unless the keys themselves said that they are this office's."""
        verify_holder(self.holder, self.office, self.keys.sign, self.keys)


class OfficerCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a station hands its office for an officer: the function's name, its public key, the roles asked for, and
    ``holder``, the key's proof that it is this office's."""

    office: OfficeId
    name: Text
    sign: Annotated[str, msgspec.Meta(min_length=43, max_length=43)]
    roles: tuple[Literal["drafter", "releaser"], ...]
    holder: str

    def check(self) -> None:
        """Raises `ProtocolError` unless the key itself said that it is this office's."""
        verify_holder(self.holder, self.office, self.sign)


Card = StationCard | OfficerCard


@dataclass(frozen=True, slots=True)
class OfficeFolder:
    """An office's folder on disk, and who the office is."""

    path: Path
    office: Office

    def unlock(self, passphrase: bytes) -> Signer:
        """The root key. Raises what `hotline.keystore.unlock` raises, and `OfficeFault` for another office's key."""
        signer = SeedSigner(keystore.unlock(self.path / "root.key", passphrase)["root"])
        if b64u(signer.public) != self.office.root:
            raise OfficeFault("root.key is not the key in office.toml")
        return signer

    def issued(self) -> tuple[Mandate, ...]:
        """Every mandate this office has signed, by serial. Raises `OfficeFault` where a file is not one."""
        return tuple(_read_mandate(path) for path in sorted((self.path / "mandates").glob("*.jws")))


def create(path: Path, office: Office, passphrase: bytes, *, profile: keystore.Profile = "standard") -> OfficeFolder:
    """Make the folder and the root key. ``office.root`` is ignored: the key is made here. Raises `OfficeFault`."""
    if not all(value.isprintable() for value in msgspec.to_builtins(office).values()):
        raise OfficeFault("a control character in the office's name")
    if path.exists() and any(path.iterdir()):
        raise OfficeFault(f"{path} is not empty")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    (path / "mandates").mkdir()
    seed = secrets.token_bytes(32)
    office = msgspec.structs.replace(office, root=b64u(SeedSigner(seed).public))
    keystore.create(path / "root.key", {"root": seed}, passphrase, profile=profile)
    card = msgspec.to_builtins(office)
    write_json(path / "office-card.json", card)
    # A JSON string without control characters is a TOML basic string.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in card.items()]
    (path / "office.toml").write_text("# Who this office is. The key is in root.key.\n" + "".join(lines), "utf-8")
    return open_folder(path)


def open_folder(path: Path) -> OfficeFolder:
    """The folder that `create` made. Raises `OfficeFault`."""
    try:
        office = msgspec.convert(tomllib.loads((path / "office.toml").read_text("utf-8")), Office, strict=True)
    except (OSError, ValueError) as error:  # not TOML, not UTF-8, not an office
        raise OfficeFault(f"{path} is no office's folder: {error}") from error
    return OfficeFolder(path, office)


def read_card(path: Path) -> Card:
    """A station's or officer's card, with its holder's proof. Raises `OfficeFault`."""
    value = read_json(path)
    wanted: type[Card] = StationCard if isinstance(value, dict) and "keys" in value else OfficerCard
    try:
        card = msgspec.convert(value, wanted, strict=True)
        card.check()
    except (msgspec.ValidationError, ProtocolError) as error:
        raise OfficeFault(f"{path.name} is no card: {error}") from error
    return card


def read_office_card(path: Path) -> Office:
    """An office's card. Raises `OfficeFault`."""
    try:
        office = msgspec.convert(read_json(path), Office, strict=True)
        public_from(office.root)
    except (msgspec.ValidationError, ProtocolError) as error:
        raise OfficeFault(f"{path.name} is no office's card: {error}") from error
    return office


def give_mandate(
    folder: OfficeFolder,
    root: Signer,
    card: Card,
    *,
    not_before: int,
    not_after: int,
    roles: tuple[MandateRole, ...] | None = None,
) -> tuple[Mandate, bytes]:
    """Sign a mandate and keep it in the folder. Times in ms UTC. ``roles`` None: as the card asks; (): revokes.

    Raises `OfficeFault` for a card of another office, or roles the card's holder cannot have.
    """
    if card.office != folder.office.id:
        raise OfficeFault(f"a card of {card.office}; this is the office {folder.office.id}")
    station = isinstance(card, StationCard)
    asked: tuple[MandateRole, ...] = ("station",) if isinstance(card, StationCard) else card.roles
    if roles is None:
        roles = asked
    if not set(roles) <= ({"station"} if station else {"drafter", "releaser"}):
        raise OfficeFault(f"a {'station' if station else 'person'} cannot be mandated as {', '.join(roles)}")
    if not_before >= not_after:
        raise OfficeFault("the mandate would end before it begins")
    serial = max((mandate.serial for mandate in folder.issued()), default=0) + 1
    mandate = Mandate(
        v=1,
        office=card.office,
        subject="station" if station else "officer",
        name=card.name,
        serial=serial,
        roles=tuple(dict.fromkeys(roles)),
        sign=card.keys.sign if isinstance(card, StationCard) else card.sign,
        not_before=rfc3339(not_before),
        not_after=rfc3339(not_after),
        holder=card.holder,
        keys=card.keys if isinstance(card, StationCard) else None,
    )
    data = sign_mandate(mandate, root)
    with (folder.path / "mandates" / f"{serial:04d}.jws").open("xb") as file:
        file.write(data)
    return mandate, data


def card_of(mandate: Mandate) -> Card:
    """The card that asks for the same again: to renew or revoke a mandate of which only the file is at hand."""
    if mandate.keys is not None:
        return StationCard(mandate.office, mandate.name, mandate.keys, mandate.holder)
    roles: list[Literal["drafter", "releaser"]] = [role for role in mandate.roles if role != "station"]
    return OfficerCard(mandate.office, mandate.name, mandate.sign, tuple(roles), mandate.holder)


def read_card_or_mandate(path: Path) -> Card:
    """A card, or the card of a mandate's file. Raises `OfficeFault`."""
    return card_of(_read_mandate(path)) if path.suffix == ".jws" else read_card(path)


def read_json(path: Path) -> object:
    """A small JSON file, read strictly. Raises `OfficeFault`."""
    try:
        with path.open("rb") as file:
            return from_json(file.read(MAX_CARD_BYTES + 1), limit=MAX_CARD_BYTES)
    except (OSError, Malformed) as error:
        raise OfficeFault(f"cannot read {path}: {error}") from error


def write_json(path: Path, value: object) -> None:
    """A file for people to look at and machines to read; never over one that stands."""
    with path.open("x", encoding="utf-8") as file:
        file.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _read_mandate(path: Path) -> Mandate:
    try:
        with path.open("rb") as file:
            found = parse(file.read(MAX_MANDATE_BYTES + 1), limit=MAX_MANDATE_BYTES)
        return msgspec.convert(from_json(unb64u(found.payload)), Mandate, strict=True)
    except (OSError, ProtocolError, msgspec.ValidationError) as error:
        raise OfficeFault(f"{path.name} is no mandate: {error}") from error
