"""Offices outside the group hold a ladder's roles: a chair reports, other states second, and none of them sees more."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from hotline.hub.invitations import concerning
from hotline.station.station import Station
from mediation.ladder import parse_ladder
from tests.hotline.harness import LADDER, World, make_world, running_hub
from tests.hotline.station.kit import officer, opened, running, until
from tests.mediation.council import TEXT

COUNCIL = TEXT.replace('id = "council"', f'id = "{LADDER}"', 1).encode()


def council(path: Path, ladder: bytes) -> World:
    """Two parties, two others, and a chair who is none."""
    others = {"CH": "monitor", "NN": "party", "OO": "party"}
    return make_world(path, ladder=ladder, others=others, ladder_roles={"chair": ("CH",)}, quorum=5)


def offers(station: Station, thread: str) -> set[tuple[str, str | None]]:
    if thread not in station.core.threads:
        return set()
    return {(offer.kind, offer.step) for offer in station.thread(thread).offers if offer.allowed}


async def say(station: Station, thread: str, kind: str, act: dict[str, object], **fields: object) -> str:
    outcome = await station.send(officer(station), thread, kind, act, fields)
    assert outcome.state == "accepted", (kind, outcome)
    return str(outcome.id)


async def test_other_states_second_and_a_chair_reports_from_outside(tmp_path: Path) -> None:
    world = make_world(
        tmp_path,
        ladder=COUNCIL,
        others={"CH": "monitor", "NN": "party", "OO": "party", "PP": "party"},
        ladder_roles={"chair": ("CH",)},
        quorum=6,
    )
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(running_hub(world))
        av, kv, ch, nn, oo, md = [
            await stack.enter_async_context(running(world, office, hub.url))
            for office in ("AV", "KV", "CH", "NN", "OO", "MD")
        ]
        thread = await opened(av, kv)
        assert not any(thread in station.core.threads for station in (ch, nn, oo, md))
        await say(av, thread, "step-request", {"step": "ask"}, text="What are these troops doing there?")
        await until(lambda: ("step-request", "report") in offers(ch, thread))
        seen = ch.thread(thread)
        assert seen.state_hash == "", "a chair follows no ladder state: it is outside"
        assert (seen.summary.rung_title, seen.outside and seen.outside.roles) == ("Request", ("Chair of the centre",))
        (shut,) = [offer for offer in seen.offers if not offer.allowed]
        assert (shut.step, shut.rule) == ("convene", f"{LADDER}/convene")
        assert "when a clock that gives it has run out" in str(shut.reason)

        await say(ch, thread, "step-request", {"step": "report"}, text="Both sides were heard on Monday.")
        for party in (av, kv):
            await until(lambda party=party: any(e.office == "CH" for e in party.thread(thread).entries))  # type: ignore[misc]
            report = next(e for e in party.thread(thread).entries if e.office == "CH")
            assert report.fields == {"text": "Both sides were heard on Monday."}

        request = await say(av, thread, "step-request", {"step": "meet"}, text="We ask for a meeting of all.")
        for other in (nn, oo):
            await until(lambda other=other: ("second", "meet") in offers(other, thread))  # type: ignore[misc]
            await until(lambda other=other: any(e.id == request for e in other.thread(thread).entries))  # type: ignore[misc]
            (asked,) = other.thread(thread).entries
            assert asked.fields == {"text": "We ask for a meeting of all."}, "sealed to those who have a say"
            (offer,) = [offer for offer in other.thread(thread).offers if offer.kind == "second"]
            assert dict(offer.act) == {"request": request, "step": "meet"}
            assert (offer.asked_by, offer.step_title) == ("AV", "Call an emergency meeting")
            assert offer.closes is not None and offer.closes > other.now()
        assert thread not in md.core.threads
        refused = await ch.send(officer(ch), thread, "second", {"request": request, "step": "meet"}, {})
        assert refused.code == "ladder.not-yours", refused

        await say(nn, thread, "second", {"request": request, "step": "meet"})
        assert av.thread(thread).summary.rung == "L1"
        await say(oo, thread, "second", {"request": request, "step": "meet"}, text="So do we.")
        for party in (av, kv):
            await until(lambda party=party: party.thread(thread).summary.rung == "L2")  # type: ignore[misc]
        assert av.thread(thread).state_hash == kv.thread(thread).state_hash
        await until(lambda: ("second", "meet") not in offers(nn, thread))
        for station in (av, kv, ch, nn, oo):
            assert not station.connection().alarms


async def test_a_request_without_words_reaches_those_who_have_a_say_as_it_was_signed(tmp_path: Path) -> None:
    world = council(tmp_path, COUNCIL)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url) as kv,
        running(world, "CH", hub.url) as ch,
        running(world, "NN", hub.url) as nn,
    ):
        thread = await opened(av, kv)
        await say(av, thread, "step-request", {"step": "ask"})
        request = await say(av, thread, "step-request", {"step": "poll"})
        for outside in (ch, nn):
            await until(lambda outside=outside: thread in outside.core.threads and any(
                e.id == request for e in outside.thread(thread).entries))  # type: ignore[misc]  # fmt: skip
        await until(lambda: {("step-accept", "poll"), ("step-decline", "poll")} <= offers(ch, thread))
        state, ladder = hub.hub.writer.standing.threads[thread].state, parse_ladder(COUNCIL)
        assert concerning(ladder, state, "MD") == concerning(ladder, state, "AV") == frozenset()
        reason = {"reason": "Too early."}
        outcome = await ch.send(officer(ch), thread, "step-decline", {"request": request, "step": "poll"}, reason)
        assert outcome.state == "accepted", outcome
        await until(lambda: not hub.hub.writer.standing.threads[thread].state.requests)
        await until(lambda: ("second", "poll") not in offers(nn, thread))


CLOCK = """[[clock]]
id = "{id}"
title = "{id}"
kind = "reply-by"
after = "PT24H"
from = "receipt"
of = "{of}"
by = "{by}"
for = "{by}"
check = "D"
why = "Test."

"""
MARK = b'[[clock]]\nid = "standstill"'
READING = COUNCIL.replace(
    MARK,
    (CLOCK.format(id="read", of="ask", by="chair") + CLOCK.format(id="told", of="statement", by="others")).encode()
    + MARK,
)


async def test_a_holders_station_signs_for_what_it_receives_and_its_clock_ends_together_everywhere(
    tmp_path: Path,
) -> None:
    world = council(tmp_path, READING)
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url) as kv,
        running(world, "NN", hub.url) as nn,
    ):
        thread = await opened(av, kv)

        def clocks(rule: str) -> list[tuple[str, int]]:
            states = [hub.hub.writer.standing.threads[thread].state]
            states += [state for party in (av, kv) if (state := party.core.threads[thread].state) is not None]
            return [(clock.id, clock.end) for state in states for clock in state.clocks if clock.rule == rule]

        def shown(station: Station) -> dict[str, tuple[str, str]]:
            return {clock.title: (clock.state, clock.on) for clock in station.thread(thread).clocks}

        ask = await say(av, thread, "step-request", {"step": "ask"}, text="What are these troops doing there?")
        await until(lambda: "read" in shown(kv))
        assert shown(kv)["read"] == ("waiting for receipt", "Chair of the centre"), "the chair's office is offline"
        assert clocks("read") == []

        async with running(world, "CH", hub.url) as ch:
            await until(lambda: len(clocks("read")) == 3)
            (signed,) = [
                entry for entry in kv.thread(thread).entries if entry.kind == "receipt" and entry.office == "CH"
            ]
            assert len(set(clocks("read"))) == 1
            assert clocks("read")[0][1] == signed.at + 24 * 3_600_000
            assert shown(av)["read"] == ("running", "Chair of the centre")
            assert [e.id for e in ch.thread(thread).entries if e.office == "AV"] == [ask], "as it was signed"
            assert ch.thread(thread).state_hash == "", "it is outside still"

            said = await say(av, thread, "statement", {}, text="We tell all of you.")
            await until(lambda: len(clocks("told")) == 3)
            assert len(set(clocks("told"))) == 1
            async with running(world, "OO", hub.url) as oo:
                await until(
                    lambda: {"NN", "OO"} <= {e.office for e in kv.thread(thread).entries if e.kind == "receipt"}
                )
                told = {e.id: e.fields for e in nn.thread(thread).entries if e.office == "AV"}
                assert told == {said: {"text": "We tell all of you."}}, "sealed to the stations that were known"
                assert [e.id for e in oo.thread(thread).entries if e.office == "AV"] == [said]
                assert len(set(clocks("told"))) == 1, "the first receipt counts"
                assert [e.id for e in ch.thread(thread).entries if e.office == "AV"] == [ask], "no more than is for it"
                for station in (av, kv, ch, nn, oo):
                    assert not station.connection().alarms
                    assert not station.thread(thread).pending
            assert av.thread(thread).state_hash == kv.thread(thread).state_hash
