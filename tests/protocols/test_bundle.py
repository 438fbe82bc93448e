"""A bundle is exactly the files its manifest names, each within bounds."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import bundle as bundles
from protocols.bundle import (
    Bundle,
    BundleMalformed,
    Exhibit,
    Head,
    Tail,
    limit_of,
    read_bundle,
    withhold,
    write_bundle,
)
from protocols.encoding import b64u, digest

BUNDLE = Bundle(
    thread="A" * 22,
    ladder_id="ladder",
    checkpoint=b"note",
    policy=b"policy",
    accord=b"accord",
    ladder=b"ladder",
    mandates=(b"m1", b"m2"),
    exhibits=(Exhibit(b"leaf1", b"proof1"), Exhibit(b"leaf2", b"proof2", ("abc", "def"))),
)
FILES = write_bundle(BUNDLE)
FULL = dataclasses.replace(
    BUNDLE,
    exhibits=(*BUNDLE.exhibits, Exhibit(b"", b"proof3", (), withhold(b"leaf3", 9, bytes(32)))),
    heads=(Head(b"n1", b""), Head(b"n2", b"c2", b"token")),
    final_token=b"token",
    tail=Tail(b"ends", b"proof4", "ghi"),
    redactions=b"{}",
    reports={"report.html": b"<p>", "report.txt": b"words"},
)
FULL_FILES = write_bundle(FULL)


def test_a_bundle_reads_back() -> None:
    assert read_bundle(FILES) == BUNDLE
    assert sorted(FILES) == [
        *("000001.leaf", "000001.tlog-proof", "000002.disclose", "000002.leaf", "000002.tlog-proof"),
        *("accord.jws", "final.checkpoint", "ladder.toml", "mandates/001.jws", "mandates/002.jws", "manifest.json"),
        "policy",
    ]
    assert FILES["000002.disclose"] == b"abc~def"


@pytest.mark.parametrize("name", sorted(FILES))
def test_no_file_may_be_missing_or_changed(name: str) -> None:
    with pytest.raises(BundleMalformed):
        read_bundle({other: data for other, data in FILES.items() if other != name})
    for changed in (FILES[name] + b" ", FILES[name][:-1], b""):
        with pytest.raises(BundleMalformed):
            read_bundle({**FILES, name: changed})


@pytest.mark.parametrize(
    "name",
    [
        *("readme.txt", "../policy", "/policy", "mandates/../policy", "mandates/1.jws", "000001.LEAF", "1.leaf", ""),
        *(
            "cp.1",
            "cp.0001",
            "cp.01000",
            "cp.100000",
            "cp.001.leaf",
            "cp.final",
            "tail",
            "report.pdf",
            "final.tlog-proof",
        ),
        *("leaf", "disclose", "000003.leaf\n", "000001.leaf/x", "mandates\\001.jws", "policy\x00", "٠٠٠٠٠١.leaf"),
    ],
)
def test_files_of_other_names_are_refused(name: str) -> None:
    with pytest.raises(BundleMalformed):
        limit_of(name)
    with pytest.raises(BundleMalformed):
        read_bundle({**FILES, name: b""})


def resealed(files: dict[str, bytes], entries: int = 2, thread: str = "A" * 22) -> dict[str, bytes]:
    """The files with a manifest that fits them."""
    rest = {name: data for name, data in files.items() if name != "manifest.json"}
    return {**rest, "manifest.json": bundles._manifest(thread, "ladder", entries, rest)}


def test_a_manifest_that_fits_does_not_excuse_a_gap() -> None:
    for missing in ("000001.leaf", "000002.tlog-proof", "mandates/001.jws", "accord.jws", "policy"):
        files = {name: data for name, data in FILES.items() if name != missing}
        with pytest.raises(BundleMalformed):
            read_bundle(resealed(files))
    for extra in ("000003.leaf", "000003.disclose", "mandates/004.jws"):
        with pytest.raises(BundleMalformed):
            read_bundle(resealed({**FILES, extra: b""}))
    for entries in (0, 1, 3, bundles.MAX_ENTRIES + 1):
        with pytest.raises(BundleMalformed):
            read_bundle(resealed(FILES, entries))
    with pytest.raises(BundleMalformed):
        read_bundle(resealed(FILES, thread="../../etc"))


@pytest.mark.parametrize("text", [b"{}", b"[]", b"\xff", b'{"format":1}', json.dumps({"format": 2}).encode(), b""])
def test_a_manifest_of_another_form_is_refused(text: bytes) -> None:
    with pytest.raises(BundleMalformed):
        read_bundle({**FILES, "manifest.json": text})


def test_a_manifest_laid_out_otherwise_is_refused() -> None:
    value = json.loads(FILES["manifest.json"])
    for text in (json.dumps(value), json.dumps(value, separators=(",", ":")), json.dumps({**value, "note": 1})):
        with pytest.raises(BundleMalformed):
            read_bundle({**FILES, "manifest.json": text.encode()})


def test_a_file_over_its_bound_is_neither_written_nor_read() -> None:
    large = dataclasses.replace(BUNDLE, exhibits=(Exhibit(bytes(65_536), b"proof"),))
    with pytest.raises(BundleMalformed, match="65536 bytes"):
        write_bundle(large)
    with pytest.raises(BundleMalformed, match="has"):
        read_bundle(resealed({**FILES, "mandates/001.jws": bytes(20_000)}))


def test_the_whole_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_BUNDLE_BYTES", 100)
    with pytest.raises(BundleMalformed, match="in all"):
        read_bundle(FILES)
    monkeypatch.setattr(bundles, "MAX_FILES", 3)
    with pytest.raises(BundleMalformed, match="files"):
        read_bundle(FILES)


def test_everything_that_may_stand_in_a_bundle_reads_back() -> None:
    assert read_bundle(FULL_FILES) == FULL
    assert sorted(set(FULL_FILES) - set(FILES)) == [
        *("000003.tlog-proof", "000003.withheld", "cp.001", "cp.001.consistency", "cp.002", "cp.002.consistency"),
        *("cp.002.tsr", "final.tsr", "redactions.json", "report.html", "report.txt"),
        *("tail.disclose", "tail.leaf", "tail.tlog-proof"),
    ]
    expected = {"leaf_hash": b64u(bytes(32)), "digest": digest(b"leaf3"), "index": 9}
    assert json.loads(FULL_FILES["000003.withheld"]) == expected


SPARE = {"cp.002.tsr", "final.tsr", "redactions.json", "manifest.json", "mandates/002.jws"}


@pytest.mark.parametrize("name", sorted(set(FULL_FILES) - SPARE))
def test_no_file_may_be_missing_from_a_full_one(name: str) -> None:
    files = {other: data for other, data in FULL_FILES.items() if other != name}
    if name.startswith("report"):
        assert read_bundle(resealed(files, 3)).reports != FULL.reports
    elif name.endswith(".disclose") and name != "tail.disclose":
        assert read_bundle(resealed(files, 3)) != FULL
    else:
        with pytest.raises(BundleMalformed):
            read_bundle(resealed(files, 3))


@pytest.mark.parametrize(
    "name", ["000003.leaf", "000003.disclose", "000001.withheld", "cp.004", "cp.000", "cp.003.tsr"]
)
def test_a_file_that_belongs_to_nothing_or_says_two_things_is_refused(name: str) -> None:
    data = FULL_FILES["000003.withheld"] if name.endswith("withheld") else b"x"
    with pytest.raises(BundleMalformed):
        read_bundle(resealed({**FULL_FILES, name: data}, 3))


def test_an_entry_cannot_be_withheld_and_shown() -> None:
    withheld = withhold(b"leaf1", 0, bytes(32))
    for exhibit in (Exhibit(b"leaf1", b"p", (), withheld), Exhibit(b"", b"p", ("abc",), withheld)):
        with pytest.raises(BundleMalformed, match="withheld and shown"):
            write_bundle(dataclasses.replace(BUNDLE, exhibits=(exhibit,)))
    with pytest.raises(BundleMalformed, match="another name"):
        write_bundle(dataclasses.replace(BUNDLE, reports={"policy": b"quorum none"}))
    with pytest.raises(BundleMalformed, match="ASCII"):
        write_bundle(dataclasses.replace(BUNDLE, exhibits=(Exhibit(b"l", b"p", ("\u00e9",)),)))


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{}", b'{"leaf_hash":"x","digest":"y","index":1}\n'),
        FULL_FILES["000003.withheld"].strip(),
        FULL_FILES["000003.withheld"].replace(b":9", b": 9"),
        FULL_FILES["000003.withheld"].replace(b":9", b":-9"),
        FULL_FILES["000003.withheld"].replace(b"A", b"B"),
    ],
)
def test_what_stands_in_for_an_entry_has_one_form(text: bytes) -> None:
    with pytest.raises(BundleMalformed):
        read_bundle(resealed({**FULL_FILES, "000003.withheld": text}, 3))


def test_more_than_999_heads_are_numbered_on() -> None:
    many = dataclasses.replace(BUNDLE, heads=tuple(Head(b"%d" % number, b"") for number in range(1, 1002)))
    files = write_bundle(many)
    assert {"cp.999", "cp.1000", "cp.1001.consistency"} <= set(files)
    assert read_bundle(files) == many


@given(st.dictionaries(st.sampled_from(sorted(FILES)), st.binary(max_size=30)))
def test_any_files_are_refused_with_a_documented_error(files: dict[str, bytes]) -> None:
    with pytest.raises(BundleMalformed):
        read_bundle(files)
