"""What does not hold, gathered stage by stage; a failure never stops the stages that can still be gone through."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from mediation.errors import LadderError
from protocols.errors import ProtocolError
from protocols.translog import TranslogError


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not hold. ``code`` is stable; ``seq`` is the entry, None for the bundle as a whole."""

    code: str
    seq: int | None
    sentence: str
    detail: str = ""


class Refuted(ProtocolError):
    """A contradiction inside the bundle; ``code`` is the problem's."""

    def __init__(self, code: str, sentence: str, detail: str = "") -> None:
        super().__init__(detail)
        self.problem = code
        self.said = sentence


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
            self.problems.append(Problem(error.problem, seq, error.said, detail))
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
