"""Disagreement: from some entry on this station computes another ladder state than the hub vouches for.

Nothing about it is a broken seal or a broken chain: those freeze a thread altogether. Here two programs, or two programs
and a hub that lies, read the same signed entries and differ over what they mean. So the thread is frozen *for steps, not for
talk*: people go on writing to each other, and what they write is shown as not agreed state; whatever would move the
ladder, let somebody in, close the thread or renew its keys is refused by the station until both sides agree again. It goes
on only once this station, replaying every entry from the first, computes what the hub stamped (`hotline station thaw`).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from mediation.ladder import Ladder
from mediation.move import HUB, Move
from mediation.state import Seat, ThreadState
from protocols.encoding import from_json, rfc3339, to_json
from protocols.kinds import KINDS

CODE = "station.disagreement"
TALK = frozenset(
    {
        "incident-notice",
        "update",
        "statement",
        "clarification-request",
        "clarification-answer",
        "authenticity-query",
        "authenticity-answer",
    }
)
"""What people write to each other, beside the kinds that always pass: acknowledgements, de-escalation, safety of life."""


_CHANGES_GROUP = frozenset({"open", "rekey", "rejoin", "cannot-follow"})


class Parting(msgspec.Struct, frozen=True):
    """Where it began: the first entry that differs (``seq``, ``kind``, ``entry``: its id), the state's hash that the hub
    stamped and the one computed here, when this station noticed (ms UTC), which parts of the state that entry ``moved`` by
    our reckoning. ``over``: they agree again, and the others are
    still to hear of it."""

    seq: int
    kind: str
    entry: str
    stamped: str
    computed: str
    noticed: int
    moved: tuple[str, ...] = ()
    over: bool = False

    def to_bytes(self) -> bytes:
        """As it is kept, before sealing."""
        return to_json(msgspec.to_builtins(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Parting:
        """The inverse of `to_bytes`. Raises `Malformed` or `msgspec.ValidationError`."""
        return msgspec.convert(from_json(data), cls)

    def sentence(self, thread: str) -> str:
        """The alarm."""
        return (
            f"Thread {thread[:6]}: from entry {self.seq} ({_title(self.kind)}) on this station computes another ladder state "
            f"than the hub vouches for (ours {self.computed[:10]}…, the hub's {self.stamped[:10]}…). Messages still go out "
            "and are shown, marked as not agreed; steps, admissions, closings and new keys wait. Call the other side and "
            "compare what the incident's page shows."
        )

    def refusal(self) -> str:
        """Why a step is not sent now."""
        return (
            f"Since entry {self.seq} this station and the hub do not agree where the ladder stands, so only messages go out, "
            "no steps. It was not sent and nothing has changed. Call the other side; once both agree, your engineers "
            "thaw the thread."
        )


def passes(kind: str, ladder: Ladder | None, state: ThreadState | None) -> bool:
    """Whether an entry of ``kind`` still goes out: words, and what always passes, unless it would be a step here."""
    found = KINDS.get(kind)
    if found is None:
        return False
    if found.always:
        return True
    if kind not in TALK or ladder is None or state is None:
        return False
    return not any(step.trigger == kind and state.rung in step.start for step in ladder.steps.values())


def carried(state: ThreadState, move: Move, at: int) -> ThreadState | None:
    """The state after an entry that our ladder refuses and the hub admitted: counted, nothing else. None where it may not
    even be counted: it is by nobody in the group, or it changes the group."""
    if move.office == HUB:
        if move.kind != "clock-expired":
            return None
        return replace(state, seq=move.seq, at=at, seats={**state.seats, move.station: Seat(HUB, move.serial)})
    seat = state.seats.get(move.station)
    if move.kind in _CHANGES_GROUP or seat is None or not seat.member or seat.office != move.office:
        return None
    seats = {**state.seats, move.station: Seat(seat.office, move.serial, member=True)}
    return replace(state, seq=move.seq, at=at, seats=seats)


def state_words(ladder: Ladder | None, state: ThreadState, office: Callable[[str], str]) -> tuple[tuple[str, str], ...]:
    """A state in words, to be read out over the phone: (part, what it is)."""

    def rung(name: str) -> str:
        found = None if ladder is None else ladder.rungs.get(name)
        return name if found is None else found.title

    def step(name: str) -> str:
        found = None if ladder is None else ladder.steps.get(name)
        return name if found is None else found.title

    def clock(name: str) -> str:
        found = None if ladder is None else ladder.clocks.get(name)
        return name if found is None else found.title

    def listed(words: list[str]) -> str:
        return "; ".join(words) or "none"

    members = [f"{office(of)} ({kid[:8]})" for kid, of in sorted(state.roster.items(), key=lambda each: each[::-1])]
    running = [f"{clock(each.rule)} ({each.id}) until {rfc3339(each.end)}" for each in state.clocks]
    return (
        ("Level", f"{rung(state.rung)}, since {rfc3339(state.rung_since)}"),
        ("Standstill", "none" if state.standstill is None else f"until {rfc3339(state.standstill.end)}"),
        ("Clocks running", listed(running)),
        ("Clocks that ran out", listed([f"{clock(each.rule)} ({each.id})" for each in state.expired])),
        ("Options", listed([f"{office(each.office)}: {step(each.step)}" for each in state.options])),
        (
            "Requests",
            listed([f"{office(each.office)}: {step(each.step)} (entry {each.seq})" for each in state.requests]),
        ),
        ("Open questions", listed([f"entry {each.seq}: {', '.join(each.answers)}" for each in state.asked])),
        ("Mediators admitted", listed([office(each) for each in state.admitted])),
        ("Members", listed(members)),
        ("Keys", f"epoch {state.epoch}"),
        ("Settlement", "none" if state.settlement is None else f"version {state.settlement.version}"),
        ("Closing", listed([f"asked by {office(each)}" for each in state.closes])),
    )


def moved(before: ThreadState | None, after: ThreadState) -> tuple[str, ...]:
    """The parts of the state that an entry changed by our reckoning: where to look first. Names of fields, in order."""
    if before is None:
        return ("everything: the thread began with it",)
    skip = {"at", "seq", "seats", "last_content"}
    names = [name for name in after.__struct_fields__ if name not in skip]
    return tuple(name.replace("_", " ") for name in names if getattr(before, name) != getattr(after, name))


def _title(kind: str) -> str:
    found = KINDS.get(kind)
    return kind if found is None else found.title
