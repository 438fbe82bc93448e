"""Sealed key files: what opens them, what does not, and what never shows."""

from __future__ import annotations

import os
import stat
import traceback
from pathlib import Path

import pytest

from hotline import keystore
from hotline.keystore import KeystoreDamaged, KeystoreExists, KeystoreExposed, WrongPassphrase
from protocols.encoding import b64u

SECRETS = {"sign": bytes(range(32)), "tls": b"-----BEGIN PRIVATE KEY-----\n"}
PASS = "Ein schönes langes Kennwort".encode()


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    path = tmp_path / "station.key"
    keystore.create(path, SECRETS, PASS, profile="interactive")
    return path


def test_what_was_sealed_comes_back(sealed: Path) -> None:
    assert keystore.unlock(sealed, PASS) == SECRETS


def test_the_file_is_readable_by_its_owner_alone_and_holds_no_secret_in_the_clear(sealed: Path) -> None:
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    assert b"PRIVATE" not in sealed.read_bytes()
    assert list(sealed.parent.iterdir()) == [sealed]


def test_the_mode_is_0600_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keystore.create(tmp_path / "k", SECRETS, PASS, profile="interactive")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600


def test_a_wrong_passphrase_is_told_apart_from_damage_and_shows_nothing(sealed: Path) -> None:
    wrong = b"\x6eot this one at all"
    with pytest.raises(WrongPassphrase) as caught:
        keystore.unlock(sealed, wrong)
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caught.value.sentence
    assert wrong.decode() not in text
    assert b64u(wrong) not in text
    assert caught.value.code == "keystore.wrong-passphrase"


def test_the_same_passphrase_opens_whether_composed_or_decomposed(sealed: Path) -> None:
    assert keystore.unlock(sealed, "Ein scho\u0308nes langes Kennwort".encode()) == SECRETS


def test_any_cut_is_damage(sealed: Path) -> None:
    whole = sealed.read_bytes()
    for length in (0, 1, 20, len(whole) // 2, len(whole) - 2, len(whole) - 1):
        sealed.write_bytes(whole[:length])
        with pytest.raises(KeystoreDamaged):
            keystore.unlock(sealed, PASS)


def test_any_flipped_byte_is_damage(sealed: Path) -> None:
    whole = sealed.read_bytes()
    for place in range(len(whole)):
        sealed.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(KeystoreDamaged):
            keystore.unlock(sealed, PASS)


def test_a_file_that_asks_for_more_memory_is_refused_before_any_is_spent(sealed: Path) -> None:
    sealed.write_bytes(sealed.read_bytes().replace(b'"interactive"', b'"monstrous"'))
    with pytest.raises(KeystoreDamaged):
        keystore.unlock(sealed, PASS)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_others_may_touch_is_not_opened(sealed: Path, mode: int) -> None:
    sealed.chmod(mode)
    with pytest.raises(KeystoreExposed):
        keystore.unlock(sealed, PASS)


def test_a_link_is_not_followed(sealed: Path) -> None:
    link = sealed.with_name("link.key")
    link.symlink_to(sealed)
    with pytest.raises(KeystoreExposed):
        keystore.unlock(link, PASS)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        keystore.unlock(tmp_path / "none.key", PASS)


def test_create_never_writes_over_a_file(sealed: Path) -> None:
    before = sealed.read_bytes()
    with pytest.raises(KeystoreExists):
        keystore.create(sealed, {"sign": b"other"}, PASS, profile="interactive")
    assert sealed.read_bytes() == before
    assert list(sealed.parent.iterdir()) == [sealed]


def test_nothing_is_left_where_the_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        keystore.create(tmp_path / "k", SECRETS, PASS, profile="interactive")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="empty"):
        keystore.create(tmp_path / "k", SECRETS, b"", profile="interactive")


def test_the_default_profile_spends_at_least_256_mib() -> None:
    assert keystore._PROFILES["standard"][1] >= 256 * 1024 * 1024
