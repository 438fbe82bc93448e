"""A bundle is exactly the files its manifest names, each within bounds."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import bundle as bundles
from protocols.bundle import Bundle, BundleMalformed, Exhibit, limit_of, read_bundle, write_bundle

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


@pytest.mark.parametrize("text", [b"{}", b"[]", b"\xff", b'{"format":2}', json.dumps({"format": 1}).encode(), b""])
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


@given(st.dictionaries(st.sampled_from(sorted(FILES)), st.binary(max_size=30)))
def test_any_files_are_refused_with_a_documented_error(files: dict[str, bytes]) -> None:
    with pytest.raises(BundleMalformed):
        read_bundle(files)
