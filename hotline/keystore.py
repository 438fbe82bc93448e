"""Private keys at rest: one file, sealed with a passphrase.

The secrets are encrypted with XChaCha20-Poly1305 under a key that Argon2id (RFC 9106) makes from the passphrase. The
file is a line of JSON; everything before ``ct`` is authenticated with it. ``sum`` is a plain SHA-256 over the rest, so
that a damaged file and a wrong passphrase can be told apart; it protects against nothing else.

Errors::

    KeystoreError (LocalFault)
    ├── WrongPassphrase      the file is whole, the passphrase does not open it
    ├── KeystoreDamaged      cut short, changed, or of another version
    ├── KeystoreExposed      others may read it, it is not ours, or it is a link
    └── KeystoreExists       `create` never writes over a file

The passphrase and the secrets never stand in an error's text. Python cannot wipe memory; who can read this process's
memory has the keys.
"""

from __future__ import annotations

import contextlib
import os
import secrets as randomness
import stat
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from nacl import bindings, pwhash
from nacl.exceptions import CryptoError

from hotline.errors import LocalFault
from protocols.encoding import Malformed, b64u, digest, from_json, to_json, unb64u

MAX_KEYSTORE_BYTES = 256 * 1024
Profile = Literal["standard", "interactive"]

# (operations, memory in bytes). "standard" takes about a second: it is asked for once a shift. "interactive" is for
# tests and exercises on small machines. A file names its profile, so nobody can make us spend more memory than this.
_PROFILES: dict[str, tuple[int, int]] = {
    "standard": (pwhash.argon2id.OPSLIMIT_MODERATE, pwhash.argon2id.MEMLIMIT_MODERATE),
    "interactive": (pwhash.argon2id.OPSLIMIT_INTERACTIVE, pwhash.argon2id.MEMLIMIT_INTERACTIVE),
}
_SALT = pwhash.argon2id.SALTBYTES
_KEY = bindings.crypto_aead_xchacha20poly1305_ietf_KEYBYTES
_NONCE = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_MEMBERS = ["v", "kdf", "profile", "salt", "nonce", "ct", "sum"]


class KeystoreError(LocalFault):
    code = "keystore.error"


class WrongPassphrase(KeystoreError):
    """The file is whole but the passphrase does not open it."""

    code = "keystore.wrong-passphrase"
    _sentence = "The passphrase does not open this key file. Nothing was changed; try again."


class KeystoreDamaged(KeystoreError):
    """The file was cut short or changed, or is no key file of this version."""

    code = "keystore.damaged"
    _sentence = "The key file is damaged or of another version. It was not opened; restore it from your sealed backup."


class KeystoreExposed(KeystoreError):
    """Somebody else may read or replace the file."""

    code = "keystore.exposed"
    _sentence = (
        "Others on this machine could read or replace the key file, so it was not opened. Make it readable by its owner "
        "alone (mode 0600), and find out who had access: if in doubt, have a new key mandated."
    )


class KeystoreExists(KeystoreError):
    """There is a file in this place already."""

    code = "keystore.exists"
    _sentence = "There is a key file in this place already. It was left untouched."


def create(path: Path, secrets: Mapping[str, bytes], passphrase: bytes, *, profile: Profile = "standard") -> None:
    """Seal ``secrets`` (name to bytes) into a new file of mode 0600, all of it or nothing. Raises `KeystoreExists`.

    A passphrase that is UTF-8 is normalised (NFC), so that it opens whatever keyboard it was typed on.
    """
    if not passphrase:
        raise ValueError("an empty passphrase seals nothing")
    salt, nonce = randomness.token_bytes(_SALT), randomness.token_bytes(_NONCE)
    head: dict[str, Any] = {"v": 1, "kdf": "argon2id13", "profile": profile, "salt": b64u(salt), "nonce": b64u(nonce)}
    clear = to_json({name: b64u(value) for name, value in secrets.items()})
    key = _derive(passphrase, salt, profile)
    head["ct"] = b64u(bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(clear, to_json(head), nonce, key))
    _write_new(path, to_json({**head, "sum": digest(to_json(head))}) + b"\n")


def unlock(path: Path, passphrase: bytes) -> dict[str, bytes]:
    """The secrets by name.

    Raises `WrongPassphrase`, `KeystoreDamaged`, `KeystoreExposed`, or `OSError` where there is no such file.
    """
    head, salt, nonce, sealed = _parse(_read_private(path))
    key = _derive(passphrase, salt, head["profile"])
    try:
        clear = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, to_json(head), nonce, key)
    except CryptoError:
        # from None: nothing of the attempt belongs into a traceback
        raise WrongPassphrase from None
    found = from_json(clear, limit=MAX_KEYSTORE_BYTES)
    return {name: unb64u(value) for name, value in found.items()}


def _derive(passphrase: bytes, salt: bytes, profile: str) -> bytes:
    with contextlib.suppress(UnicodeDecodeError):  # what is not text is taken byte for byte
        passphrase = unicodedata.normalize("NFC", passphrase.decode("utf-8")).encode("utf-8")
    operations, memory = _PROFILES[profile]
    return pwhash.argon2id.kdf(_KEY, passphrase, salt, operations, memory)


def _parse(data: bytes) -> tuple[dict[str, Any], bytes, bytes, bytes]:
    try:
        value = from_json(data, limit=MAX_KEYSTORE_BYTES)
        if not isinstance(value, dict) or list(value) != _MEMBERS or to_json(value) + b"\n" != data:
            raise KeystoreDamaged("not a key file")
        total = value.pop("sum")
        if value["v"] != 1 or value["kdf"] != "argon2id13" or value["profile"] not in _PROFILES:
            raise KeystoreDamaged("not a key file of this version")
        if digest(to_json(value)) != total:
            raise KeystoreDamaged("its checksum differs")
        sealed = unb64u(value.pop("ct"))
        return value, unb64u(value["salt"], size=_SALT), unb64u(value["nonce"], size=_NONCE), sealed
    except (Malformed, TypeError) as error:
        raise KeystoreDamaged("not a key file") from error


def _read_private(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise KeystoreExposed(f"{path.name} is a link") from error
        raise
    with os.fdopen(handle, "rb") as file:
        # Asked of the open file, not of the path: it cannot be swapped in between.
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KeystoreExposed(f"{path.name} is not a plain file")
        if status.st_mode & 0o077:
            raise KeystoreExposed(f"{path.name} has mode {stat.S_IMODE(status.st_mode):04o}")
        if os.geteuid() not in (0, status.st_uid):
            raise KeystoreExposed(f"{path.name} belongs to another user")
        data = file.read(MAX_KEYSTORE_BYTES + 1)
    if len(data) > MAX_KEYSTORE_BYTES:
        raise KeystoreDamaged("too large for a key file")
    return data


def _write_new(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{randomness.token_hex(8)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # whatever the umask took or left
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # link() instead of rename(): it fails where something stands, however late that came.
        os.link(temporary, path)
    except FileExistsError as error:
        raise KeystoreExists(path.name) from error
    finally:
        temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
