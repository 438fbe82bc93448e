"""After the incident: what an oversight body is given, and what it can check by itself."""

from __future__ import annotations

from dataclasses import replace

from hotline import bundles
from hotline.scenario.desk_client import View
from hotline.scenario.player import Mismatch, Player, want
from hotline.scenario.script import Event
from mediation.audit import verify
from mediation.redact import Cut, redact
from protocols.bundle import Bundle
from protocols.encoding import unb64u
from protocols.redaction import Label

CHOICE = ("nomination", "nomination-reveal", "default-appointment", "mediator-acceptance", "declaration", "waiver")
"""Kinds by which mediators were chosen: said in confidence."""
WITHHELD = 6


class Aftermath(Player):
    """Event E35."""

    async def e35(self, event: Event) -> str:
        view = await self.at("HD").thread(self.thread)
        whole = await self._evidence(view)
        trust = self.stage.trust()
        report = verify(whole, trust)
        want(report.holds, f"the whole bundle does not hold: {[each.code for each in report.problems]}")
        chosen = [entry["seq"] for entry in view["entries"] if entry["kind"] in CHOICE][:WITHHELD]
        cut = Cut(
            "Halden",
            "mediation-confidence",
            "how the mediators were chosen",
            Label("Oversight body, order of confidence", "OB-12", "confidential"),
            withhold=tuple(chosen),
        )
        transcript = redact(whole, cut).bundle
        read = verify(transcript, trust, allow_withheld=True)
        want(read.holds, f"the transcript does not hold: {[each.code for each in read.problems]}")
        want([each.seq for each in read.withheld] == chosen, "other entries are withheld than were said")
        want(not verify(transcript, trust).holds, "withheld entries went unnoticed")
        changed = self._changed(transcript)
        want(not verify(changed, trust, allow_withheld=True).holds, "a changed byte went unnoticed")
        want(not verify(self._without_last(whole), trust).holds, "a dropped last entry went unnoticed")
        count = len(whole.exhibits)
        shown = sum(len(entry.fields) for entry in read.entries)
        return (
            f"{count} entries, {len(chosen)} withheld and accounted for, {shown} fields shown: it holds; one changed byte "
            "fails, a dropped last entry fails"
        )

    async def _evidence(self, view: View) -> Bundle:
        """The whole thread by Halden's own station, with the texts that it can read, once all of it is proven."""
        releaser = self.stage.offices["HD"].releaser

        async def export(*disclose: str) -> Bundle | None:
            answer = await releaser.post(f"threads/{self.thread}/export", {"disclose": disclose})
            if "bundle" not in answer:
                raise Mismatch(f"Halden could not export: {answer['outcome']['code']} {answer['outcome']['sentence']}")
            found = bundles.unpack(unb64u(answer["bundle"]))
            # The log says a moment later where the incident ends than that it was closed.
            tail = verify(found, self.stage.trust()).tail
            return found if tail is not None and tail.seq == len(found.exhibits) == view["newest"] else None

        await releaser.wait("everything is proven, and where it ends", export, seconds=60.0)
        texts = [f"{entry['seq']}:text" for entry in view["entries"] if "text" in (entry["fields"] or {})]
        found = await export(*texts)
        if found is None:
            raise Mismatch("what was proven is proven no more")
        return found

    @staticmethod
    def _changed(bundle: Bundle) -> Bundle:
        """The bundle with one byte of a shown leaf changed."""
        at = next(number for number, exhibit in enumerate(bundle.exhibits) if exhibit.leaf)
        leaf = bytearray(bundle.exhibits[at].leaf)
        leaf[len(leaf) // 2] ^= 1
        exhibits = list(bundle.exhibits)
        exhibits[at] = replace(exhibits[at], leaf=bytes(leaf))
        return replace(bundle, exhibits=tuple(exhibits))

    @staticmethod
    def _without_last(bundle: Bundle) -> Bundle:
        return replace(bundle, exhibits=bundle.exhibits[:-1])
