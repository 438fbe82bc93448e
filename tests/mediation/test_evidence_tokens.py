"""Time-stamp tokens in a bundle: judged where the verifier trusts an authority, and never instead of witnesses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mediation.audit import Report, Trust, verify
from protocols.bundle import Bundle
from protocols.translog import parse_policy
from tests.mediation.court import LINE, POLICY, small_case
from tests.tsa import Authority, make_authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def plain() -> Bundle:
    court = small_case()
    early = court.head()
    court.send("goodwill-note", "KV", fields={"text": "And with their families."})
    return replace(court.bundle(), heads=(court.shown(early.encode()),))


def judge(bundle: Bundle, *authorities: bytes) -> Report:
    return verify(bundle, Trust(parse_policy(POLICY), LINE.accord.id, authorities=authorities))


def codes(report: Report) -> set[tuple[str, str]]:
    return {(problem.detail.split(":")[0], problem.code) for problem in report.problems}


def test_tokens_over_the_final_and_other_heads_are_told_with_their_times(plain: Bundle, authority: Authority) -> None:
    other = replace(plain.heads[0], token=authority.forge(plain.heads[0].note))
    report = judge(replace(plain, heads=(other,), final_token=authority.forge(plain.checkpoint)), authority.root)
    assert report.holds
    assert [(each.head, each.authority) for each in report.tokens] == [
        ("final.checkpoint", "CN=Stamps,O=Exercise,C=CH"),
        ("cp.001", "CN=Stamps,O=Exercise,C=CH"),
    ]
    assert report.tokens[0].size > report.tokens[1].size


def test_without_an_authority_tokens_say_nothing_and_change_nothing(plain: Bundle, authority: Authority) -> None:
    stamped = judge(replace(plain, final_token=authority.forge(plain.checkpoint)))
    assert (stamped.holds, stamped.tokens) == (True, ())
    assert stamped.entries == judge(plain).entries


def test_no_bound_and_no_clock_rests_on_a_token(plain: Bundle, authority: Authority) -> None:
    stamped = judge(replace(plain, final_token=authority.forge(plain.checkpoint)), authority.root)
    without = judge(plain, authority.root)
    assert (stamped.entries, stamped.clocks) == (without.entries, without.clocks)


def test_a_token_that_does_not_hold_fails_the_bundle_and_is_named(
    plain: Bundle, authority: Authority, tmp_path: Path
) -> None:
    good, stranger = authority.forge(plain.checkpoint), make_authority(tmp_path)
    for token, code in (
        (authority.forge(plain.heads[0].note), "translog.timestamp-mismatch"),
        (stranger.forge(plain.checkpoint), "translog.timestamp-refused"),
        (good[:-1] + bytes([good[-1] ^ 1]), "translog.timestamp-refused"),
        (good[:-1], "translog.timestamp-malformed"),
        (b"", "translog.timestamp-malformed"),
    ):
        report = judge(replace(plain, final_token=token), authority.root)
        assert not report.holds
        assert codes(report) == {("final.tsr", code)}
        assert report.tokens == ()


def test_a_token_over_another_head_is_not_taken_for_the_final_ones(plain: Bundle, authority: Authority) -> None:
    swapped = replace(plain.heads[0], token=authority.forge(plain.checkpoint))
    report = judge(replace(plain, heads=(swapped,)), authority.root)
    assert codes(report) == {("cp.001.tsr", "translog.timestamp-mismatch")}
