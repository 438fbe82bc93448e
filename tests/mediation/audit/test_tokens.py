"""Time-stamps over heads: told where the verifier believes their authority, and never in place of the witnesses."""

from __future__ import annotations

import dataclasses

import pytest

from mediation.audit import Trust
from protocols.bundle import Bundle
from protocols.translog.timestamp import timestamp_request
from tests.mediation.audit.kit import START, check, codes, watched
from tests.mediation.court import TRUST
from tests.tsa import Authority, make_authority, needs_openssl

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stamped(authority: Authority) -> Bundle:
    """A bundle whose final head and first other head carry a token."""
    court = watched()
    court.publish(3)
    court.publish(7)
    bundle = court.evidence()
    first, *rest = bundle.heads
    first = dataclasses.replace(first, token=authority.reply(timestamp_request(first.note, 1)))
    final = authority.reply(timestamp_request(bundle.checkpoint, 2))
    return dataclasses.replace(bundle, heads=(first, *rest), final_token=final)


def believing(*roots: bytes) -> Trust:
    return dataclasses.replace(TRUST, authorities=roots)


def test_tokens_of_an_authority_that_the_verifier_believes_are_told(stamped: Bundle, authority: Authority) -> None:
    report = check(stamped, believing(authority.root))
    assert report.holds, report.problems
    assert [(token.head, token.size) for token in report.tokens] == [("final.checkpoint", 2), ("cp.001", 1)]
    assert all(token.accuracy == 1501 for token in report.tokens)
    # They change nothing that the witnesses say: this exercise plays in another year.
    assert report.entries[0].by == START + 3


def test_without_a_believed_authority_no_token_is_looked_at(stamped: Bundle) -> None:
    report = check(stamped)
    assert report.holds
    assert report.tokens == ()
    rubbish = dataclasses.replace(stamped, final_token=b"x")
    assert check(rubbish).holds


def test_a_token_over_another_head_or_by_a_stranger_is_refused(
    stamped: Bundle, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    swapped = dataclasses.replace(stamped, final_token=stamped.heads[0].token)
    report = check(swapped, believing(authority.root))
    assert {(problem.code, problem.detail[:9]) for problem in report.problems} == {
        ("translog.timestamp-mismatch", "final.tsr")
    }
    other = make_authority(tmp_path_factory.mktemp("other"))
    assert codes(stamped, believing(other.root)) == {"translog.timestamp-refused"}
    assert codes(dataclasses.replace(stamped, final_token=b"x"), believing(authority.root)) == {
        "translog.timestamp-malformed"
    }
