"""Figures count what the fold computed: each clock once, each answer once, with the number of cases beside every time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from hotline.hub import statistics
from hotline.hub.console import HubConsole
from hotline.hub.figures import Place, figures, percentile
from hotline.hub.findings import Figures
from hotline.hub.tally import ClockRow, RequestRow
from hotline.store import hub as t
from protocols.frames import Deliver
from tests.hotline.harness import connect, make_world, running_hub
from tests.hotline.hub.test_clocks import notify
from tests.mediation.play import LADDER


def row(
    outcome: str, taken: int | None = None, office: str = "KV", rule: str = "human-ack", started: int = 0
) -> ClockRow:
    ended = None if taken is None else started + taken
    return ClockRow(f"{rule}/{started}", rule, office, 1, started, started + 100, outcome, ended)  # type: ignore[arg-type]


def made(*rows: ClockRow, requests: tuple[RequestRow, ...] = ()) -> Figures:
    places = {"x": Place("cpci-default", ("AV", "KV"))}
    clocks, asked = [("x", each) for each in rows], [("x", each) for each in requests]
    return figures(clocks, asked, places, {"cpci-default": LADDER}, listed=True)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300), st.sampled_from((0.5, 0.9)))
def test_a_percentile_is_a_case_that_happened_and_so_many_cases_are_not_above_it(
    cases: list[int], share: float
) -> None:
    ordered = sorted(cases)
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(case <= found for case in cases) >= share * len(cases)
    assert sum(case < found for case in cases) < share * len(cases)


def test_times_are_of_answers_only_and_say_of_how_many() -> None:
    found = made(
        row("met", 10), row("met", 20), row("late", 300), row("missed"), row("running"), row("stopped", 5)
    ).by_clock
    assert [(each.met, each.late, each.missed, each.running, each.stopped) for each in found] == [(2, 1, 1, 1, 1)]
    assert (found[0].cases, found[0].median, found[0].p90, found[0].worst) == (3, 20, 300, 300)
    (nothing,) = made(row("missed")).by_clock
    assert (nothing.cases, nothing.median, nothing.p90, nothing.worst) == (0, None, None, None)


def test_figures_are_apart_by_office_and_by_kind_of_clock() -> None:
    found = made(row("met", 10, "AV"), row("met", 20, "KV"), row("met", 30, "", "clarify"))
    assert [(each.name, each.worst) for each in found.by_office] == [("AV", 10), ("KV", 20), ("both", 30)]
    assert [each.cases for each in found.by_clock] == [2, 1]
    assert [(line.clock, line.taken) for line in found.lines] == [
        ("human-ack/0", 10),
        ("human-ack/0", 20),
        ("clarify/0", 30),
    ]


def test_answers_stand_with_the_office_that_was_asked() -> None:
    asked = (
        RequestRow(2, "AV", ("answered", "later")),
        RequestRow(5, "AV", ("refused",)),
        RequestRow(6, "KV", ("later",)),
    )
    found = {each.office: each for each in made(requests=asked).answers}
    assert (found["KV"].requests, found["KV"].questions) == (2, 3)
    assert found["KV"].states == {"answered": 1, "later": 1, "refused": 1}
    assert found["AV"].states == {"later": 1}


async def test_a_hub_counts_replies_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    world = make_world(tmp_path, scale=1200)  # ten minutes in half a second, thirty in one and a half
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        console = HubConsole(hub.hub)
        thread = await notify(av, kv)
        first = await console.statistics()
        assert first is not None and first.counted == first.entries == 3
        assert {line.name: line.running for line in first.figures.by_office} == {
            "KV": sum(each.running for each in first.figures.by_clock)
        }
        for _ in range(2):  # the page's alternate, and that no person took it
            await av.expect(Deliver)
        theirs = kv.threads[thread.id]
        await kv.deliveries(theirs, 5)
        await kv.say(theirs, "acknowledgement", {"entry": await _notice(av, hub.hub)})
        second = await HubConsole(hub.hub).statistics(thread.id)
        assert second is not None and second.counted == second.entries == 6
        outcomes = {line.clock.split("/")[0]: line for line in second.figures.lines}
        assert outcomes["human-ack"].outcome == "late"
        taken = outcomes["human-ack"].taken
        assert taken is not None and taken > outcomes["human-ack"].end - outcomes["human-ack"].started
        verdicts = {each.clock.clock for each in await console.proven(thread.id)}
        assert outcomes["human-ack"].clock in verdicts, "what is proven is found by the clock's own name"
        assert await console.statistics("no such thread") is None


async def _notice(client: object, hub: object) -> str:
    async with hub.store.read() as connection:  # type: ignore[attr-defined]
        e = t.entries.c
        return str((await connection.execute(sa.select(e.id).where(e.kind == "incident-notice"))).scalar_one())


async def test_counts_of_another_form_are_made_anew(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        await notify(av, kv)
        console = HubConsole(hub.hub)
        before = await console.statistics()
        async with hub.hub.store.write() as connection:
            await connection.execute(t.counted.update().values(form=statistics.FORM - 1))
            await connection.execute(t.counted_clocks.update().values(outcome="stopped"))
        assert await console.statistics() == before


async def test_a_page_does_not_wait_for_a_long_count_and_is_told_when_it_is_done(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        await notify(av, kv)
        console = HubConsole(hub.hub)
        changes = console.changes()
        hint = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        counted = await console._statistics.bring_up(hub.hub.threads, patience=0)
        assert counted == 0
        assert await hint == ""
        after = await console.statistics()
        assert after is not None and after.counted == 3
        await changes.aclose()  # type: ignore[attr-defined]
