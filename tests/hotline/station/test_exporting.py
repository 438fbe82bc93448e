"""A running station hands over what its officer chose; the preview is read out of the bundle itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hotline import bundles
from hotline.bundles import NothingToExport
from hotline.station.export import CannotDisclose, NotYetProven
from hotline.station.station import Station
from hotline.station.views import ExportView, Outcome
from mediation.audit import Trust, verify
from protocols.translog import parse_policy
from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import officer, opened, running


async def _previewed(station: Station, thread: str, disclose: list[str], entries: int) -> ExportView:
    """The preview, once the station's own mirror of the log holds so many entries of the thread."""
    for _ in range(400):
        try:
            made = await station.preview_export(thread, disclose)
        except (NothingToExport, NotYetProven):
            made = None
        if made is not None and len(made.entries) >= entries:
            return made
        await asyncio.sleep(0.05)
    raise AssertionError("the mirror never came so far")


async def test_a_running_station_hands_over_what_its_preview_showed_and_keeps_who_did(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=1)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        for words in ("Records are down.", "Nobody is hurt."):
            sent = await av.send(officer(av), thread, "statement", {}, {"text": words})
            assert sent.state == "accepted", sent
        numbers = {e.fields["text"]: e.seq for e in av.thread(thread).entries if e.fields}
        chosen = [f"{numbers['Records are down.']}:text"]
        seen = await _previewed(av, thread, chosen, numbers["Nobody is hurt."])
        shown = {each.seq: dict(each.shown) for each in seen.entries if each.shown}
        assert shown == {numbers["Records are down."]: {"text": "Records are down."}}
        assert seen.entries[numbers["Nobody is hurt."] - 1].sealed > 0
        assert not [what for _, what, _ in av.journal() if what == "export"], "a look exports nothing"
        made = await av.export(officer(av), thread, chosen)
        assert isinstance(made, ExportView)
        assert [(what, words) for _, what, words in av.journal() if what == "export"] == [
            ("export", f"officer 1 exported the evidence, showing {chosen[0]}.")
        ]
        report = verify(bundles.unpack(made.bundle), Trust(parse_policy(world.accord.accord.policy), world.accord.id))
        assert report.holds, report.problems
        assert b"Nobody is hurt." not in made.bundle
        with pytest.raises(CannotDisclose):
            await av.export(officer(av), thread, ["1:text"])
        assert len([what for _, what, _ in av.journal() if what == "export"]) == 1


async def test_words_go_out_only_by_a_releaser_whose_key_is_open(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=1)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        sent = await av.send(officer(av), thread, "statement", {}, {"text": "Records are down."})
        assert sent.state == "accepted", sent
        number = next(e.seq for e in av.thread(thread).entries if e.fields)
        await _previewed(av, thread, [f"{number}:text"], number)
        who = officer(av)
        av.lock(who)
        refused = await av.export(who, thread, [f"{number}:text"])
        assert isinstance(refused, Outcome) and refused.code == "officer.locked"
        assert not [what for _, what, _ in av.journal() if what == "export"]
        assert isinstance(await av.export(who, thread, []), ExportView), "without words nobody's secret leaves"
