"""A thread to play in tests: sends moves with correct serials and positions, at times given as ``hh:mm`` since T0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mediation.context import OfficeRole, ThreadContext
from mediation.effects import Effect
from mediation.fold import Outcome, advance, open_thread, step
from mediation.ladder import Ladder, parse_ladder
from mediation.move import HUB, Move
from mediation.refusals import Refusal
from mediation.state import ThreadState, from_bytes, state_hash, to_bytes
from protocols.encoding import digest
from protocols.kinds import KINDS, Act, Appointment, Author, Empty, Expired, Member, Open
from protocols.nomination import nomination_digest

LADDER_FILE = Path(__file__).parents[2] / "mediation" / "ladders" / "cpci-default.toml"
DATA = LADDER_FILE.read_bytes()
LADDER = parse_ladder(DATA)
T0 = 1_931_051_520_000  # 2031-03-12T03:12Z
OFFICES = (
    OfficeRole("AV", "party"),
    OfficeRole("KV", "party"),
    OfficeRole("XX", "party"),
    OfficeRole("HD", "mediator"),
    OfficeRole("MD", "mediator"),
    OfficeRole("NR", "mediator"),
    OfficeRole("OV", "monitor"),
)
SALT = "s" * 42 + "A"


def plain(kind: str) -> Act:
    """The act of a kind that needs nothing said."""
    return Appointment() if KINDS[kind].act is Appointment else Empty()


def kid(name: str) -> str:
    """A station's key id."""
    return digest(name.encode())


def t(clock: str) -> int:
    """Milliseconds UTC of ``hh:mm`` or ``hh:mm:ss`` since T0."""
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    return T0 + ((hours * 60 + minutes) * 60 + (seconds[0] if seconds else 0)) * 1000


def context(ladder: Ladder = LADDER, **changes: Any) -> ThreadContext:
    values: dict[str, Any] = {"ladder": ladder, "scale": 1, "status": "ACTUAL", "offices": OFFICES, "thread": "t" * 22}
    return ThreadContext(**{**values, **changes})


def opening(ladder: Ladder = LADDER, **changes: Any) -> Move:
    values: dict[str, Any] = {
        "id": kid("open"),
        "seq": 1,
        "kind": "open",
        "office": "AV",
        "station": kid("AV-1"),
        "serial": 1,
        "prev_seq": 0,
        "act": Open(ladder.id, ("AV", "KV"), (Member(kid("AV-1"), "AV"), Member(kid("KV-1"), "KV"))),
    }
    return Move(**{**values, **changes})


class Play:
    """Keeps ``state``; ``send`` expects admission, ``refused`` expects a refusal and that nothing changed."""

    def __init__(self, ladder: Ladder = LADDER, at: str = "00:00", **changes: Any) -> None:
        self.ladder = ladder
        outcome = open_thread(context(ladder, **changes), opening(ladder), t(at))
        assert isinstance(outcome, Outcome), outcome
        self.state: ThreadState = outcome.state
        self.effects: tuple[Effect, ...] = ()
        self.log: list[tuple[Move, int]] = []

    def move(self, office: str, kind: str, act: Act | None = None, **changes: Any) -> Move:
        state = self.state
        station = changes.pop("station", kid(f"{office}-1"))
        seat = state.seats.get(station)
        values: dict[str, Any] = {
            "id": kid(f"entry {state.seq + 1} {kind} {office}"),
            "seq": state.seq + 1,
            "kind": kind,
            "office": office,
            "station": station,
            "serial": (seat.serial if seat else 0) + 1,
            "prev_seq": state.seq,
            "act": act if act is not None else plain(kind),
            "officers": ("one", "two") if KINDS[kind].author is Author.OFFICER else (),
            "two_person": KINDS[kind].author is Author.OFFICER,
            "epoch": state.epoch if KINDS[kind].fields and seat is not None and seat.member else None,
        }
        return Move(**{**values, **changes})

    def send(self, at: str, office: str, kind: str, act: Act | None = None, **changes: Any) -> str:
        """Returns the id of the admitted entry."""
        move = self.move(office, kind, act, **changes)
        outcome = step(self.ladder, self.state, move, t(at))
        assert isinstance(outcome, Outcome), (at, office, kind, outcome)
        self.state, self.effects = outcome.state, outcome.effects
        self.log.append((move, t(at)))
        assert from_bytes(to_bytes(self.state)) == self.state
        return move.id

    def refused(self, at: str, office: str, kind: str, act: Act | None = None, **changes: Any) -> Refusal:
        before = state_hash(self.state)
        outcome = step(self.ladder, self.state, self.move(office, kind, act, **changes), t(at))
        assert isinstance(outcome, Refusal), (at, office, kind, "was admitted")
        assert state_hash(self.state) == before
        assert outcome.code.startswith("ladder.")
        assert outcome.rule.startswith(f"{self.ladder.id}/")
        assert outcome.sentence.endswith(".")
        return outcome

    def at(self, clock: str) -> ThreadState:
        """The state as it is at a time."""
        return advance(self.ladder, self.state, t(clock))

    def saw(self, kind: type[Effect]) -> Any:
        """The one effect of that type in the last outcome."""
        found = [effect for effect in self.effects if type(effect) is kind]
        assert len(found) == 1, self.effects
        return found[0]

    def all_of(self, kind: type[Effect]) -> list[Any]:
        return [effect for effect in self.effects if type(effect) is kind]

    def clock(self, rule: str) -> str:
        """Id of the running clock of a rule."""
        (found,) = [clock.id for clock in self.state.clocks if clock.rule == rule]
        return found

    def sealed(self, office: str, *nominees: str) -> str:
        return nomination_digest(self.state.thread, office, nominees, SALT)

    def hub(self, at: str, clock: str) -> str:
        """The hub announces a clock that ran out."""
        found = next(c for c in self.at(at).expired if c.id == clock)
        return self.send(at, HUB, "clock-expired", Expired(clock, found.end, t(at) - found.end), station=kid("hub"))
