"""Makes the evidence that the documentation ships as an example, from fixed seeds: the same files every time.

``python -m tests.docs.example_bundle`` writes ``docs/examples/evidence.zip`` and what a verifier brings to it: a witness policy
and the root certificate of a time-stamping authority. All of it is an exercise; every key in it can be made by anybody.

What happens: Arvenia opens a thread with Kostrava and notifies it of an incident; Kostrava gives no sign of it in time, and
Arvenia takes the step that this opens. One field is redacted, one entry is withheld.
"""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hotline import bundles
from mediation.audit.papers import with_reports
from mediation.redact import Cut, redact
from protocols.bundle import Bundle
from protocols.redaction import Label
from protocols.translog import tsp
from tests.mediation.audit.kit import watched
from tests.mediation.court import POLICY, THREAD, TRUST
from tests.protocols.kit import T0
from tests.tsa import Authority

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
BUNDLE, POLICY_FILE, ROOT_FILE = (EXAMPLES / f"evidence{name}" for name in (".zip", "-policy.txt", "-tsa.pem"))
ACCORD = TRUST.accord
_SINCE, _UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2049, 1, 1, tzinfo=UTC)


@cache
def authority() -> Authority:
    """A time-stamping authority under a root of its own, from fixed seeds."""
    root_key, key = _key("example root"), _key("example authority")
    root = _certificate("Exercise time-stamps, root", root_key, "Exercise time-stamps, root", root_key, 1)
    certificate = _certificate("Exercise time-stamps", key, "Exercise time-stamps, root", root_key, 2)
    return Authority(Path(), root.public_bytes(Encoding.PEM), certificate, key)


@cache
def example() -> Bundle:
    """The bundle, reports and all."""
    court = watched()
    notice = {"text": "Three hospitals in Arvenia lost their records tonight.", "severity": "high"}
    court.tell(2, "incident-notice", fields=notice, two=True)
    court.publish(5)
    court.tell(8, "goodwill-note", "KV", fields={"text": "Our new delegate greets you."})
    court.publish(12)
    court.publish(489)
    court.tell(492, "step-request", "AV", {"step": "L3-experts"}, two=True)
    court.publish(495)
    court.tell(497, "goodwill-note", "AV", fields={"text": "Of no matter here."})
    court.publish(502)
    court.tell(503, "goodwill-note", "KV", fields={"text": "We have read it now. لقد قرأناها الآن."})
    court.publish(510)
    court.end(511)
    court.publish(520)
    bundle = court.evidence({2: (0, 1), 3: (0,), 5: (0,), 6: (0,)})
    hidden = redact(
        bundle, Cut("AV", "national-security", "It tells what is measured.", Label(), hide=((2, "severity"),))
    ).bundle
    order = Label("High Court, order of 3 May 2031", "HC-44", "counsel only")
    cut = redact(hidden, Cut("AV", "court-order", "", order, withhold=(5,))).bundle
    at = datetime.fromtimestamp(T0 // 1000 + 521, UTC)
    token = authority().forge(cut.checkpoint, at=at, accuracy=tsp.Accuracy(seconds=1, millis=None, micros=None))
    return with_reports(dataclasses.replace(cut, final_token=token))


def files() -> dict[Path, bytes]:
    """What is shipped, by path."""
    return {BUNDLE: bundles.pack(example()), POLICY_FILE: POLICY.encode(), ROOT_FILE: authority().root}


def _key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(name.encode()).digest()), ec.SECP256R1())


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey, serial: int
) -> x509.Certificate:
    own = issuer == name
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(_SINCE)
        .not_valid_after(_UNTIL)
        .add_extension(x509.BasicConstraints(own, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not own:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(issuer_key, hashes.SHA256(), ecdsa_deterministic=True)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)])


if __name__ == "__main__":
    for path, data in files().items():
        path.write_bytes(data)
        print(path.name, len(data))
    print("accord", ACCORD, "thread", THREAD)
