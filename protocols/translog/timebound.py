"""When did it happen? Bounds that hold although up to ``f`` witnesses lie and nobody's clock is trusted.

All times are POSIX seconds out of cosignatures; every honest clock is within ``epsilon`` seconds of the truth. For an
entry E at index i of the log::

    by(E)      (f+1)-th smallest time of a quorum head whose size > i          E existed by then
    after(E)   (f+1)-th largest time of the head whose digest E carries        E was made after then

Among any f + 1 witnesses one is honest, so ``by`` is not before that honest signature and ``after`` is not after it.
Being in a late head proves nothing about when an entry was *made*: only ``seen``, a digest of cosignatures that did not
exist earlier, does. Times that the hub or the author merely claim are never used.

Waits (a start S, an end X, a duration D)::

    ELAPSED        after(X) - by(S) >= D + 2 epsilon     the only state in which a step that needs the wait is valid
    NOT_ELAPSED    by(X) - after(S) <  D - 2 epsilon     a premature step: proven
    UNDETERMINED   otherwise                             people see the interval; the step is not valid

Deadlines (an act A due within D of S) are the mirror image::

    IN_TIME        by(A) - after(S) <= D - 2 epsilon
    MISSED         absent(Z) - by(S) >= D + 2 epsilon for a quorum head Z without A, and the party's path worked
    UNDETERMINED   otherwise

``absent(Z)`` is the (j+1)-th smallest of Z's times with ``j = k + k_z - n - f - 1``: n witnesses, quorums of at least
k, k_z of them on Z. Any quorum for a head with A shares at least j + 1 honest witnesses with Z, the latest of them
signed Z at ``absent(Z)`` or later, and an honest witness signs a longer head only afterwards.

A witness that signed one head under two keys or at two times is one witness: it counts once, at the time that weakens
the claim.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from protocols.translog.cosignature import CosignedCheckpoint
from protocols.translog.errors import ProofRefused
from protocols.translog.policy import Policy, PolicyGroup, PolicyWitness


class Wait(Enum):
    """What is proven about a wait."""

    ELAPSED = "ELAPSED"
    NOT_ELAPSED = "NOT ELAPSED"
    UNDETERMINED = "UNDETERMINED"


class Deadline(Enum):
    """What is proven about a deadline."""

    IN_TIME = "IN TIME"
    MISSED = "MISSED"
    UNDETERMINED = "UNDETERMINED"


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint's size and when each witness cosigned it: pairs (witness, POSIX seconds).

    Only verified cosignatures by witnesses of the verifier's policy belong here, and only heads that meet that policy
    and are shown consistent with one another: make it with ``head_of``.
    """

    size: int
    times: tuple[tuple[str, int], ...]

    def latest(self) -> list[int]:
        """One time for each witness, its latest, ascending: what "no later than" may be computed with."""
        return sorted(dict(sorted(self.times)).values())

    def earliest(self) -> list[int]:
        """One time for each witness, its earliest, ascending: what "no earlier than" may be computed with."""
        return sorted(dict(sorted(self.times, reverse=True)).values())


@dataclass(frozen=True, slots=True)
class Bounds:
    """An entry was made after ``after`` and existed by ``by`` (POSIX seconds of honest clocks); None: not known."""

    after: int | None
    by: int | None


def head_of(head: CosignedCheckpoint, policy: Policy) -> Head:
    """The times of a checkpoint's cosignatures by witnesses of the policy.

    An office may have several witness keys in a policy (an Ed25519 and an ML-DSA-44 one, say): keys of one *key name*
    are one witness here, so that one liar never counts twice.
    """
    operators = {item.name: item.key.name for item in policy.witnesses}
    times = policy.cosigners(head.cosignatures)
    return Head(head.checkpoint.size, tuple((operators[name], time) for name, time in times.items()))


def liars_tolerated(policy: Policy) -> int:
    """``f``: how many witnesses may lie under a policy whose quorum is ``k`` of ``n`` members, so that any two quorums still
    share an honest one (``2k - n > f``) and the honest ones alone make a quorum (``n - f >= k``): 1 for 3 of 4, 2 for 5 of 7.

    A member may be several operators' machines (an office's stations); a lying member lies with all of them, so they all
    count: the largest members are taken to be those that lie.
    """
    quorum = next((item for item in policy.items if item.name == policy.quorum), None)
    if not isinstance(quorum, PolicyGroup):
        return 0
    n, k = len(quorum.members), quorum.threshold
    sizes = sorted((len(_operators_in(policy, member)) for member in quorum.members), reverse=True)
    return sum(sizes[: max(0, min(n - k, 2 * k - n - 1))])


def _operators_in(policy: Policy, name: str) -> set[str]:
    """Key names of the witnesses under a policy's item."""
    item = next(each for each in policy.items if each.name == name)
    if isinstance(item, PolicyWitness):
        return {item.key.name}
    return set[str]().union(*(_operators_in(policy, member) for member in item.members))


def by_bound(index: int, heads: Iterable[Head], f: int) -> int | None:
    """Seconds by which entry ``index`` existed, although ``f`` witnesses lie; None if no head proves it.

    The tightest of all the heads given that hold the entry: every one of them alone is sound.
    """
    _check_liars(f)
    return min((times[f] for head in heads if head.size > index and len(times := head.latest()) > f), default=None)


def after_bound(index: int, seen: Head | None, f: int) -> int | None:
    """Seconds after which entry ``index`` was made, ``seen`` being the head whose digest it carries; None if unknown.

    Raises:
        ProofRefused: ``seen`` already holds the entry, which is impossible for a digest inside it.
    """
    _check_liars(f)
    if seen is None:
        return None
    if seen.size > index:
        raise ProofRefused(f"entry {index} claims to have seen a head of size {seen.size}, which holds it")
    times = seen.earliest()
    return times[-(f + 1)] if len(times) > f else None


def bounds_of(index: int, seen: Head | None, heads: Iterable[Head], f: int) -> Bounds:
    """Both bounds of an entry; see ``after_bound`` and ``by_bound``.

    Raises:
        ProofRefused: see ``after_bound``.
    """
    return Bounds(after_bound(index, seen, f), by_bound(index, heads, f))


def judge_wait(start: Bounds, end: Bounds, duration: int, epsilon: int) -> Wait:
    """Did at least ``duration`` seconds lie between start and end? Honest clocks are within ``epsilon`` seconds."""
    if end.after is not None and start.by is not None and end.after - start.by >= duration + 2 * epsilon:
        return Wait.ELAPSED
    if end.by is not None and start.after is not None and end.by - start.after < duration - 2 * epsilon:
        return Wait.NOT_ELAPSED
    return Wait.UNDETERMINED


def absent_bound(index: int | None, head: Head, n: int, k: int, f: int) -> int | None:
    """Seconds until which no quorum head held an act, proven by a quorum head without it; None if it proves nothing.

    Args:
        index: the act's index, or None if it never came.
        head: the quorum head without it (Z).
        n: witnesses in the policy.
        k: the least number of them that makes a quorum, ``Policy.smallest_quorum()``.
        f: how many may lie.

    Raises:
        ProofRefused: the head holds the act.
    """
    _check_liars(f)
    if index is not None and head.size > index:
        raise ProofRefused(f"a head of size {head.size} holds entry {index}")
    times = head.earliest()
    j = k + len(times) - n - f - 1
    return times[j] if 0 <= j < len(times) else None


def judge_deadline(
    start: Bounds, act: Bounds | None, absent: int | None, duration: int, epsilon: int, *, path_worked: bool
) -> Deadline:
    """Was the act done within ``duration`` seconds of the start?

    ``absent`` comes from ``absent_bound``. MISSED means that the act reached no quorum head in time, so it must also be
    shown that the party could have reached the log (``path_worked``): a hub may delay an entry, and that is not the
    party's fault. IN_TIME wins where both would hold: the act existed, and only its quorum came late.
    """
    existed = act.by if act is not None else None
    if existed is not None and start.after is not None and existed - start.after <= duration - 2 * epsilon:
        return Deadline.IN_TIME
    if path_worked and absent is not None and start.by is not None and absent - start.by >= duration + 2 * epsilon:
        return Deadline.MISSED
    return Deadline.UNDETERMINED


def _check_liars(f: int) -> None:
    if f < 0:
        raise ValueError("the number of liars cannot be negative")
