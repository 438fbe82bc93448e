"""Frames between a station and the hub: MessagePack maps in binary WebSocket messages, one a message.

Every frame has a ``t`` that names its type. Unknown types and fields are refused. Frames are not evidence; what is
signed (entries, mandates, checkpoints, key packages) travels inside them as the exact bytes that were signed.

Login (both sides prove their accord key over both nonces, the hub's name and the accord)::

    station -> Hello        hub -> Challenge        station -> Proof        hub -> Ready | Failed

after which the station submits, follows, publishes key packages and cosigns heads, in any order.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec

from protocols.attachment import MAX_SEALED_ATTACHMENT, TAG
from protocols.encoding import Malformed, to_json, unb64u
from protocols.entry import MAX_LEAF_BYTES, ThreadId
from protocols.hub_leaf import MAX_HEADS
from protocols.kinds import Id, Name, OfficeId, Text
from protocols.translog.note import MAX_NOTE_BYTES

T = TypeVar("T")
VERSION = 1
MAX_FRAME_BYTES = 4 << 20
MAX_HASHES = 8192
MAX_SEALED = 1 << 19
"""Bytes of the sealed disclosures of one leaf of the hub's own."""
Nonce = Annotated[str, msgspec.Meta(min_length=43, max_length=43)]
Ref = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
SignedNote = Annotated[str, msgspec.Meta(max_length=MAX_NOTE_BYTES)]


class Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="t", omit_defaults=True):
    """Base of all frames."""


# -- login ------------------------------------------------------------------------------------------------------------


class Hello(Frame, frozen=True, tag="hello"):
    """First frame of a station: who it is (``station``: kid, ``mandate``: its signed mandate) and its nonce."""

    v: int
    accord: Id
    station: Id
    mandate: bytes
    nonce: Nonce


class Challenge(Frame, frozen=True, tag="challenge"):
    """The hub's nonce and its signature over `login_text` as ``hub``."""

    hub: Text
    nonce: Nonce
    signature: bytes


class Proof(Frame, frozen=True, tag="proof"):
    """The station's signature over `login_text` as ``station``."""

    signature: bytes


class Ready(Frame, frozen=True, tag="ready"):
    """Logged in. ``now``: the hub's clock, ms UTC. ``mandates``: the directory as known. ``key_packages``: how many of
    this station's are left on the hub."""

    now: int
    mandates: tuple[bytes, ...]
    key_packages: int


class Failed(Frame, frozen=True, tag="failed"):
    """The hub ends the connection: stable code and a sentence."""

    code: Text
    sentence: Annotated[str, msgspec.Meta(max_length=1000)]


# -- station to hub ---------------------------------------------------------------------------------------------------


class Submit(Frame, frozen=True, tag="submit"):
    """An entry (JWS without stamp) and its sealed parts. Answered by `Accepted` or `Refused` with the same ``ref``.

    Submitting the same entry again gives the same answer and changes nothing.
    """

    ref: Ref
    entry: bytes
    parts: dict[str, bytes] = {}


class Follow(Frame, frozen=True, tag="follow"):
    """Deliver every thread from after these positions (``seq``), threads not named from the start.

    ``head``: the newest checkpoint that the station holds, signed by the log; by it a hub that was restored from an older
    copy finds out, before it takes anything in. ``tails``: leaves from this index on may hold ends of threads (`Tails`)
    that the station was not told.
    """

    cursors: dict[ThreadId, Ref] = {}
    head: SignedNote = ""
    tails: Ref = 0


class Publish(Frame, frozen=True, tag="publish"):
    """Key packages (MLSMessage) for others to add this station with; each is handed out once."""

    key_packages: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=100)]


class Claim(Frame, frozen=True, tag="claim"):
    """Asks for one key package of each of these stations. Answered by `Claimed` or `Refused`."""

    ref: Ref
    stations: Annotated[tuple[Id, ...], msgspec.Meta(max_length=64)]


class Announce(Frame, frozen=True, tag="announce"):
    """Adds mandates to the hub's directory."""

    mandates: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=100)]


class Cosign(Frame, frozen=True, tag="cosign"):
    """Cosignature lines (C2SP tlog-cosignature) on the head of ``size``.

    With empty ``lines`` a witness says instead that ``size`` is what it last cosigned (tlog-witness status 409); the hub
    offers the head anew from there.
    """

    size: Ref
    lines: Annotated[str, msgspec.Meta(max_length=64 * 1024)]


class Evidence(Frame, frozen=True, tag="evidence"):
    """Two checkpoints of one size and two roots, both signed by the log: it showed two histories. The hub keeps them and
    passes them on to every station (`TwoHistories`)."""

    first: SignedNote
    second: SignedNote


class Hashes(Frame, frozen=True, tag="hashes"):
    """Asks for leaf hashes of the log from leaf ``start`` on, as far as the newest published head covers it. Answered by
    `Hashed`, or `Refused` where there are none yet."""

    ref: Ref
    start: Annotated[int, msgspec.Meta(ge=0)]


class Recall(Frame, frozen=True, tag="recall"):
    """Asks for the published checkpoint of this digest: what an entry says that its author had ``seen``."""

    ref: Ref
    digest: Id


class AskOwn(Frame, frozen=True, tag="ask-own"):
    """Asks for the leaves of the hub's own (`protocols.hub_leaf`) from leaf ``start`` on, as far as the newest published head
    covers them, to keep them for the hub: a hub that lost its store gets the log back from its stations, and nobody else
    holds these. Answered by `Own`, or `Refused` where no head covers that far."""

    ref: Ref
    start: Annotated[int, msgspec.Meta(ge=0)]


class AskTails(Frame, frozen=True, tag="ask-tails"):
    """Asks where these threads end: the hub says it in the log with its next heartbeat, and answers with `Tails` once that is
    proven. Threads that the station is no member of are passed over."""

    threads: Annotated[tuple[ThreadId, ...], msgspec.Meta(min_length=1, max_length=MAX_HEADS)]


class AskBlob(Frame, frozen=True, tag="ask-blob"):
    """Asks to hand over (``put``) or to have (``get``) a sealed file of a thread (`protocols.attachment`): ``blob``, the
    SHA-256 of the ciphertext, and ``size``, its bytes. To hand one over is to announce it: from then on its place is kept
    and counted. ``keep`` says that an entry binds it, which the hub cannot see: what nothing binds is dropped in the end.
    Answered by `BlobTicket`, to ``keep`` one without a ticket, or `Refused`."""

    ref: Ref
    thread: ThreadId
    blob: Id
    size: Annotated[int, msgspec.Meta(ge=TAG, le=MAX_SEALED_ATTACHMENT)]
    way: Literal["put", "get", "keep"]


class Ping(Frame, frozen=True, tag="ping"):
    """Asks for the hub's time."""

    ref: Ref


# -- both ways --------------------------------------------------------------------------------------------------------


class Disagreement(Frame, frozen=True, tag="disagreement"):
    """A station computes another ladder state than the hub stamped, from entry ``seq`` on; the hub hands it to the members.

    ``entry``: its id. ``stamped``: the state's hash in its stamp; ``computed``: the station's own. The same in both: they
    agree again. ``at``: the station's clock, ms UTC; of two by one station the later counts. ``signature``: by the
    station's key over `disagreement_text`, so that the hub can withhold it but not make it up.
    """

    thread: ThreadId
    seq: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    entry: Id
    kind: Name
    stamped: Id
    computed: Id
    at: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    station: Id
    signature: bytes

    @property
    def over(self) -> bool:
        """Whether it says that they agree again."""
        return self.stamped == self.computed


# -- hub to station ---------------------------------------------------------------------------------------------------


class Accepted(Frame, frozen=True, tag="accepted"):
    """Durable: the entry stands in its thread and in the log. ``at``: the hub's stamp, ms UTC."""

    ref: Ref
    id: Id
    thread: ThreadId
    seq: int
    index: int
    at: int


class Refused(Frame, frozen=True, tag="refused"):
    """Nothing was changed. ``rule``, ``clock`` and ``until`` (ms UTC) say what stands in the way and how long."""

    ref: Ref
    code: Text
    sentence: Annotated[str, msgspec.Meta(max_length=1000)]
    id: Id | None = None
    rule: Text | None = None
    clock: Text | None = None
    until: int | None = None
    detail: Annotated[str, msgspec.Meta(max_length=1000)] = ""


class Deliver(Frame, frozen=True, tag="deliver"):
    """One entry of a thread, stamped (the exact leaf), with the parts this station may have, in order of ``seq``."""

    thread: ThreadId
    seq: int
    leaf: bytes
    parts: dict[str, bytes] = {}


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a role holder could send now: ``kind`` with that ``act``. For an answer to a request: ``office`` made it, and
    ``until`` (ms UTC) is when its clock ends; so too for an appointment that is this office's to make."""

    kind: Name
    act: dict[str, Any]
    office: str = ""
    until: int | None = None


class Invitation(Frame, frozen=True, tag="invitation"):
    """To a station of an office with standing outside the group: where the thread stands.

    ``role``: nominee, verifier, or a role of the ladder. ``seq``/``head``: newest entry (for ``prev``). ``serial``: the
    next serial the hub expects of this station. ``status``: what the ladder waits for from this office: acceptance,
    declaration, objections (of others), admission, rekey; finding; for a role of the ladder open or waiting; or over,
    where the invitation no longer stands. ``rung`` and ``open``: for a role, where the thread stands and what its holder
    could send. The hub's word only: checked once the office is admitted and replays the thread.
    """

    thread: ThreadId
    ladder: Text
    parties: tuple[OfficeId, ...]
    role: Name
    status: Text
    seq: int
    head: Id
    serial: int
    members: tuple[Id, ...]
    about: Id | None = None
    rung: str = ""
    open: Annotated[tuple[Opening, ...], msgspec.Meta(max_length=400)] = ()


class Caught(Frame, frozen=True, tag="caught"):
    """Everything up to now has been delivered (after `Follow`)."""

    now: int


class Claimed(Frame, frozen=True, tag="claimed"):
    """One key package a station: kid to MLSMessage."""

    ref: Ref
    packages: dict[Id, bytes]


class Directory(Frame, frozen=True, tag="directory"):
    """New mandates."""

    mandates: tuple[bytes, ...]


class Head(Frame, frozen=True, tag="head"):
    """A head to cosign: the exact body of a C2SP tlog-witness ``add-checkpoint`` request for this witness."""

    request: str


class Published(Frame, frozen=True, tag="published"):
    """The newest head that met the witness policy: a signed note with its cosignatures."""

    checkpoint: str


class TwoHistories(Frame, frozen=True, tag="two-histories"):
    """What a station handed in as `Evidence`; each station verifies it for itself."""

    first: SignedNote
    second: SignedNote


class Tails(Frame, frozen=True, tag="tails"):
    """Where threads of this station end: a `heads` leaf of the hub's own (`protocols.hub_leaf`), its C2SP tlog-proof, and
    the disclosures that open this station's threads in it. Sent after every entry up to there, so that a station that lacks
    one knows that it was held back, and has the hub's signature for it."""

    leaf: bytes
    proof: str
    disclosures: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_HEADS)]


class Hashed(Frame, frozen=True, tag="hashed"):
    """Leaf hashes (RFC 6962) from leaf ``start`` on, 32 bytes each, at most `MAX_HASHES`: level 0 of the hash tiles of C2SP
    tlog-tiles. They say nothing of what leaves hold."""

    ref: Ref
    start: Annotated[int, msgspec.Meta(ge=0)]
    hashes: Annotated[bytes, msgspec.Meta(max_length=MAX_HASHES * 32)]


class OwnLeaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One leaf of the hub's own, as it stands in the log at ``index``. ``sealed``: what opens it (its disclosures), under a key
    that only the hub has: it is kept for the hub, not for whoever keeps it."""

    index: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    leaf: Annotated[bytes, msgspec.Meta(max_length=MAX_LEAF_BYTES)]
    sealed: Annotated[bytes, msgspec.Meta(max_length=MAX_SEALED)]


class Own(Frame, frozen=True, tag="own"):
    """Leaves of the hub's own in order of ``index``, all there are from the asked ``start`` to before ``upto``."""

    ref: Ref
    leaves: tuple[OwnLeaf, ...]
    upto: Annotated[int, msgspec.Meta(ge=0)]


class Recalled(Frame, frozen=True, tag="recalled"):
    """A published checkpoint: a signed note with its cosignatures."""

    ref: Ref
    checkpoint: SignedNote


class BlobTicket(Frame, frozen=True, tag="blob-ticket"):
    """Lets this station carry one file over HTTP, one way. ``ticket``: what stands in the ``Authorization`` header, good for
    a request that begins before ``until`` (ms UTC). ``have``: bytes that the hub holds."""

    ref: Ref
    ticket: Annotated[str, msgspec.Meta(max_length=1000)]
    have: Annotated[int, msgspec.Meta(ge=0)]
    until: int


class Presence(Frame, frozen=True, tag="presence"):
    """Which stations have a line to the hub (kid to since when, ms UTC; 0: none), so that a silent office and a cut
    line can be told apart."""

    stations: dict[Id, int]


class Pong(Frame, frozen=True, tag="pong"):
    """The hub's clock, ms UTC, and how many key packages of this station are left there: it publishes more in time."""

    ref: Ref
    now: int
    key_packages: int


FromStation = (
    Hello
    | Proof
    | Submit
    | Follow
    | Publish
    | Claim
    | Announce
    | Cosign
    | Evidence
    | Hashes
    | Recall
    | AskOwn
    | AskTails
    | AskBlob
    | Ping
    | Disagreement
)
FromHub = (
    Challenge
    | Ready
    | Failed
    | Accepted
    | Refused
    | Deliver
    | Invitation
    | Caught
    | Claimed
    | Directory
    | Head
    | Published
    | TwoHistories
    | Tails
    | Hashed
    | Own
    | Recalled
    | BlobTicket
    | Presence
    | Pong
    | Disagreement
)

_ENCODER = msgspec.msgpack.Encoder()
_FROM_STATION: msgspec.msgpack.Decoder[FromStation] = msgspec.msgpack.Decoder(FromStation)
_FROM_HUB: msgspec.msgpack.Decoder[FromHub] = msgspec.msgpack.Decoder(FromHub)


def encode_frame(frame: Frame) -> bytes:
    """MessagePack bytes of a frame."""
    return _ENCODER.encode(frame)


def encode_mandates(mandates: tuple[bytes, ...]) -> msgspec.Raw:
    """The mandates of `Ready` as they stand in it."""
    return msgspec.Raw(_ENCODER.encode(mandates))


def encode_ready(now: int, mandates: msgspec.Raw, key_packages: int) -> bytes:
    """MessagePack bytes of a `Ready` whose mandates are encoded already: every station that logs in is sent the same."""
    return _ENCODER.encode({"t": "ready", "now": now, "mandates": mandates, "key_packages": key_packages})


def decode_from_station(data: bytes) -> FromStation:
    """Raises `Malformed` for anything that is no frame of a station."""
    return _decode(_FROM_STATION, data)


def decode_from_hub(data: bytes) -> FromHub:
    """Raises `Malformed` for anything that is no frame of the hub."""
    return _decode(_FROM_HUB, data)


def login_text(
    side: Literal["hub", "station"], *, hub: str, accord: str, station: str, theirs: str, ours: str
) -> bytes:
    """What each side signs at login: ``theirs`` is the station's nonce, ``ours`` the hub's (base64url, 32 bytes each).

    The side's own name stands first, so that neither signature can be played back as the other's.
    """
    unb64u(theirs, size=32)
    unb64u(ours, size=32)
    return to_json(["hotline-login/v1", side, hub, accord, station, theirs, ours])


def disagreement_text(accord: str, said: Disagreement) -> bytes:
    """What a station signs of a `Disagreement`: all of it, and the accord it stands under."""
    return to_json(
        [
            "hotline-disagreement/v1",
            accord,
            said.thread,
            said.seq,
            said.entry,
            said.kind,
            said.stamped,
            said.computed,
            said.at,
            said.station,
        ]
    )


def _decode(decoder: msgspec.msgpack.Decoder[T], data: bytes) -> T:
    if len(data) > MAX_FRAME_BYTES:
        raise Malformed(f"a frame of {len(data)} bytes")
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not a frame: {error}") from None
