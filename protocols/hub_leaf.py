"""Leaves of the hub's own that belong to no thread: where threads end (`heads`), and that an operator looked (`look`).

A leaf is a compact JWS (RFC 7515 section 7.1, Ed25519 by its full name, RFC 9864) by the hub's stamping key, and with its
disclosures behind it, joined by ``~``, an SD-JWT (RFC 9901)::

    base64url({"alg":"Ed25519","typ":"hotline-hub+jwt","kid":...}) . base64url(payload) . base64url(signature)

so that openssl, or any JWT library, can check it. An entry (`protocols.entry`) is a JWS in JSON serialization of another
``typ``: the first byte tells them apart, and neither parser takes the other's bytes.

What a leaf says stands only as digests in ``_sd``, padded with decoys: the log shows that the hub wrote down where threads
end, or that somebody looked, and when; not which threads, how many, who, or at what. Whoever is given one disclosure can
prove that one thing::

    heads   [salt, THREAD, {"seq": n, "leaf": digest of that thread's newest leaf}]     one a thread
    look    [salt, "operator", name]   [salt, "what", words]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from protocols.accord import SignedAccord
from protocols.disclosure import SALT_BYTES, SLOTS, Rng, check_digests, make_body, reveal
from protocols.encoding import Malformed, b64u, digest, from_json, to_json, unb64u
from protocols.entry import MAX_LEAF_BYTES, ThreadId, TooLarge, WrongAccord
from protocols.errors import RemoteError
from protocols.jws import signing_input
from protocols.keys import BadSignature, Signer, kid_of, public_from, verify
from protocols.kinds import Id, Millis

TYP = "hotline-hub+jwt"
HubKind = Literal["heads", "look"]
MAX_HEADS = 512
"""Threads in one `heads` leaf: what 65,535 bytes hold of digests, rounded down to a power of two."""
MAX_NAME = 64
MAX_WHAT = 200


class WrongTail(RemoteError):
    """A disclosure that opens the end of another thread, or no end of a thread."""

    code = "tail.wrong"
    _sentence = (
        "What was handed over as the end of this conversation is about something else. It proves nothing about where the "
        "conversation ended; ask for it again."
    )


class HubPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What everybody can read of a leaf. ``log``: origin of the log; ``accord``: its id; ``index``: of this leaf; ``at``: the
    hub's clock, ms UTC, never backwards; ``seen``: SHA-256 of the newest published checkpoint the hub held; ``nonce``: 16
    random bytes, so that nobody can guess the leaf's hash."""

    v: Literal[1]
    log: Annotated[str, msgspec.Meta(max_length=200)]
    accord: Id
    kind: HubKind
    index: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    at: Millis
    seen: Id | None
    nonce: Annotated[str, msgspec.Meta(min_length=22, max_length=22)]
    sd: tuple[Id, ...] = msgspec.field(name="_sd")
    sd_alg: Literal["sha-256"] = msgspec.field(name="_sd_alg", default="sha-256")


class ThreadEnd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a thread stands: its newest entry's number and the SHA-256 of that entry's leaf (base64url)."""

    seq: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    leaf: Id


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a leaf is to stand: what every leaf has in common (see `HubPayload`)."""

    log: str
    accord: str
    index: int
    at: int
    seen: str | None


@dataclass(frozen=True, slots=True)
class Made:
    """A new leaf's exact bytes, and its disclosures by name: keep them, nobody can make them again."""

    data: bytes
    disclosures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HubLeaf:
    """A parsed leaf. Only `verify_hub_leaf` gives one whose signature holds."""

    payload: HubPayload
    text: str
    kid: str
    signature: bytes

    @property
    def kind(self) -> HubKind:
        return self.payload.kind


@dataclass(frozen=True, slots=True)
class Look:
    """What is disclosed of a look; None: hidden."""

    operator: str | None
    what: str | None


@dataclass(frozen=True, slots=True)
class Tail:
    """Proven: when leaf ``index`` was logged, at ``at`` (the hub's clock, ms UTC, a claim), the thread's newest entry was
    ``seq``, with a leaf whose SHA-256 is ``leaf``. That ``index`` is in the log is the inclusion proof's business."""

    seq: int
    leaf: str
    index: int
    at: int


def is_hub_leaf(data: bytes) -> bool:
    """Whether a leaf can only be one of the hub's own: a compact JWS begins with base64url, an entry with ``{``."""
    return not data.startswith(b"{")


def make_heads(place: Place, ends: Mapping[str, ThreadEnd], signer: Signer, rng: Rng) -> Made:
    """The leaf that says where these threads (at most `MAX_HEADS`) end. ``rng(n)`` gives n fresh random bytes.

    The number of digests is a power of two from 8 on, so that the log shows only the order of magnitude.
    """
    if not 1 <= len(ends) <= MAX_HEADS:
        raise ValueError(f"{len(ends)} threads in one leaf")
    return _make("heads", place, {name: msgspec.to_builtins(end) for name, end in ends.items()}, signer, rng)


def make_look(place: Place, operator: str, what: str, signer: Signer, rng: Rng) -> Made:
    """The leaf that says that ``operator`` looked at ``what``."""
    return _make("look", place, {"operator": operator[:MAX_NAME], "what": what[:MAX_WHAT]}, signer, rng)


def parse_hub_leaf(data: bytes) -> HubLeaf:
    """A leaf's parts, nothing verified. Raises `TooLarge`, `Malformed`, `BadSignature` (another algorithm)."""
    if len(data) > MAX_LEAF_BYTES:
        raise TooLarge(f"{len(data)} bytes")
    try:
        protected, payload, signature = data.decode("ascii").split(".")
    except ValueError:
        raise Malformed("not a compact JWS") from None
    header_bytes = unb64u(protected)
    header = from_json(header_bytes, limit=1024)
    if not isinstance(header, dict) or list(header) != ["alg", "typ", "kid"]:
        raise Malformed("not the header of a leaf of the hub's own")
    if header["alg"] != "Ed25519":
        raise BadSignature("only Ed25519 is taken")
    if header["typ"] != TYP or not isinstance(header["kid"], str) or to_json(header) != header_bytes:
        raise Malformed("not the header of a leaf of the hub's own")
    try:
        found = msgspec.convert(from_json(unb64u(payload)), HubPayload, strict=True)
    except msgspec.ValidationError as error:
        raise Malformed(f"not a leaf of the hub's own: {error}") from None
    unb64u(found.nonce, size=16)
    check_digests(found.sd)
    return HubLeaf(found, f"{protected}.{payload}", header["kid"], unb64u(signature, size=64))


def verify_hub_leaf(data: bytes, accord: SignedAccord) -> HubLeaf:
    """The leaf, signed by this accord's hub for this accord's log.

    Raises what `parse_hub_leaf` raises, `WrongAccord`, `BadSignature`.
    """
    leaf = parse_hub_leaf(data)
    if leaf.payload.accord != accord.id or leaf.payload.log != accord.log_origin:
        raise WrongAccord("accord or log differ")
    public = public_from(accord.accord.hub.key)
    if leaf.kid != kid_of(public):
        raise BadSignature("not the hub's key")
    verify(public, leaf.text.encode("ascii"), leaf.signature)
    return leaf


def open_heads(leaf: HubLeaf, disclosures: Iterable[str]) -> dict[str, ThreadEnd]:
    """The ends of threads that ``disclosures`` prove, by thread. Raises `Malformed`, `DigestMismatch`, `WrongTail`."""
    if leaf.kind != "heads":
        raise WrongTail(f"a leaf of kind {leaf.kind}")
    found = {}
    for name, value in reveal(disclosures, leaf.payload.sd).items():
        try:
            found[msgspec.convert(name, ThreadId)] = msgspec.convert(value, ThreadEnd, strict=True)
        except msgspec.ValidationError as error:
            raise WrongTail(f"not the end of a thread: {error}") from None
    return found


def open_look(leaf: HubLeaf, disclosures: Iterable[str]) -> Look:
    """What ``disclosures`` prove of a look. Raises `Malformed`, `DigestMismatch`."""
    fields = reveal(disclosures, leaf.payload.sd)
    if leaf.kind != "look" or not set(fields) <= {"operator", "what"}:
        raise Malformed("not a look")
    if not all(isinstance(value, str) for value in fields.values()):
        raise Malformed("a look names its operator and what was looked at in text")
    return Look(fields.get("operator"), fields.get("what"))


def check_tail(leaf: bytes, disclosure: str, thread: str, accord: SignedAccord) -> Tail:
    """Where ``thread`` ended when this leaf was logged: the leaf's exact bytes, and the one disclosure that opens it.

    The caller proves that the leaf stands in the log at `Tail.index`. Raises what `verify_hub_leaf` and `open_heads`
    raise, and `WrongTail` for another thread's end.
    """
    verified = verify_hub_leaf(leaf, accord)
    end = open_heads(verified, (disclosure,)).get(thread)
    if end is None:
        raise WrongTail("the end of another thread")
    return Tail(end.seq, end.leaf, verified.payload.index, verified.payload.at)


def _make(kind: HubKind, place: Place, fields: Mapping[str, Any], signer: Signer, rng: Rng) -> Made:
    body, digests = make_body(fields, rng)
    slots = max(SLOTS, 1 << (len(fields) - 1).bit_length())
    decoys = tuple(digest(rng(SALT_BYTES)) for _ in range(slots - len(digests)))
    payload = HubPayload(
        v=1,
        log=place.log,
        accord=place.accord,
        kind=kind,
        index=place.index,
        at=place.at,
        seen=place.seen,
        nonce=b64u(rng(16)),
        sd=tuple(sorted((*digests, *decoys))),
    )
    protected = b64u(to_json({"alg": "Ed25519", "typ": TYP, "kid": signer.kid}))
    text = b64u(to_json(msgspec.to_builtins(payload)))
    message = signing_input(protected, text)
    data = message + b"." + b64u(signer.sign(message)).encode("ascii")
    if len(data) > MAX_LEAF_BYTES:
        raise TooLarge(f"{len(data)} bytes")
    return Made(data, dict(zip(fields, body.disclosures, strict=True)))
