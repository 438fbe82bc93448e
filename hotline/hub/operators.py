"""The console's operators: password and a second factor, and one-time links."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import dataclass

import pyotp
import sqlalchemy as sa
from nacl import bindings, pwhash
from nacl.exceptions import CryptoError, InvalidkeyError

from hotline.clock import Clock
from hotline.errors import LocalFault
from hotline.store import hub as t
from hotline.store.engine import Store
from protocols.encoding import b64u, digest

STEP = 30_000  # ms of one TOTP step
FREE_FAILURES = 5
TOKEN_LIFE = 15 * 60_000
_NONCE = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
# The hash of 32 random bytes that nobody kept, at the cost of a real one: an unknown name takes as long as a known one.
_ABSENT = b"$argon2id$v=19$m=262144,t=3,p=1$aUSzI5m64isd2kb0BvY7FA$lYt7LlVtEVbzMDtdXh5RymHKIE2RAEXZsimErjer4r8"


class OperatorFault(LocalFault):
    """An operator that cannot be added, or is not there. ``detail`` says why."""

    code = "operator.fault"
    _sentence = "This operator cannot be added, or is not known. Nothing was changed."


@dataclass(frozen=True, slots=True, repr=False)
class NewOperator:
    """What is shown once, to the operator only."""

    name: str
    otpauth: str


class Operators:
    """Over the hub's store. ``key`` (32 bytes) seals the TOTP secrets; None where only links are made."""

    def __init__(self, store: Store, clock: Clock, key: bytes | None, issuer: str) -> None:
        self._store, self._clock, self._key, self._issuer = store, clock, key, issuer
        self._one_at_a_time = asyncio.Lock()

    async def add(self, name: str, password: str) -> NewOperator:
        """A new operator, or a new password and second factor for a known one. Raises `OperatorFault`."""
        if not name or len(name) > 64 or not name.isprintable() or ":" in name:
            raise OperatorFault("a name has 1 to 64 printable characters and no colon")
        if len(password) < 12:
            raise OperatorFault("a password has at least 12 characters")
        secret = pyotp.random_base32()
        hashed = await asyncio.to_thread(
            pwhash.argon2id.str,
            password.encode(),
            opslimit=pwhash.argon2id.OPSLIMIT_MODERATE,
            memlimit=pwhash.argon2id.MEMLIMIT_MODERATE,
        )
        row = {"password": hashed.decode("ascii").rstrip("\0"), "totp": self._seal(name, secret)}
        o = t.operators.c
        async with self._store.write() as connection:
            changed = await connection.execute(
                t.operators.update().where(o.name == name).values(**row, last_step=0, failures=0, blocked_until=0)
            )
            if changed.rowcount == 0:
                await connection.execute(t.operators.insert().values(name=name, added=self._clock.now(), **row))
        return NewOperator(name, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=self._issuer))

    async def names(self) -> tuple[str, ...]:
        """Every operator."""
        async with self._store.read() as connection:
            return tuple((await connection.execute(sa.select(t.operators.c.name))).scalars())

    async def login(self, name: str, password: str, code: str) -> bool:
        """Password and code. After five failures each further one doubles the wait; a code is taken once."""
        async with self._one_at_a_time:  # Argon2id is dear: a flood of logins must not take the machine's memory
            return await self._login(name, password, code)

    async def _login(self, name: str, password: str, code: str) -> bool:
        now, o = self._clock.now(), t.operators.c
        async with self._store.read() as connection:
            row = (await connection.execute(sa.select(t.operators).where(o.name == name[:64]))).first()
        if row is not None and row.blocked_until > now:
            return False
        hashed = _ABSENT if row is None else row.password.encode("ascii")
        good = await asyncio.to_thread(_password_fits, hashed, password.encode()[:1024])
        if row is None:
            return False
        step = self._step(row.totp, name, code, now) if good else None
        async with self._store.write() as connection:
            if step is not None:
                used = await connection.execute(
                    t.operators.update()
                    .where(o.name == name, o.last_step < step)
                    .values(last_step=step, failures=0, blocked_until=0)
                )
                if used.rowcount == 1:
                    return True
            failures = row.failures + 1
            wait = 0 if failures < FREE_FAILURES else min(3600, 2 ** min(failures - FREE_FAILURES + 3, 20)) * 1000
            await connection.execute(
                t.operators.update().where(o.name == name).values(failures=failures, blocked_until=now + wait)
            )
        return False

    async def make_token(self, name: str) -> str:
        """A one-time login token, 256 bits, good for a quarter of an hour. Raises `OperatorFault`."""
        if name not in await self.names():
            raise OperatorFault(f"no operator {name!r}")
        token = b64u(secrets.token_bytes(32))
        row = {"digest": digest(token.encode()), "operator": name, "expires": self._clock.now() + TOKEN_LIFE}
        async with self._store.write() as connection:
            await connection.execute(t.login_tokens.insert().values(**row))
        return token

    async def redeem(self, token: str) -> str | None:
        """The operator of a token, which is spent either way; None where it is unknown, spent or too old."""
        now, tokens = self._clock.now(), t.login_tokens
        async with self._store.write() as connection:
            spent = tokens.delete().where(tokens.c.digest == digest(token.encode()))
            row = (await connection.execute(spent.returning(tokens.c.operator, tokens.c.expires))).first()
            await connection.execute(tokens.delete().where(tokens.c.expires <= now))
        return None if row is None or row.expires <= now else str(row.operator)

    def _step(self, sealed: bytes, name: str, code: str, now: int) -> int | None:
        """The TOTP step that ``code`` belongs to: this one, or the one before or after it."""
        totp = pyotp.TOTP(self._open(name, sealed))
        for step in (now // STEP - 1, now // STEP, now // STEP + 1):
            if hmac.compare_digest(totp.generate_otp(step).encode(), code.strip().encode()):
                return step
        return None

    def _seal(self, name: str, secret: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            secret.encode(), name.encode(), nonce, self._needed_key()
        )

    def _open(self, name: str, sealed: bytes) -> str:
        try:
            return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                sealed[_NONCE:], name.encode(), sealed[:_NONCE], self._needed_key()
            ).decode()
        except CryptoError as error:
            raise OperatorFault(f"the second factor of {name!r} does not open") from error

    def _needed_key(self) -> bytes:
        if self._key is None:
            raise OperatorFault("the hub's keys are needed for this")
        return self._key


def _password_fits(hashed: bytes, password: bytes) -> bool:
    try:
        return pwhash.verify(hashed, password)
    except InvalidkeyError:
        return False
