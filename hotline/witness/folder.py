"""A witness's folder.

::

    witness.key         seeds of its two cosigning keys, sealed (`hotline.keystore`)
    witness-card.json   name, vkeys, URL: public; goes to whoever drafts the accord
    witness.db          its memory (`hotline.witness.store`); belongs to the keys and is worth as much as they
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hotline import keystore
from hotline.office import read_json, write_json
from hotline.witness import store
from hotline.witness.errors import WitnessFault
from hotline.witness.store import WitnessStore
from protocols.translog import KeyMalformed, Signer, VerifierKey, ed25519_cosigner, mldsa44_cosigner, parse_vkey


class WitnessCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a witness is known by. ``vkeys``: one key name, Ed25519 and ML-DSA-44. ``url``: prefix of its HTTP interface."""

    name: str
    vkeys: tuple[str, ...]
    url: str

    def keys(self) -> tuple[VerifierKey, ...]:
        """Raises `WitnessFault` where they are not one witness's keys."""
        try:
            found = tuple(parse_vkey(vkey) for vkey in self.vkeys)
        except KeyMalformed as error:
            raise WitnessFault(f"a key cannot be used: {error.detail}") from error
        if not found or {key.name for key in found} != {self.name} or len({key.kind for key in found}) != len(found):
            raise WitnessFault("the keys are not of one name and different kinds")
        return found


@dataclass(frozen=True, slots=True, repr=False)
class OpenWitness:
    """What a service runs on."""

    signers: tuple[Signer, ...]
    store: WitnessStore


def check_url(url: str) -> str:
    """The URL without a slash at its end. Raises `WitnessFault` unless it is plain ``http://`` or ``https://``."""
    if not url.startswith(("http://", "https://")) or not url.isascii() or any(char in url for char in " \t\n?#@"):
        raise WitnessFault(f"{url[:80]!r} is no http or https URL")
    return url.rstrip("/")


def create(
    path: Path, *, name: str, url: str, passphrase: bytes, profile: keystore.Profile = "standard"
) -> WitnessCard:
    """Make keys, memory and card, all new. Raises `WitnessFault`."""
    if path.exists() and any(path.iterdir()):
        raise WitnessFault(f"{path} is not empty")
    url = check_url(url)
    seeds = {"ed25519": secrets.token_bytes(32), "mldsa44": secrets.token_bytes(32)}
    try:
        vkeys = tuple(signer.key.vkey for signer in _signers(name, seeds))
    except KeyMalformed as error:
        raise WitnessFault(f"the name cannot be used: {error.detail}") from error
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    keystore.create(path / "witness.key", seeds, passphrase, profile=profile)
    store.create(path / "witness.db", vkeys)
    card = WitnessCard(name, vkeys, url)
    write_json(path / "witness-card.json", msgspec.to_builtins(card))
    return card


def read_card(path: Path) -> WitnessCard:
    """Raises `WitnessFault`, `hotline.office.OfficeFault`."""
    try:
        card = msgspec.convert(read_json(path), WitnessCard, strict=True)
    except msgspec.ValidationError as error:
        raise WitnessFault(f"{path.name} is no witness's card: {error}") from error
    card.keys()
    check_url(card.url)
    return card


def open_folder(path: Path, passphrase: bytes) -> OpenWitness:
    """Raises `WitnessFault`, `WitnessRetired`, and what `hotline.keystore.unlock` raises."""
    card = read_card(path / "witness-card.json")
    signers = _signers(card.name, keystore.unlock(path / "witness.key", passphrase))
    if tuple(signer.key.vkey for signer in signers) != card.vkeys:
        raise WitnessFault("witness.key and witness-card.json are not of one witness")
    return OpenWitness(signers, WitnessStore(path / "witness.db", card.vkeys))


def open_memory(path: Path) -> WitnessStore:
    """The memory alone, for what needs no key. Raises `WitnessFault`, `WitnessRetired`."""
    return WitnessStore(path / "witness.db", read_card(path / "witness-card.json").vkeys)


def _signers(name: str, seeds: dict[str, bytes]) -> tuple[Signer, ...]:
    if set(seeds) != {"ed25519", "mldsa44"}:
        raise WitnessFault("witness.key does not hold a witness's keys")
    return ed25519_cosigner(name, seeds["ed25519"]), mldsa44_cosigner(name, seeds["mldsa44"])
