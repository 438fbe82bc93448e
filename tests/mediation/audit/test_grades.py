"""How strong the evidence of an entry is, by who signed the heads that hold it; and when it was made."""

from __future__ import annotations

import dataclasses

import pytest

from mediation.audit import Trust
from mediation.audit.grades import own_keys
from protocols.encoding import rfc3339
from protocols.mandate import Mandate, MandateBook
from protocols.translog import parse_policy
from tests.mediation.audit.kit import START, Watched, check, watched
from tests.mediation.court import LINE, POLICY, TRUST, WITNESSES
from tests.protocols.kit import T0, accord_of, mandated, station_mandate


def signed_by(*witnesses: str) -> Watched:
    """Arvenia opens, Kostrava speaks, the hub notes nothing; the last head is cosigned by these."""
    court = watched()
    court.word(2, "KV")
    court.publish(5, witnesses)
    return court


def grades(court: Watched, policy: str = POLICY) -> list[str | None]:
    report = check(court.evidence(), Trust(parse_policy(policy), TRUST.accord))
    assert report.holds, report.problems
    return [entry.grade for entry in report.entries]


def test_with_the_adverse_partys_own_cosignature_the_grade_is_the_highest() -> None:
    assert grades(signed_by("AV", "KV", "MD")) == ["L3", "L3"]
    assert grades(signed_by("AV", "MD", "HD")) == ["L2", "L3"]  # Kostrava did not sign for what Arvenia wrote
    assert grades(signed_by("KV", "MD", "HD")) == ["L3", "L2"]


def test_a_cosignature_of_the_adverse_party_under_any_later_head_counts() -> None:
    court = signed_by("AV", "MD", "HD")
    court.publish(9, ("KV", "MD", "HD"))
    assert grades(court) == ["L3", "L3"]


def test_an_entry_of_neither_party_needs_both() -> None:
    for witnesses, grade in ((("AV", "KV", "MD"), "L3"), (("AV", "MD", "HD"), "L2")):
        court = watched()
        notice = court.tell(2, "incident-notice", fields={"text": "x", "severity": "high"}, two=True)
        court.tell(3, "receipt", "KV", {"entry": notice})
        end = next(each.end for each in court.state.clocks if each.rule == "page-alternate") if court.state else 0
        court.tell(14, "clock-expired", "HUB", {"clock": "page-alternate/2", "end": end})
        court.publish(15, witnesses)
        assert grades(court)[3] == grade


def test_a_lax_policy_of_the_verifier_lowers_the_grade() -> None:
    lax = POLICY.replace("quorum offices", "quorum none")
    assert grades(signed_by("AV", "KV", "MD"), lax) == ["L1", "L1"]
    only_log = POLICY.splitlines()[0] + "\nquorum none\n"
    assert grades(signed_by("AV", "KV", "MD"), only_log) == ["L0", "L0"]


def test_an_entry_that_is_not_proven_to_be_in_the_log_has_no_grade_and_no_time() -> None:
    bundle = signed_by("AV", "KV", "MD").evidence()
    exhibits = (dataclasses.replace(bundle.exhibits[0], proof=bundle.exhibits[1].proof), bundle.exhibits[1])
    report = check(dataclasses.replace(bundle, exhibits=exhibits))
    assert not report.holds
    assert (report.entries[0].grade, report.entries[0].by) == (None, None)


def test_an_offices_own_witnesses_are_those_that_the_accord_calls_by_its_id() -> None:
    machines = POLICY.replace("witness AV ", "witness av/1 ").replace(
        "group offices 3 AV", "group AV any av/1\ngroup offices 3 AV"
    )
    own = own_keys(accord_of(policy=machines))
    assert own["AV"] == {"av.example"}
    assert own["KV"] == {"kv.example"}
    assert "OM" not in own


# -- time -----------------------------------------------------------------------------------------------------------------


def test_an_entry_was_made_between_the_head_it_has_seen_and_the_first_that_holds_it() -> None:
    court = watched()
    court.publish(10)
    court.word(12, "KV")
    court.publish(20)
    court.publish(80)
    report = check(court.evidence())
    assert report.holds
    assert [(entry.after, entry.by) for entry in report.entries] == [(None, START + 10), (START + 10, START + 20)]


@pytest.mark.parametrize("off", [{"HD": -500_000}, {"HD": 500_000}, {"AV": 9_000}])
def test_one_lying_witness_narrows_nothing(off: dict[str, int]) -> None:
    court = watched()
    court.publish(10, off=off)
    court.word(12, "KV")
    court.publish(20, off=off)
    entry = check(court.evidence()).entries[1]
    assert entry.after is not None and entry.by is not None
    assert entry.after <= START + 10
    assert entry.by >= START + 20


def test_a_head_that_is_not_in_the_bundle_bounds_nothing() -> None:
    court = watched()
    court.publish(10)
    court.word(12, "KV")
    court.publish(20)
    report = check(dataclasses.replace(court.evidence(), heads=()))
    assert report.holds
    assert report.entries[1].after is None


# -- what the witnesses say of the hub's stamps ---------------------------------------------------------------------------


def backdated(*mandates: Mandate) -> Watched:
    """Kostrava's station writes after second 200, as its entry shows; the hub stamps it with second 50. Its mandate, and
    others that are given, are in the book; the first ends at second 100."""
    book = MandateBook(LINE.content)
    first = station_mandate("KV", not_after=rfc3339(T0 + 100_000))
    for known in LINE.book().all():
        if known.kid != first.kid:
            book.add(known)
    for mandate in (first, *mandates):
        book.add_bytes(mandated(mandate))
    court = watched(book)
    court.publish(10)
    court.published.append(court.head(WITNESSES, dict.fromkeys(WITNESSES, START + 200)))
    court.word(50, "KV")
    court.publish(220)
    return court


def test_a_stamp_that_the_witnesses_prove_wrong_is_told_and_is_not_yet_a_fault() -> None:
    court = watched()
    court.publish(10)
    court.word(300, "KV")
    court.publish(20)
    report = check(court.evidence())
    assert report.holds, report.problems
    assert [entry.stamp_off for entry in report.entries] == [0, 300 - 20 - 2]


def test_a_hub_cannot_lend_a_mandate_that_ended_an_earlier_date() -> None:
    report = check(backdated().evidence())
    assert [(problem.code, problem.seq) for problem in report.problems] == [("audit.mandate", 2)]
    assert report.entries[1].stamp_off == 200 - 2 - 50


def test_a_mandate_that_covers_the_time_at_which_it_was_made_excuses_the_stamp() -> None:
    renewed = station_mandate("KV", serial=2, not_before=rfc3339(T0 + 205_000))
    report = check(backdated(renewed).evidence())
    assert report.holds, report.problems
    later = station_mandate("KV", serial=2, not_before=rfc3339(T0 + 300_000))
    assert not check(backdated(later).evidence()).holds
