"""Reading a ladder file: form first, then every reference, then what the rules must hold together.

Each complaint names the line and the field. The checks are the ones whose absence was found out too late elsewhere:
unreachable rungs, rungs without a way down, options for steps that do not exist, clocks that nothing starts, a
standstill whose clock others could stop.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from typing import NoReturn

import msgspec

from mediation.durations import parse_duration, parse_period
from mediation.errors import LadderError
from mediation.rules import ClockRule, LadderFile, StepRule
from protocols.kinds import KINDS, Author

MAX_BYTES = 256 * 1024
_NOT_FOR_A_LADDER = frozenset({"open", "clock-expired"})
_BY_KIND = frozenset({"receipt", "admission"})
_BY_STEP = frozenset({"request", "acceptance", "opening"})


def read_ladder(data: bytes) -> LadderFile:
    """The checked file. Raises `LadderError`."""
    if len(data) > MAX_BYTES:
        raise LadderError("ladder.file.size", f"The file has {len(data)} bytes; at most {MAX_BYTES} are taken.")
    try:
        text = data.decode("utf-8")
        raw = tomllib.loads(text)
    except UnicodeDecodeError:
        raise LadderError("ladder.file.syntax", "The file is not text in UTF-8.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else None
        raise LadderError("ladder.file.syntax", f"The file is not TOML: {error}.", line=line) from None
    try:
        file = msgspec.convert(raw, LadderFile, strict=True)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        field = path.rstrip("`").removeprefix("$.") if path else ""
        raise LadderError(
            "ladder.file.field", f"{message}.", line=_line_of(text, field), field=field or "file"
        ) from None
    _Checker(text, file).run()
    return file


class _Checker:
    """One pass over a file; the first complaint ends it."""

    def __init__(self, text: str, file: LadderFile) -> None:
        self.text = text
        self.file = file
        self.rungs = {rung.id: rung for rung in file.rung}
        self.steps = {step.id: step for step in file.step}
        self.clocks = {clock.id: clock for clock in file.clock}

    def run(self) -> None:
        self._names()
        for index, step in enumerate(self.file.step):
            self._step(step, f"step[{index}]")
        for index, clock in enumerate(self.file.clock):
            self._clock(clock, f"clock[{index}]")
        self._kinds()
        self._mediation()
        self._ways()

    def _fail(self, code: str, sentence: str, field: str) -> NoReturn:
        raise LadderError(f"ladder.file.{code}", sentence, line=_line_of(self.text, field), field=field)

    def _known(self, names: Iterable[str], table: Iterable[str], what: str, field: str) -> None:
        known = set(table)
        for name in names:
            if name not in known:
                self._fail("reference", f"There is no {what} {name!r} in this ladder.", field)

    def _kind_names(self, names: Iterable[str], field: str) -> None:
        for name in names:
            if name not in KINDS or name in _NOT_FOR_A_LADDER:
                self._fail("reference", f"There is no kind {name!r} that a ladder could name.", field)

    def _duration(self, text: str, field: str, parse: Callable[[str], object] = parse_duration) -> None:
        try:
            parse(text)
        except ValueError as error:
            self._fail("duration", f"{error}.", field)

    def _names(self) -> None:
        file = self.file
        for table, names in (
            ("rung", [rung.id for rung in file.rung]),
            ("step", [step.id for step in file.step]),
            ("clock", [clock.id for clock in file.clock]),
        ):
            for index, name in enumerate(names):
                if name in names[:index]:
                    self._fail("duplicate", f"The {table} {name!r} stands twice.", f"{table}[{index}].id")
        self._known([file.start], self.rungs, "rung", "start")
        self._known([file.closed], self.rungs, "rung", "closed")
        if file.monitoring:
            self._known([file.monitoring], self.rungs, "rung", "monitoring")
        if len({file.start, file.closed, file.monitoring}) != 3:
            self._fail("contradiction", "Start, monitoring and closed must be different rungs.", "closed")
        self._duration(file.review, "review", parse_period)
        self._duration(file.limits.extension, "limits.extension")

    def _step(self, step: StepRule, at: str) -> None:
        self._known([name for name in step.start if name != "*"], self.rungs, "rung", f"{at}.from")
        if self.file.closed in (*step.start, step.to):
            self._fail("contradiction", "A closed thread is left and entered by no step.", f"{at}.to")
        self._kind_names([step.trigger], f"{at}.trigger")
        if step.trigger != "step-request" and (step.consent != "none" or step.needs_option or step.two_person):
            self._fail(
                "contradiction", "A step taken by sending a kind has neither consent nor option.", f"{at}.trigger"
            )
        if step.to:
            self._known([step.to], self.rungs, "rung", f"{at}.to")
            level = self.rungs[step.to].level
            levels = [self.rungs[name].level for name in step.start if name != "*"]
            if step.direction == "up" and any(level <= other for other in levels):
                self._fail("contradiction", f"{step.id!r} is an up step but does not lead up.", f"{at}.direction")
            if step.direction == "down" and any(level >= other for other in levels):
                self._fail("contradiction", f"{step.id!r} is a down step but does not lead down.", f"{at}.direction")
        elif step.standstill is None:
            self._fail("contradiction", f"{step.id!r} leads nowhere and starts no standstill.", f"{at}.to")
        if step.needs_option and step.id not in self._optioned():
            self._fail("unreachable", f"No clock ever gives the option that {step.id!r} needs.", f"{at}.needs_option")
        if step.early_exit and not step.needs_option:
            self._fail("contradiction", "An early exit is from an option; this step needs none.", f"{at}.early_exit")
        self._known(step.stops, self.clocks, "clock", f"{at}.stops")
        standing = {other.standstill.clock for other in self.file.step if other.standstill is not None}
        if standing & set(step.stops):
            self._fail("contradiction", "No step can stop a standstill.", f"{at}.stops")
        if step.stops and (step.consent != "other" or step.direction != "down"):
            self._fail("contradiction", "Only a step down by agreement can stop clocks.", f"{at}.stops")
        if step.standstill is not None:
            self._standstill(step, f"{at}.standstill")

    def _standstill(self, step: StepRule, at: str) -> None:
        rule = step.standstill
        assert rule is not None  # noqa: S101 - the caller looked
        self._known([rule.clock], self.clocks, "clock", f"{at}.clock")
        clock = self.clocks[rule.clock]
        if clock.kind != "duration" or clock.of != step.id or clock.starts not in ("acceptance", "opening"):
            self._fail(
                "contradiction", "A standstill's clock is a duration from the opening or acceptance.", f"{at}.clock"
            )
        if clock.starts == "acceptance" and (step.consent != "other" or step.negative_consensus):
            self._fail("contradiction", "A standstill from acceptance needs the other's consent.", f"{at}.clock")
        if clock.met_by or clock.met_by_any or (clock.timeout is not None and clock.timeout.moves):
            self._fail("contradiction", "Nothing meets a standstill's clock, and it moves nothing.", f"{at}.clock")
        self._kind_names(rule.forbids_kinds, f"{at}.forbids_kinds")
        for name in rule.forbids_kinds:
            if KINDS[name].always:
                self._fail(
                    "contradiction", f"{name!r} always passes; no standstill may forbid it.", f"{at}.forbids_kinds"
                )
        self._known(rule.forbids_steps, self.steps, "step", f"{at}.forbids_steps")
        if "down" in rule.forbids_directions or any(
            self.steps[name].direction in ("down", "deescalate") for name in rule.forbids_steps
        ):
            self._fail("contradiction", "A standstill never forbids de-escalation.", f"{at}.forbids_directions")

    def _clock(self, clock: ClockRule, at: str) -> None:
        self._duration(clock.after, f"{at}.after")
        if clock.starts in _BY_KIND:
            self._kind_names([clock.of], f"{at}.of")
            if clock.starts == "receipt" and not KINDS[clock.of].receipt:
                self._fail("contradiction", f"{clock.of!r} is never received, so no clock starts.", f"{at}.of")
            if not KINDS[clock.of].content:
                self._fail("contradiction", f"{clock.of!r} opens nothing that a clock could be about.", f"{at}.of")
        elif clock.starts in _BY_STEP:
            self._known([clock.of], self.steps, "step", f"{at}.of")
        elif clock.of:
            self._fail("contradiction", f"A clock from {clock.starts!r} is of nothing.", f"{at}.of")
        self._kind_names(clock.met_by, f"{at}.met_by")
        self._kind_names(clock.met_by_any, f"{at}.met_by_any")
        if clock.timeout is not None:
            self._timeout(clock, f"{at}.timeout")
        if clock.holds and clock.kind != "not-before":
            self._fail("contradiction", "Only a not-before clock holds steps back.", f"{at}.holds")
        self._known(clock.holds, self.steps, "step", f"{at}.holds")
        if clock.who == "nominee" and clock.starts not in ("appointment", "declaration"):
            self._fail("contradiction", "A nominee is bound only from appointment or declaration.", f"{at}.for")

    def _timeout(self, clock: ClockRule, at: str) -> None:
        timeout = clock.timeout
        assert timeout is not None  # noqa: S101 - the caller looked
        if bool(timeout.option) == bool(timeout.moves):
            self._fail("contradiction", "A timeout gives an option or moves, one of the two.", f"{at}.option")
        if timeout.option and timeout.option != "default-appointment":
            self._known([timeout.option], self.steps, "step", f"{at}.option")
        if timeout.moves:
            self._known([timeout.moves], self.steps, "step", f"{at}.moves")
            if not self.steps[timeout.moves].negative_consensus:
                self._fail("contradiction", "Silence moves only steps that declare negative consensus.", f"{at}.moves")

    def _kinds(self) -> None:
        for name, rule in self.file.kinds.items():
            at = f"kinds.{name}"
            self._kind_names([name], at)
            self._known(rule.rungs, self.rungs, "rung", f"{at}.rungs")
            kind = KINDS[name]
            if kind.always and (rule.two_person or rule.rungs):
                self._fail("contradiction", f"{name!r} always passes: no rungs, no second person.", at)
            if rule.two_person and kind.author is not Author.OFFICER:
                self._fail("contradiction", f"{name!r} is not signed by people.", f"{at}.two_person")
            if kind.always and not rule.who:
                self._fail("contradiction", f"{name!r} always passes: somebody must be able to send it.", f"{at}.who")
            if self.file.closed in rule.rungs:
                self._fail("contradiction", "After closing only kinds that always pass are sent.", f"{at}.rungs")

    def _mediation(self) -> None:
        rule = self.file.mediation
        if rule is None:
            return
        self._known([rule.step], self.steps, "step", "mediation.step")
        expected = {
            "nominations": ("opening",),
            "default_appointment": ("opening",),
            "nominee_answer": ("appointment",),
            "objections": ("declaration",),
            "objection_answer": ("objection",),
            "duration": ("mediators-admitted",),
        }
        for field, starts in expected.items():
            name = getattr(rule, field)
            self._known([name], self.clocks, "clock", f"mediation.{field}")
            if self.clocks[name].starts not in starts:
                self._fail("contradiction", f"This clock must run from {starts[0]}.", f"mediation.{field}")

    def _ways(self) -> None:
        """Every rung can be reached, and every rung above the first can be left downwards (domain rule: a way down)."""
        file = self.file
        reached = {file.start, file.closed, file.monitoring}
        moved = True
        while moved:
            found = {step.to for step in file.step if step.to and ("*" in step.start or reached & set(step.start))}
            moved = not found <= reached
            reached |= found
        for index, rung in enumerate(file.rung):
            if rung.id not in reached:
                self._fail("unreachable", f"No step leads to the rung {rung.id!r}.", f"rung[{index}].id")
            down = any(step.direction == "down" and rung.id in step.start for step in file.step)
            if rung.level > 0 and not down:
                self._fail("no-way-down", f"The rung {rung.id!r} has no way down.", f"rung[{index}].id")
        if not file.kinds.get("close"):
            self._fail("no-way-down", "Nobody can close a thread: the kind 'close' is missing.", "kinds")

    def _optioned(self) -> set[str]:
        return {clock.timeout.option for clock in self.file.clock if clock.timeout is not None}


def _line_of(text: str, field: str) -> int | None:
    """The line (1..) on which ``field`` (``clock[3].after``, ``kinds.close.who``, ``start``) stands, as near as it can
    be found: the field's own line, else its table's."""
    lines = text.splitlines()
    parts = [part for part in re.split(r"\.|\[(\d+|\.\.\.)\]", field) if part]
    if not parts:
        return None
    table, rest, start = parts[0], parts[1:], 0
    heads = [number for number, line in enumerate(lines) if re.match(rf"\s*\[\[\s*{re.escape(table)}\s*\]\]", line)]
    if heads and rest and rest[0].isdigit() and int(rest[0]) < len(heads):
        start, rest = heads[int(rest[0])], rest[1:]
    elif rest:
        for depth in range(len(rest), -1, -1):
            name = re.escape(".".join([table, *rest[:depth]]))
            found = next((n for n, line in enumerate(lines) if re.match(rf"\s*\[\s*{name}\s*\]", line)), None)
            if found is not None:
                start, rest = found, rest[depth:]
                break
    else:
        return next((n + 1 for n, line in enumerate(lines) if re.match(rf"\s*{re.escape(table)}\s*=", line)), None)
    for name in rest:
        for number in range(start + 1, len(lines)):
            if lines[number].lstrip().startswith("[["):
                break
            if re.match(rf"\s*{re.escape(name)}\s*=", lines[number]) or re.match(
                rf"\s*\[.*\.{re.escape(name)}\]", lines[number]
            ):
                start = number
                break
    return start + 1
