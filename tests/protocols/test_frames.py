"""Frames: every one reads back, nothing else is taken, and login signatures cannot be played back."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import frames
from protocols.encoding import Malformed, b64u
from protocols.errors import ProtocolError
from protocols.frames import (
    MAX_FRAME_BYTES,
    Accepted,
    Frame,
    FromHub,
    FromStation,
    Hello,
    Refused,
    Submit,
    decode_from_hub,
    decode_from_station,
    encode_frame,
    login_text,
)

ID = "A" * 43
THREAD = "A" * 22
NONCES = {"theirs": b64u(bytes(32)), "ours": b64u(b"\x01" * 32)}

STATION: list[Frame] = [
    Hello(1, ID, ID, b"mandate", ID),
    frames.Proof(bytes(64)),
    Submit(7, b"entry", {"body": b"sealed"}),
    frames.Follow({THREAD: 5}, "note", 7),
    frames.Evidence("note", "note"),
    frames.Publish((b"kp",)),
    frames.Claim(1, (ID,)),
    frames.Announce((b"mandate",)),
    frames.Cosign(5, "line\n"),
    frames.Hashes(1, 5),
    frames.Recall(1, ID),
    frames.AskOwn(1, 5),
    frames.AskTails((THREAD,)),
    frames.AskBlob(1, THREAD, ID, 16, "put"),
    frames.Ping(2**53),
]
HUB: list[Frame] = [
    frames.Challenge("line.example", ID, bytes(64)),
    frames.Ready(5, (b"m",), 3),
    frames.Failed("login.refused", "No."),
    Accepted(7, ID, THREAD, 1, 0, 5),
    Refused(7, "ladder.standstill", "No.", rule="l/standstill", clock="standstill/12", until=5),
    frames.Deliver(THREAD, 1, b"leaf", {"body": b"x"}),
    frames.Invitation(THREAD, "l", ("AV", "KV"), "nominee", "accept", 5, ID, 1, (ID,)),
    frames.Caught(5),
    frames.Claimed(1, {ID: b"kp"}),
    frames.Directory((b"m",)),
    frames.Head("old 0\n\n"),
    frames.Published("note"),
    frames.TwoHistories("note", "note"),
    frames.Tails(b"leaf", "proof", ("disclosure",)),
    frames.Hashed(1, 5, bytes(64)),
    frames.Own(1, (frames.OwnLeaf(5, b"leaf", b"sealed"),), 7),
    frames.Recalled(1, "note"),
    frames.Presence({ID: 0}),
    frames.BlobTicket(1, "ticket", 0, 5),
    frames.Pong(1, 5, 9),
]


BOTH: list[Frame] = [frames.Disagreement("A" * 22, 3, ID, "statement", ID, "B" * 43, 1, ID, b"s" * 64)]
"""Handed on by the hub as the station signed it."""


def test_every_frame_is_tried_here() -> None:
    assert {type(frame) for frame in STATION + BOTH} == set(typing.get_args(FromStation))
    assert {type(frame) for frame in HUB + BOTH} == set(typing.get_args(FromHub))
    assert len({frame.__struct_config__.tag for frame in STATION + HUB + BOTH}) == len(STATION + HUB + BOTH)


@pytest.mark.parametrize("frame", BOTH, ids=lambda f: type(f).__name__)
def test_a_frame_that_is_handed_on_reads_back_on_both_sides(frame: Frame) -> None:
    assert decode_from_station(encode_frame(frame)) == frame == decode_from_hub(encode_frame(frame))


@pytest.mark.parametrize("frame", STATION, ids=lambda f: type(f).__name__)
def test_a_stations_frame_reads_back_and_the_hub_never_sends_it(frame: Frame) -> None:
    assert decode_from_station(encode_frame(frame)) == frame
    with pytest.raises(Malformed):
        decode_from_hub(encode_frame(frame))


@pytest.mark.parametrize("frame", HUB, ids=lambda f: type(f).__name__)
def test_a_hubs_frame_reads_back_and_a_station_never_sends_it(frame: Frame) -> None:
    assert decode_from_hub(encode_frame(frame)) == frame
    with pytest.raises(Malformed):
        decode_from_station(encode_frame(frame))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"t": "ping"},
        {"t": "nothing", "ref": 1},
        {"t": "ping", "ref": 1, "note": 1},
        {"t": "ping", "ref": -1},
        {"t": "ping", "ref": 2**60},
        {"t": "ping", "ref": "1"},
        {"t": "ping", "ref": 1.0},
        {"t": "proof", "signature": "text"},
        {"t": "submit", "ref": 1, "entry": b"x", "parts": {"body": "text"}},
        {"t": "follow", "cursors": {"short": 1}},
        {"t": "follow", "cursors": {THREAD: -1}},
        {"t": "cosign", "size": -1, "lines": ""},
        {"t": "claim", "ref": 1, "stations": [ID] * 65},
        {"t": "publish", "key_packages": [b"x"] * 101},
        {"t": "hello", "v": 1, "accord": "x", "station": ID, "mandate": b"", "nonce": ID},
        [],
        "ping",
        None,
    ],
    ids=str,
)
def test_a_frame_of_another_form_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        decode_from_station(msgspec.msgpack.encode(value))


def test_a_frame_that_is_cut_short_or_goes_on_is_refused() -> None:
    data = encode_frame(STATION[2])
    for end in range(len(data)):
        with pytest.raises(Malformed):
            decode_from_station(data[:end])
    with pytest.raises(Malformed):
        decode_from_station(data + b"\x00")


def test_a_frame_that_is_too_large_is_refused_unread() -> None:
    with pytest.raises(Malformed, match="a frame of"):
        decode_from_station(bytes(MAX_FRAME_BYTES + 1))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(Malformed):
        decode_from_station(b"\x91" * 100_000)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_with_a_documented_error(data: bytes) -> None:
    for decode in (decode_from_station, decode_from_hub):
        with pytest.raises(ProtocolError):
            decode(data)


@given(st.integers(min_value=0), st.integers(0, 255))
def test_a_changed_byte_is_a_frame_or_malformed(place: int, value: int) -> None:
    for frame in (STATION[0], STATION[2], HUB[3], HUB[6]):
        data = bytearray(encode_frame(frame))
        data[place % len(data)] = value
        for decode in (decode_from_station, decode_from_hub):
            try:
                decode(bytes(data))
            except Malformed:
                continue


def test_login_texts_differ_in_side_hub_accord_station_and_both_nonces() -> None:
    texts = {login_text("hub", hub="h", accord=ID, station=ID, **NONCES)}
    for changes in (
        {"hub": "other"},
        {"accord": "B" * 43},
        {"station": "B" * 43},
        {"theirs": NONCES["ours"]},
        {"ours": NONCES["theirs"]},
        {"theirs": NONCES["ours"], "ours": NONCES["theirs"]},
    ):
        texts.add(login_text("hub", **{"hub": "h", "accord": ID, "station": ID, **NONCES, **changes}))
    texts.add(login_text("station", hub="h", accord=ID, station=ID, **NONCES))
    assert len(texts) == 8


@pytest.mark.parametrize("nonce", ["", "A", b64u(bytes(31)), "é" * 43])
def test_a_nonce_has_32_bytes(nonce: str) -> None:
    with pytest.raises(Malformed):
        login_text("hub", hub="h", accord=ID, station=ID, theirs=nonce, ours=NONCES["ours"])
