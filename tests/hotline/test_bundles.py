"""Bundles as zip files: the same bytes every time, and nothing that a hostile archive can do."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotline import bundles
from mediation.audit import verify
from protocols import bundle as limits
from protocols.bundle import BundleMalformed, write_bundle
from tests.mediation.court import TRUST, small_case

BUNDLE = small_case().bundle({2: (0,)})
PACKED = bundles.pack(BUNDLE)
FILES = write_bundle(BUNDLE)


def archive(change: Callable[[zipfile.ZipFile], None]) -> bytes:
    """The bundle's files and whatever ``change`` adds."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in FILES.items():
            made.writestr(name, data)
        change(made)
    return buffer.getvalue()


def test_a_bundle_packs_to_the_same_bytes_and_unpacks() -> None:
    assert bundles.pack(BUNDLE) == PACKED
    assert bundles.unpack(PACKED) == BUNDLE
    assert bundles.unpack(archive(lambda made: None)) == BUNDLE


def test_the_archive_tells_nothing_of_when_and_by_whom_it_was_packed() -> None:
    with zipfile.ZipFile(BytesIO(PACKED)) as made:
        assert {info.date_time for info in made.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert not any(info.comment or info.extra for info in made.infolist())


@pytest.mark.parametrize(
    "name", ["../policy", "/etc/passwd", "a/../../policy", "C:\\policy", "mandates\\001.jws", "x", "policy/", "POLICY"]
)
def test_names_that_no_bundle_holds_are_refused(name: str) -> None:
    with pytest.raises(BundleMalformed):
        bundles.unpack(archive(lambda made: made.writestr(name, b"x")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(BundleMalformed, match="two files"):
        bundles.unpack(archive(lambda made: made.writestr("policy", FILES["policy"])))


def test_a_name_that_reads_two_ways_is_refused() -> None:
    data = PACKED.replace(b"policy", b"polic\x00")
    with pytest.raises(BundleMalformed):
        bundles.unpack(data)


def test_a_file_that_expands_beyond_its_bound_is_not_expanded() -> None:
    def bomb(made: zipfile.ZipFile) -> None:
        made.writestr("000009.disclose", bytes(50 << 20))

    data = archive(bomb)
    assert len(data) < 200_000
    with pytest.raises(BundleMalformed, match="too large"):
        bundles.unpack(data)


def test_a_header_that_lies_about_a_size_does_not_help() -> None:
    data = archive(lambda made: made.writestr("000009.leaf", bytes(1 << 20)))
    with pytest.raises(BundleMalformed):
        bundles.unpack(data.replace(struct.pack("<L", 1 << 20), struct.pack("<L", 100)))


def test_many_files_within_bounds_are_still_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_BUNDLE_BYTES", 5000)
    with pytest.raises(BundleMalformed, match="the whole is"):
        bundles.unpack(PACKED)
    monkeypatch.setattr(bundles, "MAX_FILES", 3)
    with pytest.raises(BundleMalformed, match="more than 3"):
        bundles.unpack(PACKED)
    monkeypatch.setattr(bundles, "MAX_ZIP_BYTES", 10)
    with pytest.raises(BundleMalformed, match="a file of"):
        bundles.unpack(PACKED)


def test_unusual_packing_links_and_comments_are_refused() -> None:
    def packed(made: zipfile.ZipFile) -> None:
        made.writestr("000009.leaf", b"x" * 100, zipfile.ZIP_BZIP2)

    def link(made: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("000009.leaf")
        info.external_attr = 0o120777 << 16
        made.writestr(info, "/etc/passwd")

    def remark(made: zipfile.ZipFile) -> None:
        made.comment = b"read me"

    for change in (packed, link, remark):
        with pytest.raises(BundleMalformed):
            bundles.unpack(archive(change))


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"not a zip", PACKED[:-10], PACKED[: len(PACKED) // 2]]
)
def test_what_is_no_zip_file_is_refused(data: bytes) -> None:
    with pytest.raises(BundleMalformed):
        bundles.unpack(data)


def test_limits_are_those_of_the_format() -> None:
    assert bundles.MAX_ZIP_BYTES <= limits.MAX_BUNDLE_BYTES


@settings(max_examples=120, deadline=None)
@given(st.integers(0, len(PACKED) - 1), st.integers(0, 7))
def test_any_changed_bit_of_the_file_is_refused_or_changes_nothing(place: int, bit: int) -> None:
    data = bytearray(PACKED)
    data[place] ^= 1 << bit
    try:
        found = bundles.unpack(bytes(data))
    except BundleMalformed:
        return
    # Bits of the container that nobody reads, such as a file's time: what it holds is the same.
    assert found == BUNDLE or not verify(found, TRUST).holds


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_with_a_documented_error(data: bytes) -> None:
    with pytest.raises(BundleMalformed):
        bundles.unpack(data)
