"""The log's health: who cosigned what, how far behind each witness is, and when operators are told that it is late."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotline.hub.console import HubConsole
from tests.hotline.harness import connect, make_world, open_thread, running_hub
from tests.web.fakes import MINUTE, T0, log_health


async def test_a_witness_that_does_not_cosign_is_shown_behind_by_entries_and_time(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=1)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        console = HubConsole(hub.hub)
        thread = await open_thread(av, kv)
        for number in range(2):
            await av.say(thread, "goodwill-note", fields={"text": str(number)})
        while await av.cosign_next() < 3:
            pass
        while (await console.log_health()).published_size < 3:
            await av.ping()
        health = await console.log_health()
        states = {each.name: each for each in health.witnesses}
        assert (states["AV"].state, states["AV"].behind, states["AV"].behind_since) == ("level", 0, None)
        assert states["AV"].at is not None and states["AV"].in_published
        assert (states["KV"].state, states["KV"].size, states["KV"].behind) == ("never", 0, health.head_size)
        assert states["KV"].behind_since is not None and states["KV"].behind_since <= hub.hub.clock.now()
        assert (health.needed, health.have, health.waiting_since) == (1, 1, None)
        assert health.state(hub.hub.clock.now()) == "good"


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"size": 0, "waiting_since": None}, "empty"),
        ({"waiting_since": None, "published_age": MINUTE}, "good"),
        ({"waiting_since": None, "published_age": 4 * MINUTE}, "late"),
        ({"waiting_since": T0 - 8_000}, "gathering"),
        ({"waiting_since": T0 - 4 * MINUTE}, "late"),
        ({"waiting_since": T0 - 8_000, "interval": 100}, "gathering"),
    ],
)
def test_the_state_of_the_log_follows_from_what_waits_and_how_long(given: dict[str, int | None], state: str) -> None:
    assert log_health(**given).state(T0) == state
