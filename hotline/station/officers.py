"""Officers' keys: each sealed with its officer's own passphrase, opened for as long as this process runs.

::

    officers/<name>.key          the signing key, sealed
    officers/<name>-card.json    its public half, for the office to mandate
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from hotline import keystore
from hotline.office import OfficerCard, read_card, write_json
from hotline.station.errors import BadFolder
from protocols.encoding import b64u
from protocols.keys import SeedSigner, Signer, kid_of, public_from
from protocols.mandate import sign_holder


class OfficerKeys(Protocol):
    """Where officers' keys are."""

    def unlock(self, kid: str, passphrase: bytes) -> Signer | None:
        """The signer, or None where there is no such key here. Raises `keystore.KeystoreError`. May take a second."""
        ...


class OfficerFolder:
    """The ``officers`` folder of a station."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def cards(self) -> dict[str, tuple[str, OfficerCard]]:
        """By kid: the file's name and the card."""
        found: dict[str, tuple[str, OfficerCard]] = {}
        for path in sorted(self._folder.glob("*-card.json")):
            card = read_card(path)
            if isinstance(card, OfficerCard):
                found[kid_of(public_from(card.sign))] = (path.name.removesuffix("-card.json"), card)
        return found

    def kid(self, name: str) -> str:
        """The kid of the officer with this file name. Raises `BadFolder`."""
        for kid, (known, _) in self.cards().items():
            if known == name:
                return kid
        raise BadFolder(f"no officer {name!r} here")

    def unlock(self, kid: str, passphrase: bytes) -> Signer | None:
        found = self.cards().get(kid)
        if found is None:
            return None
        signer = SeedSigner(keystore.unlock(self._folder / f"{found[0]}.key", passphrase)["sign"])
        if signer.kid != kid:
            raise BadFolder(f"{found[0]}.key is not the key on its card")
        return signer


class OfficersInMemory:
    """Officers' keys already open, for programs that hold them themselves."""

    def __init__(self, seeds: Mapping[str, bytes]) -> None:
        self._signers = {signer.kid: signer for signer in map(SeedSigner, seeds.values())}

    def unlock(self, kid: str, passphrase: bytes) -> Signer | None:
        return self._signers.get(kid)


def add_officer(
    folder: Path,
    office: str,
    name: str,
    roles: tuple[Literal["drafter", "releaser"], ...],
    passphrase: bytes,
    *,
    profile: keystore.Profile = "standard",
) -> OfficerCard:
    """Make an officer's key and card in ``folder``. Raises `keystore.KeystoreExists`."""
    folder.mkdir(mode=0o700, exist_ok=True)
    seed = secrets.token_bytes(32)
    keystore.create(folder / f"{name}.key", {"sign": seed}, passphrase, profile=profile)
    signer = SeedSigner(seed)
    card = OfficerCard(office, name, b64u(signer.public), roles, sign_holder(office, signer))
    write_json(folder / f"{name}-card.json", msgspec.to_builtins(card))
    return card
