"""What made an epoch, and what opened a message, is not in the station's file: searched for, octet by octet, in the clear."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotline.station.keys import Keys
from hotline.station.vault import Vault
from protocols.encoding import from_json
from protocols.mls import secret_tree
from tests.hotline.harness import make_world, running_hub
from tests.hotline.station.kit import opened, running, until
from tests.hotline.station.test_restored import say, texts
from tests.protocols.mls.test_state import Watch


@pytest.fixture
def clear(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The vault seals nothing, so that a search of the file sees what somebody with the passphrase would. The newest value
    of each place."""
    found: dict[str, bytes] = {}

    def seal(self: Vault, place: str, data: bytes) -> bytes:
        found[place] = data
        return data

    monkeypatch.setattr(Vault, "seal", seal)
    monkeypatch.setattr(Vault, "open", lambda self, place, data: data)
    return found


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> set[bytes]:
    """Keys, nonces and ratchet secrets of every message that was sent or read."""
    found: set[bytes] = set()
    step = secret_tree.SecretTree._step

    def watch(tree: secret_tree.SecretTree, secret: bytes, generation: int) -> tuple[bytes, bytes, bytes]:
        key, nonce, following = step(tree, secret, generation)
        found.update((key, nonce, secret))
        return key, nonce, following

    monkeypatch.setattr(secret_tree.SecretTree, "_step", watch)
    return found


async def test_no_secret_that_was_used_up_is_in_a_stations_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clear: dict[str, bytes], used: set[bytes]
) -> None:
    watch = Watch(monkeypatch)
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "AV", hub.url) as av, running(world, "KV", hub.url) as kv:
        thread = await opened(av, kv)
        await say(av, thread, "one")
        await say(kv, thread, "two")
        async with av.core.store.change() as change:
            await av.core.put_renewal(change, thread, 1)
        av.core.threads[thread].renew = 1
        await until(lambda: kv.thread(thread).epoch == av.thread(thread).epoch == 2)
        assert av.core.threads[thread].keys.before is not None
        await say(kv, thread, "three")
        await say(av, thread, "four")
        for station in (av, kv):
            await until(lambda s=station: texts(s, thread) == ["one", "two", "three", "four"])  # type: ignore[misc]
            await until(lambda s=station: s.core.threads[thread].keys.before is None)  # type: ignore[misc]
    assert {"epoch_secret", "encryption_secret", "joiner_secret", "path_secret"} <= set(watch.secrets)
    files = sorted(path for path in tmp_path.iterdir() if path.name.startswith(("AV-", "KV-")))
    assert [path.suffix for path in files] == [".db", ".db"], "a stopped station leaves no journal beside its file"
    kept = Keys.from_json(from_json(clear[f"keys/{thread}"], limit=1 << 20))
    assert kept.before is None and kept.info_before is None
    assert any(clear[f"threads/mls/{thread}"] in path.read_bytes() for path in files), "the search would find nothing"
    for path in files:
        data = path.read_bytes() + (kept.info or b"")
        for kind, secrets in {**watch.secrets, "message key": used}.items():
            assert not [1 for secret in secrets if secret in data], (path.name, kind)
