"""What keeps an item of the outbox from being sealed: an officer's locked key, keys that this station lacks."""

from __future__ import annotations

from hotline.station.core import Core
from hotline.station.model import Thread
from hotline.station.outbox import Item

LOCKED = "waits until the officer who released it unlocks their key"
RENEWING = "waits until this station has renewed its keys: it was restored from an older copy"


def hindrance(core: Core, item: Item, thread: Thread) -> str | None:
    """Why an item of a thread cannot be sealed now, said in the item too; None where it can."""
    intent = item.intent
    why = None
    if intent.officer is not None and intent.officer not in core.officers:
        why = LOCKED
    elif item.newer_than is not None and thread.state is not None and thread.state.epoch <= item.newer_than:
        return "waits for newer keys"
    elif intent.sd:
        why = _keyless(thread, intent.kind) or (RENEWING if thread.must_renew else None)
    if why is not None and item.waiting != why:
        item.waiting = why
        core.tell(item.thread, "pending")
    return why


def _keyless(thread: Thread, kind: str) -> str | None:
    """Why nothing can be sealed in a thread now, or None."""
    if thread.keys.stuck:
        return "waits until this station has the keys of this incident again"
    state = thread.state
    if kind == "resealed" and state is not None and (state.due_removes or state.leaving):
        return "waits for keys without those who were put out"
    return None
