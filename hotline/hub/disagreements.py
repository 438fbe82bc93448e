"""Stations that compute another ladder state than this hub stamped: kept, shown to operators, told to the thread's members.

The hub changes nothing over it. It is signed by the station, so that nobody has to believe the hub that it was said.
"""

from __future__ import annotations

import structlog
from msgspec import DecodeError

from hotline.hub.errors import NotAMember, NotYours
from hotline.hub.thread import Thread, may_see
from hotline.store import hub as t
from hotline.store.engine import Store
from protocols.encoding import Malformed, b64u, unb64u
from protocols.frames import Disagreement, decode_from_station, disagreement_text, encode_frame
from protocols.keys import verify
from protocols.mandate import VerifiedMandate

_LOG = structlog.get_logger("hotline.hub")
_KEY = "disagreement/"
"""Rows of ``meta``: thread and station in the key, the frame as it came in the value."""


class Disagreements:
    """What stands, by thread and station. `load` once before use."""

    def __init__(self, store: Store, accord: str) -> None:
        self._store, self._accord = store, accord
        self._standing: dict[tuple[str, str], tuple[str, Disagreement]] = {}

    async def load(self, offices: dict[str, str]) -> None:
        """Read the store. ``offices``: office of each station by kid, as far as known."""
        self._standing = await self._read(offices)

    async def look(self, offices: dict[str, str]) -> list[Disagreement]:
        """Read again; what another process on the same store has kept since."""
        before, self._standing = self._standing, await self._read(offices)
        return [said for key, (_, said) in self._standing.items() if key not in before or before[key][1] != said]

    async def _read(self, offices: dict[str, str]) -> dict[tuple[str, str], tuple[str, Disagreement]]:
        found: dict[tuple[str, str], tuple[str, Disagreement]] = {}
        async with self._store.read() as connection:
            for row in await connection.execute(t.meta.select().where(t.meta.c.key.startswith(_KEY))):
                try:
                    said = decode_from_station(unb64u(row.value))
                except (Malformed, DecodeError) as error:
                    _LOG.error("a kept disagreement does not read", key=row.key, detail=str(error)[:100])
                    continue
                if isinstance(said, Disagreement):
                    found[said.thread, said.station] = (offices.get(said.station, "a station"), said)
        return found

    def of(self, thread: str) -> tuple[Disagreement, ...]:
        """What stands in a thread."""
        return tuple(said for (name, _), (_, said) in self._standing.items() if name == thread)

    def words(self) -> tuple[str, ...]:
        """For operators, one sentence each."""
        return tuple(disagreement_words(office, said) for office, said in self._standing.values())

    async def take(self, said: Disagreement, mandate: VerifiedMandate, thread: Thread | None) -> bool:
        """Keep a station's word; False where it is not newer than what is known. Raises `NotYours`, `NotAMember`,
        `BadSignature`."""
        if said.station != mandate.kid:
            raise NotYours("the word of another station")
        membership = None if thread is None else may_see(thread, said.station)
        if thread is None or membership is None or not membership.covers(said.seq) or said.seq > thread.seq:
            raise NotAMember("no member of that thread then")
        verify(mandate.public, disagreement_text(self._accord, said), said.signature)
        key = (said.thread, said.station)
        known = self._standing.get(key)
        if known is not None and said.at <= known[1].at:
            return False
        name = f"{_KEY}{said.thread}/{said.station}"
        async with self._store.write() as connection:
            await connection.execute(t.meta.delete().where(t.meta.c.key == name))
            if not said.over:
                await connection.execute(t.meta.insert().values(key=name, value=b64u(encode_frame(said))))
        if said.over:
            self._standing.pop(key, None)
            _LOG.info("station agrees again", thread=said.thread, station=said.station, seq=said.seq)
        else:
            self._standing[key] = (mandate.office, said)
            _LOG.error(
                "station computes another state",
                thread=said.thread,
                station=said.station,
                seq=said.seq,
                stamped=said.stamped,
                computed=said.computed,
            )
        return True


def disagreement_words(office: str, said: Disagreement) -> str:
    """What operators are told."""
    return (
        f"Incident {said.thread[:8]}…: a station of {office} computes another ladder state than this hub from entry "
        f"{said.seq} ({said.kind}) on. It computes {said.computed}, the hub stamped {said.stamped}. The members were told; "
        "that station sends no steps there. Compare the versions of the programs."
    )
