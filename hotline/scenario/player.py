"""What plays an exercise: moves through the desks, looks as officers would, and the clock of the play.

Each event has a method ``e03`` and so on; it does what the event says, looks at the desks as officers would, and
returns what it saw in words, or raises `Mismatch`. Time runs at the accord's exercise scale: an event at T+05:10 is
played that much (divided by the scale) after the first; nothing is waited for longer than it takes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hotline.errors import RemoteFault
from hotline.scenario.desk_client import DeskClient, View
from hotline.scenario.script import Event, Script
from mediation.audit import Trust


class Mismatch(RemoteFault):
    """What an event showed is not what it must show."""

    code = "exercise.mismatch"


@dataclass
class Office:
    """An office at its desk: two officers, each with a session."""

    id: str
    drafter: DeskClient
    releaser: DeskClient


@dataclass(frozen=True)
class Result:
    """What became of one event. ``ok`` None: not played yet."""

    event: Event
    ok: bool | None
    saw: str


@dataclass
class Stage:
    """What the player may use beside the desks: the hub's process and the offline checks."""

    kill_hub: Callable[[], Awaitable[None]]
    start_hub: Callable[[], Awaitable[None]]
    verify_offline: Callable[[str, str, str], Awaitable[str]]
    """(office, thread, entry id) -> whose it is, by the accord and the mandates alone"""
    trust: Callable[[], Trust]
    """What an oversight body goes by: the accord and its witness policy, from papers of its own"""
    offices: dict[str, Office]


class _Happened(dict[str, Any]):
    """What earlier events left behind; an event that builds on one that failed fails too, and says so."""

    def __missing__(self, name: str) -> Any:
        raise Mismatch(f"{name} did not happen")


@dataclass
class Player:
    """One run of the exercise. ``scale``: how much faster than life its clocks run."""

    script: Script
    stage: Stage
    scale: int
    ladder: str
    thread: str = ""
    ids: dict[str, str] = field(default_factory=_Happened)
    seqs: dict[str, int] = field(default_factory=_Happened)
    standstill_end: int = 0
    draft: str = ""

    async def run(self, report: Callable[[Result], None]) -> tuple[Result, ...]:
        """Play every event in order; ``report`` is called after each."""
        results = []
        start = time.monotonic()
        for event in self.script.event:
            await asyncio.sleep(max(0.0, start + self._offset(event) - time.monotonic()))
            result = await self._play(event)
            report(result)
            results.append(result)
        return tuple(results)

    def _offset(self, event: Event) -> float:
        # After the cooling-off nothing waits on a clock any more: quiet stretches are skipped.
        return min(event.minutes, 116 * 60) * 60 / self.scale if event.live else 0.0

    async def _play(self, event: Event) -> Result:
        if not event.live:
            return Result(event, None, f"not yet: waits for {event.waits_for}")
        action: Callable[[Event], Awaitable[str]] = getattr(self, event.id.lower())
        try:
            return Result(event, True, await action(event))
        except RemoteFault as error:
            return Result(event, False, f"{error}")

    # -- helpers ------------------------------------------------------------------------------------------------------

    def at(self, office: str) -> DeskClient:
        """The desk of an office, as its first officer."""
        return self.stage.offices[office].drafter

    async def attempt(
        self, office: str, kind: str, act: Mapping[str, Any], fields: Mapping[str, Any], **more: Any
    ) -> View:
        """Send, released by the second officer where the ladder wants two; the outcome."""
        officers = self.stage.offices[office]
        outcome = await officers.drafter.send(self.thread, kind, act, fields, **more)
        if outcome["ok"] and outcome["state"] == "draft":
            outcome = await officers.releaser.release(outcome["id"])
        return outcome

    async def say(
        self,
        name: str,
        office: str,
        kind: str,
        act: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        *,
        to: tuple[str, ...] = (),
        **more: Any,
    ) -> View:
        """Send and wait until the hub has it and the desks of ``to`` show it; the sender's view of the entry."""
        before = await self._newest(office)
        outcome = await self.attempt(office, kind, act or {}, fields or {}, **more)
        if not outcome["ok"]:
            raise Mismatch(f"{office} could not send {kind}: {outcome['code']} {outcome['sentence']}")
        entry = await self.at(office).see(
            self.thread,
            f"{office}'s {kind} accepted",
            lambda view: next(
                (e for e in view["entries"] if e["own"] and e["kind"] == kind and e["seq"] > before), None
            ),
        )
        self.ids[name], self.seqs[name] = entry["id"], entry["seq"]
        for other in to:
            await self.see(other, f"{other} has {kind}", lambda view: self.find(view, entry["id"]))
        found: View = entry
        return found

    async def refused(
        self, office: str, kind: str, act: Mapping[str, Any], fields: Mapping[str, Any], code: str
    ) -> View:
        """Try to send what must be refused at once by the own station with ``code``."""
        outcome = await self.attempt(office, kind, act, fields)
        want(not outcome["ok"], f"{kind} by {office} was not refused")
        want(outcome["code"] == code, f"refused with {outcome['code']} instead of {code}")
        return outcome

    async def see(self, office: str, what: str, test: Callable[[View], Any], *, seconds: float = 20.0) -> Any:
        return await self.at(office).see(self.thread, what, test, seconds=seconds)

    async def both(
        self, what: str, test: Callable[[View], Any], *, offices: tuple[str, ...] = ("AV", "KV")
    ) -> list[Any]:
        """Wait until each desk passes ``test``; what each gave."""
        return [await self.see(office, f"{office}: {what}", test) for office in offices]

    @staticmethod
    def find(view: View, entry: str) -> View | None:
        return next((e for e in view["entries"] if e["id"] == entry), None)

    @classmethod
    def marks(cls, view: View, entry: str) -> dict[str, str]:
        """Where each other office stands with an entry."""
        found = cls.find(view, entry)
        return {mark["office"]: mark["state"] for mark in found["marks"]} if found else {}

    @staticmethod
    def clock(view: View, spec: str, *states: str) -> View | None:
        """The newest clock of a spec, in one of ``states``."""
        found = [c for c in view["clocks"] if c["id"].split("/")[0] == spec and (not states or c["state"] in states)]
        return found[-1] if found else None

    async def _newest(self, office: str) -> int:
        view = await self.at(office).thread(self.thread)
        newest: int = view["newest"]
        return newest

    async def offered(self, office: str, step: str) -> View:
        """The prefilled answer to an open request for ``step``, from the office's offers."""

        def offered(view: View) -> Any:
            return next(
                (o for o in view["offers"] if o["kind"] == "step-accept" and o["step"] == step and o["allowed"]), None
            )

        offer: View = await self.see(office, f"{office} may accept {step}", offered)
        return offer


def want(holds: bool, otherwise: str) -> None:
    """Raises `Mismatch` unless it holds."""
    if not holds:
        raise Mismatch(otherwise)
