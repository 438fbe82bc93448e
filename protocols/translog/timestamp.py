"""Time-stamps over checkpoints by authorities that know nothing of the log (RFC 3161).

A token says: these bytes existed when the authority's clock showed this. Over a published checkpoint it therefore says of
every entry below it that it existed *by* then. It says of none that it was made *after* then: what proves that is `seen`,
see `protocols.translog.timebound`.

A token is evidence beside the witnesses' times, never instead of them. What it adds: its author has no part in the line,
and in the European Union the time of a *qualified* one is presumed to be right (Regulation (EU) 910/2014, article 41).

Certificates are judged as of the time in the token (``genTime``), not as of now: the authority vouched for that moment, and
evidence must outlive its certificates. There is no clock here to ask in any case. What this cannot see is a key that was
stolen, or a certificate that was revoked: a thief may choose any ``genTime``. Nothing asks for revocation lists, so a
verifier in doubt asks the authority (RFC 3161 section 4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import VerificationError, Verifier, VerifierBuilder, decode_timestamp_response

from protocols.translog import tsp
from protocols.translog.errors import (
    RootMalformed,
    TimestampMalformed,
    TimestampMismatch,
    TimestampNotGranted,
    TimestampRefused,
)

MAX_TOKEN_BYTES = 64 * 1024
"""A response with its chain of certificates has 1 to 8 kB."""
MAX_ROOTS_BYTES = 1 << 20
MIN_RSA_BITS = 2048
NONCE_LIMIT = 1 << 64

_DIGESTS = {tsp.SHA256: hashlib.sha256, tsp.SHA384: hashlib.sha384, tsp.SHA512: hashlib.sha512}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIGNATURE_DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """What a verified token says.

    ``at``: ms UTC by the authority's clock (rounded down). ``accuracy``: by how many ms that may be off (rounded up); None
    where the token does not say, then the authority's policy may. ``authority``: the subject of its certificate (RFC 4514).
    ``serial``: the token's number at the authority. ``policy``: object identifier of the policy it was issued under.
    ``claims_qualified``: the authority states that it is a qualified time-stamp (ETSI EN 319 422 clause 9.1); whether it may
    say so is in the trusted lists of the Union's member states, not in the token.
    """

    at: int
    accuracy: int | None
    authority: str
    serial: int
    policy: str
    claims_qualified: bool

    @property
    def by(self) -> int | None:
        """The latest true time, ms UTC, at which what was stamped existed; None where the accuracy is not known."""
        # The token's time was rounded down to a millisecond.
        return None if self.accuracy is None else self.at + 1 + self.accuracy


def timestamp_request(note: bytes, nonce: int) -> bytes:
    """The TimeStampReq (DER) for exactly these bytes: SHA-256, certificates wanted. ``nonce``: 64 fresh random bits.

    Raises ``ValueError`` for a nonce out of range.
    """
    if not 0 <= nonce < NONCE_LIMIT:
        raise ValueError("a nonce is a number of at most 64 bits")
    # RFC 5754 section 2.1 would leave the parameters out; authorities know the spelling with NULL.
    digest = tsp.Digest(algorithm=tsp.SHA256, parameters=asn1.Null())
    imprint = tsp.Imprint(digest=digest, value=hashlib.sha256(note).digest())
    return asn1.encode_der(tsp.Request(version=1, imprint=imprint, nonce=nonce, certificates=True))


def check_token(token: bytes, note: bytes, roots: Sequence[bytes], *, nonce: int | None = None) -> Timestamp:
    """What the TimeStampResp ``token`` (DER) says of exactly the bytes ``note``.

    ``roots``: the self-signed certificates of the authorities that the verifier trusts, each DER, or PEM with one or
    several. ``nonce``: that of the request, where it is known.

    Raises:
        RootMalformed: there is no root, or one cannot be used.
        TimestampMalformed: not a response, or one in another form than RFC 3161's.
        TimestampNotGranted: the authority refused.
        TimestampMismatch: it is over other bytes, by another hash, or answers another request.
        TimestampRefused: signature, certificates (chain, validity at the token's time, purpose), or algorithms do not hold.
    """
    trusted = [certificate for data in roots for certificate in read_roots(data)]
    if not trusted:
        raise RootMalformed("no root certificate was given")
    response = _read(token)
    answer = _granted(response)
    signer, info = _open(answer)
    _check_answer(info, note, nonce)
    if signer.digest.algorithm not in _DIGESTS:
        raise TimestampRefused("signed with a hash other than SHA-256, SHA-384 and SHA-512")
    leaf = _certificate_of(signer, answer.data.certificates or [])
    _verify(tsp.in_order(response), hashlib.sha256(note).digest(), trusted)
    _check_certificate(leaf)
    _check_named(signer, leaf)
    return _describe(info, leaf)


def stamped_digest(token: bytes) -> bytes:
    """SHA-256 of what this TimeStampResp says it is over; nothing of it is verified.

    For putting tokens beside the notes they belong to, where nobody is there to say which authorities are trusted. Raises
    `TimestampMalformed`, `TimestampNotGranted`, and `TimestampMismatch` where it is by another hash.
    """
    response = _read(token)
    info = _open(_granted(response))[1]
    if info.imprint.digest.algorithm != tsp.SHA256:
        raise TimestampMismatch("a hash other than SHA-256 of what was stamped")
    return info.imprint.value


def read_roots(data: bytes) -> tuple[x509.Certificate, ...]:
    """The self-signed certificates in ``data``: one in DER, or one or several in PEM. Raises `RootMalformed`."""
    if len(data) > MAX_ROOTS_BYTES:
        raise RootMalformed(f"more than {MAX_ROOTS_BYTES} bytes")
    try:
        if data.startswith(b"\x30"):
            found = [x509.load_der_x509_certificate(data)]
        else:
            found = x509.load_pem_x509_certificates(data)
        for certificate in found:
            certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise RootMalformed(f"no self-signed certificate: {type(error).__name__}") from None
    return tuple(found)


def _read(token: bytes) -> tsp.Response:
    if len(token) > MAX_TOKEN_BYTES:
        raise TimestampMalformed(f"more than {MAX_TOKEN_BYTES} bytes")
    try:
        return asn1.decode_der(tsp.Response, token)
    except ValueError as error:
        raise TimestampMalformed(str(error)[:200]) from None


def _granted(response: tsp.Response) -> tsp.Token:
    if response.status.status != 0:
        words = " ".join(response.status.words or []).encode("ascii", "replace").decode()
        raise TimestampNotGranted(f"status {response.status.status} {words[:200]!r}")
    if response.token is None:
        raise TimestampMalformed("granted, but there is no token")
    return response.token


def _open(token: tsp.Token) -> tuple[tsp.Signer, tsp.TSTInfo]:
    """The one signer, and what is signed."""
    data = token.data
    if token.kind != tsp.SIGNED_DATA or data.content.kind != tsp.TST_INFO:
        raise TimestampMalformed("signed data of another kind")
    signers = data.signers.as_list()
    if len(signers) != 1:
        raise TimestampMalformed(f"{len(signers)} signers")
    try:
        info = asn1.decode_der(tsp.TSTInfo, data.content.data)
    except ValueError as error:
        raise TimestampMalformed(str(error)[:200]) from None
    if info.version != 1:
        raise TimestampMalformed(f"version {info.version}")
    if any(each.critical for each in info.extensions or []):
        raise TimestampMalformed("a critical extension that is not known here")
    _accuracy(info.accuracy)
    return signers[0], info


def _check_answer(info: tsp.TSTInfo, note: bytes, nonce: int | None) -> None:
    if info.imprint.digest.algorithm != tsp.SHA256:
        raise TimestampMismatch("a hash other than SHA-256 of what was stamped")
    if info.imprint.value != hashlib.sha256(note).digest():
        raise TimestampMismatch("over other bytes")
    if nonce is not None and info.nonce != nonce:
        raise TimestampMismatch("the answer to another request")


def _certificate_of(signer: tsp.Signer, embedded: Sequence[asn1.TLV]) -> x509.Certificate:
    """The signer's own certificate. Requests ask for it, so that a token can be checked when the authority is gone."""
    try:
        ders = [tsp.whole(each) for each in embedded]
        if not all(tsp.has_positive_serial(der) for der in ders):
            raise TimestampMalformed("certificates: a serial number that is not positive")
        certificates = [x509.load_der_x509_certificate(der) for der in ders]
        issuer = tsp.whole(signer.who.issuer)
        found = {
            each
            for each in certificates
            if each.serial_number == signer.who.serial and each.issuer.public_bytes() == issuer
        }
    except (ValueError, x509.InvalidVersion) as error:
        raise TimestampMalformed(f"certificates: {str(error)[:200]}") from None
    if len(found) != 1:
        raise TimestampRefused("the signer's certificate is not in it, or not once")
    return found.pop()


def _verify(response: bytes, imprint: bytes, roots: Sequence[x509.Certificate]) -> None:
    """Signature and chain, as OpenSSL checks them with the purpose of time-stamping at the token's own time."""
    try:
        verifier: Verifier = VerifierBuilder(roots=list(roots)).build()
        verifier.verify(decode_timestamp_response(response), imprint)
    except (VerificationError, ValueError) as error:
        raise TimestampRefused(str(error)[:300]) from None


def _check_certificate(leaf: x509.Certificate) -> None:
    """A certificate for nothing but time-stamping (RFC 3161 section 2.3), and not with algorithms that are broken."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, ValueError):
        raise TimestampRefused("a certificate that is not for time-stamping") from None
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise TimestampRefused("a certificate that is not for time-stamping alone")
    try:
        algorithm = leaf.signature_hash_algorithm
        key = leaf.public_key()
    except (UnsupportedAlgorithm, ValueError):
        raise TimestampRefused("a certificate with an unknown algorithm") from None
    if algorithm is not None and not isinstance(algorithm, _SIGNATURE_DIGESTS):  # None: Ed25519 and the like
        raise TimestampRefused(f"a certificate signed with {algorithm.name}")
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise TimestampRefused(f"an RSA key of {key.key_size} bits")


def _check_named(signer: tsp.Signer, leaf: x509.Certificate) -> None:
    """The signature must name its certificate by hash (RFC 3161 section 2.4.2), else another for the same key, with other
    dates or another owner, could be put in its place. It must also name what kind of content it is over."""
    signed: dict[x509.ObjectIdentifier, list[asn1.TLV]] = {}
    for attribute in signer.signed.as_list() if signer.signed is not None else []:
        if attribute.kind in signed:
            raise TimestampMalformed("a signed attribute twice")
        signed[attribute.kind] = attribute.values.as_list()
    try:
        if [each.parse(x509.ObjectIdentifier) for each in signed.get(tsp.CONTENT_TYPE, [])] != [tsp.TST_INFO]:
            raise TimestampMalformed("the signature is over another kind of content")
        v1 = [each.parse(tsp.SigningCertificate) for each in signed.get(tsp.SIGNING_CERTIFICATE, [])]
        v2 = [each.parse(tsp.SigningCertificateV2) for each in signed.get(tsp.SIGNING_CERTIFICATE_V2, [])]
    except ValueError as error:
        raise TimestampMalformed(f"signed attributes: {str(error)[:200]}") from None
    der = leaf.public_bytes(Encoding.DER)
    good = [_names_first(each, der) for each in (*v1, *v2)]
    if not good or not all(good):
        raise TimestampRefused("the signature does not name the certificate that it stands under")


def _names_first(named: tsp.SigningCertificate | tsp.SigningCertificateV2, der: bytes) -> bool:
    """Whether the first certificate named, which is the signer's, is this one."""
    if not named.certificates:
        return False
    first = named.certificates[0]
    if isinstance(first, tsp.CertificateHash):
        # RFC 2634 fixed SHA-1. It is no weakness here: who could profit from a second certificate of the same hash is the
        # authority, and it may issue itself any certificate.
        return first.value == hashlib.sha1(der, usedforsecurity=False).digest()
    algorithm = tsp.SHA256 if first.digest is None else first.digest.algorithm
    return algorithm in _DIGESTS and first.value == _DIGESTS[algorithm](der).digest()


def _describe(info: tsp.TSTInfo, leaf: x509.Certificate) -> Timestamp:
    return Timestamp(
        at=(info.time.as_datetime() - _EPOCH) // timedelta(milliseconds=1),
        accuracy=_accuracy(info.accuracy),
        authority=leaf.subject.rfc4514_string(),
        serial=info.serial,
        policy=info.policy.dotted_string,
        claims_qualified=_claims_qualified(info),
    )


def _accuracy(accuracy: tsp.Accuracy | None) -> int | None:
    """In ms, rounded up. Raises `TimestampMalformed` for parts outside RFC 3161's ranges."""
    if accuracy is None:
        return None
    seconds, millis, micros = (accuracy.seconds, accuracy.millis, accuracy.micros)
    if any(part is not None and not 1 <= part <= 999 for part in (millis, micros)) or not 0 <= (seconds or 0) < 1 << 31:
        raise TimestampMalformed("an accuracy out of range")
    return (seconds or 0) * 1000 + (millis or 0) + (1 if micros else 0)


def _claims_qualified(info: tsp.TSTInfo) -> bool:
    # Only the authority's own claim, which it signed: finding the statement's bytes is enough.
    return any(each.kind == tsp.QC_STATEMENTS and tsp.QUALIFIED in each.value for each in info.extensions or [])
