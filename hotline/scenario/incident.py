"""St Brannoc, first half: the notice, the questions, the experts, the cooling-off and what it forbids."""

from __future__ import annotations

import asyncio

from hotline.scenario.desk_client import View
from hotline.scenario.player import Player, want
from hotline.scenario.script import Event


class Incident(Player):
    """Events E01 to E21; see the script for what each is."""

    async def e01(self, event: Event) -> str:
        return "nothing sent"

    async def e02(self, event: Event) -> str:
        av = self.stage.offices["AV"]
        opened = await av.drafter.post("threads", {"counterpart": "KV", "ladder": self.ladder, "title": "St Brannoc"})
        want(opened["ok"], f"the thread did not open: {opened['sentence']}")
        self.thread = opened["thread"]
        await self.both("in the thread", lambda view: view["epoch"])
        outcome = await av.drafter.send(
            self.thread, "incident-notice", {}, {"text": event.text, "severity": "severe"}, precedence="FLASH"
        )
        want(outcome["state"] == "draft", f"the notice is {outcome['state']}, not a draft")
        self.draft = outcome["id"]
        own = await av.drafter.release(self.draft)
        want(not own["ok"], "the drafter released alone")
        view = await self.at("KV").thread(self.thread)
        want(not any(e["kind"] == "incident-notice" for e in view["entries"]), "the draft reached Kostrava")
        return f"kept as a draft; release by its drafter refused ({own['code']})"

    async def e03(self, event: Event) -> str:
        outcome = await self.stage.offices["AV"].releaser.release(self.draft, precedence="FLASH")
        want(outcome["ok"], f"release refused: {outcome['sentence']}")
        entry = await self.see(
            "AV", "notice accepted", lambda v: next((e for e in v["entries"] if e["kind"] == "incident-notice"), None)
        )
        self.ids["E03"], self.seqs["E03"] = entry["id"], entry["seq"]
        theirs = await self.see("KV", "notice readable", lambda v: (self.find(v, entry["id"]) or {}).get("fields"))
        want("1,140 beds" in theirs["text"], "Kostrava reads another text")
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
        want(state == "delivered", f"Kostrava stands at {state}")
        want(expired[0]["end"] == expired[1]["end"], "the page came at two times")
        return "delivered, not acknowledged; alternate paged on both sides' clocks"

    async def e05(self, event: Event) -> str:
        await self.say("E05", "KV", "acknowledgement", {"entry": self.ids["E03"]}, to=("AV",))
        for officer in (self.stage.offices["KV"].drafter, self.stage.offices["KV"].releaser):
            await officer.see(self.thread, "paging stopped", lambda v: not self.clock(v, "human-ack", "running"))
        view = await self.at("AV").thread(self.thread)
        want(self.marks(view, self.ids["E03"]).get("KV") == "acknowledged", "not shown as acknowledged")
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
        want(ends[0]["end"] == ends[1]["end"], "two end times")
        await self.both("L2", lambda v: v["summary"]["rung"] == "L2-clarify")
        return f"L2; five questions due {ends[0]['end'] - ends[0]['start']} ms after receipt on both screens"

    async def e08(self, event: Event) -> str:
        await self.say(
            "E08",
            "AV",
            "update",
            {"supersedes": self.ids["E03"]},
            {"text": event.text, "severity": "severe"},
            to=("KV",),
        )
        old = self.find(await self.at("KV").thread(self.thread), self.ids["E03"]) or {"fields": None, "notes": []}
        want(old["fields"] is not None, "the old notice cannot be read any more")
        want(any("superseded" in note for note in old["notes"]), "the old notice is not marked")
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
        want(offer["allowed"], "L3 is not open to Arvenia")
        want(view["summary"]["rung"] == "L2-clarify", "the ladder moved by itself")
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
        want(ends[0] == ends[1], "two end times")
        wanted = entry["at"] + 72 * 3_600_000 // self.scale
        want(ends[0] == wanted, f"the end is {ends[0]}, not {wanted}")
        self.standstill_end = ends[0]
        return "72 h from acceptance; the same end on both desks and in the hub's state hash"

    async def e18(self, event: Event) -> str:
        own = await self.refused("AV", "public-attribution", {}, {"text": event.text}, "ladder.standstill")
        want(own["until"] == self.standstill_end, "refused, but until another time")
        step = await self.refused("AV", "step-request", {"step": "L6-inquiry"}, {}, "ladder.standstill")
        insisted = await self.at("AV").post(
            f"threads/{self.thread}/insist", {"kind": "public-attribution", "act": {}, "fields": {"text": event.text}}
        )
        hub = insisted["outcome"]
        want(not hub["ok"] and hub["code"] == "ladder.standstill", f"the hub answered {hub['code']}")
        judged = await self.at("KV").post("judge", {"entry": insisted["entry"]})
        want(judged["code"] == "ladder.standstill", f"Kostrava's station says {judged['code']}")
        journal = await self.at("AV").get("journal")
        want(any("public-attribution" in " ".join(map(str, line)) for line in journal), "not in Arvenia's own log")
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
            want(outcome["ok"] and outcome["state"] == "queued", f"not queued: {outcome['state']}")
        await self.at("AV").wait("the desk says offline", self._offline)
        await asyncio.sleep(20 * 60 / self.scale)
        await self.stage.start_hub()
        for office in ("KV", "AV"):
            await self.see(office, "queued notes", lambda v: len(notes_of(v)) >= 3, seconds=40)
        view = await self.at("KV").thread(self.thread)
        want(notes_of(view) == ["queued 1", "queued 2", "queued 3"], f"arrived as {notes_of(view)}")
        want(view["summary"]["standstill_until"] == self.standstill_end, "the end of the cooling-off moved")
        again = sum(e["kind"] == "clock-expired" for e in view["entries"])
        want(again == fired, "a clock fired twice or out of turn")
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
        want(ends == [self.standstill_end] * 2, "the finding moved the cooling-off")
        return "attached; the cooling-off goes on to the same end"


def notes_of(view: View) -> list[str]:
    return [e["fields"]["text"] for e in view["entries"] if e["kind"] == "goodwill-note" and e["fields"]]
