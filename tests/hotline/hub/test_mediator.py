"""A mediator's way in, as the hub sees it: invited, heard by box, admitted by both, and given the chain without the past."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hotline.hub.groups import Kept
from protocols import mls
from protocols.encoding import b64u, digest
from protocols.entry import body_aad, make_entry, parse_entry
from protocols.frames import Accepted, Deliver, Invitation, Refused
from protocols.nomination import nomination_digest
from protocols.sealing import open_box
from tests.hotline.harness import Client, RunningHub, Thread, connect, join_thread, make_world, open_thread, running_hub


@asynccontextmanager
async def three(tmp_path: Path) -> AsyncIterator[tuple[RunningHub, Client, Client, Client, Thread, Thread]]:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
        connect(hub.url, world, "MD") as md,
    ):
        thread = await open_thread(av, kv)
        yield hub, av, kv, md, thread, kv.threads[thread.id]


async def turn(
    who: Client, mine: Thread, other: Client, theirs: Thread, kind: str, act: Any = None, **more: Any
) -> Accepted:
    """One side writes, the other has it before it writes next."""
    answer = await who.say(mine, kind, act, **more)
    await other.deliveries(theirs, answer.seq)
    return answer


async def until_nominated(av: Client, kv: Client, a: Thread, k: Thread) -> None:
    note = {"fields": {"text": "x"}}
    await turn(av, a, kv, k, "incident-notice", drafter=1, **note)
    await turn(kv, k, av, a, "step-request", {"step": "L5-mediation"}, drafter=1, **note)
    sealed = {}
    for who, mine, other, theirs in ((av, a, kv, k), (kv, k, av, a)):
        salt = b64u(secrets.token_bytes(32))
        mark = nomination_digest(a.id, who.station.office, ("MD",), salt)
        sealed[who.station.office] = (
            await turn(who, mine, other, theirs, "nomination", {"digest": mark}, drafter=1),
            salt,
        )
    for who, mine, other, theirs in ((av, a, kv, k), (kv, k, av, a)):
        nomination, salt = sealed[who.station.office]
        act = {"nomination": nomination.id, "nominees": ["MD"], "salt": salt}
        await turn(who, mine, other, theirs, "nomination-reveal", act, officer=None)


async def test_a_mediator_is_invited_heard_admitted_and_reads_nothing_from_before(tmp_path: Path) -> None:
    async with three(tmp_path) as (_, av, kv, md, a, k):
        assert not [frame for frame in md.inbox if isinstance(frame, Deliver)]
        await until_nominated(av, kv, a, k)
        invitation = await md.expect(Invitation)
        assert (invitation.thread, invitation.role, invitation.status) == (a.id, "nominee", "acceptance")
        assert (invitation.serial, invitation.members) == (1, tuple(sorted((av.station.kid, kv.station.kid))))
        m = Thread(a.id, None, prev=invitation.head, prev_seq=invitation.seq)
        boxes = (av.station.seal_public, kv.station.seal_public)
        accepted = await md.say(m, "mediator-acceptance")
        m.prev, m.prev_seq = accepted.id, accepted.seq
        declared = await md.say(m, "declaration", fields={"text": "8 percent of Zelnet"}, box_to=boxes)
        found = (await av.deliveries(a, declared.seq))[-1]
        payload = parse_entry(found.leaf).payload
        clear = open_box(found.parts["box"], av.station.seal_public, bytes(av.station.seal), body_aad(payload))
        assert clear
        await kv.deliveries(k, declared.seq)
        for who, mine, other, theirs in ((av, a, kv, k), (kv, k, av, a)):
            await turn(who, mine, other, theirs, "waiver", {"mediators": ["MD"]}, drafter=1)
        for who, mine, other, theirs in ((av, a, kv, k), (kv, k, av, a)):
            act = {"mediators": ["MD"], "scope": {}}
            await turn(who, mine, other, theirs, "admission", act, drafter=1)
        own = [parse_entry(frame.leaf).payload for frame in md.inbox if isinstance(frame, Deliver)]
        assert {entry.office for entry in own} == {"MD"}
        md.inbox = [frame for frame in md.inbox if not isinstance(frame, Deliver)]
        await md.publish(1)
        entry, parts = await rekey(kv, k, md, 2)
        lone, lone_parts = await rekey(kv, k, None, 2)
        answer = await kv.submit(lone, lone_parts)
        assert isinstance(answer, Refused)
        answer = await kv.submit(entry, parts)
        assert isinstance(answer, Accepted), answer
        chain = [await md.expect(Deliver) for _ in range(answer.seq)]
        md.inbox.append(chain.pop())
        joined = await join_thread(md, a.id)
        assert joined.group is not None and joined.epoch == 2
        assert [frame.seq for frame in chain] == list(range(1, answer.seq))
        assert all("body" not in frame.parts for frame in chain)
        assert not any(frame.parts for frame in chain if parse_entry(frame.leaf).payload.office != "MD")
        assert {member.identity for member in joined.group.members()} == {
            each.station.kid.encode() for each in (av, kv, md)
        }


async def rekey(by: Client, thread: Thread, new: Client | None, epoch: int) -> tuple[bytes, dict[str, bytes]]:
    """A rekey entry that adds ``new`` (or names it without adding it). Merges nothing."""
    assert thread.group is not None
    add: list[bytes] = []
    names: list[dict[str, str]] = [{"station": by.world.stations["MD"].kid, "office": "MD"}]
    if new is not None:
        found = await by.claim(new.station.kid)
        assert isinstance(found, dict), found
        add = [found[new.station.kid]]
    staged = thread.group.commit(add=add, now=int(time.time()), rng=secrets.token_bytes)
    parts = {"commit": staged.commit}
    if staged.welcome is not None:
        parts["welcome"] = staged.welcome
    marks = {name: digest(data) for name, data in parts.items()}
    payload = by.payload(thread, "rekey", {"epoch": epoch, "adds": names}, parts=marks)
    return make_entry(payload, by.station.sign), parts


async def test_nobody_is_added_to_the_keys_whom_the_ladder_does_not_admit(tmp_path: Path) -> None:
    async with three(tmp_path) as (hub, av, _, md, a, _k):
        await md.publish(1)
        assert isinstance(await av.claim(md.station.kid), Refused)
        assert a.group is not None
        staged = a.group.commit(add=[md.packages[0].key_package], now=int(time.time()), rng=secrets.token_bytes)
        assert staged.welcome is not None
        parts = {"commit": staged.commit, "welcome": staged.welcome}
        marks = {name: digest(data) for name, data in parts.items()}
        for act in (
            {"epoch": 2, "adds": [{"station": md.station.kid, "office": "MD"}]},
            {"epoch": 2, "adds": [{"station": md.station.kid, "office": "AV"}]},
            {"epoch": 2},
        ):
            answer = await av.submit(make_entry(av.payload(a, "rekey", act, parts=marks), av.station.sign), parts)
            assert isinstance(answer, Refused)
        await av.say(a, "goodwill-note", fields={"text": "the old keys stay in use"})
        assert mls.PublicGroup.restore(Kept.read(hub.hub.threads()[0].group).now).epoch == 1
