"""All heads of a bundle are of one history, each by the verifier's policy, or nothing is proven under them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediation.audit import Trust
from mediation.audit.heads import Heads, Over
from protocols.bundle import Bundle, Head
from protocols.translog import (
    Checkpoint,
    add_signatures,
    by_bound,
    cosign,
    ed25519_cosigner,
    ed25519_signer,
    format_consistency,
    parse_policy,
    sign_checkpoint,
)
from tests.mediation.audit.kit import START, check, codes, watched
from tests.mediation.court import LINE, POLICY, TRUST, Court
from tests.protocols.kit import seed

COURT = watched()
COURT.publish(3)
COURT.word(5)
COURT.publish(7)
GOOD = COURT.evidence()


def with_head(**changes: Any) -> Bundle:
    """The bundle with something else as its second head."""
    first, second = GOOD.heads
    return dataclasses.replace(GOOD, heads=(first, dataclasses.replace(second, **changes)))


def test_every_head_is_told_with_who_signed_it_when() -> None:
    report = check(GOOD)
    assert report.holds, report.problems
    assert [(head.name, head.size) for head in report.heads] == [("cp.001", 1), ("cp.002", 2), ("final.checkpoint", 3)]
    assert dict(report.heads[1].witnesses) == dict.fromkeys(("AV", "KV", "MD", "HD"), START + 3)
    assert report.liars == 1


def test_a_head_is_refused_without_its_consistency_proof_or_with_another() -> None:
    first, second = GOOD.heads
    for consistency in (b"", first.consistency, format_consistency([bytes(32)]), second.consistency * 2):
        assert consistency != second.consistency
        assert "translog.proof-refused" in codes(with_head(consistency=consistency))
    assert "translog.proof-malformed" in codes(with_head(consistency=b"x"))


def test_a_head_that_too_few_signed_is_refused_and_proves_nothing() -> None:
    few = watched()
    few.published.append(few.head(("AV", "KV")))
    few.word(5)
    few.publish(7)
    assert codes(few.evidence()) == {"translog.quorum-not-met"}


def test_a_head_of_a_forked_log_is_refused_as_a_fork() -> None:
    other = Court()
    for number in range(2):
        other.other_leaf(bytes([number]))
    other.at = COURT.at
    forked = dataclasses.replace(GOOD, heads=(GOOD.heads[0], Head(other.head().encode(), b"")))
    assert codes(forked) == {"translog.proof-refused"}
    both = dataclasses.replace(GOOD, heads=(*GOOD.heads, Head(other.head().encode(), b"")))
    assert codes(both) == {"audit.split-log"}


def test_a_head_newer_than_the_final_one_is_refused() -> None:
    newer = dataclasses.replace(GOOD, checkpoint=GOOD.heads[1].note, heads=(Head(GOOD.checkpoint, b""),))
    assert "audit.final" in codes(newer)


def test_a_head_of_another_log_is_refused() -> None:
    name = "other.example/log"
    checkpoint = Checkpoint(name, 1, bytes(32))
    lines = [
        cosign(checkpoint, ed25519_cosigner(f"{office.lower()}.example", seed(f"{office} cosigner")), START)
        for office in ("AV", "KV", "MD")
    ]
    note = add_signatures(sign_checkpoint(checkpoint, ed25519_signer(name, seed("other log"))), lines)
    both = parse_policy(f"log {ed25519_signer(name, seed('other log')).key.vkey}\n{POLICY}")
    bundle = dataclasses.replace(GOOD, heads=(*GOOD.heads, Head(note.encode(), b"")))
    assert codes(bundle) == {"translog.no-known-signature"}
    assert codes(bundle, Trust(both, TRUST.accord)) == {"audit.other-log"}


@pytest.mark.parametrize("note", [b"", b"x", b"\xff\xfe", b"a\n\nb\n"])
def test_a_head_that_is_none_is_refused_and_the_rest_is_told(note: bytes) -> None:
    report = check(with_head(note=note))
    assert not report.holds
    assert [problem.detail[:6] for problem in report.problems] == ["cp.002"]
    assert len(report.entries) == 2


def test_a_proof_under_the_same_tree_signed_at_another_time_needs_no_head_of_its_own() -> None:
    court = watched()
    court.publish(3)
    early = court.bundle(note=court.published[-1])
    court.publish(60)
    late = court.bundle(note=court.published[-1])
    report = check(dataclasses.replace(late, exhibits=early.exhibits))
    assert report.holds, report.problems
    assert [head.name for head in report.heads] == ["000001.tlog-proof", "final.checkpoint"]
    assert report.entries[0].by == START + 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=8), st.integers(0, 6))
def test_what_all_heads_say_together_is_what_the_rule_says(drawn: list[tuple[int, int]], index: int) -> None:
    court = Court()
    heads = Heads(TRUST.policy, LINE.accord, _grown(court, 6, 9))
    shown = {heads.final.head.note}
    for size, at in drawn:
        part = Court()
        note = _grown(part, size, at) if size else None
        if note is not None and note.decode() not in shown:
            shown.add(note.decode())
            grown = court.shown(note)
            heads.add("cp", grown.note, grown.consistency)
    times = [each.times for each in heads.all()]
    for f in (0, 1, 3, 4):
        assert Over(heads, f).by(index) == by_bound(index, times, f)
    cosigned = set[str]().union(*(each.operators for each in heads.all() if each.size > index))
    assert Over(heads, 1).operators(index) == cosigned


def _grown(court: Court, size: int, at: int) -> bytes:
    """A head of a log of so many leaves; witness n signs n times ``at`` seconds late."""
    while court.frontier.size < size:
        court.other_leaf(bytes([court.frontier.size]))
    times = {name: START + number * at for number, name in enumerate(("AV", "KV", "MD", "HD"))}
    witnesses = ("AV", "KV", "MD") if at % 2 else ("AV", "KV", "MD", "HD")
    return court.head(witnesses, times).encode()
