"""A body that does not open where it arrived: the receiving desk says so aloud, the sender's learns it from people."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import officer, opened, running, seq, until


async def test_a_body_that_does_not_open_is_told_beside_the_entry_and_sounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        told: list[tuple[str | None, str, bool]] = []
        tell = kv.core.tell

        def record(name: str | None, what: str, *, alarm: bool = False) -> None:
            told.append((name, what, alarm))
            tell(name, what, alarm=alarm)

        monkeypatch.setattr(kv.core, "tell", record)
        with monkeypatch.context() as wrong:
            # Sealed for another place than the entry: what a faulty or hostile sender can do and the hub cannot see.
            wrong.setattr("hotline.station.outbox.body_aad", lambda _: b"elsewhere")
            sent = await av.send(officer(av), thread, "statement", {}, {"text": "unreadable"})
        assert sent.state == "accepted"
        await until(lambda: seq(kv, thread) >= 2)
        entry = kv.thread(thread).entries[1]
        assert not entry.fields
        assert [note for note in entry.notes if note.startswith("not readable here") and "send it again" in note]
        assert [words for _, what, words in kv.journal() if what == "complaint" and "Ask them" in words]
        assert (thread, "entry", True) in told
        said = await av.send(officer(av), thread, "statement", {}, {"text": "again"})
        assert said.state == "accepted"
        await until(lambda: any(e.fields == {"text": "again"} for e in kv.thread(thread).entries))
