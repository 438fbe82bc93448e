"""A court whose log is watched: heads are published at chosen seconds, entries have seen the newest one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mediation.audit import ClockReport, Report, Trust, verify
from protocols.bundle import Bundle, Exhibit, Tail, withhold
from protocols.encoding import b64u
from protocols.hub_leaf import Place, ThreadEnd, make_heads
from protocols.mandate import MandateBook
from protocols.translog import TlogProof, build_inclusion, format_proof, leaf_hash, note_digest
from tests.mediation.court import LINE, LOG, THREAD, TRUST, WITNESSES, Court
from tests.protocols.kit import T0, counting_rng, signer

START = T0 // 1000
"""The second from which these tests count."""


@dataclass
class Watched(Court):
    """``published``: the heads so far, the newest last."""

    published: list[str] = field(default_factory=list)
    tail: Tail | None = None

    def publish(self, at: int, witnesses: tuple[str, ...] = WITNESSES, off: Mapping[str, int] | None = None) -> str:
        """A head cosigned ``at`` seconds after the start; ``off``: by how many seconds a witness's clock is off."""
        times = {name: START + at + (off or {}).get(name, 0) for name in witnesses}
        self.published.append(self.head(witnesses, times))
        return self.seen

    @property
    def seen(self) -> str:
        return b64u(note_digest(self.published[-1]))

    def tell(self, at: int, kind: str, office: str = "AV", act: Mapping[str, Any] | None = None, **more: Any) -> str:
        """An entry stamped ``at`` seconds after the start, by an author who has seen the newest head."""
        after = T0 + at * 1000 - self.at
        return self.send(kind, office, act, more.pop("fields", None), after=after, **{"seen": self.seen, **more})

    def word(self, at: int, office: str = "AV", **more: Any) -> str:
        return self.tell(at, "goodwill-note", office, fields={"text": "x"}, **more)

    def end(self, at: int, seq: int | None = None, leaf: bytes | None = None) -> None:
        """The hub logs where the thread ends: at entry ``seq``, by default the last one."""
        seq = len(self.leaves) if seq is None else seq
        data = self.leaves[seq - 1][1] if leaf is None and seq <= len(self.leaves) else leaf or b"unknown"
        place = Place(LOG, LINE.accord.id, self.frontier.size, T0 + at * 1000, self.seen)
        ends = {THREAD: ThreadEnd(seq, b64u(note_digest(data)))}
        made = make_heads(place, ends, signer("hub"), counting_rng("tail"))
        self.other_leaf(made.data)
        self.tail = Tail(made.data, b"", made.disclosures[THREAD])

    def evidence(self, disclose: Mapping[int, tuple[int, ...]] | None = None) -> Bundle:
        """The bundle under the newest head, which must hold everything, with all others as ``cp``."""
        bundle = self.bundle(disclose, self.published[-1])
        heads = sorted(
            (self.shown(note.encode()) for note in self.published[:-1]), key=lambda head: int(head.note.split(b"\n")[1])
        )
        tail = self.tail
        if tail is not None:
            tail = dataclasses.replace(tail, proof=self.proof_of(tail.leaf))
        return dataclasses.replace(bundle, heads=tuple(heads), tail=tail)

    def proof_of(self, leaf: bytes) -> bytes:
        """The proof of a leaf of the hub's own, under the newest head."""
        index = next(at for (level, at), node in self.nodes.items() if level == 0 and node == leaf_hash(leaf))
        hashes = build_inclusion(index, self.frontier.size, self.node)
        return format_proof(TlogProof(index, tuple(hashes), self.published[-1])).encode()


def watched(book: MandateBook | None = None) -> Watched:
    """A thread opened at second 1 by an office that had seen a head of second 0; ``book``: other mandates than all."""
    court = Watched() if book is None else Watched(book=book)
    court.other_leaf(b"first leaf of the log")
    court.publish(0)
    court.at = T0 - 59_000
    court.open()
    return court


def withheld(bundle: Bundle, *seqs: int) -> Bundle:
    """The bundle with these entries withheld."""
    exhibits = list(bundle.exhibits)
    for seq in seqs:
        old = exhibits[seq - 1]
        index = int(old.proof.split(b"\n")[1].split(b" ")[1])
        exhibits[seq - 1] = Exhibit(b"", old.proof, (), withhold(old.leaf, index, leaf_hash(old.leaf)))
    return dataclasses.replace(bundle, exhibits=tuple(exhibits))


def check(bundle: Bundle, trust: Trust = TRUST, *, allow_withheld: bool = False) -> Report:
    return verify(bundle, trust, allow_withheld)


def codes(bundle: Bundle, trust: Trust = TRUST, *, allow_withheld: bool = False) -> set[str]:
    """What the verifier has against a bundle that must not hold."""
    report = verify(bundle, trust, allow_withheld)
    assert not report.holds
    return {problem.code for problem in report.problems}


def clock(report: Report, name: str) -> ClockReport:
    return next(each for each in report.clocks if each.id == name)


def notified(off: Mapping[str, int] | None = None, *, receipt: bool = False) -> Watched:
    """Entry 2 is Arvenia's notice, made after second 0 and in the log by second 5; entry 3 Kostrava's receipt, made after
    second 5 and in the log by second 8."""
    court = watched()
    notice = court.tell(2, "incident-notice", fields={"text": "x", "severity": "high"}, two=True)
    court.publish(5, off=off)
    if receipt:
        court.tell(6, "receipt", "KV", {"entry": notice})
        court.publish(8, off=off)
    return court


def silent(
    off: Mapping[str, int] | None = None, *, last: int = 489, end: int = 495, word: bool = True, step: bool = True
) -> Watched:
    """Kostrava says something else and gives no sign of the notice; Arvenia takes the step that its silence opens."""
    court = notified(off)
    if word:
        court.word(8, "KV")
        court.publish(12, off=off)
    court.publish(last, off=off)
    if step:
        court.tell(492, "step-request", "AV", {"step": "L3-experts"}, two=True)
    else:
        court.word(492)
    court.publish(end, off=off)
    return court
