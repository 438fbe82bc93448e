"""A station whose engine lies: renewals of the keys that the hub cannot tell from good ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from hotline.station.outbox import Intent, Sealed
from hotline.station.station import Station
from protocols.mls import committing, treekem
from protocols.mls.ratchet_tree import RatchetTree


def lie(station: Station, monkeypatch: pytest.MonkeyPatch, how: Callable[[pytest.MonkeyPatch], None]) -> None:
    """From now on every renewal of the keys by ``station`` is made as ``how`` alters the engine."""
    plain = station.core.sealer.rekey

    def rekey(*args: Any) -> Sealed:
        with monkeypatch.context() as patch:
            how(patch)
            return plain(*args)

    monkeypatch.setattr(station.core.sealer, "rekey", rekey)


def false_tag(patch: pytest.MonkeyPatch) -> None:
    """A confirmation tag that nobody else can come to."""
    patch.setattr(committing, "confirmation_tag", lambda suite, key, confirmed: b"\x5a" * suite.hash_size)


def false_secret(*spoiled: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Path secrets that do not open, at these places of the path (0: the lowest)."""

    def how(patch: pytest.MonkeyPatch) -> None:
        plain = treekem.encrypt_path

        def encrypt(tree: RatchetTree, *args: Any) -> Any:
            path = plain(tree, *args)
            nodes = list(path.nodes)
            for place in spoiled:
                node = nodes[place]
                sealed = tuple(
                    replace(each, ciphertext=bytes(len(each.ciphertext))) for each in node.encrypted_path_secret
                )
                nodes[place] = replace(node, encrypted_path_secret=sealed)
            return replace(path, nodes=tuple(nodes))

        patch.setattr(committing, "encrypt_path", encrypt)

    return how


async def renew(station: Station, thread: str) -> None:
    """Have a station renew the keys of a thread now."""
    core = station.core
    state = core.threads[thread].state
    assert state is not None
    intent = Intent("rekey", {}, core.now(), precedence="IMMEDIATE")
    async with core.lock:
        async with core.store.change() as change:
            item = await core.queue(change, f"rekey.test.{state.epoch + 1}", thread, intent)
        core.items[item.id] = item
    station.sender.wake()


@contextmanager
def insisting(station: Station, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The station renews keys whether or not that is due."""
    plain = station.sender._duties.is_done

    def is_done(thread: Any, intent: Intent) -> bool:
        return intent.kind != "rekey" and plain(thread, intent)

    with monkeypatch.context() as patch:
        patch.setattr(station.sender._duties, "is_done", is_done)
        yield
