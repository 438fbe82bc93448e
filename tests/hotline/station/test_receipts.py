"""Receipts of a burst are gathered: each message is signed for once, soon, and by few entries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotline.station.outbox import Answer, Intent, Item
from hotline.station.receipts import GATHERED, MOST, Receipts, Rows
from protocols.encoding import digest
from protocols.kinds import Received, act_to_dict
from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import officer, opened, running, until

NOW = 1_000_000


def receipt(number: int, precedence: str = "ROUTINE", after: int = 0) -> tuple[str, Intent]:
    entry = digest(str(number).encode())
    intent = Intent("receipt", act_to_dict(Received(entry)), NOW, precedence=precedence, after=after)
    return f"receipt.{entry}", intent


def rows(numbers: Iterable[int], thread: str = "t", precedence: str = "ROUTINE") -> Rows:
    return {row: (thread, intent) for row, intent in (receipt(number, precedence) for number in numbers)}


def entries(intent: Intent) -> tuple[str, ...]:
    return (intent.act["entry"], *intent.act.get("also", ()))


def names(numbers: Iterable[int]) -> list[str]:
    return [digest(str(number).encode()) for number in numbers]


def test_what_comes_together_is_signed_for_together_and_at_once() -> None:
    gathered = Receipts().gather(rows(range(10)), (), NOW)
    ((row, (thread, intent)),) = gathered.rows.items()
    assert (row, thread, intent.after) == (receipt(0)[0], "t", 0)
    assert entries(intent) == tuple(names(range(10)))


def test_a_second_receipt_waits_for_what_else_comes_and_never_longer() -> None:
    receipts = Receipts()
    receipts.gather(rows([1]), (), NOW)
    ((_, (_, second)),) = receipts.gather(rows([2]), (), NOW + 10).rows.items()
    assert second.after == NOW + GATHERED
    waiting = Item(1, receipt(2)[0], "t", "queued", second)
    gathered = receipts.gather(rows([3, 4]), [waiting], NOW + 20)
    ((item, more),) = gathered.more
    assert not gathered.rows and item is waiting and more.after == NOW + GATHERED
    assert entries(more) == tuple(names([2, 3, 4]))
    assert entries(waiting.intent) == tuple(names([2])), "memory moves when the disk has"
    (later,) = receipts.gather(rows([5]), (), NOW + 3 * GATHERED).rows.values()
    assert later[1].after == 0, "after a pause the next goes at once"


def test_a_clock_that_was_set_back_holds_no_receipt_up() -> None:
    receipts = Receipts()
    receipts.gather(rows([1]), (), NOW)
    (found,) = receipts.gather(rows([2]), (), NOW - 3_600_000).rows.values()
    assert found[1].after == 0


@pytest.mark.parametrize("precedence", ["FLASH", "IMMEDIATE"])
def test_what_is_urgent_waits_for_nothing(precedence: str) -> None:
    receipts = Receipts()
    receipts.gather(rows([1]), (), NOW)
    routine = Item(1, receipt(2)[0], "t", "queued", receipt(2, after=NOW + GATHERED)[1])
    gathered = receipts.gather(rows([3], precedence=precedence), [routine], NOW + 1)
    (found,) = gathered.rows.values()
    assert found[1].after == 0 and entries(found[1]) == tuple(names([3])) and not gathered.more


def test_what_is_sealed_of_another_thread_or_due_much_earlier_is_left_as_it_is() -> None:
    sealed = Item(1, receipt(1)[0], "t", "sending", receipt(1)[1])
    elsewhere = Item(2, receipt(2)[0], "other", "queued", receipt(2)[1])
    for waiting in (sealed, elsewhere):
        gathered = Receipts().gather(rows([3]), [waiting], NOW)
        assert not gathered.more and len(gathered.rows) == 1
    # A second station of the office signs later, and only if the first did not.
    early = Item(3, receipt(4)[0], "t", "queued", receipt(4, after=NOW + 100)[1])
    row, late = receipt(5, after=NOW + 30_000)
    gathered = Receipts().gather({row: ("t", late)}, [early], NOW)
    assert not gathered.more and gathered.rows == {row: ("t", late)}


def test_other_duties_pass_as_they_are() -> None:
    complaint = {"complaint.x": ("t", Intent("complaint", {"entry": "x"}, NOW))}
    assert Receipts().gather(complaint, (), NOW).rows == complaint


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from("ab"), st.integers(0, 2)), max_size=300, unique=True))
@settings(max_examples=30, deadline=None)
def test_each_message_is_signed_for_once_by_few_entries(said: list[tuple[int, str, int]]) -> None:
    ranks = ("FLASH", "PRIORITY", "ROUTINE")
    wanted = {number * 10 + "ab".index(thread) * 5 + rank: (thread, ranks[rank]) for number, thread, rank in said}
    asked = {
        row: (thread, intent) for number, (thread, rank) in wanted.items() for row, intent in [receipt(number, rank)]
    }
    gathered = Receipts().gather(asked, (), NOW)
    signed = [(entry, thread) for thread, intent in gathered.rows.values() for entry in entries(intent)]
    assert sorted(signed) == sorted((names([number])[0], thread) for number, (thread, _) in wanted.items())
    assert all(len(entries(intent)) <= MOST for _, intent in gathered.rows.values())
    assert len(gathered.rows) <= len(set(wanted.values())) + len(said) // MOST


async def test_a_burst_of_messages_has_few_receipts_and_every_message_is_marked_delivered(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        sending = (av.send(officer(av), thread, "statement", {}, {"text": str(number)}) for number in range(40))
        sent = {outcome.id for outcome in await asyncio.gather(*sending)}
        held = av.core.threads[thread]
        await until(lambda: {entry for office, entry in held.receipts if office == "KV"} == sent)
        signed = [each for each in held.held if each.payload.kind == "receipt"]
        assert len(signed) < 20
        assert (
            sum(len(act.entries) for each in signed if isinstance(act := each.admitted.verified.entry.act, Received))
            == 40
        )
        assert all(held.by_id[str(entry)].reached["KV"][0] == "delivered" for entry in sent)
        await until(lambda: not kv.core.pending(thread))
        assert not kv.connection().alarms and not av.connection().alarms


async def test_a_receipt_that_took_in_more_since_it_was_judged_is_neither_dropped_nor_refused(tmp_path: Path) -> None:
    """Judging waits for nothing, dropping waits for the lock: an entry may have come in between."""
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        core, submissions = av.core, av.sender.submissions
        row, intent = receipt(1, after=core.clock.now() + 600_000)
        item = await av.sender.put(row, thread, intent)
        judged = item.intent
        item.intent = Intent("receipt", {"entry": names([1])[0], "also": names([2])}, NOW, after=intent.after)
        await submissions.drop(item, judged)
        await submissions.settle(item, Answer("x", "No.", NOW, "station"), judged)
        assert core.items[row] is item and item.state == "queued" and item.answer is None
        assert row in [each.id for each in await core.store.outbox()]
        await submissions.drop(item, item.intent)
        assert row not in core.items and row not in [each.id for each in await core.store.outbox()]
