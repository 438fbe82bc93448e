"""A mediator comes in by rule and reads what the parties agreed to show, and nothing else from before."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotline.station import duties
from hotline.station.model import Thread
from mediation.state import ThreadState
from protocols.kinds import Scope
from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import act, mediator_admitted, officer, opened, running, seq, until


async def test_a_mediator_joins_and_reads_only_the_scope(tmp_path: Path) -> None:
    world = make_world(tmp_path, scale=1)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url) as kv,
        running(world, "MD", hub.url) as md,
    ):
        thread = await opened(av, kv)
        hidden = await act(av, thread, "incident-notice", {}, text="Between us two only.")
        shown = await act(kv, thread, "statement", {}, text="The mediator may read this.")
        assert thread not in md.core.threads
        await act(kv, thread, "step-request", {"step": "L5-mediation"})
        for station in (av, kv):
            sealed = await station.nominate(officer(station), thread, ("MD", "HD"))
            assert sealed.state == "accepted", sealed
        await until(lambda: thread in md.core.threads)
        invited = md.thread(thread)
        assert [offer.kind for offer in invited.offers] == ["mediator-acceptance"] and invited.epoch is None
        await act(md, thread, "mediator-acceptance", {})
        await until(lambda: any(offer.kind == "declaration" for offer in md.thread(thread).offers))
        await act(md, thread, "declaration", {}, text="We own 8 percent of a hoster.")
        await until(lambda: any(e.kind == "declaration" for e in av.thread(thread).entries))
        declared = next(e for e in av.thread(thread).entries if e.kind == "declaration")
        assert declared.fields == {"text": "We own 8 percent of a hoster."}
        for station in (av, kv):
            await until(lambda station=station: any(e.kind == "declaration" for e in station.thread(thread).entries))  # type: ignore[misc]
            await act(station, thread, "waiver", {"mediators": ["MD"]})
        admission = {"mediators": ["MD"], "scope": {"entries": [shown]}}
        await until(lambda: seq(av, thread) == seq(kv, thread))
        await act(av, thread, "admission", admission)
        await until(lambda: seq(av, thread) == seq(kv, thread))
        await act(kv, thread, "admission", admission)
        await until(lambda: md.thread(thread).epoch == 2 and seq(md, thread) == seq(av, thread) == seq(kv, thread))
        await until(lambda: any(e.handed_over for e in md.thread(thread).entries))
        seen = {e.id: e for e in md.thread(thread).entries}
        assert seen[shown].fields == {"text": "The mediator may read this."} and seen[shown].handed_over
        assert seen[hidden].sealed and seen[hidden].fields is None
        assert any(e.fields == {"text": "We own 8 percent of a hoster."} for e in seen.values())
        assert md.thread(thread).state_hash == av.thread(thread).state_hash
        await act(md, thread, "statement", {}, text="Good day to both.")
        await until(lambda: any((e.fields or {}).get("text") == "Good day to both." for e in kv.thread(thread).entries))
        await act(kv, thread, "withdrawal", {"mediator": "MD"})
        await until(lambda: av.thread(thread).epoch == kv.thread(thread).epoch == 3)
        await until(lambda: md.thread(thread).epoch is None)
        assert av.thread(thread).summary.members == ("AV", "KV")
        after = await act(kv, thread, "statement", {}, text="Between us two again.")
        await until(lambda: any(e.id == after and e.fields for e in av.thread(thread).entries))
        assert after not in {e.id for e in md.thread(thread).entries}
        for station in (av, kv, md):
            assert not station.connection().alarms


async def test_what_one_party_hands_over_beyond_the_scope_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def everything(thread: Thread, state: ThreadState, scope: Scope, before: int) -> dict[str, list[str]]:
        return {held.id: list(held.disclosures) for held in thread.held if held.disclosures and held.seq < before}

    monkeypatch.setattr(duties, "in_scope", everything)
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url) as kv,
        running(world, "MD", hub.url) as md,
    ):
        thread = await opened(av, kv)
        hidden = await act(av, thread, "incident-notice", {}, text="Between us two only.")
        shown = await act(kv, thread, "statement", {}, text="The mediator may read this.")
        await mediator_admitted(av, kv, md, thread, {"entries": [shown]})
        await until(lambda: any(e.kind == "handover" for e in md.thread(thread).entries))
        seen = {e.id: e for e in md.thread(thread).entries}
        assert seen[shown].handed_over and seen[shown].fields == {"text": "The mediator may read this."}
        assert seen[hidden].sealed and seen[hidden].fields is None
        assert any("handover.beyond-scope" in note for e in seen.values() for note in e.notes)
        assert not md.connection().alarms
