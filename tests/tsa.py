"""A time-stamping authority for tests: its certificates made here, its tokens by ``openssl ts``, or forged by hand where
OpenSSL would refuse to make them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocols.translog import tsp

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="no openssl here: its time-stamps were not checked")
POLICY = "1.2.3.4.1"
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
CONFIG = """
[tsa]
default_tsa = here
[here]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = {policy}
other_policies = {policy}
digests = sha256, sha512
ess_cert_id_alg = sha256
{more}
"""
ACCURATE = "accuracy = secs:1, millisecs:500, microsecs:100\nclock_precision_digits = 3"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Authority:
    """``root``: PEM, what verifiers trust. ``folder``: where its files are."""

    folder: Path
    root: bytes
    certificate: x509.Certificate
    key: Key

    def reply(self, query: bytes, more: str = ACCURATE) -> bytes:
        """OpenSSL's answer, a TimeStampResp. ``more``: further lines of its settings."""
        (self.folder / "tsa.cnf").write_text(CONFIG.format(policy=POLICY, more=more))
        (self.folder / "query.tsq").write_bytes(query)
        command = [
            OPENSSL or "openssl",
            "ts",
            "-reply",
            "-config",
            "tsa.cnf",
            "-queryfile",
            "query.tsq",
            "-out",
            "reply.tsr",
        ]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=60)
        return (self.folder / "reply.tsr").read_bytes()

    def says_good(self, token: bytes, note: bytes) -> bool:
        """Whether ``openssl ts -verify`` takes a token over ``note``."""
        (self.folder / "data").write_bytes(note)
        (self.folder / "token.tsr").write_bytes(token)
        command = [OPENSSL or "openssl", "ts", "-verify", "-data", "data", "-in", "token.tsr", "-CAfile", "root.pem"]
        done = subprocess.run(command, cwd=self.folder, check=False, capture_output=True, timeout=60)
        return done.returncode == 0

    def forge(
        self,
        note: bytes,
        *,
        at: datetime | None = None,
        nonce: int | None = None,
        digest: x509.ObjectIdentifier = tsp.SHA256,
        naming: bytes | None = None,
        extensions: list[tsp.Extension] | None = None,
        accuracy: tsp.Accuracy | None = None,
        version: int = 1,
        content: x509.ObjectIdentifier = tsp.TST_INFO,
        signers: int = 1,
    ) -> bytes:
        """A TimeStampResp signed with this authority's key, whatever OpenSSL would think of it.

        ``naming``: hash that names the certificate, the right one by default; ``b""`` leaves it out.
        """
        sha256 = tsp.Digest(algorithm=tsp.SHA256, parameters=None)
        value = hashlib.sha512(note).digest() if digest == tsp.SHA512 else hashlib.sha256(note).digest()
        info = asn1.encode_der(
            tsp.TSTInfo(
                version=version,
                policy=x509.ObjectIdentifier(POLICY),
                imprint=tsp.Imprint(digest=tsp.Digest(algorithm=digest, parameters=None), value=value),
                serial=7,
                time=asn1.GeneralizedTime(at or datetime.now(UTC)),
                accuracy=accuracy,
                ordering=False,
                nonce=nonce,
                authority=None,
                extensions=extensions,
            )
        )
        der = self.certificate.public_bytes(Encoding.DER)
        attributes = [
            attribute(tsp.CONTENT_TYPE, asn1.encode_der(content)),
            attribute(x509.ObjectIdentifier("1.2.840.113549.1.9.4"), asn1.encode_der(hashlib.sha256(info).digest())),
        ]
        named = hashlib.sha256(der).digest() if naming is None else naming
        if named:
            hashed = tsp.CertificateHashV2(digest=None, value=named, issuer=None)
            shape = tsp.SigningCertificateV2(certificates=[hashed], policies=None)
            attributes.append(attribute(tsp.SIGNING_CERTIFICATE_V2, asn1.encode_der(shape)))
        attributes.sort(key=asn1.encode_der)
        signed = asn1.SetOf(attributes)
        assert isinstance(self.key, ec.EllipticCurvePrivateKey)
        # The same token every time: one of them is shipped as an example.
        signature = self.key.sign(asn1.encode_der(signed), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        signer = tsp.Signer(
            version=1,
            who=tsp.IssuerAndSerial(
                issuer=tlv(self.certificate.issuer.public_bytes()), serial=self.certificate.serial_number
            ),
            digest=sha256,
            signed=signed,
            algorithm=tlv(ECDSA_SHA256),
            signature=signature,
            unsigned=None,
        )
        data = tsp.SignedData(
            version=3,
            digests=asn1.SetOf([sha256]),
            content=tsp.Content(kind=tsp.TST_INFO, data=info),
            certificates=[tlv(der)],
            revocations=None,
            signers=asn1.SetOf([signer] * signers),
        )
        status = tsp.Status(status=0, words=None, failure=None)
        return asn1.encode_der(tsp.Response(status=status, token=tsp.Token(kind=tsp.SIGNED_DATA, data=data)))


def tlv(der: bytes) -> asn1.TLV:
    """Any DER value as one kept unread."""
    size = len(der)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    if 128 <= size < 256:
        length = bytes([0x81, size])
    return asn1.decode_der(tsp.Named, b"\x30" + length + der).name


def attribute(kind: x509.ObjectIdentifier, der: bytes) -> tsp.Attribute:
    """A signed attribute of one value."""
    return tsp.Attribute(kind=kind, values=asn1.SetOf([tlv(der)]))


def make_authority(
    folder: Path,
    *,
    since: timedelta = timedelta(days=-30),
    until: timedelta = timedelta(days=30),
    usage: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.TIME_STAMPING,),
    critical: bool = True,
    key: Key | None = None,
    intermediate: bool = False,
) -> Authority:
    """An authority under a root of its own. ``since``, ``until``: when its certificate holds, from now."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    root_key = ec.generate_private_key(ec.SECP256R1())
    root = _sign(
        _name("Root"),
        root_key.public_key(),
        _name("Root"),
        root_key,
        now - timedelta(days=400),
        now + timedelta(days=400),
        ca=True,
    )
    issuer, issuer_key, chain = root.subject, root_key, b""
    if intermediate:
        issuer_key = ec.generate_private_key(ec.SECP256R1())
        issuer = _name("Between")
        between = _sign(
            issuer,
            issuer_key.public_key(),
            root.subject,
            root_key,
            now - timedelta(days=400),
            now + timedelta(days=400),
            ca=True,
        )
        chain = between.public_bytes(Encoding.PEM)
    key = key or ec.generate_private_key(ec.SECP256R1())
    certificate = _sign(
        _name("Stamps"), key.public_key(), issuer, issuer_key, now + since, now + until, usage=usage, critical=critical
    )
    pem = root.public_bytes(Encoding.PEM)
    (folder / "root.pem").write_bytes(pem)
    (folder / "chain.pem").write_bytes(chain)
    (folder / "tsa.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "tsa.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "serial").write_text("01\n")
    return Authority(folder, pem, certificate, key)


def _name(text: str) -> x509.Name:
    parts = ((NameOID.COUNTRY_NAME, "CH"), (NameOID.ORGANIZATION_NAME, "Exercise"), (NameOID.COMMON_NAME, text))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def _sign(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    since: datetime,
    until: datetime,
    *,
    ca: bool = False,
    usage: tuple[x509.ObjectIdentifier, ...] = (),
    critical: bool = True,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        # Roots of one name are told apart by these.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=critical)
    return builder.sign(key, hashes.SHA256())
