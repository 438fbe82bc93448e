"""An entry may be withheld, but not without being seen, and not if the verifier does not allow it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from mediation.audit import as_dict
from protocols.bundle import Bundle, Withheld
from protocols.encoding import b64u, digest
from protocols.redaction import Redaction, make_sheet, sheet_bytes
from protocols.translog import leaf_hash
from tests.mediation.audit.kit import Watched, check, codes, watched, withheld
from tests.mediation.court import THREAD


def court_of(words: int = 5, *, tail: bool = False) -> Watched:
    court = watched()
    for number in range(words):
        court.other_leaf(bytes([number]))
        court.word(2 + number, "AV" if number % 2 else "KV")
    if tail:
        court.end(20)
    court.publish(30)
    return court


COURT = court_of()
GOOD = COURT.evidence()


def changed(bundle: Bundle, seq: int, **changes: Any) -> Bundle:
    """The bundle with another stand-in for a withheld entry."""
    exhibits = list(bundle.exhibits)
    old = exhibits[seq - 1].withheld
    assert old is not None
    members = {name: getattr(old, name) for name in ("leaf_hash", "digest", "index")}
    exhibits[seq - 1] = dataclasses.replace(exhibits[seq - 1], withheld=Withheld(**{**members, **changes}))
    return dataclasses.replace(bundle, exhibits=tuple(exhibits))


def test_a_withheld_entry_fails_the_bundle_unless_the_verifier_allows_it() -> None:
    bundle = withheld(GOOD, 3)
    report = check(bundle)
    assert (report.holds, report.sound, report.whole) == (False, True, False)
    allowed = check(bundle, allow_withheld=True)
    assert (allowed.holds, allowed.sound, allowed.whole) == (True, True, False)
    for each in (report, allowed):
        said = as_dict(each)
        assert (said["sound"], said["whole"], len(said["withheld"])) == (True, False, 1)
    assert check(GOOD).whole


def test_what_is_told_of_it_is_its_number_its_place_and_that_the_next_entry_names_it() -> None:
    (found,) = check(withheld(GOOD, 3)).withheld
    leaf = GOOD.exhibits[2].leaf
    assert (found.seq, found.digest, found.leaf_hash) == (3, digest(leaf), b64u(leaf_hash(leaf)))
    assert (found.named, found.grade) == (True, "L3")
    assert found.by == check(GOOD).entries[2].by


def test_the_ladder_is_replayed_only_up_to_it() -> None:
    report = check(withheld(GOOD, 3), allow_withheld=True)
    assert report.replayed == 2
    assert [entry.rung for entry in report.entries] == ["L0-routine", "L0-routine", "", "", ""]
    assert report.rung == ""
    assert [entry.seq for entry in report.entries] == [1, 2, 4, 5, 6]
    first = check(withheld(GOOD, 1), allow_withheld=True)
    assert (first.holds, first.replayed) == (True, 0)
    assert {entry.grade for entry in first.entries} == {"L2"}  # who the parties are is not shown


def test_of_several_in_a_row_only_the_last_is_named_but_the_count_is_certain() -> None:
    report = check(withheld(GOOD, 2, 3, 4), allow_withheld=True)
    assert report.holds
    assert [(each.seq, each.named) for each in report.withheld] == [(2, False), (3, False), (4, True)]
    fewer = withheld(GOOD, 2, 3, 4)
    fewer = dataclasses.replace(fewer, exhibits=(*fewer.exhibits[:2], *fewer.exhibits[3:]))
    assert codes(fewer, allow_withheld=True) >= {"audit.misplaced"}


def test_withheld_at_the_very_end_it_is_held_by_nothing_but_the_tail() -> None:
    assert codes(withheld(GOOD, 6), allow_withheld=True) == {"audit.withheld-unproven"}
    assert codes(withheld(GOOD, 5, 6), allow_withheld=True) == {"audit.withheld-unproven"}
    report = check(withheld(court_of(tail=True).evidence(), 6), allow_withheld=True)
    assert report.holds, report.problems
    assert report.withheld[0].named
    assert report.tail is not None and report.tail.whole


def test_a_bundle_of_nothing_but_withheld_entries_shows_nothing() -> None:
    assert not check(withheld(GOOD, 1, 2, 3, 4, 5, 6), allow_withheld=True).holds


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"digest": digest(b"another")}, "audit.chain"),
        ({"leaf_hash": b64u(bytes(32))}, "translog.proof-refused"),
        ({"leaf_hash": "A" * 42 + "B"}, "entry.malformed"),
        ({"index": 2}, "audit.index"),
        ({"index": 2**40}, "audit.index"),
    ],
)
def test_a_stand_in_that_does_not_fit_its_place_is_refused(changes: dict[str, Any], code: str) -> None:
    assert code in codes(changed(withheld(GOOD, 3), 3, **changes), allow_withheld=True)


def test_a_leaf_from_before_or_after_its_neighbours_cannot_stand_in() -> None:
    early, late = GOOD.exhibits[1], GOOD.exhibits[4]
    for other in (early, late):
        bundle = withheld(GOOD, 3)
        exhibits = list(bundle.exhibits)
        index = int(other.proof.split(b"\n")[1].split(b" ")[1])
        stand_in = Withheld(b64u(leaf_hash(other.leaf)), digest(GOOD.exhibits[2].leaf), index)
        exhibits[2] = dataclasses.replace(exhibits[2], proof=other.proof, withheld=stand_in)
        found = codes(dataclasses.replace(bundle, exhibits=tuple(exhibits)), allow_withheld=True)
        assert found == {"audit.order"}


def test_all_who_wrote_after_a_withheld_entry_must_mean_the_same_one() -> None:
    court = watched()
    court.word(2)
    court.word(3)
    court.word(4, "KV", prev=digest(b"another"), prev_seq=2, force=True)
    court.word(5, "AV", prev=court.ids[1], prev_seq=2)
    court.publish(6)
    assert "audit.previous" in codes(withheld(court.evidence(), 2), allow_withheld=True)


# -- why: the redaction sheet ---------------------------------------------------------------------------------------------


def sheeted(bundle: Bundle, *items: Redaction) -> Bundle:
    return dataclasses.replace(bundle, redactions=sheet_bytes(make_sheet(THREAD, items)))


WHY = Redaction(seq=3, by="AV", reason="life-safety", withheld=True, words="a source")


def test_what_was_left_out_is_told_with_its_reason() -> None:
    marks = sorted(set(check(GOOD).entries[1].fields)) or ["text"]
    part = Redaction(seq=2, by="AV", reason="court-order", fields=dict.fromkeys(marks))
    others = [Redaction(seq=seq, by="AV", reason="not-relevant", fields={"text": None}) for seq in (4, 5, 6)]
    report = check(sheeted(withheld(GOOD, 3), part, WHY, *others), allow_withheld=True)
    assert report.holds, report.problems
    assert report.withheld[0].redactions[0].words == "a source"
    assert report.entries[1].redactions[0].reason == "court-order"
    assert report.entries[0].redactions == ()


def test_a_sheet_that_says_other_than_the_bundle_shows_is_refused() -> None:
    assert "redaction.shown" in codes(sheeted(GOOD, WHY))
    assert "redaction.unlisted" in codes(sheeted(withheld(GOOD, 3)), allow_withheld=True)
    wrong = dataclasses.replace(GOOD, redactions=b"{}")
    assert codes(wrong) == {"redaction.malformed"}
    disclosed = COURT.evidence({2: (0,)})
    text = Redaction(seq=2, by="AV", reason="court-order", fields={"text": None})
    assert "redaction.shown" in codes(sheeted(disclosed, text))
