"""A hub process that stands still (SIGSTOP: a machine that swaps, a frozen virtual machine) while another one goes on.

Frozen in the middle of a transaction it holds the log's lock: the other one gives up a write after ten seconds, its stations
keep what they have and ask again, and after twenty the server ends the frozen transaction (where it stands still between two
messages of one batch, the other hub has it ended). When it wakes nothing is doubled.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hotline.hub.errors import NotStored
from hotline.station.station import Station
from hotline.store import postgres
from hotline.store.place import Server
from tests.faults.kit import impatient, opened, say, until
from tests.faults.oracle import EXPLAINED, Ledger
from tests.faults.processes import Hub
from tests.hotline.harness import make_world
from tests.postgres import MISSING, available, new_database

pytestmark = [pytest.mark.faults, pytest.mark.skipif(not available(), reason=MISSING)]


def standing_still(place: Server) -> bool:
    """Whether the same process has the log's lock, and sends nothing, for some time: the other hub has it in between too."""
    query = (
        "SELECT pid, query_start FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted "
        f"AND classid = {postgres.LOCK >> 32} AND objid = {postgres.LOCK & 0xFFFFFFFF} "
        "AND wait_event_type = 'Client' AND datname = current_database()"
    )
    with psycopg.connect(place.conninfo, autocommit=True) as connection:
        seen = set(connection.execute(query).fetchall())
        for _ in range(4):
            time.sleep(0.05)
            seen &= set(connection.execute(query).fetchall())
            if not seen:
                break
    return bool(seen)


async def freeze(hub: Hub, place: Server, rng: random.Random, within: bool) -> None:
    """Stop it outside of a transaction, or in the middle of one: tried at random moments until it is so."""
    for _ in range(400):
        await asyncio.sleep(rng.random() / 50)
        hub.send(signal.SIGSTOP)
        await asyncio.sleep(0.05)
        if await asyncio.to_thread(standing_still, place) is within:
            return
        hub.send(signal.SIGCONT)
    raise AssertionError("never met in that moment")


async def test_who_stands_still_between_two_statements_sent_together_is_ended_and_who_works_is_not() -> None:
    """Where the server's own limits for idle transactions do not count."""
    place = new_database()
    with postgres.connect(place) as frozen, psycopg.connect(place.conninfo, autocommit=True) as looking:
        frozen.execute(f"SELECT pg_advisory_xact_lock({postgres.LOCK})")
        assert await postgres.end_frozen(place, 0.5) == 0
        with pytest.raises(psycopg.OperationalError), frozen.pipeline():
            for _ in range(5):
                frozen.execute("SELECT 1")
                frozen.pgconn.send_flush_request()
                frozen.pgconn.flush()
                assert await postgres.end_frozen(place, 0.5) == 0, "it goes on, however long that takes"
                await asyncio.sleep(0.2)
            await asyncio.sleep(0.5)
            state = looking.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", (frozen.info.backend_pid,))
            assert state.fetchone() == ("active",)
            assert await postgres.end_frozen(place, 0.5) == 1
            frozen.execute("SELECT 1")
        assert not looking.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted").fetchall()


@pytest.mark.parametrize("within", [False, True], ids=["between-two-batches", "in-mid-transaction"])
async def test_a_frozen_hub_holds_the_others_up_for_seconds_at_most_and_doubles_nothing_when_it_wakes(
    tmp_path: Path, within: bool, logs: list[Any]
) -> None:
    world, rng = make_world(tmp_path), random.Random(41)
    world.server = place = new_database()
    one, two, ledger = Hub(world, "one"), Hub(world, "two"), Ledger(world)
    try:
        await asyncio.gather(one.start(), two.start())
        async with impatient(world, "AV", one.url, two.url) as av, impatient(world, "KV", two.url, one.url) as kv:
            ledger.watch(av), ledger.watch(kv)
            thread, busy = await opened(av, kv), True

            async def talk(station: Station) -> None:
                number = 0
                while busy:
                    if station.connection().queued < 20:
                        text = f"{station.office.id} {number}"
                        await say(station, thread, text)
                        ledger.said[thread, station.core.identity.kid].append(text)
                        number += 1
                    await asyncio.sleep(0.02)

            talking = [asyncio.create_task(talk(each)) for each in (av, kv)]
            await asyncio.sleep(0.5)
            await freeze(one, place, rng, within)
            since, before = time.monotonic(), len(ledger.acknowledged)
            await until(lambda: len(ledger.acknowledged) > before + 10, 60)
            stood = time.monotonic() - since
            assert (stood > 9) is within, stood
            await until(lambda: av.core.line.address == two.url and av.core.line.caught, 60)
            await asyncio.sleep(0.5)
            one.send(signal.SIGCONT)
            await asyncio.sleep(1.5)
            busy = False
            await asyncio.gather(*talking)
            await ledger.settle([thread], av, kv)
            ledger.judge([thread], av, kv, explained=EXPLAINED | {NotStored.code})
        assert [await one.end(), await two.end()] == [0, 0], "also the one that was frozen goes on"
        ledger.judge_store()
        if within:
            # Whoever of its writers was first in the line waited in vain, and said so.
            assert {"not stored", "no head"} & {event["event"] for event in two.logged()}
    finally:
        one.close()
        two.close()
