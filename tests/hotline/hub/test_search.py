"""Operators find entries by what is no secret: incident, office, kind, time; page by page, out of an index."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.hub.console import HubConsole
from hotline.hub.findings import Found, Search
from hotline.hub.search import search
from hotline.store import hub as t
from tests.hotline.harness import RunningHub, World, connect, make_world, open_thread, running_hub


async def _filled(hub: RunningHub, world: World) -> list[str]:
    async with connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        first, second = await open_thread(av, kv), await open_thread(av, kv)
        notice = await av.say(first, "incident-notice", fields={"text": "St Brannoc is down"}, drafter=1)
        await kv.deliveries(kv.threads[first.id], 2)
        await kv.say(kv.threads[first.id], "receipt", {"entry": notice.id}, officer=None)
        for number in range(3):
            await av.say(second, "goodwill-note", fields={"text": f"note {number}"})
        return [first.id, second.id]


def _places(found: Found) -> list[tuple[str, int]]:
    return [(entry.thread, entry.seq) for entry in found.entries]


async def test_entries_are_found_by_incident_office_kind_and_time_newest_first(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        first, second = await _filled(hub, world)
        console = HubConsole(hub.hub)
        everything = await console.search(Search())
        assert [entry.index for entry in everything.entries] == sorted(
            (entry.index for entry in everything.entries), reverse=True
        )
        assert everything.total == 7 and not everything.more and everything.older is None
        assert _places(await console.search(Search(thread=first))) == [(first, 3), (first, 2), (first, 1)]
        assert {entry.thread for entry in (await console.search(Search(thread=second[:8]))).entries} == {second}
        assert _places(await console.search(Search(office="KV"))) == [(first, 3)]
        assert _places(await console.search(Search(kind="incident-notice"))) == [(first, 2)]
        assert (await console.search(Search(thread=second, office="AV", kind="goodwill-note"))).total == 3
        for nothing in (
            Search(thread="zzzz"),
            Search(office="MD"),
            Search(kind="close"),
            Search(thread=second, office="KV"),
        ):
            found = await console.search(nothing)
            assert (found.entries, found.total, found.older) == ((), 0, None)


async def test_a_time_is_from_the_first_moment_to_before_the_last(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        await _filled(hub, world)
        console = HubConsole(hub.hub)
        times = sorted(entry.at for entry in (await console.search(Search())).entries)
        for at in (times[0] - 1, *times, times[-1] + 1):
            since = (await console.search(Search(since=at))).entries
            before = (await console.search(Search(until=at))).entries
            assert all(entry.at >= at for entry in since) and all(entry.at < at for entry in before)
            assert len(since) + len(before) == len(times)


async def test_pages_follow_each_other_without_a_gap_or_a_double(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        await _filled(hub, world)
        threads, ladders = hub.hub.writer.standing.threads, hub.hub.ladders
        seen: list[int] = []
        wanted: Search | None = Search(office="AV")
        while wanted is not None:
            found = await search(hub.hub.store, wanted, threads, ladders, page=2)
            assert found.total == 6, "the count is of everything that matches, whichever page is shown"
            seen += [entry.index for entry in found.entries]
            wanted = None if found.older is None else Search(office="AV", before=found.older)
        assert len(seen) == len(set(seen)) == 6
        assert seen == sorted(seen, reverse=True)


async def test_an_act_names_the_entry_it_is_about_by_number(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub:
        await _filled(hub, world)
        (receipt,) = (await HubConsole(hub.hub).search(Search(kind="receipt"))).entries
        assert "entry 2" in receipt.act_words
        (notice,) = (await HubConsole(hub.hub).search(Search(kind="incident-notice"))).entries
        assert notice.moved_to and "St Brannoc" not in repr(notice)


async def test_every_question_is_answered_out_of_an_index(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, hub.hub.store.read() as connection:
        e = t.entries.c
        for column, value in ((e.office, "AV"), (e.kind, "receipt"), (e.thread, "x")):
            query = sa.select(e.idx).where(column == value).order_by(e.idx.desc()).limit(50)
            plan = await _plan(connection, query)
            assert "SCAN" not in plan, plan
        plan = await _plan(connection, sa.select(e.idx).where(e.at >= 5).order_by(e.at, e.idx).limit(1))
        assert "entries_at" in plan


async def _plan(connection: AsyncConnection, query: sa.Select[tuple[int]]) -> str:
    text = str(query.compile(compile_kwargs={"literal_binds": True}))
    rows = await connection.execute(sa.text(f"EXPLAIN QUERY PLAN {text}"))
    return " ".join(str(row.detail) for row in rows)
