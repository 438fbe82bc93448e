"""One ciphertext, two plaintexts under two keys: made for real, and of no use here.

Neither AES-GCM nor ChaCha20-Poly1305 commits to its key, so whoever chooses two keys can make one ciphertext, with one tag,
that opens under both (Dodis et al., CRYPTO 2018; Len, Grubbs, Ristenpart, USENIX Security 2021). A hub that logged the hash of
a ciphertext would have logged nothing. What an entry here commits to is the digest of every field.
"""

from __future__ import annotations

import subprocess
import sys
from random import Random

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES, ChaCha20
from cryptography.hazmat.primitives.ciphers.modes import ECB
from nacl import bindings
from nacl.public import PrivateKey

from protocols.bundle import BundleMalformed, limit_of
from protocols.disclosure import DigestMismatch, body_to_bytes, make_body, open_body, reveal
from protocols.encoding import b64u, to_json, unb64u
from protocols.errors import ProtocolError
from protocols.mls import hpke_seal
from protocols.sealing import open_box
from tests.protocols.kit import counting_rng, seed

NONCE = b"twelve bytes"
AAD = b'["hotline-body/v1","thread","statement","station",1,"marks"]'
ONE = "Yes: cease fire at 06:00."
OTHER = b"No"
BLANK = 0x09, 0x0D
"""Tab and carriage return: JSON allows them around a value, and they differ in one bit."""
TAG = 16


def xor(*texts: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(*texts, strict=True))


def stream(key: bytes, length: int) -> bytes:
    """AES-GCM's key stream: counter blocks from 2 on (NIST SP 800-38D)."""
    count = -(-length // 16)
    blocks = b"".join(NONCE + (number + 2).to_bytes(4, "big") for number in range(count))
    return Cipher(AES(key), ECB()).encryptor().update(blocks)[:length]


def second_key(first: bytes, plain: bytes, rng: Random) -> bytes:
    """A key under which the ciphertext of ``plain`` begins with another word: found by trying."""
    start = xor(stream(first, len(OTHER)), plain[: len(OTHER)])
    want = xor(start, OTHER)
    while True:
        key = rng.randbytes(16)
        if stream(key, len(OTHER)) == want:
            return key


def solve(columns: list[int], target: int) -> list[int]:
    """Which columns sum (by XOR) to the target: Gauss over GF(2)."""
    basis: dict[int, tuple[int, int]] = {}
    for number, column in enumerate(columns):
        value, made = column, 1 << number
        while value and (top := value.bit_length()) in basis:
            value, made = value ^ basis[top][0], made ^ basis[top][1]
        if value:
            basis[value.bit_length()] = value, made
    used = 0
    while target:
        value, made = basis[target.bit_length()]
        target, used = target ^ value, used ^ made
    return [number for number in range(len(columns)) if used >> number & 1]


def salamander(body: bytes, first: bytes, second: bytes) -> bytes:
    """A ciphertext with tag that opens under both keys, and under the first to ``body`` with blanks behind it.

    The difference of the two tags is linear in the ciphertext's bits: as many blanks as the tag has bits, and some more, are
    enough to bring it to nothing.
    """
    plain = bytearray(body + bytes(BLANK[:1]) * 160)
    keys = {key: (AESGCM(key), stream(key, len(plain))) for key in (first, second)}

    def sealed(key: bytes, cipher: bytes) -> bytes:
        engine, pad = keys[key]
        return engine.encrypt(NONCE, xor(cipher, pad), AAD)

    def difference(text: bytes) -> int:
        cipher = xor(text, keys[first][1])
        return int.from_bytes(xor(sealed(first, cipher)[-TAG:], sealed(second, cipher)[-TAG:]), "big")

    base = difference(bytes(plain))
    columns = []
    for place in range(len(body), len(plain)):
        changed = bytearray(plain)
        changed[place] = BLANK[1]
        columns.append(difference(bytes(changed)) ^ base)
    for number in solve(columns, base):
        plain[len(body) + number] = BLANK[1]
    return sealed(first, xor(bytes(plain), keys[first][1]))


def test_one_ciphertext_opens_under_two_keys_and_only_the_signed_text_is_taken() -> None:
    rng = Random(19)
    first = rng.randbytes(16)
    body, digests = make_body({"text": ONE}, counting_rng())
    second = second_key(first, body_to_bytes(body), rng)
    cipher = salamander(body_to_bytes(body), first, second)
    one, other = (AESGCM(key).decrypt(NONCE, cipher, AAD) for key in (first, second))
    assert other.startswith(OTHER)
    assert open_body(one, digests).fields == {"text": ONE}
    with pytest.raises(ProtocolError):
        open_body(other, digests)


# -- boxes: the sender hands each reader a key of its own ---------------------------------------------------------------

P = 2**130 - 5
MASK = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
SENTENCES = b"Cease fire at 06:00. Agreed.....", b"We will strike at 06:00 sharp..."


def _rotate(value: int, by: int) -> int:
    return (value << by | value >> 32 - by) & 0xFFFFFFFF


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """The subkey of XChaCha20 (draft-irtf-cfrg-xchacha, section 2.2)."""
    words = [
        int.from_bytes(text[at : at + 4], "little")
        for text in (b"expand 32-byte k", key, nonce)
        for at in range(0, len(text), 4)
    ]
    columns = [(n, n + 4, n + 8, n + 12) for n in range(4)]
    diagonals = [(n, 4 + (n + 1) % 4, 8 + (n + 2) % 4, 12 + (n + 3) % 4) for n in range(4)]
    for _ in range(10):
        for a, b, c, d in columns + diagonals:
            for to, of, mixed, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                words[to] = words[to] + words[of] & 0xFFFFFFFF
                words[mixed] = _rotate(words[mixed] ^ words[to], by)
    return b"".join(words[n].to_bytes(4, "little") for n in (0, 1, 2, 3, 12, 13, 14, 15))


class Half:
    """One of the two keys: its key stream, and its Poly1305 over a text whose last block is left open."""

    def __init__(self, key: bytes, nonce: bytes) -> None:
        subkey, rest = hchacha20(key, nonce[:16]), bytes(4) + nonce[16:]
        first = Cipher(ChaCha20(subkey, bytes(4) + rest), None).encryptor().update(bytes(64))
        self.key = key
        self.r, self.s = int.from_bytes(first[:16], "little") & MASK, int.from_bytes(first[16:32], "little")
        self.pad = Cipher(ChaCha20(subkey, (1).to_bytes(4, "little") + rest), None).encryptor().update(bytes(256))

    def tag(self, blocks: list[bytes]) -> int:
        """Of the blocks, plus ``s``, before it is cut to 128 bits."""
        total = 0
        for block in blocks:
            total = (total + int.from_bytes(block + b"\1", "little")) * self.r % P
        return total + self.s


def two_faced(one: Half, other: Half, aad: bytes) -> bytes:
    """A ciphertext without tag that says another sentence under each key and has one tag under both, or b"" where no last
    block fits."""
    cipher = xor(SENTENCES[0], one.pad[:32]) + xor(SENTENCES[1], other.pad[32:64])
    lengths = len(aad).to_bytes(8, "little") + (len(cipher) + 16).to_bytes(8, "little")
    padded = aad + bytes(-len(aad) % 16)
    cut = [text[at : at + 16] for text in (padded, cipher) for at in range(0, len(text), 16)]
    # The open block x stands two places before the end: tag = base + x * r^2.
    base = [half.tag([*cut, bytes(16), lengths]) for half in (one, other)]
    slope = (pow(one.r, 2, P) - pow(other.r, 2, P)) % P
    for wrapped in range(-4, 5):
        x = (base[1] - base[0] + (wrapped << 128)) * pow(slope, -1, P) % P
        if x >> 128 == 0:
            block = x.to_bytes(16, "little")
            if len({half.tag([*cut, block, lengths]) & (1 << 128) - 1 for half in (one, other)}) == 1:
                return cipher + block
    return b""


def test_a_box_that_reads_otherwise_for_each_recipient_is_refused_by_both() -> None:
    rng, fresh = Random(7), counting_rng()
    nonce, keys = rng.randbytes(24), []
    cipher = b""
    while not cipher:
        keys = [rng.randbytes(32), rng.randbytes(32)]
        one, other = (Half(key, nonce) for key in keys)
        cipher = two_faced(one, other, AAD)
    seal = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt
    sealed = [seal(xor(cipher, half.pad[: len(cipher)]), AAD, nonce, half.key) for half in (one, other)]
    assert sealed[0] == sealed[1], "one ciphertext, one tag, two keys"
    readers = [seed(name) for name in ("MD seal", "HD seal")]
    names = [b64u(bytes(PrivateKey(reader).public_key)) for reader in readers]
    to = {
        name: b64u(hpke_seal(unb64u(name), b"hotline-box/v1", AAD, key, fresh))
        for name, key in zip(names, keys, strict=True)
    }
    box = to_json({"v": 1, "to": to, "nonce": b64u(nonce), "ct": b64u(sealed[0])})
    read = [open_box(box, name, reader, AAD) for name, reader in zip(names, readers, strict=True)]
    assert read[0].startswith(SENTENCES[0])
    assert read[1][32:].startswith(SENTENCES[1])
    _, digests = make_body({"text": SENTENCES[0].decode()}, counting_rng())
    for text in read:
        with pytest.raises(ProtocolError):
            open_body(text, digests)


# -- a court -----------------------------------------------------------------------------------------------------------


def test_a_second_text_in_perfect_form_is_refused_by_receiver_and_court_alike() -> None:
    body, digests = make_body({"text": ONE}, counting_rng())
    again, _ = make_body({"text": "We will strike at 06:00 sharp."}, counting_rng("other"))
    with pytest.raises(DigestMismatch):
        open_body(body_to_bytes(again), digests)
    with pytest.raises(DigestMismatch):
        reveal(again.disclosures, digests)
    assert reveal(body.disclosures, digests) == {"text": ONE}


@pytest.mark.parametrize("name", ["000002.body", "000002.box", "000002.key", "key", "000002.ciphertext"])
def test_a_bundle_has_no_place_for_a_ciphertext_or_a_key(name: str) -> None:
    with pytest.raises(BundleMalformed):
        limit_of(name)


def test_the_verifier_cannot_decrypt_anything() -> None:
    """It does not even load what could."""
    code = (
        "import sys, mediation.audit\n"
        "print([name for name in sys.modules if name.startswith(('protocols.mls', 'protocols.sealing', 'hotline', 'web'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
