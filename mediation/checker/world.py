"""The stage on which a ladder is tried out: two parties, two mediators, and as many holders of its roles as it needs.

Everything is driven through the real fold (`mediation.fold`), so the checker cannot believe anything about a ladder
that the hub and the stations would not do.
"""

from __future__ import annotations

from math import ceil

import msgspec

from mediation.context import OfficeRole, ThreadContext
from mediation.effects import Effect
from mediation.fold import Outcome, elapse, open_thread, step
from mediation.ladder import Ladder
from mediation.move import HUB, Move
from mediation.refusals import Refusal
from mediation.rules import Quorum
from mediation.state import ThreadState
from protocols.kinds import KINDS, Act, Author, Member, Open

PARTIES = ("AV", "KV")
MEDIATORS = ("MD", "HD")
MONITORS = ("OV",)
START = 1_931_051_520_000
"""When the tried thread opens: 2031-03-12T03:12Z, milliseconds UTC."""

_OTHERS = 3


class Line(msgspec.Struct, frozen=True):
    """One entry (or one passage of time, ``office`` empty) of a tried course of events, and what it brought."""

    office: str
    kind: str
    act: Act | None
    before: int
    at: int
    effects: tuple[Effect, ...]


class World:
    """A ladder and its cast. ``holders``: who holds each declared role once the thread is open."""

    def __init__(self, ladder: Ladder) -> None:
        self.ladder = ladder
        offices, named = _cast(ladder)
        self.context = ThreadContext(
            ladder=ladder, scale=1, status="ACTUAL", offices=offices, thread="t" * 22, roles=named
        )

    def open(self) -> tuple[ThreadState, Line] | Refusal:
        """The thread as the first party opens it."""
        first = PARTIES[0]
        act = Open(self.ladder.id, PARTIES, tuple(Member(station(office), office) for office in PARTIES))
        move = Move(entry_id(1), 1, "open", first, station(first), 1, 0, act)
        outcome = open_thread(self.context, move, START)
        if isinstance(outcome, Refusal):
            return outcome
        return outcome.state, Line(first, "open", act, START, START, outcome.effects)

    def try_(self, state: ThreadState, office: str, kind: str, act: Act, at: int) -> Outcome | Refusal:
        """What the fold says to this entry."""
        seat = state.seats.get(station(office))
        return step(
            self.ladder,
            state,
            Move(
                id=entry_id(state.seq + 1),
                seq=state.seq + 1,
                kind=kind,
                office=office,
                station=station(office),
                serial=(seat.serial if seat is not None else 0) + 1,
                prev_seq=state.seq,
                act=act,
                officers=("one", "two") if KINDS[kind].author is Author.OFFICER else (),
                two_person=KINDS[kind].author is Author.OFFICER,
                epoch=state.epoch if KINDS[kind].fields and seat is not None and seat.member else None,
            ),
            at,
        )

    def required(self, quorum: Quorum, state: ThreadState) -> int:
        """How many offices of the role a quorum asks for in this thread."""
        holders = len(state.holders.get(quorum.role, ()))
        if quorum.fraction:
            numerator, denominator = (int(part) for part in quorum.fraction.split("/"))
            return ceil(holders * numerator / denominator)
        return quorum.count


class Run:
    """A course of events from ``state`` on. ``send`` and ``wait`` add to ``lines`` and, with the state after each, to
    ``trail``; ``refusal`` is the one that stopped it, of ``sender``. ``silent``: offices that send nothing."""

    __slots__ = ("at", "lines", "refusal", "sender", "silent", "start", "state", "trail", "world")

    def __init__(
        self, world: World, state: ThreadState, at: int | None = None, *, silent: frozenset[str] = frozenset()
    ) -> None:
        self.silent = silent
        self.world = world
        self.start = state
        self.state = state
        self.trail: list[ThreadState] = []
        self.at = state.at if at is None else at
        self.lines: list[Line] = []
        self.refusal: Refusal | None = None
        self.sender = ""

    @property
    def last(self) -> str:
        """The id of the newest entry."""
        return entry_id(self.state.seq)

    def send(self, office: str, kind: str, act: Act) -> bool:
        """Whether the fold admitted it."""
        if office in self.silent:
            return False
        before = self.state.at
        self.sender = office
        outcome = self.world.try_(self.state, office, kind, act, self.at)
        if isinstance(outcome, Refusal):
            self.refusal = outcome
            return False
        self.state = outcome.state
        self.trail.append(self.state)
        self.lines.append(Line(office, kind, act, before, self.at, outcome.effects))
        return True

    def wait(self, until: int) -> bool:
        """Time passes to ``until`` (milliseconds UTC); false if that is now or past."""
        if until <= self.state.at:
            return False
        before = self.state.at
        outcome = elapse(self.world.ladder, self.state, until)
        self.state, self.at = outcome.state, until
        self.trail.append(self.state)
        self.lines.append(Line("", "", None, before, until, outcome.effects))
        return True


def entry_id(seq: int) -> str:
    """The id of the entry at a position: positions are told apart, nothing else matters here."""
    return f"{seq:06d}".ljust(43, "-")


def station(office: str) -> str:
    """The key id of an office's only station."""
    return (f"station-of-{office}").ljust(43, "-") if office != HUB else "hub".ljust(43, "-")


def _cast(ladder: Ladder) -> tuple[tuple[OfficeRole, ...], dict[str, tuple[str, ...]]]:
    wanted: dict[str, int] = {}
    for rule in ladder.steps.values():
        for quorum in (rule.seconded_by, rule.blocked_by):
            if quorum is not None:
                wanted[quorum.role] = max(wanted.get(quorum.role, 1), quorum.count)
    others = _OTHERS
    bodies: list[str] = []
    named: dict[str, tuple[str, ...]] = {}
    for role in ladder.roles.values():
        count = wanted.get(role.id, 1)
        if role.held_by == "named":
            named[role.id] = _names(role.id, count, set(bodies))
            bodies += named[role.id]
        else:
            # One more than needed: the office that asks cannot second its own request.
            others = max(others, count + 1)
    offices = (
        *(OfficeRole(office, "party") for office in PARTIES),
        *(OfficeRole(f"STATE{number}", "party") for number in range(1, others + 1)),
        *(OfficeRole(office, "mediator") for office in MEDIATORS),
        *(OfficeRole(office, "monitor") for office in (*MONITORS, *bodies)),
    )
    return offices, named


def _names(role: str, count: int, taken: set[str]) -> tuple[str, ...]:
    """Office ids that remind of the role: CHAIR; COUNC1, COUNC2."""
    letters = "".join(letter for letter in role.upper() if letter.isascii() and letter.isalnum())
    stem = (letters if letters[0].isalpha() else f"R{letters}")[:5]
    others = {*taken, *PARTIES, *MEDIATORS, *MONITORS}
    for mark in (
        "",
        "A",
        "B",
        "C",
        "D",
        "E",
        "F",
        "G",
        "H",
        "J",
        "K",
        "L",
        "M",
        "N",
        "P",
        "Q",
        "R",
        "T",
        "U",
        "V",
        "W",
    ):
        base = f"{stem[: 5 - len(mark)]}{mark}"
        found = (base,) if count == 1 and len(base) > 1 else tuple(f"{base}{number}" for number in range(1, count + 1))
        if others.isdisjoint(found):
            return found
    raise AssertionError("a ladder has at most twenty roles")
