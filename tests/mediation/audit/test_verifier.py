"""What an auditor is told about a good bundle, and that no changed, cut or forged one passes."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediation.audit import Report, Trust, verify
from mediation.audit.findings import PROBLEMS
from mediation.inputs import context_of
from mediation.ladder import parse_ladder
from protocols.accord import NotInForce
from protocols.bundle import Bundle, Exhibit, Head, Tail, Withheld
from protocols.encoding import b64u, digest, from_rfc3339, rfc3339, to_json
from protocols.entry import parse_entry
from protocols.mandate import MandateBook
from protocols.translog import Checkpoint, ed25519_signer, parse_policy, parse_proof, sign_checkpoint
from tests.mediation.court import LADDER, LADDER_ID, LINE, LOG, POLICY, THREAD, TRUST, Court, small_case
from tests.protocols.kit import (
    HOUR,
    T0,
    Line,
    accord_of,
    mandated,
    officer_mandate,
    seed,
    signer,
    station_mandate,
)

CASE = small_case()
GOOD = CASE.bundle({2: (0,), 5: (0,)})
GOOD_REPORT = verify(GOOD, TRUST)


def codes(bundle: Bundle, trust: Trust = TRUST) -> set[str]:
    """What the verifier has against a bundle that must not hold."""
    report = verify(bundle, trust)
    assert not report.holds
    return {problem.code for problem in report.problems}


def swap(bundle: Bundle, seq: int, **changes: Any) -> Bundle:
    """The bundle with one exhibit changed."""
    exhibits = list(bundle.exhibits)
    exhibits[seq - 1] = dataclasses.replace(exhibits[seq - 1], **changes)
    return dataclasses.replace(bundle, exhibits=tuple(exhibits))


def test_a_good_bundle_holds_and_is_told_entry_by_entry() -> None:
    assert GOOD_REPORT.holds, GOOD_REPORT.problems
    assert [entry.kind for entry in GOOD_REPORT.entries] == [
        *("open", "incident-notice", "receipt", "acknowledgement", "goodwill-note")
    ]
    notice = GOOD_REPORT.entries[1]
    assert notice.office == "AV"
    assert notice.officers == (signer("AV releaser").kid, signer("AV drafter").kid)
    assert notice.fields == {"text": "Three hospitals lost their records."}
    assert notice.hidden == 7
    assert (notice.seq, notice.index, notice.rung) == (2, 2, "L1-notify")
    assert GOOD_REPORT.rung == "L1-notify"
    assert set(GOOD_REPORT.witnesses) == {"AV", "KV", "MD"}
    assert GOOD_REPORT.head_size == CASE.frontier.size


def test_what_is_not_disclosed_is_counted_and_not_shown() -> None:
    report = verify(CASE.bundle(), TRUST)
    assert report.holds
    assert [dict(entry.fields) for entry in report.entries] == [{}] * 5
    assert [entry.hidden for entry in report.entries] == [0, 8, 0, 8, 8]


def test_a_shorter_bundle_holds_too_and_the_report_says_so() -> None:
    shorter = dataclasses.replace(GOOD, exhibits=GOOD.exhibits[:4])
    report = verify(shorter, TRUST)
    assert report.holds
    assert "no entry came after" in report.limits


# -- the verifier's own trust -------------------------------------------------------------------------------------------


def test_another_accord_is_refused_before_anything_else() -> None:
    other = Line(accord_of(title="Another line", policy=POLICY)).accord
    assert codes(GOOD, Trust(TRUST.policy, other.id)) == {"accord.not-named"}
    assert codes(dataclasses.replace(GOOD, accord=other.data)) == {"accord.not-named"}


def test_a_policy_that_asks_for_more_than_the_head_has_refuses_it() -> None:
    strict = parse_policy(POLICY.replace("group offices 3", "group offices 4"))
    assert codes(GOOD, Trust(strict, TRUST.accord)) == {"translog.quorum-not-met"}
    assert codes(CASE.bundle(note=CASE.head(("AV", "KV")))) == {"translog.quorum-not-met"}


def test_a_policy_about_another_log_refuses_it() -> None:
    key = ed25519_signer(LOG, seed("another log")).key.vkey
    other = parse_policy(POLICY.replace(POLICY.split()[1], key))
    assert not verify(GOOD, Trust(other, TRUST.accord)).holds


def test_the_policy_in_the_bundle_has_no_say() -> None:
    lax = POLICY.replace("quorum offices", "quorum none").encode()
    assert codes(dataclasses.replace(GOOD, policy=lax)) == {"audit.policy"}


# -- the log ------------------------------------------------------------------------------------------------------------


def test_entries_cannot_be_left_out_swapped_or_doubled() -> None:
    first, second, third, *rest = GOOD.exhibits
    for exhibits in (
        (second, third, *rest),
        (first, third, *rest),
        (first, third, second, *rest),
        (first, second, second, third, *rest),
    ):
        assert codes(dataclasses.replace(GOOD, exhibits=exhibits)) & {"audit.misplaced", "audit.chain"}


def test_a_bundle_of_nothing_does_not_hold() -> None:
    assert not verify(dataclasses.replace(GOOD, exhibits=()), TRUST).holds


def test_a_proof_of_another_entry_proves_nothing() -> None:
    assert codes(swap(GOOD, 3, proof=GOOD.exhibits[1].proof)) == {"translog.proof-refused"}
    relabelled = GOOD.exhibits[1].proof.replace(b"index 2\n", b"index 4\n")
    assert codes(swap(GOOD, 3, proof=relabelled)) == {"translog.proof-refused"}


def test_a_proof_may_be_under_an_earlier_head_but_not_under_a_later_one_than_the_final() -> None:
    court = small_case()
    early = court.bundle()
    court.send("goodwill-note", "AV", fields={"text": "Thank you."})
    late = court.bundle()
    mixed = dataclasses.replace(late, exhibits=(*early.exhibits, late.exhibits[-1]))
    assert codes(mixed) == {"audit.unknown-head"}
    shown = dataclasses.replace(mixed, heads=(court.shown(early.checkpoint),))
    assert verify(shown, TRUST).holds
    assert "audit.final" in codes(dataclasses.replace(mixed, checkpoint=early.checkpoint))


def test_two_roots_for_one_size_are_a_forked_log() -> None:
    court, other = small_case(), Court()
    for index in range(court.frontier.size):
        other.other_leaf(bytes([index]))
    other.at = court.at
    bundle = court.bundle()
    assert "audit.split-log" in codes(dataclasses.replace(bundle, checkpoint=other.head().encode()))


def test_a_head_that_only_the_log_signed_is_refused() -> None:
    checkpoint = Checkpoint(LOG, CASE.frontier.size, CASE.frontier.root())
    note = sign_checkpoint(checkpoint, ed25519_signer(LOG, seed("log")))
    assert codes(CASE.bundle(note=note)) == {"translog.quorum-not-met"}


def test_nothing_rides_along_in_a_proof() -> None:
    proof = GOOD.exhibits[0].proof
    padded = proof.replace(b"index", b"extra QUJD\nindex", 1)
    assert parse_proof(padded).extra == b"ABC"
    assert codes(swap(GOOD, 1, proof=padded)) == {"translog.proof-malformed"}


# -- who signed, and as what ----------------------------------------------------------------------------------------------


def test_without_the_mandates_nobody_is_believed() -> None:
    assert codes(dataclasses.replace(GOOD, mandates=())) == {"entry.out-of-mandate"}


def test_a_mandate_by_a_stranger_is_said_and_does_not_count() -> None:
    forged = to_json(json.loads(GOOD.mandates[0]))
    tampered = forged.replace(b'"signature":"', b'"signature":"A', 1)
    report = verify(dataclasses.replace(GOOD, mandates=(tampered, *GOOD.mandates)), TRUST)
    assert not report.holds
    assert report.problems[0].detail.startswith("mandates/001.jws")


def test_a_mandate_taken_back_later_does_not_undo_what_was_signed_before() -> None:
    later = officer_mandate("AV", "AV releaser", serial=2, not_before=rfc3339(CASE.at + HOUR))
    assert verify(dataclasses.replace(GOOD, mandates=(*GOOD.mandates, mandated(later))), TRUST).holds
    earlier = officer_mandate("AV", "AV releaser", serial=2, not_before=rfc3339(T0))
    assert codes(dataclasses.replace(GOOD, mandates=(*GOOD.mandates, mandated(earlier)))) == {"entry.out-of-mandate"}


def test_a_station_that_no_office_mandated_cannot_be_seated_at_the_opening() -> None:
    book = MandateBook(LINE.content)
    for mandate in LINE.book().all():
        if not (mandate.office == "KV" and mandate.mandate.subject == "station"):
            book.add(mandate)
    court = Court(book=book).open()
    assert codes(court.bundle()) == {"entry.out-of-mandate"}
    assert station_mandate("KV").kid == signer("KV station").kid


# -- the ladder -----------------------------------------------------------------------------------------------------------


def test_an_entry_the_ladder_forbids_is_found_although_hub_and_log_took_it() -> None:
    court = small_case()
    court.send("proposal", "KV", {"version": 1}, {"text": "Ours."}, force=True)
    court.send("goodwill-note", "AV", fields={"text": "?"}, force=True)
    report = verify(court.bundle(), TRUST)
    assert [(problem.code, problem.seq) for problem in report.problems] == [("audit.ladder", 6)]
    assert [entry.rung for entry in report.entries[-2:]] == ["", ""]
    assert len(report.entries) == 7


def test_a_state_that_the_ladder_does_not_come_to_is_found() -> None:
    court = small_case()
    assert court.state is not None
    # This hub remembers another opening time than everybody else computes.
    court.state = msgspec.structs.replace(court.state, opened=court.state.opened + 1)
    court.send("goodwill-note", "AV", fields={"text": "Thank you."})
    assert codes(court.bundle()) == {"audit.state"}


def test_other_bytes_than_the_ladder_signed_are_refused() -> None:
    assert "accord.not-named" in codes(dataclasses.replace(GOOD, ladder=GOOD.ladder + b"\n"))
    assert "accord.not-named" in codes(dataclasses.replace(GOOD, ladder_id="other"))


def test_an_entry_that_saw_another_history_is_found() -> None:
    court = small_case()
    court.send("goodwill-note", "AV", fields={"text": "x"}, prev=digest(b"another"), force=True)
    assert codes(court.bundle()) == {"audit.previous"}


def test_an_entry_of_another_thread_is_found() -> None:
    assert codes(dataclasses.replace(GOOD, thread=b64u(bytes(16)))) >= {"audit.misplaced"}


# -- disclosures ------------------------------------------------------------------------------------------------------------


def test_a_forged_foreign_or_doubled_disclosure_is_refused_and_not_shown() -> None:
    own = GOOD.exhibits[1].disclosures[0]
    foreign = GOOD.exhibits[4].disclosures[0]
    forged = b64u(to_json([b64u(bytes(32)), "text", "Nothing happened."]))
    for disclosures in ((foreign,), (forged,), (own, own), (own, forged), ("",), (own[:-1],)):
        report = verify(swap(GOOD, 2, disclosures=disclosures), TRUST)
        assert not report.holds
        assert report.entries[1].fields == {}


# -- any change at all --------------------------------------------------------------------------------------------------------


def told(report: Report) -> object:
    """What a report says beyond who cosigned."""
    return report.holds, report.entries, report.rung, report.thread, report.accord


PARTS = ("checkpoint", "policy", "accord", "ladder", "mandates", "leaf", "proof", "disclose")


@functools.cache
def base() -> Bundle:
    """A smaller bundle for many mutations."""
    return dataclasses.replace(GOOD, exhibits=GOOD.exhibits[:3])


def mutated(part: str, choose: int, place: int, bit: int) -> Bundle:
    bundle = base()

    def flip(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[place % len(changed)] ^= 1 << bit
        return bytes(changed)

    if part in ("checkpoint", "policy", "accord", "ladder"):
        return dataclasses.replace(bundle, **{part: flip(getattr(bundle, part))})
    if part == "mandates":
        mandates = list(bundle.mandates)
        mandates[choose % len(mandates)] = flip(mandates[choose % len(mandates)])
        return dataclasses.replace(bundle, mandates=tuple(mandates))
    if part == "disclose":
        text = flip(bundle.exhibits[1].disclosures[0].encode()).decode("latin-1")
        return swap(bundle, 2, disclosures=tuple(text.split("~")))
    seq = choose % len(bundle.exhibits) + 1
    return swap(bundle, seq, **{part: flip(getattr(bundle.exhibits[seq - 1], part))})


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PARTS), st.integers(0, 40), st.integers(0, 60_000), st.integers(0, 7))
def test_any_changed_bit_refutes_the_bundle_or_changes_nothing_that_is_told(
    part: str, choose: int, place: int, bit: int
) -> None:
    changed = verify(mutated(part, choose, place, bit), TRUST)
    # The one harmless change: a cosignature made unreadable or unknown where the others still make the quorum.
    assert not changed.holds or told(changed) == told(verify(base(), TRUST))
    if part not in ("checkpoint", "proof"):
        assert not changed.holds


def test_an_unreadable_cosignature_beyond_the_quorum_is_harmless() -> None:
    note = CASE.head(("AV", "KV", "MD", "HD"))
    bundle = CASE.bundle(note=note)
    unknown = bundle.checkpoint.replace("— hd.example".encode(), "— xx.example".encode())
    assert verify(dataclasses.replace(bundle, checkpoint=unknown), TRUST).holds
    false = bundle.checkpoint[:-20] + b"A" + bundle.checkpoint[-19:]
    assert not verify(dataclasses.replace(bundle, checkpoint=false), TRUST).holds


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_in_any_place_are_reported_and_never_raise(data: bytes) -> None:
    text, stand_in = data.decode("latin-1"), Withheld(b64u(data), b64u(data), len(data))
    for bundle in (
        dataclasses.replace(GOOD, checkpoint=data),
        dataclasses.replace(GOOD, accord=data),
        dataclasses.replace(GOOD, ladder=data),
        dataclasses.replace(GOOD, mandates=(data,)),
        dataclasses.replace(GOOD, exhibits=(Exhibit(data, data, (text,)),)),
        dataclasses.replace(GOOD, exhibits=(*GOOD.exhibits, Exhibit(b"", data, (), stand_in))),
        dataclasses.replace(GOOD, heads=(Head(data, data),)),
        dataclasses.replace(GOOD, tail=Tail(data, data, text)),
        dataclasses.replace(GOOD, tail=Tail(GOOD.exhibits[0].leaf, GOOD.exhibits[0].proof, text)),
        dataclasses.replace(GOOD, redactions=data),
    ):
        assert not verify(bundle, TRUST, allow_withheld=True).holds


def test_the_court_of_these_tests_makes_entries_as_the_line_does() -> None:
    assert parse_entry(GOOD.exhibits[1].leaf).draft is not None


def test_a_thread_is_opened_only_while_the_accord_is_in_force() -> None:
    accord, ladder = LINE.accord.accord, parse_ladder(LADDER)
    begin, end = from_rfc3339(accord.not_before), from_rfc3339(accord.sunset)
    for at in (begin, end - 1):
        assert context_of(LINE.accord, LADDER_ID, ladder, THREAD, at).scale == 60
    for at in (begin - 1, end):
        with pytest.raises(NotInForce):
            context_of(LINE.accord, LADDER_ID, ladder, THREAD, at)


def test_every_contradiction_is_in_the_reference_with_its_sentence() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "bundle.md").read_text("utf-8")
    for code, sentence in PROBLEMS.items():
        assert f"| `{code}` | {sentence} |" in page
