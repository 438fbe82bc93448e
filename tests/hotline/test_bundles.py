"""Bundles as zip files: the same bytes every time, and nothing that a hostile archive can do."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

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
    with pytest.raises(BundleMalformed, match="a table of"):
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


def test_a_table_of_contents_that_no_bundle_has_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the table was read")

    end = struct.Struct("<4s4H2LH")
    for entries, length in ((65_535, 0xFFFFFFFF), (3, 1_000_000), (0, 46)):
        data = PACKED[: -end.size] + end.pack(b"PK\x05\x06", 0, 0, entries, entries, length, 0, 0)
        with monkeypatch.context() as patch, pytest.raises(BundleMalformed, match="a table of"):
            patch.setattr(zipfile.ZipFile, "__init__", refuse)
            bundles.unpack(data)
    with pytest.raises(BundleMalformed, match="something behind it"):
        bundles.unpack(PACKED + b"x")


def test_the_larger_form_of_a_table_is_read_and_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)
    data = bundles.pack(BUNDLE)
    assert b"PK\x06\x06" in data
    assert bundles.unpack(data) == BUNDLE
    place = data.rindex(b"PK\x06\x06") + 32
    huge = data[:place] + struct.pack("<2Q", 1 << 40, 1 << 40) + data[place + 16 :]
    with pytest.raises(BundleMalformed, match="a table of"):
        bundles.unpack(huge)
    monkeypatch.setattr(bundles, "MAX_FILES", 3)
    with pytest.raises(BundleMalformed, match="a table of"):
        bundles.unpack(data)


def laid_out(folder: Path) -> Path:
    """The bundle as a folder."""
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_a_folder_is_read_like_its_zip_file(tmp_path: Path) -> None:
    assert bundles.load(laid_out(tmp_path / "b")) == BUNDLE
    (tmp_path / "b.zip").write_bytes(PACKED)
    assert bundles.load(tmp_path / "b.zip") == BUNDLE


def test_a_file_of_a_gibibyte_is_refused_unread(tmp_path: Path) -> None:
    whole = tmp_path / "large.zip"
    with whole.open("wb") as file:
        file.truncate(1 << 30)
    folder = laid_out(tmp_path / "b")
    with (folder / "report.html").open("wb") as file:
        file.truncate(1 << 30)
    tracemalloc.start()
    try:
        for path in (whole, folder):
            with pytest.raises(BundleMalformed):
                bundles.load(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_member_that_expands_far_beyond_its_bound_takes_no_memory() -> None:
    def bomb(made: zipfile.ZipFile) -> None:
        with made.open("000009.leaf", "w") as member:
            for _ in range(32):
                member.write(bytes(1 << 22))

    data = archive(bomb)
    assert len(data) < 2 << 20
    tracemalloc.start()
    try:
        with pytest.raises(BundleMalformed, match="too large"):
            bundles.unpack(data)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_links_pipes_and_folders_are_not_followed(tmp_path: Path) -> None:
    for number, change in enumerate(
        (
            lambda path: path.symlink_to("/etc/passwd"),
            lambda path: path.symlink_to(tmp_path),
            lambda path: path.symlink_to(tmp_path / "nothing"),
            os.mkfifo,
            lambda path: path.mkdir(),
        )
    ):
        folder = laid_out(tmp_path / str(number))
        change(folder / "report.txt")
        with pytest.raises(BundleMalformed, match=r"plain file|cannot be read"):
            bundles.load(folder)
    folder = laid_out(tmp_path / "mandates-elsewhere")
    (folder / "mandates").rename(tmp_path / "elsewhere")
    (folder / "mandates").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleMalformed):
        bundles.load(folder)
    assert bundles.load(_link(tmp_path / "b.zip")) == BUNDLE  # the auditor's own link


def _link(path: Path) -> Path:
    path.with_suffix(".real").write_bytes(PACKED)
    path.symlink_to(path.with_suffix(".real"))
    return path


def test_a_folder_with_more_than_a_bundle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = laid_out(tmp_path / "b")
    (folder / "mandates" / "readme").write_bytes(b"")
    with pytest.raises(BundleMalformed, match="a file called"):
        bundles.load(folder)
    (folder / "mandates" / "readme").unlink()
    bare = laid_out(tmp_path / "bare")
    for path in (bare / "mandates").iterdir():
        path.unlink()
    (bare / "mandates").rmdir()
    (bare / "mandates").write_bytes(b"")
    with pytest.raises(BundleMalformed, match="a file called 'mandates'"):
        bundles.load(bare)
    monkeypatch.setattr(bundles, "MAX_BUNDLE_BYTES", 5000)
    with pytest.raises(BundleMalformed, match="the whole is"):
        bundles.load(folder)
    monkeypatch.setattr(bundles, "MAX_FILES", 3)
    with pytest.raises(BundleMalformed):
        bundles.load(folder)


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
