"""Our X-Wing, and HPKE over it, against npm @hpke/hybridkem-x-wing: both ways, on the KEM level and above."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocols.mls.hpke import CHACHA20_POLY1305, Hpke
from protocols.mls.kem import XWing
from tests.interop import install_peers

MISSING = install_peers.missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no live X-Wing peer: {MISSING}")

Ask = Callable[..., dict[str, str]]


@pytest.fixture
def ask() -> Iterator[Ask]:
    process = subprocess.Popen(
        [shutil.which("node") or "node", str(Path(__file__).parent / "x_wing_peer.mjs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"HOTLINE_TS_MLS": str(install_peers.folder())},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def ask(op: str, **arguments: bytes) -> dict[str, str]:
        stdin.write(json.dumps({"op": op} | {name: value.hex() for name, value in arguments.items()}) + "\n")
        stdin.flush()
        answer: dict[str, str] = json.loads(stdout.readline())
        return answer

    yield ask
    stdin.close()
    stdout.close()
    process.wait(10)


def test_keys_and_secrets_agree_both_ways(ask: Ask) -> None:
    kem = XWing()
    for _ in range(4):
        ikm = os.urandom(32)
        spelled = ikm + b"HPKE-v1" + b"KEM\x64\x7a" + b"\x00\x0dDeriveKeyPair" + b"\x00\x20"
        private, public = kem.derive_key_pair(ikm)
        assert ask("shake", data=spelled)["digest"] == private.hex()
        assert ask("publicKey", seed=private)["public"] == public.hex()
        secret, enc = kem.encap(public, os.urandom)
        assert ask("decap", seed=private, enc=enc)["secret"] == secret.hex()
        theirs = ask("encap", public=public)
        assert kem.decap(bytes.fromhex(theirs["enc"]), private, public).hex() == theirs["secret"]


def test_sealed_boxes_and_exported_secrets_agree_both_ways(ask: Ask) -> None:
    hpke = Hpke(XWing(), CHACHA20_POLY1305)
    private, public = hpke.kem.derive_key_pair(os.urandom(32))
    enc, ciphertext = hpke.seal(public, b"info", b"aad", b"text", os.urandom)
    opened = ask("open", seed=private, enc=enc, info=b"info", aad=b"aad", ciphertext=ciphertext)
    assert bytes.fromhex(opened["data"]) == b"text"
    assert hpke.receive_export(enc, private, b"info", b"label", 32).hex() == opened["exported"]
    sealed = ask("seal", public=public, info=b"info", aad=b"aad", data=b"text")
    enc, ciphertext = bytes.fromhex(sealed["enc"]), bytes.fromhex(sealed["ciphertext"])
    assert hpke.open(enc, private, b"info", b"aad", ciphertext) == b"text"
    assert hpke.receive_export(enc, private, b"info", b"label", 32).hex() == sealed["exported"]
