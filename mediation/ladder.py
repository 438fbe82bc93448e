"""A ladder: the agreed procedure as data. Which rungs there are, which steps lead between them, who may take a step
and with whose consent, which clocks run, and what their running out entitles whom to.

A ladder is one TOML file. It is signed into the accord by the hash of its exact bytes and checked thoroughly before
use (`mediation.ladder_check`), because a mistake found in the middle of a crisis cannot be mended. The fold holds no
rung's or step's name; everything it does, it reads here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mediation.durations import parse_duration
from mediation.errors import LadderError
from mediation.ladder_check import read_ladder
from mediation.rules import ClockRule, KindRule, LadderFile, Limits, MediationRule, Rung, StepRule
from protocols.encoding import digest

__all__ = ["Ladder", "LadderError", "derive", "ladder_hash", "parse_ladder", "to_plain"]


class Ladder(msgspec.Struct, frozen=True):
    """A checked ladder, ready for the fold: the file's contents and the tables derived from it.

    ``hash``: of the exact bytes. ``ms``: each clock's length in milliseconds at scale 1. ``starting``: clocks by
    (event, of). ``meeting``: for each kind, the clocks it can meet. ``triggers``: steps a kind takes by being sent.
    ``granted_by``: for each step, the clocks whose running out gives an option for it.
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
    steps: dict[str, StepRule]
    clocks: dict[str, ClockRule]
    kinds: dict[str, KindRule]
    mediation: MediationRule | None
    limits: Limits
    ms: dict[str, int]
    extension_ms: int
    starting: dict[tuple[str, str], tuple[str, ...]]
    meeting: dict[str, frozenset[str]]
    triggers: dict[str, tuple[str, ...]]
    granted_by: dict[str, tuple[str, ...]]
    rung_kinds: dict[str, frozenset[str]]
    standstill_clocks: frozenset[str]

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
    meeting: dict[str, frozenset[str]] = {}
    granted: dict[str, tuple[str, ...]] = {}
    for clock in file.clock:
        key = (clock.starts, clock.of)
        starting[key] = (*starting.get(key, ()), clock.id)
        for kind in (*clock.met_by, *clock.met_by_any):
            meeting[kind] = meeting.get(kind, frozenset()) | {clock.id}
        if clock.timeout is not None and clock.timeout.option:
            granted[clock.timeout.option] = (*granted.get(clock.timeout.option, ()), clock.id)
    triggers: dict[str, tuple[str, ...]] = {}
    for step in file.step:
        if step.trigger != "step-request":
            triggers[step.trigger] = (*triggers.get(step.trigger, ()), step.id)
    open_rungs = [rung.id for rung in file.rung if rung.id != file.closed]
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
        steps={step.id: _with_rungs(step, open_rungs) for step in file.step},
        clocks={clock.id: clock for clock in file.clock},
        kinds=file.kinds,
        mediation=file.mediation,
        limits=file.limits,
        ms={clock.id: parse_duration(clock.after) for clock in file.clock},
        extension_ms=parse_duration(file.limits.extension),
        starting=starting,
        meeting=meeting,
        triggers=triggers,
        granted_by=granted,
        rung_kinds={kind: frozenset(rule.rungs or open_rungs) for kind, rule in file.kinds.items()},
        standstill_clocks=frozenset(step.standstill.clock for step in file.step if step.standstill is not None),
    )


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
        "rungs": [msgspec.to_builtins(rung) for rung in ladder.rungs.values()],
        "steps": [msgspec.to_builtins(step) for step in ladder.steps.values()],
        "clocks": [msgspec.to_builtins(clock) for clock in ladder.clocks.values()],
        "kinds": msgspec.to_builtins(ladder.kinds),
    }
