"""The hub's side of a login: it proves its own key, then takes the station's proof. No I/O but the two calls given."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hotline.hub.directory import Directory, current_station
from hotline.hub.errors import LoginRefused, OtherVersion, OutOfTurn
from protocols.accord import SignedAccord
from protocols.encoding import b64u
from protocols.errors import ProtocolError
from protocols.frames import VERSION, Challenge, Frame, Hello, Proof, login_text
from protocols.keys import Signer, verify
from protocols.mandate import VerifiedMandate

Receive = Callable[[], Awaitable[Frame]]
Send = Callable[[Frame], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Door:
    """What a login is judged by."""

    accord: SignedAccord
    signer: Signer
    directory: Directory
    now: Callable[[], int]

    async def login(self, receive: Receive, send: Send) -> VerifiedMandate:
        """The station that proved itself; its mandate is not yet in the directory.

        Raises `OtherVersion`, `OutOfTurn`, `LoginRefused` (which does not tell a stranger what exactly was wrong).
        """
        hello = await receive()
        if not isinstance(hello, Hello):
            raise OutOfTurn("the first frame is no hello")
        if hello.v != VERSION:
            raise OtherVersion(f"version {hello.v}")
        hub, nonce = self.accord.accord.hub.name, b64u(secrets.token_bytes(32))

        def text(side: str) -> bytes:
            return login_text(
                "hub" if side == "hub" else "station",
                hub=hub,
                accord=self.accord.id,
                station=hello.station,
                theirs=hello.nonce,
                ours=nonce,
            )

        mandate = self._mandate(hello)
        await send(Challenge(hub, nonce, self.signer.sign(text("hub"))))
        proof = await receive()
        if not isinstance(proof, Proof):
            raise OutOfTurn("no proof after the challenge")
        try:
            verify(mandate.public, text("station"), proof.signature)
        except ProtocolError as error:
            raise LoginRefused("proof") from error
        return mandate

    def _mandate(self, hello: Hello) -> VerifiedMandate:
        try:
            if hello.accord != self.accord.id:
                raise LoginRefused("another accord")
            shown = self.directory.verify(hello.mandate)
            if shown.kid != hello.station:
                raise LoginRefused("a mandate of another key")
            # A newer mandate that the hub knows already counts more than the one shown, revocations included.
            book = self.directory.with_mandate(shown)
            current_station(book, shown.kid, shown.office, self.now())
        except ProtocolError as error:
            raise error if isinstance(error, LoginRefused) else LoginRefused(error.code) from error
        return shown
