"""The hub's own TLS certificate: made once, pinned by every station through the accord, answerable to no authority."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from collections.abc import Iterable
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from protocols.encoding import b64u, sha256

_YEARS = 30


def make_certificate(name: str, addresses: Iterable[str], now_ms: int) -> tuple[bytes, bytes, str]:
    """A self-signed P-256 certificate: PEM certificate, PEM key, and the base64url SHA-256 of its DER.

    ``addresses`` are the hub's URLs; their hosts become the certificate's names. Its dates are wide because stations
    pin the certificate itself: it ends when the accord names another.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC)
    hosts = dict.fromkeys(host for host in (urlsplit(address).hostname for address in addresses) if host)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts or {"localhost": None}]), False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    der = certificate.public_bytes(serialization.Encoding.DER)
    return certificate.public_bytes(serialization.Encoding.PEM), pem, b64u(sha256(der))


def fingerprint(pem: bytes) -> str:
    """base64url SHA-256 of the DER of a PEM certificate. Raises `ValueError` where it is none."""
    return b64u(sha256(x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)))


def server_context(certificate: bytes, key: bytes) -> ssl.SSLContext:
    """TLS 1.3 for the hub. The key goes to OpenSSL through memory (memfd): it is never on a disk in the clear."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    handle = os.memfd_create("hub-tls", os.MFD_CLOEXEC)
    try:
        os.write(handle, certificate + key)
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
    return context


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host.encode("idna").decode("ascii"))
