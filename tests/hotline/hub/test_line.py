"""A station's way through the hub: log in, open, submit, receive, resume."""

from __future__ import annotations

from pathlib import Path

from protocols.frames import Accepted, Deliver
from tests.hotline.harness import connect, make_world, open_thread, running_hub


async def test_two_stations_open_a_thread_and_one_reads_the_other(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        thread = await open_thread(av, kv)
        answer = await av.say(thread, "incident-notice", fields={"text": "St Brannoc is down"}, drafter=1)
        assert isinstance(answer, Accepted)
        assert (answer.seq, answer.index) == (2, 1)
        found = await kv.expect(Deliver)
        assert found.seq == 2
        group = kv.threads[thread.id].group
        assert group is not None
        assert b"text" not in found.leaf
        assert group.decrypt(found.parts["body"]).data
