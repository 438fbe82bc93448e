"""The first stage: the heads of the log. The final one meets the verifier's policy; every other meets it too and is shown
to be the same log at an earlier time.

Whatever is proven later is proven under one of these heads, so that nobody can prove one entry in one history and
another in its fork.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mediation.audit.findings import Findings, Refuted
from mediation.audit.trust import Trust
from protocols.accord import SignedAccord
from protocols.bundle import Bundle
from protocols.encoding import b64u
from protocols.translog import (
    CosignedCheckpoint,
    NoteMalformed,
    Policy,
    head_of,
    open_with_policy,
    parse_consistency,
    verify_consistency,
)
from protocols.translog import Head as Times


@dataclass(frozen=True, slots=True)
class Shown:
    """A head that meets the policy and is consistent with the final one. ``name``: its file. ``witnesses``: policy name
    to POSIX seconds. ``operators``: the key names that cosigned. ``times``: for the bounds."""

    name: str
    head: CosignedCheckpoint
    digest: str
    witnesses: Mapping[str, int]
    times: Times

    @property
    def size(self) -> int:
        return self.head.checkpoint.size

    @property
    def operators(self) -> frozenset[str]:
        return frozenset(operator for operator, _ in self.times.times)


class Heads:
    """The heads that were shown, by note, by digest and by size.

    Raises what `add` raises, for the final one.
    """

    def __init__(self, policy: Policy, accord: SignedAccord, final: bytes) -> None:
        self._policy, self._accord = policy, accord
        self._by_note: dict[str, Shown] = {}
        self._by_digest: dict[str, Shown] = {}
        self._roots: dict[int, bytes] = {}  # of every head that met the policy, shown consistent or not
        self._sizes: set[int] = set()  # of those that were shown
        self.final = self._open("final.checkpoint", final)
        self._keep(self.final)

    def add(self, name: str, note: bytes, consistency: bytes) -> None:
        """Take another head, with its consistency proof to the final one.

        Raises what `open_with_policy` and `verify_consistency` raise, `ProofMalformed`, and `Refuted` (another log, a
        fork, newer than the final one).
        """
        shown, final = self._open(name, note), self.final.head.checkpoint
        self._check_not_newer(shown)
        old = shown.head.checkpoint
        verify_consistency(old.size, old.root, final.size, final.root, parse_consistency(consistency))
        self._keep(shown)

    def find(self, name: str, note: str) -> Shown:
        """The head with this note, out of the proof file ``name``. One that no ``cp`` holds is taken only where it is of
        the same tree as one that was shown: witnesses sign a tree again and again.

        Raises what `open_with_policy` raises, and `Refuted`.
        """
        if note not in self._by_note:
            shown = self._open(name, note.encode())
            self._check_not_newer(shown)
            if shown.size not in self._sizes:
                raise Refuted("audit.unknown-head")
            self._keep(shown)
        return self._by_note[note]

    def of_note(self, note: bytes) -> Shown | None:
        """The head with exactly these bytes, if it was shown."""
        return self._by_note.get(note.decode("utf-8", "replace"))

    def of_digest(self, digest: str | None) -> Shown | None:
        """The head whose whole note has this SHA-256 (base64url): what an entry names as ``seen``."""
        return None if digest is None else self._by_digest.get(digest)

    def all(self) -> Sequence[Shown]:
        """By size, then by file name."""
        return sorted(self._by_note.values(), key=lambda shown: (shown.size, shown.name))

    def _check_not_newer(self, shown: Shown) -> None:
        if shown.size > self.final.size:
            raise Refuted("audit.final")

    def _keep(self, shown: Shown) -> None:
        self._sizes.add(shown.size)
        self._by_note.setdefault(shown.head.note, shown)
        self._by_digest.setdefault(shown.digest, shown)

    def _open(self, name: str, note: bytes) -> Shown:
        try:
            text = note.decode("utf-8")
        except UnicodeDecodeError:
            raise NoteMalformed("not UTF-8") from None
        head = open_with_policy(text, self._policy)
        if head.log.vkey != self._accord.accord.hub.log:
            raise Refuted("audit.other-log")
        if self._roots.setdefault(head.checkpoint.size, head.checkpoint.root) != head.checkpoint.root:
            raise Refuted("audit.split-log")
        witnesses = self._policy.cosigners(head.cosignatures)
        return Shown(name, head, b64u(head.digest), witnesses, head_of(head, self._policy))


class Over:
    """Answers for each place in the log what the heads that hold it say together, in logarithmic time.

    ``by``: see `protocols.translog.by_bound`. ``operators``: all key names that cosigned any of them.
    """

    def __init__(self, heads: Heads, f: int) -> None:
        shown = heads.all()
        self._sizes = [each.size for each in shown]
        self._by: list[int | None] = [None] * (len(shown) + 1)
        self._operators: list[frozenset[str]] = [frozenset()] * (len(shown) + 1)
        for number in reversed(range(len(shown))):
            times = shown[number].times.latest()
            later = self._by[number + 1]
            own = times[f] if len(times) > f else later
            self._by[number] = own if later is None or own is None else min(own, later)
            self._operators[number] = self._operators[number + 1] | shown[number].operators

    def by(self, index: int) -> int | None:
        return self._by[bisect_right(self._sizes, index)]

    def operators(self, index: int) -> frozenset[str]:
        return self._operators[bisect_right(self._sizes, index)]


def open_heads(bundle: Bundle, trust: Trust, accord: SignedAccord, findings: Findings) -> Heads | None:
    """All heads of the bundle that can be relied on; None where the final one cannot."""
    with findings.noting():
        heads = Heads(trust.policy, accord, bundle.checkpoint)
        for number, head in enumerate(bundle.heads, 1):
            with findings.noting(where=f"cp.{number:03d}"):
                heads.add(f"cp.{number:03d}", head.note, head.consistency)
        return heads
    return None
