"""What a group keeps: nothing that was used up, in no object that it holds and in no snapshot, and no generation twice."""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator

import pytest

from protocols.mls import Group, Replayed, StagedCommit, hpke, key_schedule, secret_tree, treekem
from protocols.mls.framing import PrivateMessage, read_message
from protocols.mls.suites import SUITES
from tests.protocols.mls.harness import ALL_SUITES, NOW, Room, person, refuse

_NOT_OURS = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.CodeType)


def held(thing: object) -> set[bytes]:
    """Every byte string in any object that can be reached from here."""
    shared = {id(suite) for suite in SUITES.values()}
    seen: set[int] = set()
    found: set[bytes] = set()
    todo = [thing]
    while todo:
        current = todo.pop()
        if id(current) in seen or id(current) in shared or isinstance(current, _NOT_OURS):
            continue
        seen.add(id(current))
        if isinstance(current, bytes | bytearray):
            found.add(bytes(current))
        todo += gc.get_referents(current)
    return found


class Watch:
    """Records secrets as the engine makes them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.secrets: dict[str, set[bytes]] = {}
        self._patch = monkeypatch
        self._spy(key_schedule, "from_epoch_secret", "epoch_secret", lambda arguments, _: [arguments[1]])
        self._spy(key_schedule, "from_joiner", "joiner_secret", lambda arguments, _: [arguments[1]])
        self._spy(treekem, "node_key_pair", "path_secret", lambda arguments, _: [arguments[1]])
        self._spy(treekem, "next_path_secret", "commit_secret or path_secret", lambda _, result: [result])
        self._spy(hpke.Hpke, "_key_schedule", "HPKE key", lambda _, result: [result.key])
        made = secret_tree.SecretTree.__init__

        def begin(tree: object, suite: object, leaves: int, secret: bytes) -> None:
            self.secrets.setdefault("encryption_secret", set()).add(secret)
            made(tree, suite, leaves, secret)  # type: ignore[arg-type]

        monkeypatch.setattr(secret_tree.SecretTree, "__init__", begin)

    def _spy(self, place: object, name: str, kind: str, pick) -> None:  # type: ignore[no-untyped-def]
        original = getattr(place, name)

        def wrapped(*arguments: object) -> object:
            result = original(*arguments)
            self.secrets.setdefault(kind, set()).update(pick(arguments, result))
            return result

        for module in (place, *_importers(name, original)):
            self._patch.setattr(module, name, wrapped)


def _importers(name: str, original: object) -> Iterator[types.ModuleType]:
    import sys

    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("protocols.mls") and module.__dict__.get(name) is original:
            yield module


def gone(secrets: set[bytes], group: Group) -> list[bytes]:
    """Those of the secrets that the group still holds, anywhere, or would save."""
    everything = held(group)
    saved = group.snapshot()
    return [secret for secret in secrets if secret in saved or any(secret in octets for octets in everything)]


@pytest.mark.parametrize("suite", ALL_SUITES)
def test_nothing_that_made_an_epoch_is_held_once_it_has_begun(suite: int, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(3, suite)
    watch = Watch(monkeypatch)
    room.commit(1)
    newcomer = person("new", suite)
    room.add([newcomer], by=2)
    kinds = {
        "epoch_secret",
        "joiner_secret",
        "path_secret",
        "commit_secret or path_secret",
        "encryption_secret",
        "HPKE key",
    }
    assert set(watch.secrets) == kinds
    for kind, secrets in watch.secrets.items():
        assert secrets, kind
        for leaf, group in room.groups.items():
            assert gone(secrets, group) == [], (kind, leaf)


def test_the_secrets_of_an_epoch_go_with_it() -> None:
    room = Room(3)
    before = {leaf: group._member.secrets for leaf, group in room.groups.items()}
    leaf_keys = {leaf: group._member.privates[2 * leaf] for leaf, group in room.groups.items()}
    for leaf in list(room.groups):
        room.commit(leaf)
    for leaf, group in room.groups.items():
        old = before[leaf]
        for name in ("init_secret", "exporter_secret", "external_secret", "membership_key", "epoch_authenticator"):
            assert gone({getattr(old, name)}, group) == [], name
        # Every member committed, so every leaf key was replaced.
        assert gone({leaf_keys[leaf]}, group) == []
    for _ in range(3):
        room.commit(0)
    for leaf, group in room.groups.items():
        assert gone({before[leaf].resumption_psk, before[leaf].sender_data_secret}, group) == []


def test_message_keys_go_when_they_are_used_by_sender_and_by_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(3)
    keys: set[bytes] = set()
    step = secret_tree.SecretTree._step

    def watch(tree: secret_tree.SecretTree, secret: bytes, generation: int) -> tuple[bytes, bytes, bytes]:
        key, nonce, following = step(tree, secret, generation)
        keys.update((key, nonce, secret))
        return key, nonce, following

    monkeypatch.setattr(secret_tree.SecretTree, "_step", watch)
    messages = [room[1].encrypt(bytes([number]), rng=room.rng) for number in range(4)]
    assert gone(keys, room[1]) == []
    for message in reversed(messages):
        room[0].decrypt(message)
    assert len(keys) >= 12
    assert gone(keys, room[0]) == []
    # Who has not read them yet must still be able to.
    assert room[2].decrypt(messages[0]).data == b"\x00"


def test_a_pending_commit_that_was_dropped_leaves_nothing_behind() -> None:
    room = Room(3)
    staged = room[1].commit(now=NOW, rng=room.rng)
    secrets = {staged.member.secrets.init_secret, staged.member.secrets.exporter_secret, staged.member.privates[2]}
    assert gone(secrets, room[1]) == []
    again = StagedCommit.restore(staged.snapshot())
    assert {again.member.secrets.init_secret, again.member.privates[2]} <= secrets


def test_a_removed_member_keeps_only_what_reads_late_messages() -> None:
    room = Room(3)
    removed = room[2]
    secrets = removed._member.secrets
    private = dict(removed._member.privates)
    room.commit(0, remove=[2])
    assert gone({secrets.init_secret, secrets.exporter_secret, *private.values()}, removed) == []


def test_every_state_that_was_saved_before_its_message_left_goes_on_with_the_next_generation() -> None:
    room = Room(2)
    generations = []
    for _ in range(5):
        message = room[1].encrypt(b"x", rng=room.rng)
        saved = room[1].snapshot()
        room.groups[1] = Group.restore(saved)
        generations.append(room[0].decrypt(message).generation)
    staged = room[1].commit(now=NOW, rng=room.rng, public=False)
    room.groups[1] = Group.restore(room[1].snapshot())
    other = room[1].commit(now=NOW, rng=room.rng, public=False)
    assert generations == [0, 1, 2, 3, 4]
    assert staged.commit != other.commit
    room[0].stage(other.commit, now=NOW)


def test_restoring_an_older_state_against_the_rule_is_noticed_by_every_reader_and_repeats_no_nonce() -> None:
    room = Room(3)
    old = room[1].snapshot()
    first = room[1].encrypt(b"one", rng=room.rng)
    room.groups[1] = Group.restore(old)
    second = room[1].encrypt(b"two", rng=room.rng)
    assert room[0].decrypt(first).data == b"one"
    refuse(Replayed, lambda: room[0].decrypt(second), room[0])
    bodies = [read_message(message) for message in (first, second)]
    assert all(isinstance(body, PrivateMessage) for body in bodies)
    # The reuse guard of RFC 9420 section 6.3.1: the same key and generation, but another nonce.
    nonces = [room[2].decrypt(message) for message in (first,)]
    assert nonces[0].generation == 0
    assert bodies[0].ciphertext[:16] != bodies[1].ciphertext[:16]  # type: ignore[union-attr]
