"""Entries as the desk shows them: those of the thread, and those of ours that the hub does not have yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hotline.clock import span_words
from hotline.station.core import Core
from hotline.station.lookout import unanswered
from hotline.station.model import Held, Thread
from hotline.station.outbox import Item
from hotline.station.views import EntryView, Mark, PendingView
from hotline.words import act_words, late_words
from protocols.kinds import kind_of


def entry(core: Core, thread: Thread, held: Held) -> EntryView:
    """One entry, with where every other office stands with it."""
    payload = held.payload
    act = held.admitted.verified.entry.payload.act

    def name(about: str) -> str:
        found = thread.by_id.get(about)
        return "an entry not shown here" if found is None else f"entry {found.seq}"

    notes = [*held.notes]
    if held.complaint is not None:
        notes.append(f"not readable here and not shown: ask them to send it again ({held.complaint})")
    elif payload.station == core.identity.kid and payload.sd and held.fields is None:
        notes.append("not readable here: this station sent it before it was restored from an older copy")
    if (waiting := unanswered(core, thread, held)) is not None:
        notes.append(f"acknowledged by us {span_words(waiting)} ago and not answered")
    if payload.kind == "clock-expired" and (late := late_words(act.get("late", 0))):
        notes.append(late)
    return EntryView(
        id=held.id,
        seq=held.seq,
        index=held.stamp.index,
        at=held.stamp.at,
        kind=payload.kind,
        kind_title=held.kind.title,
        office=payload.office,
        own=payload.office == core.identity.office,
        officers=tuple(core.officer_name(kid, held.stamp.at) for kid in held.admitted.verified.officers),
        precedence=payload.precedence,
        tlp=payload.tlp,
        act=act,
        act_words=act_words(payload.kind, act, thread.ladder, name),
        fields=shown_fields(held, name),
        sealed=bool(payload.sd),
        handed_over=held.how == "handover",
        notes=tuple(notes),
        marks=_marks(core, thread, held),
        unread=unread(core, thread, held),
        proven=held.proven,
        agreed=thread.parted is None or held.seq < thread.parted.seq,
    )


def pending(core: Core, item: Item) -> PendingView:
    """Something of ours the hub has not taken."""
    intent, answer = item.intent, item.answer
    fields = core.fields(intent)
    return PendingView(
        id=item.id,
        thread=item.thread,
        state=item.state,  # type: ignore[arg-type]  # the store's CHECK holds the same words
        kind=intent.kind,
        kind_title=kind_of(intent.kind).title,
        act=intent.act,
        fields=fields,
        precedence=intent.precedence,
        tlp=intent.tlp,
        drafter=intent.writer,
        created=intent.created,
        by=intent.officer,
        code=None if answer is None else answer.code,
        sentence=item.waiting if answer is None else answer.sentence,
        rule=None if answer is None else answer.rule,
        clock=None if answer is None else answer.clock,
        until=None if answer is None else answer.until,
    )


def unread(core: Core, thread: Thread, held: Held) -> bool:
    counts = held.kind.content or held.kind.fields != ()
    return counts and held.seq > thread.read_to and held.payload.office != core.identity.office


def shown_fields(held: Held, name: Callable[[str], str]) -> Mapping[str, Any] | None:
    """The body as people read it. A handover carries other entries' bodies: those are shown where they belong."""
    if held.payload.kind != "handover" or held.fields is None:
        return held.fields
    history = held.fields.get("history")
    # The sender chose its type. What is no table of entries was complained about when it came; it opens nothing.
    return {"history": [name(entry) for entry in history] if isinstance(history, dict) else []}


def _marks(core: Core, thread: Thread, held: Held) -> tuple[Mark, ...]:
    if not (held.kind.receipt or held.kind.content) or thread.state is None:
        return ()
    marks = []
    for office in dict.fromkeys((*held.awaited, *held.reached)):
        reached = held.reached.get(office)
        if reached is not None:
            marks.append(Mark(office, reached[0], reached[1]))
            continue
        if not held.kind.receipt:
            continue  # nobody owes a sign for it, so nobody is silent
        line, since = core.office_line(office)
        state = {"down": "line down", "up": "silent"}.get(line, "not known")
        marks.append(Mark(office, state, since if line == "down" else None))
    return tuple(marks)
