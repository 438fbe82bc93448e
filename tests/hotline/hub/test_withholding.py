"""What an operator leaves out of a bundle stays proven to exist, is said, and is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotline import bundles
from hotline.hub.console import HubConsole
from hotline.hub.withholding import CannotWithhold
from mediation.audit import Trust, verify
from protocols.entry import parse_entry
from protocols.redaction import Redaction, RedactionMalformed, parse_sheet
from protocols.translog import parse_policy
from tests.hotline.harness import RunningHub, World, connect, make_world, open_thread, running_hub


async def _filled(hub: RunningHub, world: World, console: HubConsole) -> str:
    async with connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = await open_thread(av, kv)
        notice = await av.say(thread, "incident-notice", fields={"text": "St Brannoc is down"}, drafter=1)
        await kv.deliveries(kv.threads[thread.id], 2)
        await kv.say(kv.threads[thread.id], "receipt", {"entry": notice.id}, officer=None)
        await kv.say(kv.threads[thread.id], "goodwill-note", fields={"text": "we look"})
        await av.deliveries(thread, 4)
        await av.say(thread, "goodwill-note", fields={"text": "thank you"})
        while await av.cosign_next() < 5:
            pass
        while (await console.log_health()).published_size < 5:
            await av.ping()
        return thread.id


def _left_out(*seqs: int) -> tuple[Redaction, ...]:
    return tuple(Redaction(seq, "Court of Meridia", "court-order", withheld=True) for seq in seqs)


async def test_a_withheld_entry_is_proven_and_said_and_its_leaf_is_not_there(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=1)
    async with running_hub(world) as hub:
        console = HubConsole(hub.hub)
        thread = await _filled(hub, world, console)
        whole = bundles.unpack(await console.export(thread))
        packed = await console.export(thread, _left_out(4), "op at hub.test")
        assert len(bundles.unpack(await console.export(thread, upto=3)).exhibits) == 3
    found = bundles.unpack(packed)
    assert whole.redactions is None
    assert [exhibit.withheld is not None for exhibit in found.exhibits] == [False, False, False, True, False]
    secret = parse_entry(whole.exhibits[3].leaf)
    assert whole.exhibits[3].leaf not in packed and found.exhibits[3].leaf == b""
    assert secret.payload.nonce.encode() not in b"".join(exhibit.leaf for exhibit in found.exhibits)
    assert found.redactions is not None
    items = {item.seq: item for item in parse_sheet(found.redactions).items}
    assert items[4].withheld and items[4].reason == "court-order"
    assert items[2].fields.keys() == set(parse_entry(whole.exhibits[1].leaf).kind.required)
    trust = Trust(parse_policy(world.accord.accord.policy), world.accord.id)
    report = verify(found, trust, allow_withheld=True)
    assert report.problems == (), report.problems
    assert not verify(found, trust).holds and report.holds
    assert [each.seq for each in report.withheld] == [4]


async def test_what_would_leave_nothing_or_a_gap_that_nothing_proves_is_refused(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=1)
    async with running_hub(world) as hub:
        console = HubConsole(hub.hub)
        thread = await _filled(hub, world, console)
        partly = Redaction(2, "AV", "other", {"text": None})
        for items in (_left_out(1, 2, 3, 4, 5), _left_out(6), (partly,)):
            with pytest.raises(CannotWithhold):
                await console.export(thread, items, "op")
        with pytest.raises(RedactionMalformed):
            await console.export(thread, _left_out(2, 2), "op")
