"""Replaying a bundle: what an auditor or a court does, with public keys only and without asking anybody.

The verifier brings its own trust: the witness policy it goes by and the id of the accord. Then, in this order: the
final head meets that policy; every leaf is in the log at the place its stamp names; every stamp is the hub's, gapless,
chained to the entry before, its time never going back; every signature is by somebody mandated at that time under that
accord; what is disclosed is what was committed to; and the ladder, folded again from the first entry, allows every
entry and comes to the state the hub stamped.

What a bundle cannot show, whoever made it: that no entry came after its last one, and that no mandate was taken back
that is not in it. Who needs to know that asks the other party for its bundle too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mediation.errors import LadderError
from mediation.fold import open_thread, step
from mediation.inputs import context_of, move_of
from mediation.ladder import Ladder, parse_ladder
from mediation.refusals import Refusal
from mediation.state import ThreadState, state_hash
from protocols.accord import SignedAccord, open_accord
from protocols.bundle import Bundle, Exhibit
from protocols.disclosure import reveal
from protocols.encoding import digest
from protocols.entry import Entry, Stamp, VerifiedEntry, parse_entry, verify_entry, verify_stamp
from protocols.errors import ProtocolError
from protocols.kinds import BadBody, Open, Rekey
from protocols.mandate import MandateBook
from protocols.translog import (
    CosignedCheckpoint,
    Policy,
    ProofMalformed,
    TranslogError,
    leaf_hash,
    open_with_policy,
    parse_proof,
    verify_inclusion,
)

LIMITS = (
    "A bundle cannot show that no entry came after its last one, nor that no mandate was revoked by a paper that is not "
    "in it. Compare it with the other party's bundle, or with a fresh head of the log."
)


@dataclass(frozen=True, slots=True)
class Trust:
    """What the verifier brings: the witness policy it goes by (with the log's key), and the id of the accord."""

    policy: Policy
    accord: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not hold. ``code`` is stable; ``seq`` is the entry, None for the bundle as a whole."""

    code: str
    seq: int | None
    sentence: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EntryReport:
    """One entry as far as it could be checked. ``at``: the hub's stamp, ms UTC.

    ``officers``: key ids of releaser and drafter. ``rung``: after this entry, empty where the ladder could not be
    replayed that far. ``fields``: what is disclosed of the body. ``hidden``: how many fields may still be hidden (an
    upper bound: decoys count too).
    """

    seq: int
    id: str
    index: int
    at: int
    kind: str
    title: str
    office: str
    station: str
    officers: tuple[str, ...]
    precedence: str
    tlp: str
    act: Mapping[str, Any]
    rung: str
    fields: Mapping[str, Any]
    hidden: int


@dataclass(frozen=True, slots=True)
class Report:
    """What an auditor is told. ``witnesses``: who cosigned the final head (names of the verifier's own policy), and
    when by their own clocks, POSIX seconds."""

    thread: str
    ladder: str
    accord: str
    accord_title: str
    status: str
    head_size: int
    witnesses: Mapping[str, int]
    rung: str
    entries: tuple[EntryReport, ...]
    problems: tuple[Problem, ...]
    limits: str = LIMITS

    @property
    def holds(self) -> bool:
        """Whether everything that a bundle can show is shown."""
        return not self.problems and bool(self.entries)


class Refuted(ProtocolError):
    """A contradiction inside the bundle; ``code`` is the problem's."""

    def __init__(self, code: str, sentence: str, detail: str = "") -> None:
        super().__init__(detail)
        self.problem = code
        self.said = sentence


def verify(bundle: Bundle, trust: Trust) -> Report:
    """Check everything; never raises for what is in the bundle. Entries are checked on even after one fails, but the
    ladder is replayed only up to the first that does not follow."""
    return _Replay(bundle, trust).run()


@dataclass
class _Replay:
    bundle: Bundle
    trust: Trust
    problems: list[Problem] = field(default_factory=list)
    heads: dict[str, CosignedCheckpoint] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)
    state: ThreadState | None = None
    broken: bool = False

    def run(self) -> Report:
        accord = self._accord()
        head = self._head(accord) if accord is not None else None
        if accord is None or head is None:
            return self._report(accord, head, ())
        ladder = self._ladder(accord)
        book = self._mandates(accord)
        entries: list[EntryReport] = []
        before: tuple[Stamp, bytes] | None = None
        ids: list[str] = []
        for seq, exhibit in enumerate(self.bundle.exhibits, 1):
            found = self._exhibit(seq, exhibit, accord, ladder, book, head, before, ids)
            if found is None:
                self.broken = True
                before = None
                ids.append("")
                continue
            report, stamp = found
            entries.append(report)
            before = stamp, exhibit.leaf
            ids.append(report.id)
        return self._report(accord, head, tuple(entries))

    # -- the whole ----------------------------------------------------------------------------------------------------

    def _accord(self) -> SignedAccord | None:
        try:
            accord = open_accord(self.bundle.accord, pinned=self.trust.accord)
            if self.bundle.policy != accord.accord.policy.encode():
                raise Refuted("audit.policy", "The policy in the bundle is not the accord's.")
        except ProtocolError as error:
            self._problem(error, None)
            return None
        return accord

    def _head(self, accord: SignedAccord) -> CosignedCheckpoint | None:
        try:
            head = self._open(self.bundle.checkpoint.decode("utf-8", "replace"), accord)
        except ProtocolError as error:
            self._problem(error, None)
            return None
        return head

    def _open(self, note: str, accord: SignedAccord) -> CosignedCheckpoint:
        """A head that meets the verifier's policy; each text is checked once."""
        if note in self.heads:
            return self.heads[note]
        head = open_with_policy(note, self.trust.policy)
        if head.log.vkey != accord.accord.hub.log:
            raise Refuted("audit.other-log", "The head is of another log than the accord names.")
        size, root = head.checkpoint.size, head.checkpoint.root
        if self.roots.setdefault(size, root) != root:
            raise Refuted("audit.split-log", "Two heads of one size differ: the log has been forked. Keep both.")
        self.heads[note] = head
        return head

    def _ladder(self, accord: SignedAccord) -> Ladder | None:
        try:
            accord.accord.check_ladder(self.bundle.ladder_id, self.bundle.ladder)
            return parse_ladder(self.bundle.ladder)
        except ProtocolError as error:
            self._problem(error, None)
        except LadderError as error:
            self.problems.append(Problem(error.code, None, error.sentence))
        return None

    def _mandates(self, accord: SignedAccord) -> MandateBook:
        book = MandateBook(accord.accord)
        for number, data in enumerate(self.bundle.mandates, 1):
            try:
                book.add_bytes(data)
            except ProtocolError as error:
                self._problem(error, None, f"mandates/{number:03d}.jws")
        return book

    # -- one entry ----------------------------------------------------------------------------------------------------

    def _exhibit(
        self,
        seq: int,
        exhibit: Exhibit,
        accord: SignedAccord,
        ladder: Ladder | None,
        book: MandateBook,
        head: CosignedCheckpoint,
        before: tuple[Stamp, bytes] | None,
        ids: list[str],
    ) -> tuple[EntryReport, Stamp] | None:
        """The entry and its stamp, or None where not even these can be read; every failure is noted."""
        try:
            entry = parse_entry(exhibit.leaf)
            stamp = verify_stamp(entry, accord)
        except ProtocolError as error:
            self._problem(error, seq)
            return None
        try:
            self._check_place(seq, entry, stamp, before, ids)
            self._check_proof(exhibit, stamp, head, accord)
            verified = verify_entry(entry, accord, book, at=stamp.at)
            self._check_members(entry, book, stamp.at)
            self._fold(accord, ladder, verified, stamp)
        except ProtocolError as error:
            self._problem(error, seq)
            self.broken = True
        officers = tuple(s.kid for s in entry.jws.signatures if s.role == "officer")
        if entry.draft is not None:
            officers = (*officers, entry.draft.signature.kid)
        fields = self._disclosed(seq, entry, exhibit.disclosures)
        payload = entry.payload
        report = EntryReport(
            seq=seq,
            id=entry.id,
            index=stamp.index,
            at=stamp.at,
            kind=payload.kind,
            title=entry.kind.title,
            office=payload.office,
            station=payload.station,
            officers=officers,
            precedence=payload.precedence,
            tlp=payload.tlp,
            act=payload.act,
            rung=self.state.rung if self.state is not None and not self.broken else "",
            fields=fields,
            hidden=len(payload.sd) - len(fields),
        )
        return report, stamp

    def _check_place(
        self, seq: int, entry: Entry, stamp: Stamp, before: tuple[Stamp, bytes] | None, ids: list[str]
    ) -> None:
        payload = entry.payload
        if payload.thread != self.bundle.thread or stamp.seq != seq:
            raise Refuted("audit.misplaced", "The entry is of another thread, or has another number than its file.")
        if before is None:
            if seq == 1 and stamp.chain is not None:
                raise Refuted("audit.chain", "The first entry is chained to one before it.")
        else:
            earlier, leaf = before
            if stamp.chain != digest(leaf):
                raise Refuted("audit.chain", "The entry is not chained to the one before it.")
            if stamp.at < earlier.at or stamp.index <= earlier.index:
                raise Refuted("audit.order", "The entry is stamped as earlier than the one before it.")
        if payload.prev is not None and (payload.prev_seq >= seq or ids[payload.prev_seq - 1] != payload.prev):
            raise Refuted("audit.previous", "The author had another entry before them than the one of that number.")

    def _check_proof(self, exhibit: Exhibit, stamp: Stamp, final: CosignedCheckpoint, accord: SignedAccord) -> None:
        proof = parse_proof(exhibit.proof)
        if proof.extra is not None:
            raise ProofMalformed("a proof with unauthenticated data beside it")
        if proof.index != stamp.index:
            raise Refuted("audit.index", "The proof is for another place in the log than the stamp names.")
        head = self._open(proof.checkpoint, accord)
        if head.checkpoint.size > final.checkpoint.size:
            raise Refuted("audit.final", "A proof is under a newer head than the one called final.")
        verify_inclusion(leaf_hash(exhibit.leaf), proof.index, head.checkpoint.size, proof.hashes, head.checkpoint.root)

    def _check_members(self, entry: Entry, book: MandateBook, at: int) -> None:
        """Each station that joins is mandated by the office under whose name it joins."""
        act = entry.act
        members = act.roster if isinstance(act, Open) else act.adds if isinstance(act, Rekey) else ()
        for member in members:
            book.require(member.station, role="station", office=member.office, at=at)

    def _fold(self, accord: SignedAccord, ladder: Ladder | None, verified: VerifiedEntry, stamp: Stamp) -> None:
        if ladder is None or self.broken:
            return
        move = move_of(verified, stamp.seq)
        if self.state is None:
            context = context_of(accord, self.bundle.ladder_id, ladder, self.bundle.thread, stamp.at)
            outcome = open_thread(context, move, stamp.at)
        else:
            outcome = step(ladder, self.state, move, stamp.at)
        if isinstance(outcome, Refusal):
            raise Refuted("audit.ladder", f"The ladder does not allow this entry here: {outcome.rule}.", outcome.code)
        if state_hash(outcome.state) != stamp.state:
            raise Refuted("audit.state", "The hub stamped another state than the ladder comes to.")
        self.state = outcome.state

    def _disclosed(self, seq: int, entry: Entry, disclosures: tuple[str, ...]) -> Mapping[str, Any]:
        try:
            fields = reveal(disclosures, entry.payload.sd)
            if not set(fields) <= set(entry.kind.fields):
                raise BadBody("a field that this kind does not have")
        except ProtocolError as error:
            self._problem(error, seq)
            return {}
        return fields

    # -- saying it ----------------------------------------------------------------------------------------------------

    def _problem(self, error: ProtocolError, seq: int | None, where: str = "") -> None:
        if isinstance(error, Refuted):
            self.problems.append(Problem(error.problem, seq, error.said, error.detail))
            return
        detail = ": ".join(filter(None, (where, error.detail)))
        sentence = error.sentence if isinstance(error, TranslogError) else f"This does not hold ({error.code})."
        self.problems.append(Problem(error.code, seq, sentence, detail))

    def _report(
        self, accord: SignedAccord | None, head: CosignedCheckpoint | None, entries: tuple[EntryReport, ...]
    ) -> Report:
        ladder = self.bundle.ladder_id
        return Report(
            thread=self.bundle.thread,
            ladder=ladder,
            accord=self.trust.accord,
            accord_title=accord.accord.title if accord is not None else "",
            status=accord.accord.status if accord is not None else "",
            head_size=head.checkpoint.size if head is not None else 0,
            witnesses=self.trust.policy.cosigners(head.cosignatures) if head is not None else {},
            rung=self.state.rung if self.state is not None and not self.broken else "",
            entries=entries,
            problems=tuple(self.problems),
        )
