"""Figures count what the fold computed: each clock once, each answer once, with the number of cases beside every time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from hotline.hub import statistics
from hotline.hub.console import HubConsole
from hotline.hub.figures import median_rank, p90_rank, read_figures
from hotline.hub.findings import Figures
from hotline.hub.tally import NOBODY, tally
from hotline.hub.trail import Drawing
from hotline.store import hub as t
from hotline.store.engine import Store, migrate
from protocols.frames import Deliver
from protocols.kinds import Act, Answer, Ask, Step, StepAnswer
from tests.hotline.harness import connect, make_world, running_hub
from tests.hotline.hub.test_clocks import notify
from tests.mediation.places import notified
from tests.mediation.play import LADDER, Play


def clock(
    outcome: str, taken: int | None = None, office: str = "KV", title: str = "A person has it"
) -> dict[str, object]:
    """A counted clock; its start is filled in by `made`."""
    return {"outcome": outcome, "ended": taken, "office": office, "title": title}


async def made(path: Path, clocks: Sequence[dict[str, object]], requests: Sequence[tuple[str, str]] = ()) -> Figures:
    await migrate(path / "figures.db", "hub")
    store = Store(path / "figures.db")
    try:
        async with store.write() as connection:
            for table in (t.counted_clocks, t.counted_requests):
                await connection.execute(table.delete())
            for number, given in enumerate(clocks):
                taken = given["ended"]
                fixed = {"thread": "x", "clock": f"c/{number}", "rule": "c", "about": 1, "started": number, "end": 10}
                ended = None if taken is None else number + int(str(taken))
                await connection.execute(t.counted_clocks.insert().values({**fixed, **given, "ended": ended}))
            for number, (asked, answers) in enumerate(requests):
                row = {"thread": "x", "seq": number, "asked": asked, "answers": answers}
                await connection.execute(t.counted_requests.insert().values(**row))
        return await read_figures(store, "x")
    finally:
        await store.close()


@given(st.integers(1, 10_000))
def test_a_percentile_is_the_least_case_that_its_share_does_not_exceed(cases: int) -> None:
    for rank, share in ((median_rank(cases), 50), (p90_rank(cases), 90)):
        assert 1 <= rank <= cases
        assert rank * 100 >= share * cases > (rank - 1) * 100


async def test_the_database_ranks_as_a_sorted_list_does(tmp_path: Path) -> None:
    draw = Random(7)
    cases = [draw.choice((0, 1, 5, draw.randrange(10**9))) for _ in range(83)]
    (found,) = (await made(tmp_path, [clock("met", each) for each in cases])).by_clock
    ordered = sorted(cases)
    assert (found.cases, found.median, found.p90, found.worst) == (83, ordered[41], ordered[74], ordered[-1])


async def test_times_are_of_answers_only_and_say_of_how_many(tmp_path: Path) -> None:
    rows = [
        clock("met", 10),
        clock("met", 20),
        clock("late", 300),
        clock("missed"),
        clock("running"),
        clock("stopped", 5),
    ]
    (found,) = (await made(tmp_path, rows)).by_clock
    assert (found.met, found.late, found.missed, found.running, found.stopped) == (2, 1, 1, 1, 1)
    assert (found.cases, found.median, found.p90, found.worst) == (3, 20, 300, 300)
    (nothing,) = (await made(tmp_path, [clock("missed")])).by_clock
    assert (nothing.cases, nothing.median, nothing.p90, nothing.worst) == (0, None, None, None)
    assert (await made(tmp_path, ())).by_clock == ()


async def test_figures_are_apart_by_office_and_by_kind_of_clock(tmp_path: Path) -> None:
    rows = [clock("met", 10, "AV"), clock("met", 20, "KV"), clock("met", 30, "both", "Answers")]
    found = await made(tmp_path, rows)
    assert [(each.name, each.worst) for each in found.by_office] == [("AV", 10), ("KV", 20), ("both", 30)]
    assert [(each.name, each.cases) for each in found.by_clock] == [("A person has it", 2), ("Answers", 1)]
    assert [(line.clock, line.taken) for line in found.lines] == [("c/0", 10), ("c/1", 20), ("c/2", 30)]


async def test_answers_stand_with_the_office_that_was_asked(tmp_path: Path) -> None:
    asked = [("KV", "answered later"), ("KV", "refused"), ("KV", "refused"), ("AV", "later")]
    found = {each.office: each for each in (await made(tmp_path, (), asked)).answers}
    assert (found["KV"].requests, found["KV"].questions) == (3, 4)
    assert found["KV"].states == {"answered": 1, "later": 1, "refused": 2}
    assert found["AV"].states == {"later": 1}


def test_what_an_answer_changes_is_counted_with_the_party_that_was_asked() -> None:
    play = Play()
    play.send("00:05", "AV", "incident-notice")
    play.send("00:10", "AV", "clarification-request", Ask(2))
    before = play.state
    play.send("00:20", "KV", "clarification-answer", Answer(before.asked[0].entry, ("answered", "later")))
    (row,) = tally(LADDER, before, play.state, play.effects, play.state.at).requests
    assert (row.asked, row.answers) == ("KV", ("answered", "later"))
    assert tally(LADDER, play.state, play.state, (), play.state.at).requests == ()


def test_a_clock_that_binds_both_parties_is_put_on_neither_in_trail_and_count() -> None:
    play, drawing, counted = notified(), Drawing(LADDER), {}

    def send(at: str, office: str, kind: str, act: Act) -> str:
        before = play.state
        sent = play.send(at, office, kind, act)
        drawing.tell(play.effects, play.state.at, play.state.seq)
        rows = tally(LADDER, before, play.state, play.effects, play.state.at).clocks
        counted.update({row.rule: row.office for row in rows})
        return sent

    request = send("01:00", "AV", "step-request", Step("L4-cooling-off"))
    send("01:00", "KV", "step-accept", StepAnswer(request, "L4-cooling-off"))
    send("02:00", "KV", "step-request", Step("L5-mediation"))
    sides = {each.rule: each.respondent for each in play.state.clocks}
    assert sides["standstill"] and sides["nominations"], "one side asked, so the clocks know an other one"
    assert counted["nominations"] == NOBODY
    labels = {span.label for span in drawing.finish()}
    assert {"Cooling-off", "Sealed nominations"} <= labels


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
        assert await HubConsole(hub.hub).statistics() == before


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
