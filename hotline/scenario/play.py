"""Plays the St Brannoc exercise through the desks and checks what every event must show.

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
        _want(not outcome["ok"], f"{kind} by {office} was not refused")
        _want(outcome["code"] == code, f"refused with {outcome['code']} instead of {code}")
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

    # -- the events ---------------------------------------------------------------------------------------------------

    async def e01(self, event: Event) -> str:
        return "nothing sent"

    async def e02(self, event: Event) -> str:
        av = self.stage.offices["AV"]
        opened = await av.drafter.post("threads", {"counterpart": "KV", "ladder": self.ladder, "title": "St Brannoc"})
        _want(opened["ok"], f"the thread did not open: {opened['sentence']}")
        self.thread = opened["thread"]
        await self.both("in the thread", lambda view: view["epoch"])
        outcome = await av.drafter.send(
            self.thread, "incident-notice", {}, {"text": event.text, "severity": "critical"}, precedence="FLASH"
        )
        _want(outcome["state"] == "draft", f"the notice is {outcome['state']}, not a draft")
        self.draft = outcome["id"]
        own = await av.drafter.release(self.draft)
        _want(not own["ok"], "the drafter released alone")
        view = await self.at("KV").thread(self.thread)
        _want(not any(e["kind"] == "incident-notice" for e in view["entries"]), "the draft reached Kostrava")
        return f"kept as a draft; release by its drafter refused ({own['code']})"

    async def e03(self, event: Event) -> str:
        outcome = await self.stage.offices["AV"].releaser.release(self.draft, precedence="FLASH")
        _want(outcome["ok"], f"release refused: {outcome['sentence']}")
        entry = await self.see(
            "AV", "notice accepted", lambda v: next((e for e in v["entries"] if e["kind"] == "incident-notice"), None)
        )
        self.ids["E03"], self.seqs["E03"] = entry["id"], entry["seq"]
        theirs = await self.see("KV", "notice readable", lambda v: (self.find(v, entry["id"]) or {}).get("fields"))
        _want("1,140 beds" in theirs["text"], "Kostrava reads another text")
        await self.see(
            "AV",
            "receipt by Kostrava",
            lambda v: self.marks(v, entry["id"]).get("KV") == "delivered",
        )
        return f"stamped as {entry['seq']}, readable at Kostrava, receipt signed"

    async def e04(self, event: Event) -> str:
        expired = await self.both("alternate paged", lambda v: self.clock(v, "page-alternate", "ran out"))
        view = await self.at("AV").thread(self.thread)
        state = self.marks(view, self.ids["E03"]).get("KV")
        _want(state == "delivered", f"Kostrava stands at {state}")
        _want(expired[0]["end"] == expired[1]["end"], "the page came at two times")
        return "delivered, not acknowledged; alternate paged on both sides' clocks"

    async def e05(self, event: Event) -> str:
        await self.say("E05", "KV", "acknowledgement", {"entry": self.ids["E03"]}, to=("AV",))
        for officer in (self.stage.offices["KV"].drafter, self.stage.offices["KV"].releaser):
            await officer.see(self.thread, "paging stopped", lambda v: not self.clock(v, "human-ack", "running"))
        view = await self.at("AV").thread(self.thread)
        _want(self.marks(view, self.ids["E03"]).get("KV") == "acknowledged", "not shown as acknowledged")
        return "acknowledged; no paging clock runs for any officer of Kostrava"

    async def e06(self, event: Event) -> str:
        await self.say("E06", "KV", "holding-reply", {"entry": self.ids["E03"]}, {"text": event.text}, to=("AV",))
        await self.both("reply clock met", lambda v: not self.clock(v, "reply", "running"))
        return "the reply clock is met"

    async def e07(self, event: Event) -> str:
        questions = list(event.questions)
        await self.say(
            "E07",
            "AV",
            "clarification-request",
            {"questions": len(questions), "preservation": True},
            {"questions": questions, "preserve": "Keep all records of the address in annex A."},
            to=("KV",),
            precedence="IMMEDIATE",
        )
        ends = await self.both("clarify clock", lambda v: self.clock(v, "clarify", "running"))
        _want(ends[0]["end"] == ends[1]["end"], "two end times")
        await self.both("L2", lambda v: v["summary"]["rung"] == "L2-clarify")
        return f"L2; five questions due {ends[0]['end'] - ends[0]['start']} ms after receipt on both screens"

    async def e08(self, event: Event) -> str:
        await self.say(
            "E08",
            "AV",
            "update",
            {"supersedes": self.ids["E03"]},
            {"text": event.text, "severity": "critical"},
            to=("KV",),
        )
        old = self.find(await self.at("KV").thread(self.thread), self.ids["E03"]) or {"fields": None, "notes": []}
        _want(old["fields"] is not None, "the old notice cannot be read any more")
        _want(any("superseded" in note for note in old["notes"]), "the old notice is not marked")
        return "the notice is readable and marked superseded"

    async def e09(self, event: Event) -> str:
        await self.say("E09", "KV", "authenticity-query", {}, {"text": event.text}, to=("AV",), precedence="FLASH")
        return "asked"

    async def e10(self, event: Event) -> str:
        await self.say(
            "E10",
            "AV",
            "authenticity-answer",
            {"entry": self.ids["E09"], "verdict": "not-ours"},
            {"text": event.text},
            to=("KV",),
            precedence="FLASH",
        )
        return await self.stage.verify_offline("KV", self.thread, self.ids["E10"])

    async def e12a(self, event: Event) -> str:
        self.seqs["KV-read"] = await self._newest("KV")  # Kostrava begins to write now
        await self.say("E12a", "AV", "statement", {}, {"text": event.text}, to=("KV",))
        return "sent"

    async def e12b(self, event: Event) -> str:
        await self.say(
            "E12b",
            "KV",
            "clarification-answer",
            {"entry": self.ids["E07"], "answers": ["answered", "answered", "answered", "later", "later"]},
            {"text": event.text, "answers": ["Yes.", "Zelnet, a hoster.", "Yes, at T+18:30.", "Later.", "Later."]},
            to=("AV",),
            read_to=self.seqs["KV-read"],
        )
        for name in ("E12a", "E12b"):
            await self._both_crossed(self.ids[name])
        return "both marked CROSSED on both desks"

    async def _both_crossed(self, entry: str) -> None:
        def crossed(view: View) -> bool:
            found = self.find(view, entry)
            return found is not None and any("crossed" in note.lower() for note in found["notes"])

        await self.both("crossed", crossed)

    async def e13(self, event: Event) -> str:
        await self.both("clarify clock ran out", lambda v: self.clock(v, "clarify", "ran out"))
        await self.both("hub's note", lambda v: any(e["kind"] == "clock-expired" for e in v["entries"][-3:]))
        view = await self.at("AV").thread(self.thread)
        offer = next(o for o in view["offers"] if o["kind"] == "step-request" and o["step"] == "L3-experts")
        _want(offer["allowed"], "L3 is not open to Arvenia")
        _want(view["summary"]["rung"] == "L2-clarify", "the ladder moved by itself")
        return "the clock ran out; L3 is open to Arvenia; the ladder stands at L2"

    async def e14(self, event: Event) -> str:
        await self.say("E14", "AV", "step-request", {"step": "L3-experts"}, {}, to=("KV",))
        return "requested"

    async def e15a(self, event: Event) -> str:
        offer = await self.offered("KV", "L3-experts")
        await self.say("E15a", "KV", "step-accept", offer["act"], {}, to=("AV",))
        await self.both("L3", lambda v: v["summary"]["rung"] == "L3-experts")
        return "L3 on both desks"

    async def e15b(self, event: Event) -> str:
        await self.say("E15b", "AV", "session-open", {"entry": self.ids["E14"]}, {"text": event.text}, to=("KV",))
        await self.both("session clock met", lambda v: not self.clock(v, "session", "running"))
        return "opened in time; two findings recorded"

    async def e16(self, event: Event) -> str:
        return "nothing sent"

    async def e17a(self, event: Event) -> str:
        await self.say("E17a", "AV", "step-request", {"step": "L4-cooling-off"}, {}, to=("KV",))
        return "requested"

    async def e17b(self, event: Event) -> str:
        offer = await self.offered("KV", "L4-cooling-off")
        entry = await self.say("E17b", "KV", "step-accept", offer["act"], {}, to=("AV",))
        ends = await self.both("standstill", lambda v: v["summary"]["standstill_until"])
        _want(ends[0] == ends[1], "two end times")
        wanted = entry["at"] + 72 * 3_600_000 // self.scale
        _want(ends[0] == wanted, f"the end is {ends[0]}, not {wanted}")
        self.standstill_end = ends[0]
        return "72 h from acceptance; the same end on both desks and in the hub's state hash"

    async def e18(self, event: Event) -> str:
        own = await self.refused("AV", "public-attribution", {}, {"text": event.text}, "ladder.standstill")
        _want(own["until"] == self.standstill_end, "refused, but until another time")
        step = await self.refused("AV", "step-request", {"step": "L6-inquiry"}, {}, "ladder.standstill")
        insisted = await self.at("AV").post(
            f"threads/{self.thread}/insist", {"kind": "public-attribution", "act": {}, "fields": {"text": event.text}}
        )
        hub = insisted["outcome"]
        _want(not hub["ok"] and hub["code"] == "ladder.standstill", f"the hub answered {hub['code']}")
        judged = await self.at("KV").post("judge", {"entry": insisted["entry"]})
        _want(judged["code"] == "ladder.standstill", f"Kostrava's station says {judged['code']}")
        journal = await self.at("AV").get("journal")
        _want(any("public-attribution" in " ".join(map(str, line)) for line in journal), "not in Arvenia's own log")
        left = own["until"] - (await self.at("AV").state())["now"]
        return (
            f"station, hub and Kostrava's station all refuse by {hub['rule']}; L6 by {step['rule']}; "
            f"{left / 1000:.0f} s of exercise time left"
        )

    async def e19(self, event: Event) -> str:
        await self.say(
            "E19", "AV", "public-safety-notice", {}, {"text": event.text}, to=("KV",), precedence="IMMEDIATE"
        )
        return "passed during the cooling-off"

    async def e20(self, event: Event) -> str:
        before = await self.at("KV").thread(self.thread)
        fired = sum(e["kind"] == "clock-expired" for e in before["entries"])
        await self.stage.kill_hub()
        for number in (1, 2, 3):
            outcome = await self.at("AV").send(self.thread, "goodwill-note", {}, {"text": f"queued {number}"})
            _want(outcome["ok"] and outcome["state"] == "queued", f"not queued: {outcome['state']}")
        await self.at("AV").wait("the desk says offline", self._offline)
        await asyncio.sleep(20 * 60 / self.scale)
        await self.stage.start_hub()
        for office in ("KV", "AV"):
            await self.see(office, "queued notes", lambda v: len(_notes(v)) >= 3, seconds=40)
        view = await self.at("KV").thread(self.thread)
        _want(_notes(view) == ["queued 1", "queued 2", "queued 3"], f"arrived as {_notes(view)}")
        _want(view["summary"]["standstill_until"] == self.standstill_end, "the end of the cooling-off moved")
        again = sum(e["kind"] == "clock-expired" for e in view["entries"])
        _want(again == fired, "a clock fired twice or out of turn")
        return "killed and restarted; end unchanged; three queued notes arrived once, in order"

    async def _offline(self) -> bool:
        return bool((await self.at("AV").state())["connection"]["state"] != "live")

    async def e21a(self, event: Event) -> str:
        await self.say("E21a", "AV", "breach-report", {"verifier": "HD"}, {"text": event.text}, to=("KV",))
        await self.see("HD", "Halden reads the report", lambda v: (self.find(v, self.ids["E21a"]) or {}).get("fields"))
        return "passed; Halden, outside the thread, reads this report only"

    async def e21b(self, event: Event) -> str:
        await self.say("E21b", "KV", "statement", {}, {"text": event.text}, to=("AV",))
        return "delivered"

    async def e21c(self, event: Event) -> str:
        await self.say(
            "E21c",
            "HD",
            "finding",
            {"entry": self.ids["E21a"], "finding": "accidental"},
            {"text": event.text},
            to=("AV", "KV"),
        )
        ends = await self.both("standstill unchanged", lambda v: v["summary"]["standstill_until"])
        _want(ends == [self.standstill_end] * 2, "the finding moved the cooling-off")
        return "attached; the cooling-off goes on to the same end"

    async def e22(self, event: Event) -> str:
        await self.say("E22", "KV", "step-request", {"step": "L5-mediation"}, {}, to=("AV",))
        await self.both("L5", lambda v: v["summary"]["rung"] == "L5-mediation")
        return "open; the cooling-off still runs"

    async def e23a(self, event: Event) -> str:
        return await self._nominate("AV", event, "sealed: only a digest stands in the thread")

    async def e23b(self, event: Event) -> str:
        await self._nominate("KV", event, "")
        await self.both("both lists open", lambda v: sum(e["kind"] == "nomination-reveal" for e in v["entries"]) == 2)
        found = await self.both("overlap", lambda v: [m["office"] for m in v["mediators"]])
        _want(found == [["MD"], ["MD"]], f"the overlap is {found}")
        return "opened together; the overlap is Meridia"

    async def _nominate(self, office: str, event: Event, words: str) -> str:
        outcome = await self.at(office).post(f"threads/{self.thread}/nominate", {"nominees": list(event.nominees)})
        if outcome["ok"] and outcome["state"] == "draft":
            outcome = await self.stage.offices[office].releaser.release(outcome["id"])
        _want(outcome["ok"], f"{outcome['code']}: {outcome['sentence']}")
        other = "KV" if office == "AV" else "AV"
        entry = await self.see(
            other,
            "sealed nomination",
            lambda v: next((e for e in v["entries"] if e["kind"] == "nomination" and e["office"] == office), None),
        )
        _want("MD" not in str(entry["act"]), "the list is readable")
        return words

    async def e24a(self, event: Event) -> str:
        await self.see("MD", "invitation", lambda v: v["offers"])
        await self.say("E24a", "MD", "mediator-acceptance", {}, {}, to=("AV", "KV"))
        view = await self.at("MD").thread(self.thread)
        _want(view["epoch"] is None, "Meridia holds a key of the thread")
        return "accepted from outside; Meridia holds no key of the thread"

    async def e24b(self, event: Event) -> str:
        await self.say("E24b", "MD", "declaration", {}, {"text": event.text}, to=("AV", "KV"))
        for office in ("AV", "KV"):
            entry = self.find(await self.at(office).thread(self.thread), self.ids["E24b"])
            _want(entry is not None and "8 percent" in str(entry["fields"]), f"{office} cannot read the declaration")
        await self.both("objection window", lambda v: self.clock(v, "objections", "running"))
        return "read by both parties; the window runs"

    async def e25a(self, event: Event) -> str:
        await self.say(
            "E25a", "AV", "objection", {"mediator": "MD", "co_mediator": "HD"}, {"reason": event.text}, to=("KV",)
        )
        refused = await self.attempt("KV", "admission", {"mediators": ["MD"], "scope": {}}, {})
        _want(not refused["ok"], "admission passed over an open objection")
        return f"noted; admission meanwhile refused ({refused['code']})"

    async def e25b(self, event: Event) -> str:
        await self.say("E25b", "KV", "objection-answer", {"objection": self.ids["E25a"], "agree": True}, {}, to=("AV",))
        await self.see(
            "HD", "invitation", lambda v: any(o["kind"] == "mediator-acceptance" and o["allowed"] for o in v["offers"])
        )
        await self.say("E25b-accept", "HD", "mediator-acceptance", {}, {}, to=("AV", "KV"))
        await self.say("E25b-declare", "HD", "declaration", {}, {"text": event.text}, to=("AV", "KV"))
        return "agreed; Halden accepted and declared"

    async def e25c(self, event: Event) -> str:
        for office, other in (("AV", "KV"), ("KV", "AV")):
            await self.say(f"E25c-{office}", office, "waiver", {"mediators": ["MD", "HD"]}, {}, to=(other,))
        await self.both("window closed", lambda v: not self.clock(v, "objections", "running"))
        return "both waived; the window is closed"

    async def e26a(self, event: Event) -> str:
        named = [self.ids[name] for name in ("E03", "E07", "E08", "E10", "E12a", "E12b")]
        act = {"mediators": ["MD", "HD"], "scope": {"from_rung": "L3-experts", "entries": named}}
        await self.say("E26a-AV", "AV", "admission", act, {}, to=("KV",))
        view = await self.at("MD").thread(self.thread)
        _want(view["epoch"] is None, "one admission admitted Meridia")
        other = {"mediators": ["MD", "HD"], "scope": {"from_rung": "L2-clarify"}}
        refused = await self.attempt("KV", "admission", other, {})
        _want(not refused["ok"] and refused["code"] == "ladder.scope-differs", f"another scope: {refused['code']}")
        self.seqs["epoch"] = (await self.at("AV").thread(self.thread))["epoch"]
        await self.say("E26a", "KV", "admission", act, {}, to=("AV",))
        return "one alone admitted nobody; another scope was refused; the second, equal one admits"

    async def e26b(self, event: Event) -> str:
        offices = ("AV", "KV", "MD", "HD")
        await self.both("new epoch", lambda v: (v["epoch"] or 0) == self.seqs["epoch"] + 1, offices=offices)
        scope = {self.ids[name] for name in ("E03", "E07", "E08", "E10", "E12a", "E12b")}
        since_l3 = self.seqs["E15a"]
        readable: dict[str, set[int]] = {}
        for office in ("MD", "HD"):
            view = await self.see(office, "history handed over", lambda v: v if self._handed(v, scope) else None)
            for entry in view["entries"]:
                if entry["fields"] is None or entry["seq"] >= self.seqs["E26a"] or entry["own"]:
                    continue
                # Halden read the breach report as its verifier, before the admission; each read the other's declaration.
                _want(
                    entry["id"] in scope or entry["seq"] >= since_l3,
                    f"{office} reads {entry['kind']} ({entry['seq']}), which is outside the scope",
                )
            readable[office] = {e["seq"] for e in view["entries"] if e["fields"] is not None}
        note = await self.at("MD").thread(self.thread)
        query = self.find(note, self.ids["E09"])
        _want(query is not None and query["fields"] is None, "Meridia reads what was not handed over")
        return f"epoch {self.seqs['epoch'] + 1}; Meridia reads {len(readable['MD'])} entries, none outside the scope"

    def _handed(self, view: View, scope: set[str]) -> bool:
        return all((self.find(view, entry) or {}).get("fields") for entry in scope)

    async def e29d(self, event: Event) -> str:
        await self.say("E29d", "MD", "proposal", {"version": 1}, {"text": {"en": event.text}}, to=("AV", "KV", "HD"))
        return "all four hold version 1"

    async def e29e(self, event: Event) -> str:
        await self.say(
            "E29e",
            "MD",
            "proposal",
            {"version": 2, "languages": ["en", "fr"]},
            {"text": {"en": event.text, "fr": "Article premier. L'isolement est maintenu."}},
            to=("AV", "KV", "HD"),
        )
        return "version 2 replaces version 1"

    async def e29f(self, event: Event) -> str:
        old = await self.attempt("AV", "proposal-accept", {"proposal": self.ids["E29d"], "version": 1}, {})
        _want(not old["ok"] and old["code"] == "ladder.superseded-proposal", f"the old text: {old['code']}")
        await self.say(
            "E29f", "AV", "proposal-accept", {"proposal": self.ids["E29e"], "version": 2}, {}, to=("KV", "MD")
        )
        view = await self.at("KV").thread(self.thread)
        _want("in force" not in view["mediation"].lower(), "in force by one acceptance")
        return "accepting version 1 refused; version 2 accepted by Arvenia, not in force yet"

    async def e29g(self, event: Event) -> str:
        await self.say(
            "E29g", "KV", "proposal-accept", {"proposal": self.ids["E29e"], "version": 2}, {}, to=("AV", "MD")
        )
        await self.both("in force", lambda v: "in force" in v["mediation"].lower(), offices=("AV", "KV", "MD", "HD"))
        return "in force for all four (its commitments with deadlines: not yet)"

    async def e32(self, event: Event) -> str:
        offices = ("AV", "KV", "MD", "HD")
        await self.both("monitoring", lambda v: v["summary"]["rung"] == "monitoring", offices=offices)
        views = [await self.at(office).thread(self.thread) for office in offices]
        _want(all(v["summary"]["standstill_until"] is None for v in views), "the cooling-off still shows")
        return "monitoring on all four desks"

    async def e34(self, event: Event) -> str:
        await self.say(
            "E34-finding",
            "HD",
            "finding",
            {"entry": self.ids["E21a"], "finding": "not-a-breach"},
            {
                "text": event.text,
                "indicators": {"availability": "99.4 percent", "diversion": "0 h", "telemetry": "100 percent"},
            },
            to=("AV", "KV"),
        )
        await self.say("E34", "HD", "close", {}, {}, to=("AV", "KV"))
        view = await self.at("AV").thread(self.thread)
        _want(not view["summary"]["closed"], "the verifier alone closed the thread")
        await self.say("E34-AV", "AV", "close", {}, {}, to=("KV",))
        view = await self.at("AV").thread(self.thread)
        _want(not view["summary"]["closed"], "one party alone closed the thread")
        await self.say("E34-KV", "KV", "close", {}, {}, to=("AV",))
        await self.both("closed", lambda v: v["summary"]["closed"], offices=("AV", "KV", "MD", "HD"))
        return "recommended by Halden, closed by both parties"


def _notes(view: View) -> list[str]:
    return [e["fields"]["text"] for e in view["entries"] if e["kind"] == "goodwill-note" and e["fields"]]


def _want(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Mismatch(otherwise)
