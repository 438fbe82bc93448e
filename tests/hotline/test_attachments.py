"""Files from one station to another: sealed, carried through interruptions, given to members only, checked before use."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from structlog.testing import capture_logs

from hotline.hub.settings import AttachmentTable
from hotline.station import attachments
from hotline.station.carrier import blob_url
from hotline.station.errors import FileNotHere
from hotline.station.station import Station
from hotline.station.views import FileView, Outcome
from protocols import frames
from protocols.attachment import AttachmentDamaged, sealed_size
from protocols.encoding import b64u, digest
from tests.hotline.harness import Client, RunningHub, World, connect, make_world, open_thread, running_hub
from tests.hotline.station.kit import officer, open_station, opened, running, until

PLAIN = b"the plan of the substation, " * 40_000  # 1.1 MB: five chunks


def limited(world: World, **limits: Any) -> World:
    world.settings = msgspec.structs.replace(world.settings, attachments=AttachmentTable(**{"spare": 0, **limits}))
    return world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return limited(make_world(tmp_path))


async def bytes_of(data: bytes, step: int = 50_000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), step):
        yield data[at : at + step]


async def attach(station: Station, thread: str, data: bytes = PLAIN, name: str = "plan.pdf") -> FileView:
    found = await station.attach(officer(station), thread, name, "application/pdf", bytes_of(data))
    assert isinstance(found, FileView), found
    return found


async def say(station: Station, thread: str, *files: FileView) -> Outcome:
    fields = station.attached(thread, [each.blob for each in files])
    assert not isinstance(fields, Outcome), fields
    return await station.send(officer(station), thread, "goodwill-note", {}, {"text": "See the file.", **fields})


async def saved(station: Station, thread: str, blob: str) -> bytes:
    _, size, pieces = await station.read_file(officer(station), thread, blob)
    data = b"".join([piece async for piece in pieces])
    assert len(data) == size
    return data


def state(station: Station, thread: str, blob: str) -> str:
    return station.files(thread)[blob].state if blob in station.files(thread) else ""


def part_of(world: World, thread: str, blob: str) -> Path:
    return world.path / "hub-blobs" / thread / f"{blob}.part"


# -- over HTTP by hand ------------------------------------------------------------------------------------------------


async def ask(client: Client, thread: str, data: bytes, way: str = "put") -> Any:
    return await ask_blob(client, thread, digest(data), len(data), way)


async def ask_blob(client: Client, thread: str, blob: str, size: int, way: str = "put") -> Any:
    """What the hub answers: a ticket or a refusal."""
    ref = secrets.randbelow(1 << 40) + 1000
    await client.ws.send(frames.encode_frame(frames.AskBlob(ref, thread, blob, size, way)))  # type: ignore[arg-type]
    async with asyncio.timeout(10):
        while True:
            raw = await client.ws.recv()
            found = frames.decode_from_hub(raw if isinstance(raw, bytes) else b"")
            if isinstance(found, frames.BlobTicket | frames.Refused) and found.ref == ref:
                return found


async def http(
    hub: RunningHub, method: str, ticket: str, data: bytes | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    given = {"Authorization": f"Hotline {ticket}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{hub.http}/blob", data=data, headers=given) as response,
    ):
        return response.status, await response.read(), dict(response.headers)


async def put(hub: RunningHub, ticket: str, data: bytes, offset: int = 0) -> tuple[int, bytes, dict[str, str]]:
    return await http(hub, "PATCH", ticket, data, Upload_Offset=str(offset))


# -- the whole way ----------------------------------------------------------------------------------------------------


async def test_a_file_reaches_the_other_side_and_nobody_between_can_read_it(world: World) -> None:
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        file = await attach(av, thread)
        await until(lambda: state(av, thread, file.blob) == "whole")
        assert (await say(av, thread, file)).ok
        await until(lambda: file.blob in kv.files(thread))
        assert kv.files(thread)[file.blob].state == "known"
        with pytest.raises(FileNotHere):
            await kv.read_file(officer(kv), thread, file.blob)
        await kv.fetch(officer(kv), thread, file.blob)
        await until(lambda: state(kv, thread, file.blob) == "whole")
        assert await saved(kv, thread, file.blob) == PLAIN == await saved(av, thread, file.blob)
        shown = kv.files(thread)[file.blob]
        assert (shown.name, shown.size, shown.have) == ("plan.pdf", len(PLAIN), sealed_size(len(PLAIN)))
        said = kv.core.threads[thread].held[-1]
        assert said.fields is not None and said.fields["attachment-1"]["hash"] == digest(PLAIN)
        key = said.fields["attachment-1"]["key"]
    kept = [path for path in world.path.rglob("*") if path.is_file()]
    assert len([path for path in kept if path.name == file.blob]) == 3
    for path in kept:
        data = path.read_bytes()
        assert b"substation" not in data and b"plan.pdf" not in data and key.encode() not in data, path


async def test_the_message_does_not_wait_for_its_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        go = asyncio.Event()
        carry = attachments.Carrier.put

        async def slow(*given: Any) -> int:
            await go.wait()
            return await carry(*given)

        monkeypatch.setattr(attachments.Carrier, "put", slow)
        file = await attach(av, thread)
        await until(lambda: state(av, thread, file.blob) == "announced")
        assert (await say(av, thread, file)).ok
        await until(lambda: file.blob in kv.files(thread))
        await kv.fetch(officer(kv), thread, file.blob)
        await until(lambda: "on its way" in kv.files(thread)[file.blob].sentence)
        go.set()
        await until(lambda: state(kv, thread, file.blob) == "whole")
        assert await saved(kv, thread, file.blob) == PLAIN


async def test_a_file_that_the_hub_did_not_take_goes_with_no_message(world: World) -> None:
    async with running_hub(limited(world, thread=1)) as hub, running(world, "AV", hub.url) as av:
        async with running(world, "KV", hub.url) as kv:
            thread = await opened(av, kv)
        file = await attach(av, thread)
        await until(lambda: state(av, thread, file.blob) == "refused")
        told = av.attached(thread, [file.blob])
        assert (
            isinstance(told, Outcome) and told.code == "attachment.quota" and "Nothing was sent" in str(told.sentence)
        )
        await av.detach(thread, file.blob)
        assert file.blob not in av.files(thread)
        assert isinstance(av.attached(thread, [file.blob]), Outcome)


# -- interruptions ----------------------------------------------------------------------------------------------------


async def test_an_upload_goes_on_where_it_broke_off_also_at_a_hub_that_was_started_anew(world: World) -> None:
    data = secrets.token_bytes(700_000)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = (await open_thread(av, kv)).id
        ticket = await ask(av, thread, data)
        assert ticket.have == 0
        assert (await put(hub, ticket.ticket, data[:300_000]))[2]["Upload-Offset"] == "300000"
        assert (await ask(kv, thread, data, "get")).code == "attachment.not-whole"
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        ticket = await ask(av, thread, data)
        assert ticket.have == 300_000
        status, said, headers = await put(hub, ticket.ticket, data)
        assert status == 409 and b"attachment.offset" in said and headers["Upload-Offset"] == "300000"
        assert (await put(hub, ticket.ticket, data[300_000:], 300_000))[0] == 204
        assert (await ask(av, thread, data)).have == len(data)
        ticket = await ask(kv, thread, data, "get")
        status, got, headers = await http(hub, "GET", ticket.ticket)
        assert (status, got) == (200, data) and headers["X-Content-Type-Options"] == "nosniff"
        status, got, _ = await http(hub, "GET", ticket.ticket, Range="bytes=650000-")
        assert (status, got) == (206, data[650_000:])


async def test_a_station_goes_on_with_both_ways_after_it_was_started_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
            with monkeypatch.context() as cut:
                cut.setattr(attachments.Carrier, "put", _stops)
                file = await attach(av, thread)
                await until(lambda: state(av, thread, file.blob) == "announced")
            (world.path / "AV-1-files" / "new-half").write_bytes(b"left by a kill")
        async with running(world, "AV", hub.url) as av:
            await until(lambda: state(av, thread, file.blob) == "whole")
            assert not (world.path / "AV-1-files" / "new-half").exists()
            assert (await say(av, thread, file)).ok
            await until(lambda: file.blob in kv.files(thread))
        await kv.stop()
        half = (world.path / "hub-blobs" / thread / file.blob).read_bytes()[:300_000]
        (world.path / "KV-1-files").mkdir()
        (world.path / "KV-1-files" / f"{file.blob}.part").write_bytes(half)
        again = await open_station(world, "KV", hub.url)
        await again.start()
        try:
            await until(lambda: again.core.line.caught)
            await again.fetch(officer(again), thread, file.blob)
            await until(lambda: state(again, thread, file.blob) == "whole")
            assert await saved(again, thread, file.blob) == PLAIN
        finally:
            await again.stop()


async def _stops(*_: Any) -> int:
    await asyncio.Event().wait()
    return 0


# -- who gets nothing -------------------------------------------------------------------------------------------------


async def test_strangers_get_no_ticket_and_nobody_learns_whether_a_file_is_there(world: World) -> None:
    data = secrets.token_bytes(1000)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = (await open_thread(av, kv)).id
        assert (await put(hub, (await ask(av, thread, data)).ticket, data))[0] == 204
        async with connect(hub.url, world, "MD") as md:
            answers = [
                await ask(md, thread, data, "get"),
                await ask(md, thread, data, "put"),
                await ask(md, thread, b"another" * 9, "get"),
                await ask(md, "A" * 22, data, "get"),
                await ask(av, thread, b"another" * 9, "get"),
            ]
        assert {answer.code for answer in answers} == {"attachment.not-yours"}
        assert len({answer.sentence for answer in answers}) == 1


async def test_a_member_that_was_put_out_gets_nothing_by_the_ticket_it_still_has(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = secrets.token_bytes(1000)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = (await open_thread(av, kv)).id
        assert (await put(hub, (await ask(av, thread, data)).ticket, data))[0] == 204
        ticket = await ask(kv, thread, data, "get")
        assert (await http(hub, "GET", ticket.ticket))[1] == data
        found = hub.hub.writer.standing.threads[thread]
        kid = kv.station.kid
        left = {kid: (found.members[kid][0]._replace(left=found.seq),)}
        monkeypatch.setitem(found.members, kid, left[kid])
        status, said, _ = await http(hub, "GET", ticket.ticket)
        assert status == 404 and b"attachment.not-yours" in said
        assert (await ask(kv, thread, data, "get")).code == "attachment.not-yours"


async def test_a_ticket_is_for_one_file_one_way_and_a_while(world: World) -> None:
    data, other = secrets.token_bytes(1000), secrets.token_bytes(1000)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = (await open_thread(av, kv)).id
        ticket = (await ask(av, thread, data)).ticket
        body, _, mac = ticket.partition(".")
        for bad in ("", "x", "x.y", f"{body}.{b64u(b'm' * 32)}", f"{body[:-4]}AAAA.{mac}", f"{ticket}A"):
            assert (await put(hub, bad, data))[0] == 401, bad
        assert (await http(hub, "GET", ticket))[0] == 401
        assert (await put(hub, ticket, other))[0] == 409
        assert (await ask(av, thread, data)).have == 0  # what was wrong was thrown away
        assert (await put(hub, ticket, data + b"x"))[0] == 413
        assert (await http(hub, "PATCH", ticket, data, Upload_Offset="0", Origin="http://evil.test"))[0] == 401
        now = hub.hub.clock.now()
        object.__setattr__(hub.hub.blobs, "now", lambda: now + 700_000)
        assert (await put(hub, ticket, data))[0] == 401


async def test_what_was_not_announced_is_not_taken_and_nothing_is_kept_of_it(world: World) -> None:
    data = secrets.token_bytes(1000)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = (await open_thread(av, kv)).id
        async with aiohttp.ClientSession() as session:
            async with session.patch(f"{hub.http}/blob", data=data) as response:
                assert response.status == 401
            async with session.get(f"{hub.http}/blob?ticket=x") as response:
                assert response.status == 401
        del thread, kv
    assert not list((world.path / "hub-blobs").rglob("*")) if (world.path / "hub-blobs").exists() else True


# -- place ------------------------------------------------------------------------------------------------------------


async def test_place_is_counted_by_thread_and_by_office_from_the_announcement_on(world: World) -> None:
    mib = 1 << 20
    limits = {"thread": 3, "office": 4, "largest": 2}
    limited(world, **limits)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        first, second = (await open_thread(av, kv)).id, (await open_thread(av, kv)).id

        async def announce(client: Client, thread: str, size: int) -> str:
            found = await ask_blob(client, thread, b64u(secrets.token_bytes(32)), size)
            return "" if isinstance(found, frames.BlobTicket) else f"{found.code} {found.detail}"

        assert await announce(av, first, 2 * mib + 1) == f"attachment.over-limit {2 * mib + 1} bytes"
        assert await announce(av, first, 2 * mib) == ""
        assert await announce(kv, first, 2 * mib) == "attachment.quota thread"
        assert await announce(kv, first, mib) == ""
        assert await announce(av, second, 2 * mib) == ""
        assert await announce(av, second, mib) == "attachment.quota office"
        assert await announce(kv, second, mib) == ""
        # What nothing came of for a day gives its place free.
        now = hub.hub.clock.now()
        object.__setattr__(hub.hub.blobs, "now", lambda: now + 2 * 86_400_000)
        assert await announce(av, first, 2 * mib) == ""


def bound(world: World) -> dict[str, bool]:
    """The whole files that the hub knows of, and whether it knows that an entry binds them."""
    with closing(sqlite3.connect(world.path / "hub.db")) as db:
        found = db.execute("SELECT blob, bound FROM blobs WHERE whole").fetchall()
    return {blob: at is not None for blob, at in found}


def alter_blobs(world: World, statement: str, *values: str) -> None:
    """Change the store of a running hub: beside its loop, for it may be in the middle of a transaction."""
    with closing(sqlite3.connect(world.path / "hub.db")) as db, db:
        db.execute(statement, values)


async def test_what_no_entry_binds_gives_its_place_free_in_the_end_and_what_one_binds_stays(world: World) -> None:
    week = 7 * 86_400_000
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        sent, draft = await attach(av, thread), await attach(av, thread, PLAIN + b"2")
        await until(lambda: {state(av, thread, each.blob) for each in (sent, draft)} == {"whole"})
        assert bound(world) == {sent.blob: False, draft.blob: False}
        assert (await say(av, thread, sent)).ok
        await until(lambda: bound(world) == {sent.blob: True, draft.blob: False})
        blobs, now = hub.hub.blobs, hub.hub.clock.now()
        blobs.now = lambda: now + week - 60_000
        await blobs.look()
        assert bound(world) == {sent.blob: True, draft.blob: False}
        blobs.now = lambda: now + week + 60_000
        await blobs.look()
        assert bound(world) == {sent.blob: True}
        kept = {path.name for path in (world.path / "hub-blobs" / thread).iterdir()}
        assert kept == {sent.blob}
        assert figure(hub, "hotline_files_dropped_total", why="unbound") == 1
        assert figure(hub, "hotline_file_stored_bytes", state="bound") == sealed_size(len(PLAIN))
        assert figure(hub, "hotline_file_stored_bytes", state="unbound") == 0
        # The draft is sent after all: its station finds out that the hub has the file no more, and hands it over again.
        blobs.now = hub.hub.clock.now
        assert (await say(av, thread, draft)).ok
        await until(lambda: bound(world) == {sent.blob: True, draft.blob: True})
        await kv.fetch(officer(kv), thread, draft.blob)
        await until(lambda: state(kv, thread, draft.blob) == "whole")
        assert await saved(kv, thread, draft.blob) == PLAIN + b"2"


async def test_a_file_that_another_office_asks_for_is_bound_for_only_an_entry_names_it(world: World) -> None:
    data = secrets.token_bytes(1000)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = (await open_thread(av, kv)).id
        assert (await ask(av, thread, data, "keep")).code == "attachment.not-yours"
        ticket = await ask(av, thread, data)
        assert (await ask(av, thread, data, "keep")).code == "attachment.not-whole"
        assert (await put(hub, ticket.ticket, data))[0] == 204
        await ask(av, thread, data, "get")
        assert bound(world) == {digest(data): False}, "whoever handed it over knows it anyway"
        await ask(kv, thread, data, "get")
        assert bound(world) == {digest(data): True}
        kept = await ask(av, thread, data, "keep")
        assert (kept.ticket, kept.have) == ("", len(data))
        async with connect(hub.url, world, "MD") as md:
            assert (await ask(md, thread, data, "keep")).code == "attachment.not-yours"


async def test_a_file_that_is_gone_from_the_hub_is_taken_again_from_whoever_has_it(world: World) -> None:
    data = secrets.token_bytes(1000)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = (await open_thread(av, kv)).id
        assert (await put(hub, (await ask(av, thread, data)).ticket, data))[0] == 204
        (world.path / "hub-blobs" / thread / digest(data)).unlink()
        assert (await ask(kv, thread, data, "get")).code == "attachment.not-whole"
        ticket = await ask(av, thread, data)
        assert ticket.have == 0
        assert (await put(hub, ticket.ticket, data))[0] == 204
        assert (await http(hub, "GET", (await ask(kv, thread, data, "get")).ticket))[1] == data


@pytest.mark.parametrize("way", ["get", "put"])
async def test_a_file_that_the_store_does_not_list_is_read_once_and_taken_for_what_it_is(
    world: World, way: str
) -> None:
    """As after a kill between the file's name and the store's row, or a disk that was away."""
    data = secrets.token_bytes(1000)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread, asks = (await open_thread(av, kv)).id, kv if way == "get" else av
        assert (await put(hub, (await ask(av, thread, data)).ticket, data))[0] == 204
        path = world.path / "hub-blobs" / thread / digest(data)

        await asyncio.to_thread(alter_blobs, world, "UPDATE blobs SET whole = 0")
        assert (await ask(asks, thread, data, way)).have == len(data)
        assert digest(data) in bound(world)
        await asyncio.to_thread(alter_blobs, world, "UPDATE blobs SET whole = 0")
        path.write_bytes(bytes(1000))
        answer = await ask(asks, thread, data, way)
        assert answer.code == "attachment.not-whole" if way == "get" else answer.have == 0
        assert not path.exists() and not bound(world)
        assert (await put(hub, (await ask(av, thread, data)).ticket, data))[0] == 204
        assert path.read_bytes() == data


async def test_a_hub_that_lost_its_files_gets_them_back_from_their_senders_by_itself(world: World) -> None:
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        async with running(world, "AV", hub.url) as av:
            thread = await opened(av, kv)
            files = [await attach(av, thread, PLAIN + bytes([number])) for number in range(3)]
            await until(lambda: {state(av, thread, each.blob) for each in files} == {"whole"})
            for each in files:
                assert (await say(av, thread, each)).ok
            await until(lambda: bound(world) == dict.fromkeys([each.blob for each in files], True))
            await until(lambda: all(record.kept for record in av.attachments._records.values()))
        (world.path / "hub-blobs" / thread / files[0].blob).unlink()
        await asyncio.to_thread(alter_blobs, world, "DELETE FROM blobs WHERE blob = ?", files[1].blob)
        (world.path / "hub-blobs" / thread / files[1].blob).unlink()
        async with running(world, "AV", hub.url):
            await until(lambda: bound(world) == dict.fromkeys([each.blob for each in files], True))
            for number, each in enumerate(files):
                await kv.fetch(officer(kv), thread, each.blob)
                await until(lambda blob=each.blob: state(kv, thread, blob) == "whole")  # type: ignore[misc]
                assert await saved(kv, thread, each.blob) == PLAIN + bytes([number])


async def test_transfers_are_counted_and_nothing_in_the_counts_or_the_log_names_a_file(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    data = secrets.token_bytes(200_000)
    with capture_logs() as logged:
        async with (
            running_hub(world) as hub,
            connect(hub.url, world, "AV") as av,
            connect(hub.url, world, "KV") as kv,
        ):
            thread = (await open_thread(av, kv)).id
            ticket = (await ask(av, thread, data)).ticket
            assert (await put(hub, ticket, data[:90_000]))[0] == 204
            assert (await put(hub, ticket, data[90_000:], 90_000))[0] == 204
            assert (await put(hub, "wrong", data))[0] == 401
            assert len((await http(hub, "GET", (await ask(kv, thread, data, "get")).ticket))[1]) == len(data)
            assert (await ask(kv, "A" * 22, data, "get")).code == "attachment.not-yours"
            assert figure(hub, "hotline_file_bytes_total", way="up") == len(data)
            assert figure(hub, "hotline_file_bytes_total", way="down") == len(data)
            assert (
                figure(hub, "hotline_file_transfers", way="up")
                == figure(hub, "hotline_file_transfers", way="down")
                == 0
            )
            assert figure(hub, "hotline_file_refusals_total", code="attachment.ticket") == 1
            assert figure(hub, "hotline_file_refusals_total", code="attachment.not-yours") == 1
            text = hub.hub.metrics.text().decode()
    said = text + caplog.text + repr(logged) + "".join(capfd.readouterr())
    assert "file taken" in [each["event"] for each in logged]
    assert digest(data) not in said and thread not in said and ticket not in said


def figure(hub: RunningHub, name: str, **labels: str) -> float:
    return hub.hub.metrics.registry.get_sample_value(name, labels) or 0.0


async def test_a_hub_keeps_its_disk_for_messages(world: World) -> None:
    limited(world, spare=1 << 40)
    async with running_hub(world) as hub, connect(hub.url, world, "AV") as av, connect(hub.url, world, "KV") as kv:
        thread = (await open_thread(av, kv)).id
        assert (await ask(av, thread, b"x" * 100)).code == "attachment.no-room"


# -- wrong bytes ------------------------------------------------------------------------------------------------------


async def test_another_file_from_the_hub_is_thrown_away_unopened_and_refused_in_the_end(world: World) -> None:
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        file = await attach(av, thread)
        await until(lambda: state(av, thread, file.blob) == "whole")
        assert (await say(av, thread, file)).ok
        await until(lambda: file.blob in kv.files(thread))
        kept = world.path / "hub-blobs" / thread / file.blob
        good = kept.read_bytes()
        kept.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        await kv.fetch(officer(kv), thread, file.blob)
        await until(lambda: state(kv, thread, file.blob) == "refused")
        assert "not the one that its sender signed for" in kv.files(thread)[file.blob].sentence
        assert not list((world.path / "KV-1-files").iterdir())
        kept.write_bytes(good)
        await kv.fetch(officer(kv), thread, file.blob)
        await until(lambda: state(kv, thread, file.blob) == "whole")
        mine = world.path / "KV-1-files" / file.blob
        mine.write_bytes(good[:400_000] + b"x" + good[400_001:])
        with pytest.raises(AttachmentDamaged):
            await saved(kv, thread, file.blob)


async def test_a_sender_that_signed_for_another_plaintext_is_found_out_before_anything_is_saved(world: World) -> None:
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        file = await attach(av, thread)
        await until(lambda: state(av, thread, file.blob) == "whole")
        fields = av.attached(thread, [file.blob])
        assert not isinstance(fields, Outcome)
        lie = {**fields["attachment-1"], "hash": digest(b"something else")}
        sent = await av.send(officer(av), thread, "goodwill-note", {}, {"text": "Look.", "attachment-1": lie})
        assert sent.ok
        await until(lambda: file.blob in kv.files(thread))
        await kv.fetch(officer(kv), thread, file.blob)
        await until(lambda: state(kv, thread, file.blob) == "refused")
        assert not list((world.path / "KV-1-files").iterdir())


async def test_half_an_attachment_leaves_nothing_behind(world: World) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"x" * 600_000
        raise ConnectionResetError

    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        with pytest.raises(ConnectionResetError):
            await av.attach(officer(av), thread, "x", "", breaks())
        with pytest.raises(FileNotHere):
            await av.attachments.attach(officer(av), "A" * 22, "x", "", bytes_of(b"x"))
        assert not list((world.path / "AV-1-files").iterdir()) and not av.files(thread)


def test_files_go_where_the_line_stands() -> None:
    assert blob_url("wss://hub.test:8443/line") == "https://hub.test:8443/blob"
    assert blob_url("ws://127.0.0.1:80/under/line") == "http://127.0.0.1:80/under/blob"
