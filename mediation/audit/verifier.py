"""The order of the checks: every stage stands on the ones before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mediation.audit.bounds import check_bounds, check_stamps
from mediation.audit.case import Case, Item
from mediation.audit.chain import check_chain
from mediation.audit.clocks import ClockReport, Quorum, judge_clocks
from mediation.audit.consents import Consents, check_consents
from mediation.audit.disclosures import check_disclosures
from mediation.audit.findings import Findings, Problem, Refuted
from mediation.audit.grades import Grader, own_keys
from mediation.audit.heads import Heads, Over, open_heads
from mediation.audit.ladder import Replay, replay
from mediation.audit.proofs import check_proofs
from mediation.audit.redactions import check_redactions
from mediation.audit.report import EntryReport, HeadReport, RedactionReport, Report, WithheldReport
from mediation.audit.signatures import check_signatures
from mediation.audit.tail import TailReport, check_end
from mediation.audit.tokens import TokenReport, check_tokens
from mediation.audit.trust import Trust
from mediation.consent import Consented
from mediation.ladder import Ladder, parse_ladder
from protocols.accord import SignedAccord, open_accord
from protocols.bundle import Bundle
from protocols.mandate import MandateBook
from protocols.redaction import Redaction
from protocols.translog import liars_tolerated


def verify(bundle: Bundle, trust: Trust, allow_withheld: bool = False) -> Report:
    """Check everything; never raises for what is in the bundle.

    Entries are checked on even after one fails, but the ladder is replayed only up to the first that does not follow or is
    withheld. ``allow_withheld``: a bundle with withheld entries may hold nevertheless.
    """
    findings = Findings()
    accord = _accord(bundle, trust, findings)
    heads = None if accord is None else open_heads(bundle, trust, accord, findings)
    if accord is None or heads is None:
        return _nothing(bundle, trust, accord, findings, allow_withheld)
    items = [Item(seq, exhibit) for seq, exhibit in enumerate(bundle.exhibits, 1)]
    book = _mandates(bundle, accord, findings)
    case = Case(bundle, trust, accord, heads, findings, items, _ladder(bundle, accord, findings), book)
    quorum = Quorum(len(trust.policy.operators), trust.policy.smallest_quorum(), liars_tolerated(trust.policy))
    own = own_keys(accord.accord)
    check_proofs(case)
    over = Over(heads, quorum.f)  # not before: a proof may bring another signing of a tree that was shown
    check_signatures(case)
    check_chain(case)
    tail = check_end(case, over, quorum.f)
    _check_withheld_end(case, tail)
    check_disclosures(case)
    redactions = check_redactions(case)
    consents = check_consents(case)
    check_bounds(case, over, quorum.f)
    check_stamps(case)
    run = replay(case)
    clocks = () if run is None else judge_clocks(case, run, quorum, _complete_below(case, run, tail), own)
    tokens = check_tokens(case)
    grader = Grader(case, over, quorum.f, own)
    return _report(case, quorum, run, clocks, tail, tokens, grader, redactions, consents, allow_withheld)


# -- what stands before the entries --------------------------------------------------------------------------------------


def _accord(bundle: Bundle, trust: Trust, findings: Findings) -> SignedAccord | None:
    with findings.noting():
        accord = open_accord(bundle.accord, pinned=trust.accord)
        if bundle.policy != accord.accord.policy.encode():
            raise Refuted("audit.policy")
        return accord
    return None


def _ladder(bundle: Bundle, accord: SignedAccord, findings: Findings) -> Ladder | None:
    with findings.noting():
        accord.accord.check_ladder(bundle.ladder_id, bundle.ladder)
        return parse_ladder(bundle.ladder)
    return None


def _mandates(bundle: Bundle, accord: SignedAccord, findings: Findings) -> MandateBook:
    book = MandateBook(accord.accord)
    for number, data in enumerate(bundle.mandates, 1):
        with findings.noting(where=f"mandates/{number:03d}.jws"):
            book.add_bytes(data)
    return book


# -- the end -------------------------------------------------------------------------------------------------------------


def _check_withheld_end(case: Case, tail: TailReport | None) -> None:
    """What is withheld after the last entry that is shown exists only if a tail says so."""
    shown = max((item.seq for item in case.items if item.stamp is not None), default=0)
    known = max(shown, tail.seq if tail is not None else 0)
    for item in case.items[known:]:
        if item.exhibit.withheld is not None:
            with case.findings.noting(item.seq):
                raise Refuted("audit.withheld-unproven")


def _complete_below(case: Case, run: Replay, tail: TailReport | None) -> int:
    """No entry of the thread with a smaller index of the log is unknown: missing from the bundle, or not replayed."""
    if run.reached == len(case.items) and tail is not None and tail.whole:
        return tail.index
    last = case.items[run.reached - 1].index if run.reached else None
    return 0 if last is None else last + 1


# -- saying it -----------------------------------------------------------------------------------------------------------


def _report(
    case: Case,
    quorum: Quorum,
    run: Replay | None,
    clocks: tuple[ClockReport, ...],
    tail: TailReport | None,
    tokens: tuple[TokenReport, ...],
    grader: Grader,
    redactions: Mapping[int, Sequence[Redaction]],
    consents: Consents,
    allow_withheld: bool,
) -> Report:
    final, reached = case.heads.final, 0 if run is None else run.reached
    return Report(
        thread=case.bundle.thread,
        ladder=case.bundle.ladder_id,
        accord=case.trust.accord,
        accord_title=case.accord.accord.title,
        status=case.accord.accord.status,
        head_size=final.size,
        witnesses=final.witnesses,
        liars=quorum.f,
        epsilon=case.trust.epsilon,
        rung=case.items[-1].rung if case.items else "",
        replayed=reached,
        entries=tuple(
            _entry(item, grader, redactions.get(item.seq, ()), consents.fields.get(item.seq, {}))
            for item in case.items
            if item.stamp
        ),
        withheld=tuple(
            _withheld(item, grader, redactions.get(item.seq, ())) for item in case.items if item.exhibit.withheld
        ),
        clocks=clocks,
        heads=_heads(case.heads),
        tail=tail,
        tokens=tokens,
        problems=tuple(case.findings.problems),
        allow_withheld=allow_withheld,
        disclosure=case.accord.accord.disclosure,
        notices=consents.notices,
    )


def _nothing(
    bundle: Bundle, trust: Trust, accord: SignedAccord | None, findings: Findings, allow_withheld: bool
) -> Report:
    """The report where not even the log can be relied on: nothing is said of any entry."""
    problems: tuple[Problem, ...] = tuple(findings.problems)
    return Report(
        thread=bundle.thread,
        ladder=bundle.ladder_id,
        accord=trust.accord,
        accord_title=accord.accord.title if accord is not None else "",
        status=accord.accord.status if accord is not None else "",
        head_size=0,
        witnesses={},
        liars=0,
        epsilon=trust.epsilon,
        rung="",
        replayed=0,
        entries=(),
        withheld=(),
        clocks=(),
        heads=(),
        tail=None,
        tokens=(),
        problems=problems,
        allow_withheld=allow_withheld,
    )


def _heads(heads: Heads) -> tuple[HeadReport, ...]:
    return tuple(HeadReport(each.name, each.size, each.digest, each.witnesses) for each in heads.all())


def _redacted(found: Sequence[Redaction]) -> tuple[RedactionReport, ...]:
    return tuple(
        RedactionReport(each.by, each.reason, each.words, each.label.words, tuple(each.fields)) for each in found
    )


def _entry(
    item: Item, grader: Grader, redactions: Sequence[Redaction], consents: Mapping[str, Consented]
) -> EntryReport:
    assert item.entry is not None and item.stamp is not None  # noqa: S101 - the caller's condition
    entry, payload = item.entry, item.entry.payload
    officers = tuple(s.kid for s in entry.jws.signatures if s.role == "officer")
    if entry.draft is not None:
        officers = (*officers, entry.draft.signature.kid)
    return EntryReport(
        seq=item.seq,
        id=entry.id,
        index=item.stamp.index,
        at=item.stamp.at,
        claimed=payload.claimed,
        kind=payload.kind,
        title=entry.kind.title,
        office=payload.office,
        station=payload.station,
        officers=officers,
        precedence=payload.precedence,
        tlp=payload.tlp,
        act=payload.act,
        rung=item.rung,
        fields=item.fields,
        hidden=len(payload.sd) - len(item.fields),
        after=item.bounds.after,
        by=item.bounds.by,
        stamp_off=item.stamp_off,
        grade=grader.grade(item),
        redactions=_redacted(redactions),
        consents=consents,
    )


def _withheld(item: Item, grader: Grader, redactions: Sequence[Redaction]) -> WithheldReport:
    found = item.exhibit.withheld
    assert found is not None  # noqa: S101 - the caller's condition
    return WithheldReport(
        seq=item.seq,
        index=found.index,
        leaf_hash=found.leaf_hash,
        digest=found.digest,
        named=item.bound,
        by=item.bounds.by,
        grade=grader.grade(item),
        redactions=_redacted(redactions),
    )
