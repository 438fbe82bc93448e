"""The ASN.1 shapes of the Time-Stamp Protocol, as far as a verifier reads them. Nothing here is checked but the form.

RFC 3161 sections 2.4.1 and 2.4.2 (request, response, TSTInfo), RFC 5652 section 5 (SignedData), RFC 2634 section 5.4 and
RFC 5035 section 3 (signing certificate), ETSI EN 319 422 clause 9.1 (the statement that a token is a qualified one).

Everything is DER. One exception is made on reading: authorities that run OpenSSL do not sort the set of certificates,
which no signature covers. It is read as a list, and `in_order` sorts it before stricter readers see it.
"""

from __future__ import annotations

from typing import Annotated

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

SHA256 = ObjectIdentifier("2.16.840.1.101.3.4.2.1")
SHA384 = ObjectIdentifier("2.16.840.1.101.3.4.2.2")
SHA512 = ObjectIdentifier("2.16.840.1.101.3.4.2.3")
SIGNED_DATA = ObjectIdentifier("1.2.840.113549.1.7.2")
TST_INFO = ObjectIdentifier("1.2.840.113549.1.9.16.1.4")
CONTENT_TYPE = ObjectIdentifier("1.2.840.113549.1.9.3")
SIGNING_CERTIFICATE = ObjectIdentifier("1.2.840.113549.1.9.16.2.12")
SIGNING_CERTIFICATE_V2 = ObjectIdentifier("1.2.840.113549.1.9.16.2.47")
QC_STATEMENTS = ObjectIdentifier("1.3.6.1.5.5.7.1.3")
QUALIFIED = bytes.fromhex("30090607040081975e0101")
"""The statement ``SEQUENCE { 0.4.0.19422.1.1 }`` (esi4-qtstStatement-1), whole: it has no further information."""


@asn1.sequence
class Digest:
    """AlgorithmIdentifier of a hash: parameters are absent or NULL (RFC 5754 section 2)."""

    algorithm: ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class Imprint:
    """MessageImprint: what was time-stamped."""

    digest: Digest
    value: bytes


@asn1.sequence
class Request:
    """TimeStampReq, without a wish for a policy or extensions."""

    version: int
    imprint: Imprint
    nonce: int
    certificates: Annotated[bool, asn1.Default(False)]


@asn1.sequence
class Status:
    """PKIStatusInfo. ``status``: 0 granted, 1 granted with changes, 2 and more refused (RFC 3161 section 2.4.2)."""

    status: int
    words: list[str] | None
    failure: asn1.BitString | None


@asn1.sequence
class Attribute:
    """A signed attribute of a signer."""

    kind: ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class IssuerAndSerial:
    """Which certificate a signer's is."""

    issuer: asn1.TLV
    serial: int


@asn1.sequence
class Signer:
    """SignerInfo, version 1: the signer is named by issuer and serial number."""

    version: int
    who: IssuerAndSerial
    digest: Digest
    signed: Annotated[asn1.SetOf[Attribute] | None, asn1.Implicit(0)]
    algorithm: asn1.TLV
    signature: bytes
    unsigned: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]


@asn1.sequence
class Content:
    """EncapsulatedContentInfo."""

    kind: ObjectIdentifier
    data: Annotated[bytes, asn1.Explicit(0)]


@asn1.sequence
class SignedData:
    """SignedData. ``certificates`` is read as a list, because the order of that set is not kept by everybody."""

    version: int
    digests: asn1.SetOf[Digest]
    content: Content
    certificates: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]
    revocations: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]
    signers: asn1.SetOf[Signer]


@asn1.sequence
class Token:
    """TimeStampToken: a ContentInfo that holds SignedData."""

    kind: ObjectIdentifier
    data: Annotated[SignedData, asn1.Explicit(0)]


@asn1.sequence
class Response:
    """TimeStampResp."""

    status: Status
    token: Token | None


@asn1.sequence
class Accuracy:
    """How far the time may be off: seconds, 1 to 999 milliseconds, 1 to 999 microseconds, together."""

    seconds: int | None
    millis: Annotated[int | None, asn1.Implicit(0)]
    micros: Annotated[int | None, asn1.Implicit(1)]


@asn1.sequence
class Extension:
    """An extension of TSTInfo."""

    kind: ObjectIdentifier
    critical: Annotated[bool, asn1.Default(False)]
    value: bytes


@asn1.sequence
class Named:
    """The authority's name as it says it: any GeneralName."""

    name: asn1.TLV


@asn1.sequence
class Certificate:
    """An X.509 certificate, its parts unread (RFC 5280 section 4.1)."""

    body: asn1.TLV
    algorithm: asn1.TLV
    signature: asn1.BitString


@asn1.sequence
class TSTInfo:
    """What the authority signs."""

    version: int
    policy: ObjectIdentifier
    imprint: Imprint
    serial: int
    time: asn1.GeneralizedTime
    accuracy: Accuracy | None
    ordering: Annotated[bool, asn1.Default(False)]
    nonce: int | None
    authority: Annotated[Named | None, asn1.Implicit(0)]
    extensions: Annotated[list[Extension] | None, asn1.Implicit(1)]


@asn1.sequence
class IssuerSerial:
    """Names of the certificate's issuer, and its serial number."""

    issuer: list[asn1.TLV]
    serial: int


@asn1.sequence
class CertificateHash:
    """ESSCertID: SHA-1 of the signing certificate."""

    value: bytes
    issuer: IssuerSerial | None


@asn1.sequence
class CertificateHashV2:
    """ESSCertIDv2: a hash of the signing certificate, SHA-256 where none is named."""

    digest: Digest | None
    value: bytes
    issuer: IssuerSerial | None


@asn1.sequence
class SigningCertificate:
    """The signing certificate first, others after it."""

    certificates: list[CertificateHash]
    policies: list[asn1.TLV] | None


@asn1.sequence
class SigningCertificateV2:
    """The signing certificate first, others after it."""

    certificates: list[CertificateHashV2]
    policies: list[asn1.TLV] | None


def in_order(response: Response) -> bytes:
    """The response with its certificates sorted as DER sorts a set (X.690 section 11.6)."""
    if response.token is not None and response.token.data.certificates is not None:
        response.token.data.certificates.sort(key=whole)
    return asn1.encode_der(response)


def whole(value: asn1.TLV) -> bytes:
    """Tag, length and content of a value that was kept unread."""
    return _content(asn1.encode_der(Named(name=value)))


def has_positive_serial(certificate: bytes) -> bool:
    """Whether a certificate's (DER) serial number is greater than zero, as RFC 5280 section 4.1.2.2 demands: to be known
    before the library reads it, which for now takes others with a warning.

    Raises `ValueError` for what is no certificate.
    """
    body = bytes(asn1.decode_der(Certificate, certificate).body.data)
    if body[:1] == b"\xa0":  # the version
        body = body[2 + int.from_bytes(body[1:2]) :]
    if body[:1] != b"\x02":
        raise ValueError("no serial number")
    number = body[2 : 2 + int.from_bytes(body[1:2])]
    return number[:1] < b"\x80" and any(number)


def _content(sequence: bytes) -> bytes:
    """What is in a DER sequence: behind its tag, and its length in one byte or in so many more."""
    return sequence[2 + (sequence[1] & 0x7F if sequence[1] & 0x80 else 0) :]
