"""One byte of a bundle changed, anywhere: it is detected, or it is of a sort that is listed as harmless and is."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from hotline import bundles
from protocols.bundle import BundleMalformed
from tests.docs.by_hand import PAGE
from tests.docs.example_bundle import BUNDLE
from tests.mediation.audit import mutation
from tests.mediation.audit.mutation import HARMLESS, MASKS, changed, detected, good, original, places, undetected


def test_a_changed_byte_is_seen_in_every_file() -> None:
    for count, (name, place) in enumerate(places(11)):
        assert detected(changed(name, place, MASKS[count % 2])), (name, place)


def test_a_changed_byte_is_detected_although_the_manifest_was_made_to_fit_or_is_harmless() -> None:
    sorts: Counter[str | None] = Counter()
    for count, (name, place) in enumerate(places(61)):
        if name != "manifest.json":
            sorts[undetected(name, place, MASKS[count % 2])] += 1
    assert sorts[None] > 500


@pytest.mark.parametrize("name", ["000005.withheld", "000006.disclose", "cp.004.consistency", "tail.disclose"])
def test_every_byte_of_the_smallest_files_is_detected(name: str) -> None:
    assert {undetected(name, place, MASKS[place % 2]) for place in range(len(original()[name]))} == {None}


def test_a_change_that_removes_a_cosignature_only_makes_less_proven() -> None:
    data = original()["cp.002"]
    at = data.index("— kv.example".encode()) + len("— ".encode())
    assert undetected("cp.002", at, 0x01) == "cosigner"
    assert undetected("cp.002", data.index(b" ", at) + 10, 0x01) is None, (
        "a signature that does not verify voids the head"
    )


def test_what_is_harmless_is_listed_for_those_who_check_by_hand() -> None:
    text = " ".join(PAGE.read_text("utf-8").split())
    for words in HARMLESS.values():
        where, why = words.split(": ", 1)
        assert f"| {where} | {why} |" in text


def test_the_judge_of_the_harmless_is_no_pushover(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that is not detected and not harmless is told: as when heads were not checked at all."""
    monkeypatch.setattr(mutation, "audit", lambda files: good())
    with pytest.raises(AssertionError, match="neither detected nor harmless"):
        undetected("accord.jws", 100, 0x01)


def test_a_changed_byte_of_the_zip_file_is_refused_or_changes_nothing() -> None:
    data, same = BUNDLE.read_bytes(), bundles.load(BUNDLE)
    refused = 0
    stops = [*range(0, len(data) - 4000, 97), *range(len(data) - 4000, len(data), 5)]  # its table stands at the end
    assert all(a < b for a, b in pairwise(stops))
    for count, place in enumerate(stops):
        copy = bytearray(data)
        copy[place] ^= MASKS[count % 2]
        try:
            assert bundles.unpack(bytes(copy)) == same, place
        except BundleMalformed:
            refused += 1
    assert refused > 0.7 * len(stops)
