"""Where the thread ends, by the hub's own leaf: proven, or not said."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from protocols.bundle import Bundle, Tail
from tests.mediation.audit.kit import START, Watched, check, codes, watched


def ended(seq: int | None = None, leaf: bytes | None = None, after: bool = False) -> Watched:
    """Three entries, then the leaf that says where the thread ends."""
    court = watched()
    court.word(2)
    court.word(3, "KV")
    court.publish(4)
    court.end(5, seq, leaf)
    if after:
        court.word(6)
    court.publish(7)
    return court


COURT = ended()
GOOD = COURT.evidence()


def with_tail(**changes: Any) -> Bundle:
    assert GOOD.tail is not None
    return dataclasses.replace(GOOD, tail=dataclasses.replace(GOOD.tail, **changes))


def test_a_tail_proves_which_entry_was_the_last_and_when() -> None:
    report = check(GOOD)
    assert report.holds, report.problems
    found = report.tail
    assert found is not None
    assert (found.seq, found.whole, found.index) == (3, True, 4)
    assert (found.after, found.by) == (START + 4, START + 7)


def test_without_one_the_report_does_not_claim_it() -> None:
    assert check(dataclasses.replace(GOOD, tail=None)).tail is None
    assert "unless its tail is proven" in check(GOOD).limits


def test_a_bundle_cut_short_of_its_tail_is_told_as_that() -> None:
    cut = dataclasses.replace(GOOD, exhibits=GOOD.exhibits[:2])
    report = check(cut)
    assert (report.holds, report.sound, report.whole, report.missing) == (False, True, False, 1)
    assert report.tail is not None
    assert (report.tail.seq, report.tail.whole) == (3, False)
    assert check(cut, allow_withheld=True).holds


def test_a_tail_older_than_the_last_entry_says_where_the_thread_stood_then() -> None:
    report = check(ended(after=True).evidence())
    assert report.holds, report.problems
    assert report.tail is not None
    assert (report.tail.seq, report.tail.whole) == (3, False)


def test_a_tail_that_the_entries_contradict_is_refused() -> None:
    assert codes(ended(seq=3, leaf=b"another").evidence()) == {"audit.tail"}
    assert codes(ended(seq=2).evidence()) == {"audit.tail"}  # entry 3 stood in the log when the hub said 2 was the last


def test_a_tail_from_before_the_entry_it_names_is_refused() -> None:
    """The hub decides where an entry will stand, so it could name it before it does."""
    honest, early = watched(), watched()
    for court in (honest, early):
        court.word(2)
        court.publish(4)
    honest.other_leaf()
    honest.word(6)
    early.end(5, 3, honest.leaves[2][1])
    early.word(6)
    early.publish(7)
    assert early.leaves[2][1] == honest.leaves[2][1]
    assert codes(early.evidence()) == {"audit.tail"}


@pytest.mark.parametrize("name", ["leaf", "proof", "disclosure"])
def test_a_tail_with_one_part_changed_is_refused(name: str) -> None:
    assert GOOD.tail is not None
    value = getattr(GOOD.tail, name)
    for changed in (value[:-1], value[:0], value[1:]):
        assert not check(with_tail(**{name: changed})).holds


def test_an_entrys_leaf_or_another_threads_end_is_no_tail() -> None:
    first = GOOD.exhibits[0]
    assert GOOD.tail is not None
    entry = dataclasses.replace(GOOD, tail=Tail(first.leaf, first.proof, GOOD.tail.disclosure))
    assert codes(entry) == {"entry.malformed"}
    foreign = dataclasses.replace(GOOD, thread="A" * 22)
    assert "tail.wrong" in codes(foreign)


def test_a_tail_under_a_head_that_is_not_shown_is_refused() -> None:
    court = ended()
    late = court.tail
    assert late is not None
    proof = court.proof_of(late.leaf)
    court.word(9)
    court.publish(10)
    bundle = dataclasses.replace(court.evidence(), heads=(), tail=dataclasses.replace(late, proof=proof))
    assert "audit.unknown-head" in codes(bundle)
