"""Who is logged in, remembered on the server so that it can be taken back at once.

The browser holds a random token in a cookie; this table holds only its SHA-256. Everything is in memory: when the
process ends, everybody is logged out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from aiohttp import web

from hotline.clock import Clock

IDLE = 4 * 60 * 60 * 1000
"""ms without a request made by a person, after which a session ends. A shift is watched, not clicked through."""
LIFE = 14 * 60 * 60 * 1000
"""ms after which a session ends in any case: a long shift and its handover."""
MOST = 200
"""Sessions kept at once; the least recently used goes first."""


@dataclass(slots=True)
class Session:
    """A person logged in on one browser. ``who``: officer's kid or operator. ``notes``: what the pages remember."""

    who: str
    started: int
    used: int
    notes: dict[str, int] = field(default_factory=dict)


class Sessions:
    """The table. ``cookie`` is the cookie's name: cookies do not know ports, so every desk of a machine has its own."""

    def __init__(self, clock: Clock, name: str, *, secure: bool = False, idle: int = IDLE, life: int = LIFE) -> None:
        mark = hashlib.sha256(name.encode()).hexdigest()[:10]
        self.cookie = f"hotline-{mark}"
        self._before = f"hotline-{mark}-before"
        self._clock = clock
        self._secure = secure
        self._idle = idle
        self._life = life
        self._table: dict[bytes, Session] = {}
        self._key = secrets.token_bytes(32)

    def begin(self, response: web.StreamResponse, who: str) -> None:
        """Log ``who`` in: a fresh token in the response's cookie."""
        token = secrets.token_urlsafe(32)
        now = self._clock.now()
        while len(self._table) >= MOST:
            del self._table[min(self._table, key=lambda mark: self._table[mark].used)]
        self._table[_hash(token)] = Session(who, now, now)
        self._set(response, self.cookie, token)
        response.del_cookie(self._before, path="/")

    def of(self, request: web.Request, *, touch: bool = True) -> Session | None:
        """The request's session if it is there and not run out. ``touch``: a person asked, so the idle time restarts."""
        mark = _hash(request.cookies.get(self.cookie, ""))
        session = self._table.get(mark)
        if session is None:
            return None
        now = self._clock.now()
        if now - session.used > self._idle or now - session.started > self._life:
            del self._table[mark]
            return None
        if touch:
            session.used = now
        return session

    def end(self, request: web.Request, response: web.StreamResponse) -> None:
        """Log this browser out."""
        self._table.pop(_hash(request.cookies.get(self.cookie, "")), None)
        response.del_cookie(self.cookie, path="/")

    def end_all(self, who: str) -> int:
        """Log ``who`` out everywhere; returns how many sessions ended."""
        marks = [mark for mark, session in self._table.items() if session.who == who]
        for mark in marks:
            del self._table[mark]
        return len(marks)

    def csrf(self, request: web.Request) -> str:
        """The token this browser's forms must carry: a MAC over its cookie, "" when it has none yet."""
        cookie = request.cookies.get(self.cookie) or request.cookies.get(self._before)
        return hmac.new(self._key, cookie.encode(), "sha256").hexdigest() if cookie else ""

    def csrf_before_login(self, response: web.StreamResponse) -> str:
        """Give a browser without any cookie one to hang its login form's token on; returns that token."""
        token = secrets.token_urlsafe(16)
        self._set(response, self._before, token)
        return hmac.new(self._key, token.encode(), "sha256").hexdigest()

    def _set(self, response: web.StreamResponse, name: str, value: str) -> None:
        response.set_cookie(name, value, httponly=True, samesite="Strict", secure=self._secure, path="/")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


SESSIONS = web.AppKey("sessions", Sessions)
SESSION = web.RequestKey("session", Session)
