"""A hub that lies, with its own keys and over the real line, to real members of a group.

Whatever it forges, the station refuses it, freezes that thread where it stood, says so, and goes on in the others.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from hotline.hub import groups
from hotline.hub.sending import Sending
from hotline.station.station import Station
from hotline.store.station import evidence
from mediation.ladder import parse_ladder
from protocols import frames, jws, mls
from protocols.encoding import b64u, digest, rfc3339
from protocols.entry import Payload, make_entry, parse_entry, stamp_entry, verify_stamp
from protocols.frames import Deliver
from protocols.keys import SeedSigner
from protocols.translog import (
    Checkpoint,
    ed25519_signer,
    format_add_checkpoint,
    sign_checkpoint,
    verify_equivocation,
)
from tests.faults.kit import texts, until
from tests.hotline.harness import (
    LADDER,
    Client,
    Thread,
    World,
    connect,
    make_open,
    make_world,
    running_hub,
)
from tests.hotline.station.kit import running

Rule = Callable[[Deliver], list[Deliver]]


@dataclass
class Stage:
    """A real hub, a raw client of AV, and a station of KV to whom the hub lies by ``rule``."""

    world: World
    av: Client
    kv: Station
    rule: Rule | None = None
    caught: frames.Frame | None = None

    async def thread(self) -> Thread:
        """A thread with one honest note in it, at the station too."""
        thread = await open_with(self.av, self.world)
        await self.av.say(thread, "goodwill-note", fields={"text": "honest"})
        await until(lambda: thread.id in self.kv.core.threads and texts(self.kv, thread.id) == ["honest"])
        return thread

    def restamped(self, frame: Deliver, **changes: object) -> Deliver:
        """The same entry under other claims of the hub's, signed by the hub: it holds its key."""
        entry = parse_entry(frame.leaf)
        stamp = msgspec.structs.replace(verify_stamp(entry, self.world.accord), **changes)
        bare = jws.Jws(entry.jws.payload, tuple(s for s in entry.jws.signatures if s.role != "hub"))
        return self.stamped(frame, bare.to_bytes(), stamp)

    def stamped(self, frame: Deliver, entry: bytes, stamp: object, **changes: object) -> Deliver:
        leaf = stamp_entry(parse_entry(entry), stamp, SeedSigner(self.world.keys.sign))  # type: ignore[arg-type]
        return msgspec.structs.replace(frame, leaf=leaf, **changes)


async def open_with(av: Client, world: World) -> Thread:
    entry, parts, thread = await make_open(av, world.stations["KV"])
    answer = await av.submit(entry, parts)
    assert isinstance(answer, frames.Accepted), answer
    thread.serial = 1
    av.note(thread, answer.id, answer.seq)
    return thread


@asynccontextmanager
async def stage(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    world = make_world(path)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        running(world, "KV", hub.url) as kv,
    ):
        made, honest = Stage(world, av, kv), Sending._send_frame

        async def lies(sending: Sending, frame: frames.Frame) -> None:
            told = [frame]
            if made.rule is not None and sending._kid == world.stations["KV"].kid and isinstance(frame, Deliver):
                told = list(made.rule(frame))
            for each in told:
                await honest(sending, each)

        monkeypatch.setattr(Sending, "_send_frame", lies)
        monkeypatch.setattr(Sending, "_at_once", False)  # so that everything goes the way that lies
        yield made


def hubs_note(at: Stage, frame: Deliver, clock: str) -> bytes:
    """A note in the hub's own name that a clock ran out."""
    said = parse_entry(frame.leaf).payload
    signer, now = SeedSigner(at.world.keys.sign), verify_stamp(parse_entry(frame.leaf), at.world.accord).at
    payload = Payload(
        1,
        said.log,
        said.accord,
        said.status,
        said.thread,
        "clock-expired",
        "HUB",
        signer.kid,
        1,
        said.prev,
        said.prev_seq,
        "PRIORITY",
        "AMBER+STRICT",
        {"clock": clock, "end": now},
        rfc3339(now),
        b64u(secrets.token_bytes(16)),
    )
    return make_entry(payload, signer)


def lies(at: Stage, other: Thread) -> dict[str, tuple[str, Rule]]:
    """By name: the code under which the thread is frozen, and what becomes of the second note's delivery."""
    held: list[Deliver] = []
    old = at.kv.core.threads[other.id].by_seq[2].admitted.leaf

    def swapped(frame: Deliver) -> list[Deliver]:
        held.append(frame)
        return [] if len(held) == 1 else [held[1], held[0]]

    def withheld(frame: Deliver) -> list[Deliver]:
        return [] if frame.seq == 3 else [frame]

    def flipped(frame: Deliver) -> list[Deliver]:
        return [msgspec.structs.replace(frame, parts={"body": _flipped(frame.parts["body"])})]

    def forged(frame: Deliver) -> list[Deliver]:
        entry = parse_entry(frame.leaf)
        words = entry.payload
        payload = b64u(msgspec.json.encode(msgspec.structs.replace(words, tlp="CLEAR")))
        bare = jws.Jws(payload, tuple(s for s in entry.jws.signatures if s.role != "hub")).to_bytes()
        return [at.stamped(frame, bare, verify_stamp(entry, at.world.accord))]

    def note(frame: Deliver) -> list[Deliver]:
        stamp = verify_stamp(parse_entry(frame.leaf), at.world.accord)
        return [at.stamped(frame, hubs_note(at, frame, "reply/2"), stamp, parts={})]

    return {
        "altered body": ("entry.part-mismatch", flipped),
        "altered entry": ("entry.bad-signature", forged),
        "broken chain": ("replay.chain", lambda frame: [at.restamped(frame, chain="A" * 43)]),
        "time before": ("replay.time", lambda frame: [at.restamped(frame, at=1_700_000_000_000)]),
        "swapped": ("replay.gap", swapped),
        "withheld": ("replay.gap", withheld),
        "another thread's": (
            "replay.mislabelled",
            lambda frame: [msgspec.structs.replace(frame, leaf=old, parts={})],
        ),
        "a clock that never ran": ("ladder.", note),
    }


def _flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


async def test_every_forgery_freezes_its_thread_where_it_stood_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, monkeypatch) as at:
        quiet = await at.thread()
        for name, (code, rule) in lies(at, quiet).items():
            await at.kv.sender.replenish(4)  # sooner than its next ping: this test opens many threads at once
            thread = await at.thread()
            at.rule = lambda frame, rule=rule, thread=thread: rule(frame) if frame.thread == thread.id else [frame]  # type: ignore[misc]
            for text in ("forged", "after it"):
                await at.av.say(thread, "goodwill-note", fields={"text": text})
            await until(lambda thread=thread: at.kv.core.threads[thread.id].frozen)  # type: ignore[misc]
            found = at.kv.core.threads[thread.id]
            assert found.frozen is not None and code in found.frozen, (name, found.frozen)
            assert found.frozen in at.kv.connection().alarms, name
            assert found.position.seq == 2 and texts(at.kv, thread.id) == ["honest"], name
            answer = await at.kv.send(at.kv.officers()[0].kid, thread.id, "goodwill-note", {}, {"text": "no"})
            assert (answer.ok, answer.code) == (False, "station.frozen"), name
            at.rule = None
            await at.av.say(quiet, "goodwill-note", fields={"text": name})
            await until(lambda name=name: name in texts(at.kv, quiet.id))  # type: ignore[misc]
        assert at.kv.core.threads[quiet.id].frozen is None


async def test_a_false_state_told_to_one_side_stops_its_steps_and_the_next_entry_shows_the_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, monkeypatch) as at:
        thread = await at.thread()
        at.rule = lambda frame: [at.restamped(frame, state="A" * 43)] if frame.thread == thread.id else [frame]
        await at.av.say(thread, "goodwill-note", fields={"text": "stamped with another state"})
        await until(lambda: at.kv.core.threads[thread.id].parted)
        found = at.kv.core.threads[thread.id]
        assert found.frozen is None and texts(at.kv, thread.id)[-1] == "stamped with another state"
        at.rule = None
        await at.av.say(thread, "goodwill-note", fields={"text": "after it"})
        await until(lambda: found.frozen)
        assert "replay.chain" in str(found.frozen)


async def test_an_entry_delivered_again_is_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(tmp_path, monkeypatch) as at:
        thread = await at.thread()
        at.rule = lambda frame: [frame, frame, frame]
        await at.av.say(thread, "goodwill-note", fields={"text": "once"})
        await at.av.say(thread, "goodwill-note", fields={"text": "more"})
        await until(lambda: texts(at.kv, thread.id) == ["honest", "once", "more"])
        assert not at.kv.connection().alarms


@pytest.mark.parametrize("when", ["open", "rekey"])
async def test_a_silent_listener_in_the_group_is_found_although_hub_and_one_member_agree_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """AV's station and the hub together let MD's station into the group and leave it out of the roster."""
    monkeypatch.setattr(groups, "check_roster", lambda *_: None)
    async with stage(tmp_path, monkeypatch) as at:
        listener = mls.make_key_package(
            mls.X25519_CHACHA20,
            at.world.stations["MD"].kid.encode(),
            at.world.stations["MD"].mls_seed,
            not_before=int(time.time()) - 60,
            not_after=int(time.time()) + 86_400,
            rng=secrets.token_bytes,
        )
        quiet = await at.thread()
        if when == "open":
            real = mls.Group.commit

            def commit(group: mls.Group, *, add: list[bytes], **more: object) -> object:
                return real(group, add=[*add, listener.key_package], **more)  # type: ignore[arg-type]

            monkeypatch.setattr(mls.Group, "commit", commit)
            thread = await open_with(at.av, at.world)
            monkeypatch.setattr(mls.Group, "commit", real)
        else:
            thread = await at.thread()
            assert thread.group is not None
            staged = thread.group.commit(add=[listener.key_package], now=int(time.time()), rng=secrets.token_bytes)
            assert staged.welcome is not None
            parts = {"commit": staged.commit, "welcome": staged.welcome}
            marks = {name: digest(data) for name, data in parts.items()}
            payload = at.av.payload(thread, "rekey", {"epoch": 2}, parts=marks)
            answer = await at.av.submit(make_entry(payload, at.av.station.sign), parts)
            assert isinstance(answer, frames.Accepted), answer
        await until(lambda: at.kv.core.threads[thread.id].frozen if thread.id in at.kv.core.threads else None)
        assert "replay.roster" in str(at.kv.core.threads[thread.id].frozen)
        assert at.kv.connection().alarms
        await at.av.say(quiet, "goodwill-note", fields={"text": "here it goes on"})
        await until(lambda: "here it goes on" in texts(at.kv, quiet.id))


async def test_two_histories_of_the_log_are_not_cosigned_and_the_proof_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub shows one log to AV and another to KV, each properly signed: the first witness asked for both tells."""
    async with stage(tmp_path, monkeypatch) as at:
        thread = await at.thread()
        await until(lambda: at.kv.core.cosigned >= 2)
        size, log = at.kv.core.cosigned, ed25519_signer(at.world.accord.log_origin, at.world.keys.log)
        fork = sign_checkpoint(Checkpoint(at.world.accord.log_origin, size, secrets.token_bytes(32)), log)
        sent: list[frames.Frame] = []

        async def keep(frame: frames.Frame) -> None:
            sent.append(frame)

        monkeypatch.setattr(at.kv.observer, "_send", keep)
        await at.kv.observer.head(frames.Head(format_add_checkpoint(size, (), fork).decode()))
        assert not any(isinstance(frame, frames.Cosign) for frame in sent), "a second history was cosigned"
        assert any("two different histories" in alarm for alarm in at.kv.connection().alarms)
        (kept,) = await at.kv.core.store.rows(evidence)
        assert fork in (kept.first, kept.second)
        assert verify_equivocation(kept.first, kept.second, log.key)[0].size == size
        # An honest hub (its key stolen, say) passes the proof on: every desk sees for itself.
        assert sent == [frames.Evidence(kept.first, kept.second)]
        await at.av.say(thread, "goodwill-note", fields={"text": "words do not wait for the log"})
        await until(lambda: "words do not wait for the log" in texts(at.kv, thread.id))


async def test_a_branch_shown_to_one_side_only_cannot_be_joined_to_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KV is shown AV's note at another moment than everybody else; the very next entry then breaks the chain."""
    async with stage(tmp_path, monkeypatch) as at:
        thread = await at.thread()
        ladder = parse_ladder(at.world.ladders[LADDER])
        assert ladder.hash == at.kv.core.threads[thread.id].state.ladder_hash  # type: ignore[union-attr]

        def branch(frame: Deliver) -> list[Deliver]:
            if frame.seq != 3:
                return [frame]
            held = at.kv.core.threads[thread.id]
            verified, stamp = at.kv.core.replay.verified(thread.id, 3, frame.leaf)
            later = msgspec.structs.replace(stamp, at=stamp.at + 1)
            from mediation.fold import Outcome, step
            from mediation.inputs import move_of
            from mediation.state import state_hash

            assert held.ladder is not None and held.state is not None
            outcome = step(held.ladder, held.state, move_of(verified, 3), later.at)
            assert isinstance(outcome, Outcome)
            return [at.restamped(frame, at=later.at, state=state_hash(outcome.state))]

        at.rule = branch
        await at.av.say(thread, "goodwill-note", fields={"text": "the branch"})
        await until(lambda: "the branch" in texts(at.kv, thread.id))  # consistent in itself: nothing to see yet
        await at.av.say(thread, "goodwill-note", fields={"text": "the trunk"})
        await until(lambda: at.kv.core.threads[thread.id].frozen)
        assert "replay.chain" in str(at.kv.core.threads[thread.id].frozen)
