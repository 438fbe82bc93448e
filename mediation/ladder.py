"""A ladder: the agreed procedure as data. Which rungs there are, which steps lead between them, who may take a step
and with whose consent, which clocks run, and what their running out entitles whom to.

A ladder is one TOML file. It is signed into the accord by the hash of its exact bytes and checked thoroughly before
use (`mediation.ladder_check`), because a mistake found in the middle of a crisis cannot be mended. The fold holds no
rung's or step's name; everything it does, it reads here.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from mediation.durations import DAY, Span, parse_duration, parse_span
from mediation.errors import LadderError
from mediation.kind_groups import kinds_of
from mediation.ladder_check import read_ladder
from mediation.rules import (
    DEFAULT_APPOINTMENT,
    ClockRule,
    KindRule,
    LadderFile,
    Limits,
    MediationRule,
    RoleRule,
    Rung,
    StepRule,
)
from protocols.encoding import digest

__all__ = ["Ladder", "LadderError", "derive", "ladder_hash", "parse_ladder", "to_plain"]


class Ladder(msgspec.Struct, frozen=True):
    """A checked ladder, ready for the fold: the file's contents and the tables derived from it.

    ``hash``: of the exact bytes. ``spans``: each clock's length at scale 1, by (clock, track), the ordinary track being
    empty; ``opens``: when a window opens, counted from its start. ``ms``: the shortest each clock can be, at scale 1.
    ``starting``: clocks by (event, of). ``receivers``: whose receipts start clocks, by kind or step. ``meeting``: for
    each kind, the clocks it can meet; ``step_meets``: for each step. ``triggers``: steps a kind takes by being sent.
    ``granted_by``: for each step, the clocks that give an option for it. ``appointing``: the option of a default
    appointment, and the steps by which a body is asked for one. ``moved_by``: for each step, the clocks whose running out
    takes it. ``rung_kinds``: rungs on which a kind is taken. ``asked_kinds``: kinds that some step asks for as evidence.
    ``called``: for each rung, the steps that a role outside the group may take there. ``sunset``: ms UTC, or None.
    """

    id: str
    hash: str
    title: str
    status: str
    source: str
    review: str
    start: str
    monitoring: str
    closed: str
    rungs: dict[str, Rung]
    roles: dict[str, RoleRule]
    steps: dict[str, StepRule]
    clocks: dict[str, ClockRule]
    kinds: dict[str, KindRule]
    mediation: MediationRule | None
    limits: Limits
    ms: dict[str, int]
    spans: dict[tuple[str, str], Span]
    opens: dict[str, Span]
    extension_ms: int
    starting: dict[tuple[str, str], tuple[str, ...]]
    receivers: dict[str, tuple[str, ...]]
    meeting: dict[str, frozenset[str]]
    step_meets: dict[str, frozenset[str]]
    triggers: dict[str, tuple[str, ...]]
    granted_by: dict[str, tuple[str, ...]]
    appointing: frozenset[str]
    moved_by: dict[str, tuple[str, ...]]
    rung_kinds: dict[str, frozenset[str]]
    standstill_clocks: frozenset[str]
    asked_kinds: frozenset[str]
    called: dict[str, tuple[StepRule, ...]]
    monitors_speak: bool
    sunset: int | None = None
    preamble: str = ""
    notes: tuple[str, ...] = ()

    def rule(self, part: str) -> str:
        """How a refusal cites this ladder: ``cpci-default/standstill``."""
        return f"{self.id}/{part}"


def ladder_hash(data: bytes) -> str:
    """base64url SHA-256 of the file's exact bytes: the name under which an accord puts a ladder in force."""
    return digest(data)


def parse_ladder(data: bytes) -> Ladder:
    """A ladder from the bytes of its TOML file. Raises `LadderError`, which names line and field."""
    return derive(read_ladder(data), ladder_hash(data))


def derive(file: LadderFile, hash_: str) -> Ladder:
    """The fold's tables for a file that has been checked."""
    starting: dict[tuple[str, str], tuple[str, ...]] = {}
    receivers: dict[str, tuple[str, ...]] = {}
    meeting: dict[str, frozenset[str]] = {}
    step_meets: dict[str, frozenset[str]] = {}
    granted: dict[str, tuple[str, ...]] = {}
    moved: dict[str, tuple[str, ...]] = {}
    spans: dict[tuple[str, str], Span] = {}
    for clock in file.clock:
        key = (clock.starts, clock.of)
        starting[key] = (*starting.get(key, ()), clock.id)
        if clock.starts == "receipt":
            receivers[clock.of] = tuple(dict.fromkeys((*receivers.get(clock.of, ()), clock.by)))
        for kind in (*clock.met_by, *clock.met_by_any):
            meeting[kind] = meeting.get(kind, frozenset()) | {clock.id}
        for name in clock.met_by_steps:
            step_meets[name] = step_meets.get(name, frozenset()) | {clock.id}
        options = {found.option for found in (clock.timeout, clock.when_met) if found is not None and found.option}
        for option in sorted(options):
            granted[option] = (*granted.get(option, ()), clock.id)
        if clock.gives is not None:
            granted[clock.gives.step] = (*granted.get(clock.gives.step, ()), clock.id)
        if clock.timeout is not None and clock.timeout.moves:
            moved[clock.timeout.moves] = (*moved.get(clock.timeout.moves, ()), clock.id)
        for track, after in {"": clock.after, **clock.tracks}.items():
            spans[clock.id, track] = parse_span(after)
    triggers: dict[str, tuple[str, ...]] = {}
    for step in file.step:
        if step.trigger != "step-request":
            triggers[step.trigger] = (*triggers.get(step.trigger, ()), step.id)
    open_rungs = [rung.id for rung in file.rung if rung.id != file.closed]
    steps = {step.id: _with_rungs(step, open_rungs) for step in file.step}
    kinds = kinds_of(file)
    outside = {role.id for role in file.role} | {"monitor"}
    called = [step for step in steps.values() if step.trigger == "step-request" and outside & set(step.who)]
    return Ladder(
        id=file.id,
        hash=hash_,
        title=file.title,
        status=file.status,
        source=file.source,
        review=file.review,
        start=file.start,
        monitoring=file.monitoring,
        closed=file.closed,
        rungs={rung.id: rung for rung in file.rung},
        roles={role.id: role for role in file.role},
        steps=steps,
        clocks={clock.id: clock for clock in file.clock},
        kinds=kinds,
        mediation=file.mediation,
        limits=file.limits,
        ms={name: span.shortest for (name, track), span in spans.items() if not track},
        spans=spans,
        opens={clock.id: parse_span(clock.opens) for clock in file.clock if clock.opens},
        extension_ms=parse_duration(file.limits.extension),
        starting=starting,
        receivers=receivers,
        meeting=meeting,
        step_meets=step_meets,
        triggers=triggers,
        granted_by=granted,
        appointing=frozenset(
            {DEFAULT_APPOINTMENT}
            | {step.id for step in file.step if step.when_taken and step.when_taken.option == DEFAULT_APPOINTMENT}
        ),
        moved_by=moved,
        rung_kinds={
            kind: frozenset(rule.rungs or open_rungs) - {rung.id for rung in file.rung if kind in rung.forbids}
            for kind, rule in kinds.items()
        },
        standstill_clocks=frozenset(step.standstill.clock for step in file.step if step.standstill is not None),
        asked_kinds=frozenset(kind for step in file.step for kind in step.evidence),
        called={rung: tuple(step for step in called if rung in step.start) for rung in open_rungs},
        monitors_speak=any("monitor" in rule.who for rule in kinds.values()),
        sunset=_midnight(file.sunset) if file.sunset else None,
        preamble=file.preamble,
        notes=file.notes,
    )


def _midnight(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * DAY


def _with_rungs(step: StepRule, open_rungs: list[str]) -> StepRule:
    if "*" not in step.start:
        return step
    return msgspec.structs.replace(step, start=tuple(open_rungs))


def to_plain(ladder: Ladder) -> dict[str, Any]:
    """The ladder's content as plain values, for screens and drawings: rungs, steps, clocks, kinds."""
    return {
        "id": ladder.id,
        "title": ladder.title,
        "hash": ladder.hash,
        "review": ladder.review,
        "roles": [msgspec.to_builtins(role) for role in ladder.roles.values()],
        "rungs": [msgspec.to_builtins(rung) for rung in ladder.rungs.values()],
        "steps": [msgspec.to_builtins(step) for step in ladder.steps.values()],
        "clocks": [msgspec.to_builtins(clock) for clock in ladder.clocks.values()],
        "kinds": msgspec.to_builtins(ladder.kinds),
    }
