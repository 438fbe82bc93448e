"""What does not hold, gathered stage by stage; a failure never stops the stages that can still be gone through."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from mediation.errors import LadderError
from protocols.errors import ProtocolError
from protocols.translog import TranslogError

PROBLEMS = {
    "audit.chain": "The entry is not chained to the one before it.",
    "audit.final": "A head is newer than the one called final.",
    "audit.index": "The proof is for another place in the log than is said of the entry.",
    "audit.ladder": "The ladder does not allow this entry here.",
    "audit.mandate": "Who signed was mandated at the time of the stamp, but at no time at which it can have been made.",
    "audit.misplaced": "The entry is of another thread, or has another number than its file.",
    "audit.order": "The entry stands earlier in the log, or is stamped as earlier, than the one before it.",
    "audit.other-log": "The head is of another log than the accord names.",
    "audit.policy": "The policy in the bundle is not the accord's.",
    "audit.premature": "The witnesses prove that this came before the clock's end.",
    "audit.previous": "The author had another entry before them than the one of that number.",
    "audit.split-log": "Two heads of one size differ: the log has been forked. Keep both.",
    "audit.state": "The hub stamped another state than the ladder comes to.",
    "audit.tail": "What the hub logged as the thread's end contradicts the entries.",
    "audit.unknown-head": "The proof is under a head of the log that the bundle does not show to be of the same history.",
    "audit.withheld-unproven": "Nothing shows that this withheld entry is one of the thread.",
}
"""Contradictions that only the whole of a bundle can hold: stable codes and what they say. What one part of it breaks has
the code of the part's own check (`protocols`)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not hold. ``code`` is stable; ``seq`` is the entry, None for the bundle as a whole."""

    code: str
    seq: int | None
    sentence: str
    detail: str = ""


class Refuted(ProtocolError):
    """A contradiction inside the bundle. ``problem`` is one of `PROBLEMS`, ``detail`` says what exactly."""

    def __init__(self, problem: str, detail: str = "") -> None:
        super().__init__(detail)
        self.problem = problem


class Findings:
    """The problems found so far, in the order of the checks."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def noting(self, seq: int | None = None, where: str = "") -> Noting:
        """Runs a check (``with``); what it refuses is written down. ``where``: the file or matter, for the detail."""
        return Noting(self, seq, where)

    def note(self, error: ProtocolError | LadderError, seq: int | None, where: str = "") -> None:
        """Write down a refusal."""
        if isinstance(error, LadderError):
            self.problems.append(Problem(error.code, seq, error.sentence, where))
            return
        detail = ": ".join(filter(None, (where, error.detail)))
        if isinstance(error, Refuted):
            self.problems.append(Problem(error.problem, seq, PROBLEMS[error.problem], detail))
            return
        sentence = error.sentence if isinstance(error, TranslogError) else f"This does not hold ({error.code})."
        self.problems.append(Problem(error.code, seq, sentence, detail))


@dataclass(frozen=True, slots=True)
class Noting:
    """What `Findings.noting` gives: it ends the check at the first refusal, and lets every other error pass."""

    findings: Findings
    seq: int | None
    where: str

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if isinstance(error, ProtocolError | LadderError):
            self.findings.note(error, self.seq, self.where)
            return True
        return False
