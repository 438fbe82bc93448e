"""A body outside the group appoints the mediator where the parties do not: it chooses, is let in nowhere, and reads nothing."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from hotline import ladders
from hotline.station.station import Station
from tests.hotline.harness import LADDER, make_world, running_hub
from tests.hotline.station.kit import act, officer, opened, running, seq, until

NAME = "icsid-mediation-appointment"
ICSID = ladders.load(NAME).decode().replace(f'id = "{NAME}"', f'id = "{LADDER}"', 1).replace("P60D", "PT1S", 1).encode()
"""The parties' sixty days are one second."""


def able(station: Station, thread: str, kind: str) -> list[dict[str, object]]:
    """The acts of that kind that the station is offered."""
    if thread not in station.core.threads:
        return []
    return [dict(offer.act) for offer in station.thread(thread).offers if offer.kind == kind and offer.allowed]


async def test_the_secretary_generals_station_appoints_from_outside_and_its_choice_comes_in(tmp_path: Path) -> None:
    world = make_world(
        tmp_path,
        ladder=ICSID,
        others={"SG": "monitor"},
        ladder_roles={"secretary-general": ("SG",)},
        quorum=4,
    )
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(running_hub(world))
        av, kv, md, sg = [
            await stack.enter_async_context(running(world, office, hub.url)) for office in ("AV", "KV", "MD", "SG")
        ]
        thread = await opened(av, kv)
        hidden = await act(av, thread, "statement", {}, text="Between us two only.")
        await act(av, thread, "step-request", {"step": "register"})
        await until(lambda: {"step": "default"} in able(av, thread, "step-request"))
        assert thread not in sg.core.threads, "nobody is asked before a party asks"
        await act(av, thread, "step-request", {"step": "default"})
        await until(lambda: able(sg, thread, "default-appointment"))
        assert able(sg, thread, "default-appointment") == [{"mediator": "MD"}, {"mediator": "HD"}]
        for party in (av, kv):
            await until(lambda party=party: party.thread(thread).mediation == "SG may now appoint a mediator.")  # type: ignore[misc]
        (closes,) = {o.closes for o in sg.thread(thread).offers if o.kind == "default-appointment"}
        assert closes is not None, "the body sees until when it is to appoint"
        for party in (av, kv):
            await until(lambda party=party: seq(party, thread) == seq(av, thread))  # type: ignore[misc]
            refused = await party.send(officer(party), thread, "default-appointment", {"mediator": "HD"}, {})
            assert refused.code == "ladder.not-yours", refused
        nobody = await sg.send(officer(sg), thread, "default-appointment", {}, {})
        assert nobody.code == "ladder.name-one", nobody
        own = await sg.send(officer(sg), thread, "default-appointment", {"mediator": "SG"}, {})
        assert own.code == "ladder.not-on-roster", own

        await act(sg, thread, "default-appointment", {"mediator": "MD"})
        await until(lambda: any(e.act_words == "appoints MD" for e in kv.thread(thread).entries))
        await until(lambda: not able(sg, thread, "default-appointment"))
        await until(lambda: able(md, thread, "mediator-acceptance"))
        await act(md, thread, "mediator-acceptance", {})
        await until(lambda: able(md, thread, "declaration"))
        await act(md, thread, "declaration", {}, text="No ties to either side.")
        for party in (av, kv):
            await until(lambda party=party: able(party, thread, "waiver"))  # type: ignore[misc]
            await act(party, thread, "waiver", {"mediators": ["MD"]})
        for party in (av, kv):
            await until(lambda: seq(av, thread) == seq(kv, thread))
            await act(party, thread, "admission", {"mediators": ["MD"], "scope": {}})
        await until(lambda: md.thread(thread).epoch == 2 and seq(md, thread) == seq(av, thread) == seq(kv, thread))
        assert md.thread(thread).state_hash == av.thread(thread).state_hash == kv.thread(thread).state_hash
        assert set(av.thread(thread).summary.members) == {"AV", "KV", "MD"}
        await act(md, thread, "statement", {}, text="Good day to both.")
        await until(lambda: any((e.fields or {}).get("text") == "Good day to both." for e in kv.thread(thread).entries))
        assert sg.thread(thread).epoch is None
        assert hidden not in {entry.id for entry in sg.thread(thread).entries}
        assert not any((entry.fields or {}).get("text") for entry in sg.thread(thread).entries)
        for station in (av, kv, md, sg):
            assert not station.connection().alarms
