"""Verdicts on every clock of the thread, out of the witnesses' times alone.

*Waits* (a clock that ran out): ELAPSED, NOT ELAPSED or UNDETERMINED for the hub's note, and for the first step that was
asked for because the clock had run out. NOT ELAPSED is a contradiction: the hub's stamps say that the time had passed.

*Deadlines* (a clock that waits for somebody): IN TIME, MISSED or UNDETERMINED for what it waited for.

MISSED needs more than a head without the act:

- **No act is hidden.** A head proves an absence only as far as every entry is known: up to the last one that was replayed
  (a withheld one might be the act), or up to the proven tail where that says that it was the last of all.
- **The party's path to the log worked.** A hub may refuse or delay an entry, and that is not the party's fault. It is taken
  as shown if, between the clock's start and its end, (a) another entry of that office's is proven to have been made and
  logged in the thread, or (b) the office's own witness cosigned a head of the log that holds the start, by its own clock.
  Either shows that its station was connected, was served and was heard. Neither shows that no single entry was refused: that
  is for the office to show, from what its own station kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mediation.audit.case import Case, Item
from mediation.audit.findings import Refuted
from mediation.audit.heads import Shown
from mediation.audit.ladder import Ended, Followed, Replay
from mediation.audit.waits import Waiting
from protocols.translog import Bounds, Deadline, Wait, absent_bound, judge_deadline

WAITS_FOR_SOMEBODY = ("reply-by", "second-by")


@dataclass(frozen=True, slots=True)
class ClockReport:
    """One clock. ``length``: milliseconds from the entry ``start_seq`` to its end, as the thread counts them.

    ``ended``, with entry ``end_seq``, is what the stamps say; ``wait`` and ``deadline`` are what is proven (None: the
    question does not arise). ``least``, ``most``: seconds between start and noted end. ``proven_by``: the entry that
    proves that the wait is over. ``relied_seq``: the step asked for because of it, and ``relied`` its verdict.
    ``act_seq``: what the clock waited for. ``path``: what shows that the party's path worked.
    """

    id: str
    rule: str
    title: str
    office: str
    start_seq: int
    length: int
    ended: Ended
    end_seq: int | None
    wait: str | None = None
    least: int | None = None
    most: int | None = None
    proven_by: int | None = None
    relied_seq: int | None = None
    relied: str | None = None
    deadline: str | None = None
    act_seq: int | None = None
    path: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Quorum:
    """The policy's numbers: ``n`` operators, at least ``k`` in a quorum, ``f`` of which may lie."""

    n: int
    k: int
    f: int


def judge_clocks(
    case: Case, run: Replay, quorum: Quorum, complete_below: int, own_keys: Mapping[str, frozenset[str]]
) -> tuple[ClockReport, ...]:
    """All clocks, in the order of their start.

    ``complete_below``: no entry of the thread with a smaller index is unknown. ``own_keys``: key names of
    each office's own witnesses. A wait that is proven not to have passed is noted as a problem.
    """
    judge = _Judge(case, run, quorum, complete_below, own_keys)
    return tuple(judge.judge(followed) for followed in run.clocks.values())


class _Judge:
    def __init__(
        self, case: Case, run: Replay, quorum: Quorum, complete_below: int, own_keys: Mapping[str, frozenset[str]]
    ) -> None:
        self._case, self._run, self._quorum, self._below, self._own = case, run, quorum, complete_below, own_keys
        self._epsilon = case.trust.epsilon
        self._heads = case.heads.all()
        self._sizes = [shown.size for shown in self._heads]
        self._absences = _absences(self._heads, quorum)
        self._cosigned: dict[str, list[tuple[int, str] | None]] = {}
        self._entries: dict[str, list[Item]] = {}
        for item in case.items:
            if item.sound and item.entry is not None:
                self._entries.setdefault(item.entry.payload.office, []).append(item)

    def judge(self, followed: Followed) -> ClockReport:
        rule = self._run.ladder.clocks[followed.clock.rule]
        waiting = self._wait(followed, followed.noted_seq or followed.end_seq) if followed.ended == "ran out" else None
        relied = None if followed.relied_seq is None else self._wait(followed, followed.relied_seq, only=True)
        for seq, found in ((followed.noted_seq or followed.end_seq, waiting), (followed.relied_seq, relied)):
            if found is not None and found.verdict is Wait.NOT_ELAPSED:
                with self._case.findings.noting(seq):
                    raise Refuted("audit.premature", rule.title)
        act_seq = followed.end_seq if followed.ended == "met" else followed.late_seq
        deadline, path = None, ""
        if rule.kind in WAITS_FOR_SOMEBODY and followed.ended != "stopped":
            deadline, path = self._deadline(followed, act_seq)
        return ClockReport(
            id=followed.clock.id,
            rule=followed.clock.rule,
            title=rule.title,
            office=followed.clock.respondent,
            start_seq=followed.start_seq,
            length=followed.length,
            ended=followed.ended,
            end_seq=followed.end_seq,
            wait=None if waiting is None else waiting.verdict.value,
            least=None if waiting is None else waiting.least,
            most=None if waiting is None else waiting.most,
            proven_by=None if waiting is None else waiting.proven_by,
            relied_seq=followed.relied_seq,
            relied=None if relied is None else relied.verdict.value,
            deadline=None if deadline is None else deadline.value,
            act_seq=act_seq,
            path=path,
            remark="stood still in a suspension, for as long as the stamps say" if followed.stood_still else "",
        )

    def _bounds(self, seq: int) -> Bounds:
        return self._case.items[seq - 1].bounds

    def _wait(self, followed: Followed, seq: int | None, *, only: bool = False) -> Waiting:
        """``only``: no later entry counts, as for a step, which is valid only if the time had passed when it was made."""
        waiting = Waiting(self._bounds(followed.start_seq), followed.length, self._epsilon)
        if seq is None or followed.stood_still:
            return waiting  # how long it stood still is the hub's word: nothing is proven
        for item in self._case.items[seq - 1 : seq if only else None]:
            if waiting.feed(item.seq, item.bounds):
                break
        return waiting

    def _deadline(self, followed: Followed, act_seq: int | None) -> tuple[Deadline, str]:
        if followed.stood_still:
            return Deadline.UNDETERMINED, ""
        start = self._case.items[followed.start_seq - 1]
        act = None if act_seq is None else self._case.items[act_seq - 1]
        path = self._path(followed, start, act)
        judged = [
            judge_deadline(
                start.bounds,
                None if act is None else act.bounds,
                self._absent(act),
                length,
                self._epsilon,
                path_worked=path != "",
            )
            for length in (followed.length // 1000, -(-followed.length // 1000))
        ]
        # Rounded against the claim, either way: in time by the shorter, missed by the longer.
        if judged[0] is Deadline.IN_TIME:
            return Deadline.IN_TIME, path
        return (Deadline.MISSED if judged[1] is Deadline.MISSED else Deadline.UNDETERMINED), path

    def _absent(self, act: Item | None) -> int | None:
        """Until when no head held the act: the best that any head shows of those that surely do not hold it."""
        below = self._below if act is None or act.index is None else act.index
        return self._absences[bisect_right(self._sizes, below)]

    def _path(self, followed: Followed, start: Item, act: Item | None) -> str:
        """What shows that everybody who had to act could reach the log in time; empty if nothing does."""
        parties = () if self._run.state is None else self._run.state.parties
        offices: Sequence[str] = (followed.clock.respondent,) if followed.clock.respondent else parties
        shown = [self._path_of(office, followed, start, act) for office in offices]
        return "; ".join(shown) if shown and all(shown) else ""

    def _path_of(self, office: str, followed: Followed, start: Item, act: Item | None) -> str:
        begin, length = start.bounds.after, followed.length // 1000
        if begin is None or start.index is None:
            return ""
        limit = begin + length - 2 * self._epsilon
        # Entries are in the log's order, so of those after the start the first ones are the first to be proven.
        own = self._entries.get(office, [])
        first = bisect_right(own, start.seq, key=lambda item: item.seq)
        for item in own[first : first + 2]:
            if item is not act and item.bounds.by is not None and item.bounds.by <= limit:
                return f"entry {item.seq} of {office}"
        found = self._own_cosignatures(office)[bisect_right(self._sizes, start.index)]
        if found is not None and found[0] <= limit:
            return f"{office} itself cosigned {found[1]} in time"
        return ""

    def _own_cosignatures(self, office: str) -> list[tuple[int, str] | None]:
        """For each head, the earliest time at which an office's own witness signed it or a later one, and which."""
        if office not in self._cosigned:
            own = self._own.get(office, frozenset())
            found: list[tuple[int, str] | None] = [None] * (len(self._heads) + 1)
            for number in reversed(range(len(self._heads))):
                head = self._heads[number]
                times = [(time, head.name) for name, time in head.times.times if name in own]
                found[number] = min((each for each in (*times, found[number + 1]) if each is not None), default=None)
            self._cosigned[office] = found
        return self._cosigned[office]


def _absences(heads: Sequence[Shown], quorum: Quorum) -> list[int | None]:
    """At place i: until when the first i heads (the smallest) show the absence of what none of them holds."""
    found: list[int | None] = [None]
    for shown in heads:
        own = absent_bound(None, shown.times, quorum.n, quorum.k, quorum.f)
        found.append(max((each for each in (own, found[-1]) if each is not None), default=None))
    return found
