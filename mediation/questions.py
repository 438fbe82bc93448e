"""Questions and answers, receipts, and the clocks that run from them.

Reply clocks run from *receipt*, signed by the receiving station, because a sender's clock says nothing about a line
that is down (WTO DSU art. 4.3; New START; CTBT art. IV). Where no receipt ever comes, a second clock from the hub's
admission gives the option instead, so that nobody can block by staying offline.
"""

from __future__ import annotations

from msgspec.structs import replace

from mediation import awaited, clocks
from mediation.draft import Draft
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.rules import OTHER
from mediation.state import Asked, Awaiting, ThreadState
from protocols.kinds import Answer, Ask, Received

COMPLETE_KEPT = 8
"""Fully answered requests kept, so that a later answer may still improve an earlier one."""


def ask(draft: Draft, move: Move) -> Refusal | None:
    """``clarification-request``: opens questions, all of them still for later."""
    act = move.act
    assert isinstance(act, Ask)  # noqa: S101 - the form was checked
    draft.set(asked=(*draft.state.asked, Asked(move.id, move.seq, move.office, ("later",) * act.questions)))
    return None


def too_many(draft: Draft, move: Move) -> Refusal | None:
    """Refuses to open one more matter with clocks while an office has as many open as the ladder allows."""
    if not _starts_clocks(draft, move.kind):
        return None
    kinds = draft.ladder.clocks
    state = draft.state
    unfinished = {
        clock.seq
        for clock in state.clocks
        if clock.requester == move.office
        and kinds[clock.rule].of == move.kind
        and kinds[clock.rule].starts in ("receipt", "admission")
    }
    unfinished |= {
        found.seq
        for found in state.awaiting
        if (found.office, found.kind, found.step, found.by) == (move.office, move.kind, "", OTHER)
        and awaited.rules(draft.ladder, found)
    }
    if move.kind == "clarification-request":
        unfinished |= {found.seq for found in state.asked if found.office == move.office and "later" in found.answers}
    if len(unfinished) < draft.ladder.limits.open_questions:
        return None
    return draft.refuse(
        "too-many-open",
        "Your office already has as many open requests as this ladder allows.",
        "Wait for answers before you ask more.",
        rule="limits",
    )


def answer(draft: Draft, move: Move) -> Refusal | None:
    """``clarification-answer``: one state a question; ``later`` never takes back an answer given before."""
    act = move.act
    assert isinstance(act, Answer)  # noqa: S101 - the form was checked
    asked = next((found for found in draft.state.asked if found.entry == act.entry), None)
    if asked is None:
        return draft.refuse("unknown-reference", "These answers refer to no open request for clarification.")
    if asked.office == move.office:
        return draft.refuse("own-request", "An office does not answer its own questions.")
    if len(act.answers) != len(asked.answers):
        return draft.refuse(
            "answers-count",
            f"The request has {len(asked.answers)} questions; this gives {len(act.answers)} answers.",
            "Give one answer a question; mark what you cannot say yet as 'later'.",
        )
    merged = tuple(old if new == "later" else new for old, new in zip(asked.answers, act.answers, strict=True))
    found = tuple(replace(other, answers=merged) if other.entry == act.entry else other for other in draft.state.asked)
    draft.set(asked=_prune(found))
    return None


def _prune(asked: tuple[Asked, ...]) -> tuple[Asked, ...]:
    surplus = sum("later" not in found.answers for found in asked) - COMPLETE_KEPT
    kept = []
    for found in asked:
        if "later" not in found.answers and surplus > 0:
            surplus -= 1
        else:
            kept.append(found)
    return tuple(kept)


def _starts_clocks(draft: Draft, kind: str) -> bool:
    return ("receipt", kind) in draft.ladder.starting or ("admission", kind) in draft.ladder.starting


def opened(draft: Draft, move: Move) -> None:
    """An entry whose clocks run from admission or receipt was admitted."""
    starting = draft.ladder.starting
    if ("admission", move.kind) in starting:
        clocks.start(
            draft,
            "admission",
            move.kind,
            entry=move.id,
            seq=move.seq,
            at=draft.at,
            requester=move.office,
            respondent=draft.opponent(move.office),
        )
    awaited.expect(draft, move)


def receipt(draft: Draft, move: Move) -> Refusal | None:
    """``receipt``: starts the clocks of the entries it names, once, where the ladder waits for this office's receipt. One
    from anybody else is a record and no more; so is a second one of those who hold a role together. Of several entries
    it says again what was said of some; of all, it is refused."""
    act = move.act
    assert isinstance(act, Received)  # noqa: S101 - the form was checked
    concerned = {entry: _concerned(draft.state, entry, move.office) for entry in act.entries}
    if all(found and all(each.received and each.by == OTHER for each in found) for found in concerned.values()):
        return draft.refuse("already-received", "Your office has already confirmed the receipt of this message.")
    for found in concerned.values():
        for each in found:
            if not each.received:
                _received(draft, move, each)
    return None


def _concerned(state: ThreadState, entry: str, office: str) -> list[Awaiting]:
    return [found for found in state.awaiting if found.entry == entry and office in awaited.receivers(state, found)]


def _received(draft: Draft, move: Move, awaiting: Awaiting) -> None:
    of = awaiting.step or awaiting.kind
    started = awaited.rules(draft.ladder, awaiting)
    draft.set(
        awaiting=tuple(
            replace(found, received=True, met=()) if found is awaiting else found for found in draft.state.awaiting
        )
    )
    requester, respondent = awaited.sides(draft, awaiting, move.office)
    clocks.start(
        draft,
        "receipt",
        of,
        entry=awaiting.entry,
        seq=awaiting.seq,
        at=draft.at,
        requester=requester,
        respondent=respondent,
        skip=tuple(rule for rule in draft.ladder.starting["receipt", of] if rule not in started),
        once=bool(awaiting.step),
    )
