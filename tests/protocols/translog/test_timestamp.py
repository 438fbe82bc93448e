"""Time-stamps over checkpoints: what is taken, and every way in which one is refused."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder
from rfc3161_client._rust import parse_timestamp_request  # type: ignore[attr-defined]

from protocols.translog import tsp
from protocols.translog.errors import (
    RootMalformed,
    TimestampError,
    TimestampMalformed,
    TimestampMismatch,
    TimestampNotGranted,
    TimestampRefused,
)
from protocols.translog.timestamp import (
    MAX_TOKEN_BYTES,
    Timestamp,
    check_token,
    read_roots,
    stamped_digest,
    timestamp_request,
)
from tests.tsa import ACCURATE, POLICY, Authority, make_authority, needs_openssl

NOTE = b"hub.example/log\n7\n" + b"A" * 43 + b"=\n\n\xe2\x80\x94 hub.example/log AAAA\n"
NONCE = 0xFEDCBA9876543210


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def token(authority: Authority) -> bytes:
    return authority.reply(timestamp_request(NOTE, NONCE))


def now() -> datetime:
    return datetime.now(UTC)


# -- what is taken ------------------------------------------------------------------------------------------------


def test_a_request_is_what_another_implementation_reads() -> None:
    read = parse_timestamp_request(timestamp_request(NOTE, NONCE))
    theirs = TimestampRequestBuilder(NOTE, HashAlgorithm.SHA256).build()
    assert (read.version, read.nonce, read.cert_req, read.policy) == (1, NONCE, True, None)
    assert read.message_imprint.message == theirs.message_imprint.message
    assert read.message_imprint.hash_algorithm == theirs.message_imprint.hash_algorithm


@pytest.mark.parametrize("nonce", [-1, 1 << 64])
def test_a_nonce_out_of_range_is_our_own_mistake(nonce: int) -> None:
    with pytest.raises(ValueError, match="nonce"):
        timestamp_request(NOTE, nonce)


@needs_openssl
def test_a_good_token_says_when_how_exactly_and_by_whom(authority: Authority, token: bytes) -> None:
    found = check_token(token, NOTE, [authority.root], nonce=NONCE)
    assert abs(found.at - now().timestamp() * 1000) < 3_600_000
    assert found.accuracy == 1501, "1 s + 500 ms + 100 µs, rounded up"
    assert found.by == found.at + 1502
    assert found.authority == "CN=Stamps,O=Exercise,C=CH"
    assert found.policy == POLICY
    assert not found.claims_qualified
    assert authority.says_good(token, NOTE)


@needs_openssl
def test_a_token_is_taken_without_knowing_the_nonce_of_its_request(authority: Authority, token: bytes) -> None:
    assert check_token(token, NOTE, [authority.root]) == check_token(token, NOTE, [authority.root], nonce=NONCE)


@needs_openssl
def test_fractions_of_a_second_are_kept(authority: Authority) -> None:
    times = [check_token(authority.forge(NOTE, at=at), NOTE, [authority.root]).at for at in (_at(1), _at(999_999))]
    assert [time % 1000 for time in times] == [0, 999], "rounded down; `by` counts the rest"


@needs_openssl
def test_roots_come_as_pem_of_several_or_der(authority: Authority, token: bytes, tmp_path: Path) -> None:
    other = make_authority(tmp_path).root
    der = load_pem_x509_certificate(authority.root).public_bytes(Encoding.DER)
    assert check_token(token, NOTE, [other + authority.root]) == check_token(token, NOTE, [der])


@needs_openssl
def test_a_chain_over_an_intermediate_in_any_order_is_followed(tmp_path: Path) -> None:
    authority = make_authority(tmp_path, intermediate=True)
    for _ in range(2):
        token = authority.reply(timestamp_request(NOTE, NONCE), f"{ACCURATE}\ncerts = chain.pem")
        check_token(token, NOTE, [authority.root], nonce=NONCE)
        response = asn1.decode_der(tsp.Response, token)
        assert response.token is not None
        embedded = response.token.data.certificates
        assert embedded is not None and len(embedded) == 2
        embedded.reverse()  # OpenSSL writes them in the order it was given them
        assert check_token(asn1.encode_der(response), NOTE, [authority.root], nonce=NONCE)


@needs_openssl
def test_an_rsa_authority_is_taken_if_its_key_is_long_enough(tmp_path: Path) -> None:
    good = make_authority(tmp_path / "good", key=rsa.generate_private_key(65537, 2048))
    short = make_authority(tmp_path / "short", key=rsa.generate_private_key(65537, 1024))
    check_token(good.reply(timestamp_request(NOTE, 1)), NOTE, [good.root], nonce=1)
    with pytest.raises(TimestampRefused):
        check_token(short.reply(timestamp_request(NOTE, 1)), NOTE, [short.root], nonce=1)


@needs_openssl
def test_accuracy_is_unknown_where_the_token_does_not_say(authority: Authority) -> None:
    found = check_token(authority.reply(timestamp_request(NOTE, 1), ""), NOTE, [authority.root])
    assert (found.accuracy, found.by) == (None, None)


def test_the_authoritys_claim_to_be_qualified_is_told(authority: Authority) -> None:
    statement = tsp.Extension(kind=tsp.QC_STATEMENTS, critical=False, value=b"\x30\x0b" + tsp.QUALIFIED)
    other = tsp.Extension(kind=tsp.QC_STATEMENTS, critical=False, value=b"\x30\x00")
    assert check_token(authority.forge(NOTE, extensions=[statement]), NOTE, [authority.root]).claims_qualified
    assert not check_token(authority.forge(NOTE, extensions=[other]), NOTE, [authority.root]).claims_qualified


# -- what is refused ----------------------------------------------------------------------------------------------


@needs_openssl
@pytest.mark.parametrize("change", [lambda note: note + b"\n", lambda note: note[:-1], lambda note: b"x" + note[1:]])
def test_a_token_over_another_note_is_refused(authority: Authority, token: bytes, change: object) -> None:
    with pytest.raises(TimestampMismatch):
        check_token(token, change(NOTE), [authority.root])  # type: ignore[operator]


@needs_openssl
def test_the_answer_to_another_request_is_refused(authority: Authority, token: bytes) -> None:
    with pytest.raises(TimestampMismatch):
        check_token(token, NOTE, [authority.root], nonce=NONCE ^ 1)


def test_an_answer_without_the_nonce_is_refused_where_one_was_asked(authority: Authority) -> None:
    token = authority.forge(NOTE)
    check_token(token, NOTE, [authority.root])
    with pytest.raises(TimestampMismatch):
        check_token(token, NOTE, [authority.root], nonce=NONCE)


def test_a_token_by_another_hash_is_refused(authority: Authority) -> None:
    with pytest.raises(TimestampMismatch):
        check_token(authority.forge(NOTE, digest=tsp.SHA512), NOTE, [authority.root])


@needs_openssl
def test_a_token_under_another_root_is_refused(token: bytes, tmp_path: Path) -> None:
    with pytest.raises(TimestampRefused):
        check_token(token, NOTE, [make_authority(tmp_path).root])


@pytest.mark.parametrize(
    ("since", "until"),
    [(timedelta(days=-30), timedelta(days=-1)), (timedelta(days=1), timedelta(days=30))],
    ids=["ended", "not begun"],
)
@needs_openssl
def test_a_certificate_that_does_not_hold_at_the_tokens_time_is_refused(
    tmp_path: Path, since: timedelta, until: timedelta
) -> None:
    authority = make_authority(tmp_path, since=since, until=until)
    token = authority.reply(timestamp_request(NOTE, 1))
    with pytest.raises(TimestampRefused):
        check_token(token, NOTE, [authority.root], nonce=1)


def test_a_certificate_that_ended_since_the_tokens_time_is_taken(tmp_path: Path) -> None:
    authority = make_authority(tmp_path, since=timedelta(days=-30), until=timedelta(days=-1))
    token = authority.forge(NOTE, at=now() - timedelta(days=2))
    check_token(token, NOTE, [authority.root])


@pytest.mark.parametrize(
    ("usage", "critical"),
    [
        ((), True),
        ((ExtendedKeyUsageOID.SERVER_AUTH,), True),
        ((ExtendedKeyUsageOID.TIME_STAMPING,), False),
        ((ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.SERVER_AUTH), True),
    ],
    ids=["none", "another", "not critical", "others too"],
)
def test_a_certificate_that_is_not_for_time_stamping_alone_is_refused(
    tmp_path: Path, usage: tuple[object, ...], critical: bool
) -> None:
    authority = make_authority(tmp_path, usage=usage, critical=critical)  # type: ignore[arg-type]
    with pytest.raises(TimestampRefused):
        check_token(authority.forge(NOTE), NOTE, [authority.root])


def test_a_signature_that_does_not_name_its_certificate_is_refused(authority: Authority) -> None:
    for naming in (b"", bytes(32), bytes(20)):
        with pytest.raises(TimestampRefused):
            check_token(authority.forge(NOTE, naming=naming), NOTE, [authority.root])


def test_a_token_signed_by_a_key_without_a_certificate_is_refused(authority: Authority) -> None:
    thief = Authority(authority.folder, authority.root, authority.certificate, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(TimestampRefused):
        check_token(thief.forge(NOTE), NOTE, [authority.root])


@needs_openssl
def test_a_token_without_its_certificate_is_refused(authority: Authority, token: bytes) -> None:
    response = asn1.decode_der(tsp.Response, token)
    assert response.token is not None
    response.token.data.certificates = None
    with pytest.raises(TimestampRefused):
        check_token(asn1.encode_der(response), NOTE, [authority.root])


def test_other_forms_of_token_are_refused(authority: Authority) -> None:
    critical = tsp.Extension(kind=tsp.QC_STATEMENTS, critical=True, value=b"\x30\x00")
    for forged in (
        authority.forge(NOTE, version=2),
        authority.forge(NOTE, content=tsp.SIGNED_DATA),
        authority.forge(NOTE, signers=2),
        authority.forge(NOTE, signers=0),
        authority.forge(NOTE, extensions=[critical]),
        authority.forge(NOTE, accuracy=tsp.Accuracy(seconds=1, millis=1000, micros=None)),
        authority.forge(NOTE, accuracy=tsp.Accuracy(seconds=-1, millis=None, micros=None)),
    ):
        with pytest.raises(TimestampMalformed):
            check_token(forged, NOTE, [authority.root])


@needs_openssl
def test_a_refusal_by_the_authority_is_told_as_one(authority: Authority, token: bytes) -> None:
    with pytest.raises(TimestampNotGranted, match="status 2"):
        check_token(authority.reply(b"\x30\x03\x02\x01\x01"), NOTE, [authority.root])
    response = asn1.decode_der(tsp.Response, token)
    for status in (1, 2, 3, 4, 5, 99):
        response.status.status = status
        with pytest.raises(TimestampNotGranted):
            check_token(asn1.encode_der(response), NOTE, [authority.root])
    granted = asn1.encode_der(tsp.Response(status=tsp.Status(status=0, words=None, failure=None), token=None))
    with pytest.raises(TimestampMalformed):
        check_token(granted, NOTE, [authority.root])


def test_what_a_token_is_over_is_read_without_trusting_it(authority: Authority) -> None:
    assert stamped_digest(authority.forge(NOTE)) == hashlib.sha256(NOTE).digest()
    with pytest.raises(TimestampMismatch):
        stamped_digest(authority.forge(NOTE, digest=tsp.SHA512))
    with pytest.raises(TimestampMalformed):
        stamped_digest(b"0")


def test_too_many_bytes_are_not_read(authority: Authority) -> None:
    with pytest.raises(TimestampMalformed, match="bytes"):
        check_token(bytes(MAX_TOKEN_BYTES + 1), NOTE, [authority.root])


def test_rubbish_raises_nothing_but_the_refusals(authority: Authority) -> None:
    token = authority.forge(NOTE)
    for data in (b"", b"\x30", b"\x30\x80", os.urandom(200), b"\x30\x84\xff\xff\xff\xff", token[:-1], token + b"\x00"):
        with pytest.raises(TimestampMalformed):
            check_token(data, NOTE, [authority.root])


@pytest.mark.parametrize("first", [0x80, 0xFF])
def test_a_certificate_whose_serial_number_is_not_positive_is_refused_before_the_library_warns_of_it(
    authority: Authority, first: int
) -> None:
    token = bytearray(authority.forge(NOTE))
    at = token.index(bytes.fromhex("a003020102")) + 7  # behind the version: tag and length of the serial number
    token[at] = first
    with pytest.raises(TimestampMalformed, match="serial"):
        check_token(bytes(token), NOTE, [authority.root])


def test_every_changed_byte_is_noticed_or_changes_nothing(authority: Authority) -> None:
    """Unnoticed are only bytes that nothing depends on: version numbers, and the name of the signature's algorithm beside a
    key that has one algorithm only."""
    token = authority.forge(NOTE, accuracy=tsp.Accuracy(seconds=1, millis=None, micros=None))
    good, unnoticed = check_token(token, NOTE, [authority.root]), 0
    for place in range(len(token)):
        changed = bytearray(token)
        changed[place] ^= 1 << place % 8
        try:
            found: Timestamp | None = check_token(bytes(changed), NOTE, [authority.root])
        except TimestampError:
            found = None
        assert found in (None, good)
        unnoticed += found is not None
    assert unnoticed <= 16


@pytest.mark.parametrize("data", [b"", b"rubbish", b"\x30\x00", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_roots_that_cannot_be_used_are_refused(data: bytes) -> None:
    with pytest.raises(RootMalformed):
        read_roots(data)


def test_a_certificate_that_is_no_root_is_refused_as_one(authority: Authority) -> None:
    with pytest.raises(RootMalformed):
        read_roots(authority.certificate.public_bytes(Encoding.PEM))


def test_without_a_root_nothing_is_taken(authority: Authority) -> None:
    with pytest.raises(RootMalformed):
        check_token(authority.forge(NOTE), NOTE, [])


def _at(microsecond: int) -> datetime:
    return now().replace(microsecond=microsecond)
