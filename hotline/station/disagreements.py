"""Telling the other members that this station computes another ladder state than the hub, and hearing it from them.

The hub relays; it can withhold such a word but not make one up, because it is signed. What another station says raises
an alarm here and stops nothing: one party's word must not be able to stop the other's steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from hotline.station.core import Core, log
from hotline.station.parting import Parting
from protocols import frames
from protocols.errors import ProtocolError
from protocols.keys import verify

HEARD_AT_MOST = 64
"""Stations of one thread whose word is kept."""


class Disagreements:
    """``send`` gives the hub a frame (`LineBroken` where it cannot)."""

    def __init__(self, core: Core, send: Callable[[frames.Frame], Awaitable[None]]) -> None:
        self._core = core
        self._send = send

    async def begin(self) -> None:
        """On a new connection: say what stands. The hub then says what stands of the others."""
        core = self._core
        for thread in core.threads.values():
            for kid in thread.reports:
                core.alarms.pop(_name(thread.id, kid), None)
            thread.reports.clear()
        for name, thread in tuple(core.threads.items()):
            if thread.parted is not None and not thread.frozen:
                await self.say(name, thread.parted)
        for name, over in tuple(core.mended.items()):
            await self.say(name, over)

    async def say(self, thread: str, parted: Parting) -> None:
        """Sign it and hand it to the hub."""
        identity = self._core.identity
        said = frames.Disagreement(
            thread,
            parted.seq,
            parted.entry,
            parted.kind,
            parted.stamped,
            parted.computed,
            self._core.clock.now(),
            identity.kid,
            b"",
        )
        signature = identity.keys.sign.sign(frames.disagreement_text(identity.accord.id, said))
        await self._send(replace(said, signature=signature))

    async def tell(self, unsaid: set[str]) -> None:
        """Say of these threads that they have parted."""
        for name in tuple(unsaid):
            unsaid.discard(name)
            thread = self._core.threads.get(name)
            if thread is not None and thread.parted is not None:
                await self.say(name, thread.parted)

    async def heard(self, said: frames.Disagreement) -> None:
        """Another member's word, or our own come back: then the hub has it."""
        core = self._core
        if said.station == core.identity.kid:
            if said.over and core.mended.get(said.thread) is not None:
                async with core.lock, core.store.change() as change:
                    await core.put_parting(change, said.thread, None)
                core.mended.pop(said.thread, None)
            return
        thread = core.threads.get(said.thread)
        if thread is None or thread.state is None:
            return
        try:
            mandate = core.identity.mandates.find(said.station, core.now())
            verify(mandate.public, frames.disagreement_text(core.identity.accord.id, said), said.signature)
        except ProtocolError as error:
            log.warning(
                "a disagreement that was not believed", thread=said.thread, station=said.station, code=error.code
            )
            return
        if said.station not in thread.state.seats or mandate.office != thread.state.seats[said.station].office:
            return
        before = thread.reports.get(said.station)
        if (before is not None and said.at <= before.at) or len(thread.reports) >= HEARD_AT_MOST:
            return
        name = _name(said.thread, said.station)
        who = core.office_name(mandate.office)
        if said.over:
            thread.reports.pop(said.station, None)
            if core.alarms.pop(name, None) is not None:
                await core.record(
                    "agreed", f"Thread {said.thread[:6]}: {who} agrees with the hub again.", thread=said.thread
                )
        else:
            thread.reports[said.station] = said
            await core.alarm(name, report_words(who, said))
        core.tell(said.thread, "parted")
        core.tell(None, "connection")


def report_words(office: str, said: frames.Disagreement) -> str:
    """The alarm over another station's word."""
    return (
        f"Thread {said.thread[:6]}: a station of {office} computes another ladder state than the hub from entry {said.seq} "
        f"({said.kind}) on (theirs {said.computed[:10]}…, the hub's {said.stamped[:10]}…). It sends no steps there until "
        "that is cleared up; messages go on. Call them before you take a step."
    )


def _name(thread: str, kid: str) -> str:
    return f"parted/{thread}/{kid}"
