"""St Brannoc, second half: mediators by rule, one text, monitoring, the close."""

from __future__ import annotations

from hotline.scenario.desk_client import View
from hotline.scenario.player import Player, want
from hotline.scenario.script import Event


class Mediators(Player):
    """Events E22 to E34; see the script for what each is."""

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
        want(found == [["MD"], ["MD"]], f"the overlap is {found}")
        return "opened together; the overlap is Meridia"

    async def _nominate(self, office: str, event: Event, words: str) -> str:
        outcome = await self.at(office).post(f"threads/{self.thread}/nominate", {"nominees": list(event.nominees)})
        if outcome["ok"] and outcome["state"] == "draft":
            outcome = await self.stage.offices[office].releaser.release(outcome["id"])
        want(outcome["ok"], f"{outcome['code']}: {outcome['sentence']}")
        other = "KV" if office == "AV" else "AV"
        entry = await self.see(
            other,
            "sealed nomination",
            lambda v: next((e for e in v["entries"] if e["kind"] == "nomination" and e["office"] == office), None),
        )
        want("MD" not in str(entry["act"]), "the list is readable")
        return words

    async def e24a(self, event: Event) -> str:
        await self.see("MD", "invitation", lambda v: v["offers"])
        await self.say("E24a", "MD", "mediator-acceptance", {}, {}, to=("AV", "KV"))
        view = await self.at("MD").thread(self.thread)
        want(view["epoch"] is None, "Meridia holds a key of the thread")
        return "accepted from outside; Meridia holds no key of the thread"

    async def e24b(self, event: Event) -> str:
        await self.say("E24b", "MD", "declaration", {}, {"text": event.text}, to=("AV", "KV"))
        for office in ("AV", "KV"):
            entry = self.find(await self.at(office).thread(self.thread), self.ids["E24b"])
            want(entry is not None and "8 percent" in str(entry["fields"]), f"{office} cannot read the declaration")
        await self.both("objection window", lambda v: self.clock(v, "objections", "running"))
        return "read by both parties; the window runs"

    async def e25a(self, event: Event) -> str:
        await self.say(
            "E25a", "AV", "objection", {"mediator": "MD", "co_mediator": "HD"}, {"reason": event.text}, to=("KV",)
        )
        refused = await self.attempt("KV", "admission", {"mediators": ["MD"], "scope": {}}, {})
        want(not refused["ok"], "admission passed over an open objection")
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
        want(view["epoch"] is None, "one admission admitted Meridia")
        other = {"mediators": ["MD", "HD"], "scope": {"from_rung": "L2-clarify"}}
        refused = await self.attempt("KV", "admission", other, {})
        want(not refused["ok"] and refused["code"] == "ladder.scope-differs", f"another scope: {refused['code']}")
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
                want(
                    entry["id"] in scope or entry["seq"] >= since_l3,
                    f"{office} reads {entry['kind']} ({entry['seq']}), which is outside the scope",
                )
            readable[office] = {e["seq"] for e in view["entries"] if e["fields"] is not None}
        note = await self.at("MD").thread(self.thread)
        query = self.find(note, self.ids["E09"])
        want(query is not None and query["fields"] is None, "Meridia reads what was not handed over")
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
        want(not old["ok"] and old["code"] == "ladder.superseded-proposal", f"the old text: {old['code']}")
        await self.say(
            "E29f", "AV", "proposal-accept", {"proposal": self.ids["E29e"], "version": 2}, {}, to=("KV", "MD")
        )
        view = await self.at("KV").thread(self.thread)
        want("in force" not in view["mediation"].lower(), "in force by one acceptance")
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
        want(all(v["summary"]["standstill_until"] is None for v in views), "the cooling-off still shows")
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
        want(not view["summary"]["closed"], "the verifier alone closed the thread")
        await self.say("E34-AV", "AV", "close", {}, {}, to=("KV",))
        view = await self.at("AV").thread(self.thread)
        want(not view["summary"]["closed"], "one party alone closed the thread")
        await self.say("E34-KV", "KV", "close", {}, {}, to=("AV",))
        await self.both("closed", lambda v: v["summary"]["closed"], offices=("AV", "KV", "MD", "HD"))
        return "recommended by Halden, closed by both parties"
