"""The process that checks signatures for a hub: ``python -m hotline.hub.verifier``, started by `hotline.hub.beside`.

It is given public keys, messages and signatures on its standard input and says of each whether the signature holds; it has
no secret, opens no file and no connection, and ends when its input does.

Either way a frame is four bytes (its length, big endian) and that many bytes: a request is MessagePack, a list of
``[public, message, signature]``; an answer has one byte for each, 1 where the signature holds.
"""

from __future__ import annotations

import os
import signal

import msgspec

from protocols.keys import BadSignature, verify

Triple = tuple[bytes, bytes, bytes]  # `protocols.entry.Triple`: this process imports as little as it can
HEAD = 4
_READ = 1 << 20
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Triple])


def frame(data: bytes) -> bytes:
    """With its length before it."""
    return len(data).to_bytes(HEAD, "big") + data


def take_frame(buffer: bytearray) -> bytes | None:
    """The first whole frame, taken out of ``buffer``; None where none is whole yet."""
    if len(buffer) < HEAD:
        return None
    end = HEAD + int.from_bytes(buffer[:HEAD], "big")
    if len(buffer) < end:
        return None
    data = bytes(buffer[HEAD:end])
    del buffer[:end]
    return data


def request(triples: list[Triple]) -> bytes:
    """A request as it travels."""
    return frame(_ENCODER.encode(triples))


def answer(data: bytes) -> bytes:
    """The answer to a request. Raises `msgspec.DecodeError` for what is none."""
    return bytes(map(_holds, _DECODER.decode(data)))


def _holds(triple: Triple) -> bool:
    public, message, signature = triple
    try:
        verify(public, message, signature)
    except BadSignature:
        return False
    return True


def main() -> None:
    """Until the input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a hub that drains still needs it; it ends with the hub
    buffer = bytearray()
    while data := os.read(0, _READ):
        buffer += data
        answers = b""
        while (found := take_frame(buffer)) is not None:
            answers += frame(answer(found))
        while answers:
            answers = answers[os.write(1, answers) :]


if __name__ == "__main__":
    main()
