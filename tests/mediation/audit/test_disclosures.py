"""The auditor takes no disclosure that the signed entry does not commit to exactly once, in exactly one form."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from mediation.audit import Report, verify
from protocols.disclosure import SLOTS
from protocols.encoding import b64u, digest, from_json, to_json, unb64u
from tests.mediation.court import TRUST, Court, small_case


def field(name: Any, value: Any, salt: bytes = bytes(32)) -> str:
    return b64u(to_json([b64u(salt), name, value]))


def committed(*texts: str) -> tuple[str, ...]:
    digests = [digest(text.encode()) for text in texts]
    digests += [digest(bytes([n])) for n in range(-len(digests) % SLOTS)]
    return tuple(sorted(digests))


def shown(*disclosures: str, commits: tuple[str, ...]) -> Report:
    """A bundle whose sixth entry commits to some fields and discloses some."""
    court: Court = small_case()
    court.send("goodwill-note", "AV", fields={"text": "x"}, sd=committed(*commits))
    bundle = court.bundle()
    last = dataclasses.replace(bundle.exhibits[5], disclosures=disclosures)
    return verify(dataclasses.replace(bundle, exhibits=(*bundle.exhibits[:5], last)), TRUST)


ONE = field("text", "Yes.")
OTHER = field("text", "No.", bytes([1]) * 32)
REFUSED: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "that nothing refers to": ((ONE, OTHER), (ONE,), "entry.digest-mismatch"),
    "that stands twice": ((ONE, ONE), (ONE,), "entry.digest-mismatch"),
    "of a name that stands twice": ((ONE, OTHER), (ONE, OTHER), "entry.digest-mismatch"),
    "with a short salt": ((field("text", "Yes.", bytes(31)),),) * 2 + ("entry.malformed",),
    "with a long salt": ((field("text", "Yes.", bytes(33)),),) * 2 + ("entry.malformed",),
    "without a name": ((field("", "Yes."),),) * 2 + ("entry.malformed",),
    "that names the list of digests": ((field("_sd", []),),) * 2 + ("entry.malformed",),
    "of an array element": ((b64u(to_json([b64u(bytes(32)), "Yes."])),),) * 2 + ("entry.malformed",),
    "of a field that the kind does not have": ((field("orders", "Go."),),) * 2 + ("entry.bad-body",),
    "that is nothing": (("",), ("",), "entry.malformed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_disclosure_is_refused_and_nothing_of_that_entry_shown(name: str) -> None:
    disclosures, commits, code = REFUSED[name]
    report = shown(*disclosures, commits=commits)
    assert [(problem.code, problem.seq) for problem in report.problems] == [(code, 6)]
    assert report.entries[5].fields == {}
    assert not report.holds


def test_a_disclosure_that_is_committed_to_once_is_shown() -> None:
    report = shown(ONE, commits=(ONE,))
    assert report.holds, report.problems
    assert report.entries[5].fields == {"text": "Yes."}


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"_sd_alg":"sha-256"', b'"_sd_alg":"sha-512"'), (b'"_sd_alg":"sha-256"', b'"_sd_alg":"md5"')],
)
def test_digests_by_another_algorithm_are_refused(old: bytes, new: bytes) -> None:
    court = small_case()
    bundle = court.bundle({2: (0,)})
    leaf = from_json(bundle.exhibits[1].leaf)
    payload = unb64u(leaf["payload"])
    assert old in payload
    leaf["payload"] = b64u(payload.replace(old, new))
    changed = dataclasses.replace(bundle.exhibits[1], leaf=to_json(leaf))
    report = verify(dataclasses.replace(bundle, exhibits=(bundle.exhibits[0], changed, *bundle.exhibits[2:])), TRUST)
    assert "entry.malformed" in {problem.code for problem in report.problems}
    assert all(entry.seq != 2 for entry in report.entries)
