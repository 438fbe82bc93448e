"""Who was put out of a thread has no later file of it: not from the hub, and not by its keys, should it have the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from hotline.station.attachments import Record
from hotline.station.carrier import CarryFailed
from hotline.station.errors import FileNotHere
from hotline.station.station import Station
from hotline.store import hub as t
from protocols.attachment import CHUNK, Attachment, AttachmentDamaged, OpenStream, parse_attachment
from protocols.mls import Group, MlsError
from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import act, mediator_admitted, officer, opened, running, seq, until
from tests.hotline.test_attachments import PLAIN, attach, limited, saved, state
from tests.hotline.test_attachments import say as say_file


async def answer(station: Station, thread: str, blob: str, size: int) -> str:
    """What the hub says to this station that asks for a file by its name, past everything that its own program would refuse."""
    files = station.attachments
    record = Record(thread, "get", Attachment("x", "a/b", size, blob, "A" * 43, "A" * 43), "", 0)
    record.file = msgspec.structs.replace(record.file, size=size - 16 * -(-size // (CHUNK + 16)))
    try:
        await files._ticket(record)
    except CarryFailed as error:
        return error.refusal
    return "given"


def opening(fields: Mapping[str, Any], thread: str) -> OpenStream:
    return OpenStream(parse_attachment(fields["attachment-1"]), thread)


async def admitted(av: Station, kv: Station, md: Station, thread: str) -> None:
    """Bring the mediator in, and into the keys."""
    await mediator_admitted(av, kv, md, thread, {"entries": []})
    await until(lambda: md.thread(thread).epoch == 2 and seq(md, thread) == seq(av, thread) == seq(kv, thread))


async def test_a_mediator_that_was_put_out_has_what_came_before_and_nothing_that_comes_after(tmp_path: Path) -> None:
    world = limited(make_world(tmp_path))
    async with (
        running_hub(world) as hub,
        running(world, "AV", hub.url) as av,
        running(world, "KV", hub.url) as kv,
        running(world, "MD", hub.url) as md,
    ):
        thread = await opened(av, kv)
        await admitted(av, kv, md, thread)
        early = await attach(av, thread)
        await until(lambda: state(av, thread, early.blob) == "whole")
        assert (await say_file(av, thread, early)).ok
        await until(lambda: early.blob in md.files(thread))
        await md.fetch(officer(md), thread, early.blob)
        await until(lambda: state(md, thread, early.blob) == "whole")
        kept = md.core.threads[thread].mls  # what it could still keep, if it threw nothing away
        assert kept is not None
        before = Group.restore(kept)

        await act(kv, thread, "withdrawal", {"mediator": "MD"})
        await until(lambda: av.thread(thread).epoch == kv.thread(thread).epoch == 3)
        await until(lambda: md.thread(thread).epoch is None)
        late = await attach(av, thread, PLAIN + b" since")
        await until(lambda: state(av, thread, late.blob) == "whole")
        assert (await say_file(av, thread, late)).ok
        await until(lambda: late.blob in kv.files(thread))

        # It knows of no such file, and cannot ask for it; what it had before, it has.
        assert set(md.files(thread)) == {early.blob}
        with pytest.raises(FileNotHere):
            await md.fetch(officer(md), thread, late.blob)
        assert await saved(md, thread, early.blob) == PLAIN
        # Should somebody tell it the name: the hub hands over neither that nor, any more, what it once could have.
        for each in (late, early):
            assert await answer(kv, thread, each.blob, each.total) == "given"
            assert await answer(md, thread, each.blob, each.total) == "attachment.not-yours"
        # Should somebody hand it the bytes and the entry: its keys of before open neither.
        first, last = (held for held in kv.core.threads[thread].held if held.fields and "attachment-1" in held.fields)
        p = t.parts.c
        async with hub.hub.store.read() as connection:
            wanted = sa.select(p.data).where(p.thread == thread, p.seq == last.seq, p.name == "body")
            body = bytes((await connection.execute(wanted)).scalar_one())
        with pytest.raises(MlsError):
            before.decrypt(body)
        sealed = (world.path / "hub-blobs" / thread / late.blob).read_bytes()
        assert first.fields is not None and last.fields is not None
        with pytest.raises(AttachmentDamaged):
            opening(first.fields, thread).push(sealed)
        assert opening(last.fields, thread).push(sealed), "that key it would need, and it stands in the body alone"
        await kv.fetch(officer(kv), thread, late.blob)
        await until(lambda: state(kv, thread, late.blob) == "whole")
        assert await saved(kv, thread, late.blob) == PLAIN + b" since"
        for station in (av, kv, md):
            assert not station.connection().alarms
