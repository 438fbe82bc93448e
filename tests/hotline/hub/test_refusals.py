"""Every kind of bad entry has its own code, changes nothing, and a good one passes afterwards."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from protocols import mls
from protocols.encoding import b64u, digest, unb64u
from protocols.entry import MAX_LEAF_BYTES, make_entry, parse_entry
from protocols.frames import Accepted, Publish, Refused, Submit
from protocols.jws import Jws, parse, sign
from protocols.keys import SeedSigner
from tests.hotline.harness import (
    Client,
    RunningHub,
    Thread,
    World,
    connect,
    make_open,
    make_world,
    open_thread,
    running_hub,
)

BATTERY = [
    "oversized",
    "oversized-part",
    "truncated",
    "wrongly-signed",
    "wrong-accord",
    "unknown-kind",
    "bad-act",
    "another-station",
    "unknown-thread",
    "re-ordered",
    "unknown-previous",
    "wrong-epoch",
    "part-missing",
    "part-changed",
    "out-of-mandate",
    "same-officer",
    "one-person",
    "not-allowed-now",
    "hub-only",
    "thread-exists",
]
CODES = {
    "oversized": "entry.too-large",
    "oversized-part": "entry.too-large",
    "truncated": "entry.malformed",
    "wrongly-signed": "entry.bad-signature",
    "wrong-accord": "entry.wrong-accord",
    "unknown-kind": "entry.unknown-kind",
    "bad-act": "entry.bad-act",
    "another-station": "entry.not-yours",
    "unknown-thread": "entry.no-thread",
    "re-ordered": "ladder.serial",
    "unknown-previous": "entry.unknown-previous",
    "wrong-epoch": "entry.wrong-epoch",
    "part-missing": "entry.part-mismatch",
    "part-changed": "entry.part-mismatch",
    "out-of-mandate": "entry.out-of-mandate",
    "same-officer": "entry.same-officer",
    "one-person": "ladder.two-person",
    "not-allowed-now": "ladder.wrong-rung",
    "hub-only": "entry.out-of-mandate",
    "thread-exists": "entry.thread-exists",
}


@asynccontextmanager
async def two(tmp_path: Path) -> AsyncIterator[tuple[RunningHub, World, Client, Client, Thread]]:
    world = make_world(tmp_path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        yield hub, world, av, kv, await open_thread(av, kv)


async def test_every_bad_entry_is_refused_by_its_own_code_and_changes_nothing(tmp_path: Path) -> None:
    async with two(tmp_path) as (hub, world, av, kv, thread):
        size = hub.hub.writer.standing.frontier.size
        state = hub.hub.threads()[0].state
        sentences = set()
        for name in BATTERY:
            answer = await av.submit(*await bad(name, world, av, kv, thread))
            assert isinstance(answer, Refused), name
            assert answer.code == CODES[name], (name, answer)
            assert answer.sentence
            sentences.add((answer.code, answer.sentence))
        assert len({code for code, _ in sentences}) == len(set(CODES.values()))
        assert hub.hub.writer.standing.frontier.size == size
        assert hub.hub.threads()[0].state == state
        await av.say(thread, "goodwill-note", fields={"text": "and now a good one"})


async def bad(name: str, world: World, av: Client, kv: Client, thread: Thread) -> tuple[bytes, dict[str, bytes]]:
    note = {"fields": {"text": "hello"}}
    entry, parts = av.write(thread, "goodwill-note", **note)
    match name:
        case "oversized":
            return b"x" * (MAX_LEAF_BYTES + 1), {}
        case "oversized-part":
            return entry, {"body": bytes((1 << 20) + 1)}
        case "truncated":
            return entry[:-7], parts
        case "wrongly-signed":
            jws = parse(entry, limit=MAX_LEAF_BYTES)
            officer, station = jws.signatures
            spoiled = station.signature[:-1] + bytes([station.signature[-1] ^ 1])
            return Jws(jws.payload, (officer, replace(station, signature=spoiled))).to_bytes(), parts
        case "wrong-accord":
            return av.write(thread, "goodwill-note", accord=digest(b"another"), **note)
        case "unknown-kind":
            return make_entry(av.payload(thread, "declaration-of-war"), av.station.sign), {}
        case "bad-act":
            return make_entry(av.payload(thread, "receipt", {"entry": "?"}), av.station.sign), {}
        case "another-station":
            return kv.write(kv.threads[thread.id], "goodwill-note", **note)
        case "unknown-thread":
            nowhere = Thread(b64u(secrets.token_bytes(16)), thread.group)
            return av.write(nowhere, "goodwill-note", **note)
        case "re-ordered":
            return av.write(thread, "goodwill-note", serial=thread.serial + 2, **note)
        case "unknown-previous":
            return av.write(thread, "goodwill-note", prev=digest(b"nothing"), **note)
        case "wrong-epoch":
            return av.write(thread, "goodwill-note", epoch=7, **note)
        case "part-missing":
            return entry, {}
        case "part-changed":
            return entry, {"body": parts["body"] + b"\0"}
        case "out-of-mandate":
            stranger = SeedSigner(secrets.token_bytes(32))
            jws = parse(entry, limit=MAX_LEAF_BYTES)
            officer = sign(jws.payload, stranger, typ="hotline-entry+jws", role="officer")
            return Jws(jws.payload, (officer, jws.signatures[1])).to_bytes(), parts
        case "same-officer":
            return av.write(thread, "incident-notice", officer=0, drafter=0, **note)
        case "one-person":
            return av.write(thread, "incident-notice", **note)
        case "not-allowed-now":
            return av.write(thread, "session-open", {"entry": thread.prev}, **note)
        case "hub-only":
            act = {"clock": "reply/2", "end": 5}
            return make_entry(av.payload(thread, "clock-expired", act), av.station.sign), {}
        case "thread-exists":
            opened, parts, _ = await make_open(av, kv.station)
            act, digests = parse_entry(opened).payload.act, {part: digest(data) for part, data in parts.items()}
            payload = av.payload(thread, "open", act, serial=1, prev=None, prev_seq=0, parts=digests)
            return make_entry(payload, av.station.sign), parts
    raise AssertionError(name)


async def test_an_entry_handed_in_again_gets_the_same_answer(tmp_path: Path) -> None:
    async with two(tmp_path) as (hub, _, av, _, thread):
        entry, parts = av.write(thread, "goodwill-note", fields={"text": "once"})
        first = await av.submit(entry, parts)
        again = await av.submit(entry, parts)
        assert isinstance(first, Accepted) and isinstance(again, Accepted)
        assert (first.id, first.seq, first.index, first.at) == (again.id, again.seq, again.index, again.at)
        assert hub.hub.writer.standing.frontier.size == 2


async def test_an_entry_handed_in_twice_at_once_stands_once(tmp_path: Path) -> None:
    async with two(tmp_path) as (hub, _, av, _, thread):
        entry, parts = av.write(thread, "goodwill-note", fields={"text": "once"})

        for ref in (101, 102, 103):
            await av.send(Submit(ref, entry, parts))
        answers = [await av.answer(ref) for ref in (101, 102, 103)]
        assert {answer.seq for answer in answers if isinstance(answer, Accepted)} == {2}
        assert hub.hub.writer.standing.frontier.size == 2


async def test_a_new_thread_whose_group_lets_in_a_stranger_is_refused(tmp_path: Path) -> None:
    async with two(tmp_path) as (hub, world, av, kv, _):
        async with connect(hub.url, world, "MD") as md:
            await md.publish(1)
            package = md.packages[0].key_package
            await kv.publish(1)
            found = await av.claim(kv.station.kid)
            assert isinstance(found, dict)
            entry, parts = _open_with(av, kv, [found[kv.station.kid], package])
            answer = await av.submit(entry, parts)
        assert isinstance(answer, Refused)
        assert answer.code == "rekey.roster-differs"


async def test_a_new_thread_with_a_commit_that_does_not_hold_is_refused(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, _, av, kv, _):
        await kv.publish(1)
        found = await av.claim(kv.station.kid)
        assert isinstance(found, dict)
        entry, parts = _open_with(av, kv, [found[kv.station.kid]], spoil=True)
        answer = await av.submit(entry, parts)
        assert isinstance(answer, Refused)
        assert answer.code == "rekey.invalid"


def _open_with(av: Client, kv: Client, packages: list[bytes], *, spoil: bool = False) -> tuple[bytes, dict[str, bytes]]:
    thread = Thread(b64u(secrets.token_bytes(16)), None)
    now = int(time.time())
    group = mls.Group.create(
        3, unb64u(thread.id), av.station.kid.encode(), av.station.mls_seed, now=now, rng=secrets.token_bytes
    )
    info = group.group_info()
    staged = group.commit(add=packages, now=now, rng=secrets.token_bytes)
    assert staged.welcome is not None
    commit = staged.commit[:60] + bytes(40) if spoil else staged.commit
    parts = {"group_info": info, "commit": commit, "welcome": staged.welcome}
    roster = [{"station": each.station.kid, "office": each.station.office} for each in (av, kv)]
    act = {"ladder": "cpci-default", "parties": ["AV", "KV"], "roster": roster}
    payload = av.payload(thread, "open", act, parts={name: digest(data) for name, data in parts.items()})
    return make_entry(payload, av.station.sign), parts


@pytest.mark.parametrize("claim", ["stranger", "mediator", "none-left"])
async def test_key_packages_are_handed_only_to_those_who_may_need_them(tmp_path: Path, claim: str) -> None:
    async with two(tmp_path) as (hub, world, av, kv, _), connect(hub.url, world, "MD") as md:
        await md.publish(1)
        if claim == "stranger":
            answer = await md.claim(av.station.kid)
            assert isinstance(answer, Refused) and answer.code == "keys.claim-refused"
        elif claim == "mediator":
            answer = await av.claim(md.station.kid)
            assert isinstance(answer, Refused) and answer.code == "keys.claim-refused"
        else:
            assert isinstance(await av.claim(kv.station.kid), dict)
            answer = await av.claim(kv.station.kid)
            assert isinstance(answer, Refused) and answer.code == "keys.none-left"


async def test_a_key_package_is_handed_out_once_and_never_taken_back(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, _, av, kv, _):
        await kv.publish(1)
        first, second = await av.claim(kv.station.kid), await av.claim(kv.station.kid)
        assert isinstance(first, dict) and isinstance(second, dict)
        assert first != second

        await kv.publish(1)
        third = await av.claim(kv.station.kid)
        assert isinstance(third, dict)
        await kv.send(Publish((first[kv.station.kid],)))
        await kv.ping()
        answer = await av.claim(kv.station.kid)
        assert isinstance(answer, Refused)
        assert answer.code == "keys.none-left"


async def test_a_key_package_of_another_station_is_not_taken(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, _, av, kv, _):
        await kv.publish(1)
        found = kv.packages[-1].key_package
        await av.send(Publish((found,)))
        answer = await av.answer(0)
        assert isinstance(answer, Refused)
        assert answer.code == "keys.bad-package"


@pytest.mark.parametrize(
    "dates",
    [
        {"not_before": "2097-01-01T00:00:00.000Z"},
        {"review": "2020-06-01T00:00:00.000Z", "sunset": "2021-01-01T00:00:00.000Z"},
    ],
)
async def test_no_thread_is_opened_before_the_accord_begins_or_after_its_sunset(
    tmp_path: Path, dates: dict[str, str]
) -> None:
    world = make_world(tmp_path, dates={"review": "2097-06-01T00:00:00.000Z", **dates})
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        await kv.publish()
        entry, parts, _ = await make_open(av, kv.station)
        answer = await av.submit(entry, parts)
        assert isinstance(answer, Refused) and answer.code == "accord.not-in-force"
        assert not hub.hub.threads()
