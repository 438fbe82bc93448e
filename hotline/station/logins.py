"""Who is at the desk: one-time links, and officers' keys opened and closed."""

from __future__ import annotations

import asyncio
import hashlib

from hotline import keystore
from hotline.station.core import Core
from hotline.station.officers import OfficerKeys
from hotline.station.sender import Sender
from protocols.encoding import b64u

LOGIN = "login"


class Logins:
    """The logins of one station's desk."""

    def __init__(self, core: Core, sender: Sender, keys: OfficerKeys) -> None:
        self._core = core
        self._sender = sender
        self._keys = keys
        self._unattended: set[str] = set()

    async def redeem(self, token: str) -> str | None:
        """The officer of a one-time link, or None; the link is spent either way."""
        async with self._core.store.decide() as change:
            officer = await change.take_token(token_hash(token), LOGIN, self._core.clock.now())
            words = "A login link was used." if officer else "A spent or unknown login link was tried."
            await self._core.note(change, "login", words)
        if officer:
            # Who holds a link is not yet who holds the passphrase.
            self.lock(officer)
        return officer

    def lock(self, officer: str) -> None:
        """Close an officer's key: at logout, and when a new login begins. One opened for unattended use stays open."""
        if officer not in self._unattended and self._core.officers.pop(officer, None) is not None:
            self._core.tell(None, "officers")

    async def unlock(self, officer: str, passphrase: bytes, *, unattended: bool = False) -> bool:
        """Open an officer's key. ``unattended``: a new login does not close it."""
        try:
            signer = await asyncio.to_thread(self._keys.unlock, officer, passphrase)
        except keystore.KeystoreError as error:
            await self._core.record("unlock", f"An officer's key was not unlocked: {error.sentence}")
            return False
        if signer is None:
            return False
        self._core.officers[officer] = signer
        if unattended:
            self._unattended.add(officer)
        await self._core.record(
            "unlock", f"The key of {self._core.officer_name(officer, self._core.now())} was unlocked."
        )
        self._sender.wake()
        self._core.tell(None, "officers")
        return True


def token_hash(token: str) -> str:
    """What is kept of a login or session token."""
    return b64u(hashlib.sha256(token.encode()).digest())
