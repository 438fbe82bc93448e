"""Attacks on application messages: impersonation, replay, and seized state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocols.mls import (
    BadSignature,
    DecryptionFailed,
    GenerationTooFar,
    Group,
    Malformed,
    Misuse,
    NotAMember,
    OwnMessage,
    Replayed,
    UnknownSender,
    WrongEpoch,
    WrongGroup,
)
from protocols.mls import key_schedule as schedule
from protocols.mls.framing import (
    MEMBER,
    PRIVATE_MESSAGE,
    AuthData,
    AuthenticatedContent,
    FramedContent,
    PrivateMessage,
    Sender,
    read_message,
    write_message,
)
from protocols.mls.protection import protect_private, sign_content
from protocols.mls.secret_tree import APPLICATION_RATCHET, SecretTree
from tests.protocols.mls.harness import ALL_SUITES, NOW, Room, forge, person, refuse


@pytest.fixture
def room() -> Room:
    return Room(4)


def sealed_as(room: Room, author: int, claimed: int, signature: bytes | None = None) -> bytes:
    """What ``author`` can make with the keys of ``claimed``, which every member can derive from an unused epoch."""
    group = room[author]
    context = group._public.context
    content = FramedContent(context.group_id, context.epoch, Sender(MEMBER, claimed), b"", b"an order")
    if signature is None:
        signature = sign_content(room.suite, group._signing, PRIVATE_MESSAGE, content, context.encoded)
    keys = replace(group._member.messages, own_leaf=claimed)
    message = AuthenticatedContent(PRIVATE_MESSAGE, content, AuthData(signature, None))
    return write_message(protect_private(keys, message, 0, room.rng)[0])


def private(message: bytes) -> PrivateMessage:
    body = read_message(message)
    assert isinstance(body, PrivateMessage)
    return body


@pytest.mark.parametrize("suite", ALL_SUITES)
def test_every_member_reads_what_a_member_wrote(suite: int) -> None:
    room = Room(3, suite)
    message = room[1].encrypt(b"hold fire", aad=b"serial 7", rng=room.rng)
    for leaf in (0, 2):
        read = room[leaf].decrypt(message)
        assert (read.data, read.aad, read.sender_leaf) == (b"hold fire", b"serial 7", 1)
        assert read.signature_key == room.hub.members()[1].signature_key


def test_a_member_cannot_write_as_another(room: Room) -> None:
    refuse(BadSignature, lambda: room[0].decrypt(sealed_as(room, 1, 2)), room[0])


@pytest.mark.parametrize("length", [0, 1, 63, 65])
def test_a_signature_of_wrong_length_is_refused(room: Room, length: int) -> None:
    """Breaks MLS-05.1-02."""
    message = sealed_as(room, 1, 1, bytes(length))
    refuse(BadSignature, lambda: room[0].decrypt(message), room[0])


def test_a_zero_signature_is_refused(room: Room) -> None:
    message = sealed_as(room, 1, 1, bytes(64))
    refuse(BadSignature, lambda: room[0].decrypt(message), room[0])


def test_a_message_as_a_leaf_without_member_is_refused(room: Room) -> None:
    """Breaks MLS-06.3-01."""
    room.commit(0, remove=[2])
    refuse(UnknownSender, lambda: room[0].decrypt(sealed_as(room, 1, 2)), room[0])


def test_a_message_as_a_leaf_beyond_the_tree_is_refused(room: Room) -> None:
    room[1]._member.messages.secrets._ratchets[99, APPLICATION_RATCHET] = next(
        iter(room[1]._member.messages.secrets.next_key(1, APPLICATION_RATCHET)._new_ratchets.values())
    )
    refuse(UnknownSender, lambda: room[0].decrypt(sealed_as(room, 1, 99)), room[0])


def test_a_replayed_message_is_refused(room: Room) -> None:
    """Breaks MLS-09.2-01."""
    message = room[1].encrypt(b"once", rng=room.rng)
    room[0].decrypt(message)
    refuse(Replayed, lambda: room[0].decrypt(message), room[0])


def test_messages_out_of_order_are_read_once_each(room: Room) -> None:
    """Breaks MLS-09.2-01."""
    messages = [room[1].encrypt(bytes([n]), rng=room.rng) for n in range(5)]
    for number in (3, 0, 4, 1, 2):
        read = room[0].decrypt(messages[number])
        assert (read.data, read.generation) == (bytes([number]), number)
        refuse(Replayed, lambda n=number: room[0].decrypt(messages[n]), room[0])


def test_a_jump_of_a_thousand_generations_is_followed_and_no_further(room: Room) -> None:
    """Breaks MLS-09.2-02."""
    messages = [room[1].encrypt(b"", padding=0, rng=room.rng) for _ in range(1002)]
    refuse(GenerationTooFar, lambda: room[0].decrypt(messages[1001]), room[0])
    assert room[0].decrypt(messages[1000]).generation == 1000
    assert room[0].decrypt(messages[0]).generation == 0


def test_a_forged_message_does_not_burn_the_key_of_the_real_one(room: Room) -> None:
    """Breaks MLS-05.1-03."""
    real = room[1].encrypt(b"real", rng=room.rng)
    body = private(real)
    forged = write_message(replace(body, ciphertext=body.ciphertext[:40] + bytes(len(body.ciphertext) - 40)))
    refuse(DecryptionFailed, lambda: room[0].decrypt(forged), room[0])
    assert room[0].decrypt(real).data == b"real"


@pytest.mark.parametrize("field", ["authenticated_data", "encrypted_sender_data", "ciphertext"])
def test_a_changed_field_is_refused(room: Room, field: str) -> None:
    body = private(room[1].encrypt(b"real", aad=b"bound", rng=room.rng))
    value = bytearray(getattr(body, field))
    value[-1] ^= 1
    forged = write_message(replace(body, **{field: bytes(value)}))
    refuse(DecryptionFailed, lambda: room[0].decrypt(forged), room[0])


def test_a_ciphertext_of_any_short_length_is_refused(room: Room) -> None:
    """Breaks MLS-05.1-03, MLS-05.1-04."""
    body = private(room[1].encrypt(b"real", rng=room.rng))
    for size in range(40):
        forged = write_message(replace(body, ciphertext=body.ciphertext[:size], encrypted_sender_data=b"x" * size))
        refuse(DecryptionFailed, lambda m=forged: room[0].decrypt(m), room[0])


def test_padding_that_is_not_zero_is_refused(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks MLS-06.3-02."""
    monkeypatch.setattr("protocols.mls.protection.bytes", lambda size: b"\x01" * size, raising=False)
    message = room[1].encrypt(b"real", rng=room.rng)
    monkeypatch.undo()
    refuse(Malformed, lambda: room[0].decrypt(message), room[0])


def test_padding_hides_the_length(room: Room) -> None:
    sizes = {len(room[1].encrypt(bytes(n), rng=room.rng)) for n in range(0, 150, 10)}
    assert len(sizes) == 1


def test_our_own_message_is_named_as_such(room: Room) -> None:
    """Breaks MLS-06.3-06."""
    message = room[1].encrypt(b"mine", rng=room.rng)
    refuse(OwnMessage, lambda: room[1].decrypt(message), room[1])


def test_a_message_of_another_group_is_refused(room: Room) -> None:
    """Breaks MLS-06.3-03."""
    body = private(room[1].encrypt(b"", rng=room.rng))
    other = write_message(replace(body, group_id=b"other"))
    refuse(WrongGroup, lambda: room[0].decrypt(other), room[0])


def test_a_message_of_a_coming_epoch_is_refused(room: Room) -> None:
    """Breaks MLS-06.3-04."""
    body = private(room[1].encrypt(b"", rng=room.rng))
    refuse(WrongEpoch, lambda: room[0].decrypt(write_message(replace(body, epoch=body.epoch + 1))), room[0])


def test_late_messages_are_read_for_three_epochs_and_then_no_more(room: Room) -> None:
    late = [room[1].encrypt(bytes([n]), rng=room.rng) for n in range(4)]
    for number in range(3):
        room.commit(2)
        room.groups[0] = Group.restore(room[0].snapshot())
        assert room[0].decrypt(late[number]).data == bytes([number])
        refuse(Replayed, lambda n=number: room[0].decrypt(late[n]), room[0])
    room.commit(2)
    refuse(WrongEpoch, lambda: room[0].decrypt(late[3]), room[0])


def test_a_removed_member_reads_nothing_new_and_writes_nothing(room: Room) -> None:
    late = room[1].encrypt(b"before", rng=room.rng)
    removed = room[3]
    room.commit(0, remove=[3])
    message = room[0].encrypt(b"after", rng=room.rng)
    assert not removed.is_member
    refuse(WrongEpoch, lambda: removed.decrypt(message), removed)
    refuse(NotAMember, lambda: removed.encrypt(b"", rng=room.rng), removed)
    refuse(NotAMember, lambda: removed.commit(now=NOW, rng=room.rng), removed)
    restored = Group.restore(removed.snapshot())
    assert restored.decrypt(late).data == b"before"


def test_a_newcomer_reads_nothing_from_before_it_joined(room: Room) -> None:
    before = room[1].encrypt(b"before", rng=room.rng)
    room.add([person("late")])
    refuse(WrongEpoch, lambda: room[4].decrypt(before), room[4])


def test_a_seized_snapshot_opens_nothing_that_was_read(room: Room) -> None:
    messages = [room[1].encrypt(bytes([n]), rng=room.rng) for n in range(3)]
    for message in messages[:2]:
        room[0].decrypt(message)
    seized = Group.restore(room[0].snapshot())
    for message in messages[:2]:
        refuse(Replayed, lambda m=message: seized.decrypt(m), seized)
    assert seized.decrypt(messages[2]).data == b"\x02"


def test_a_seized_snapshot_opens_nothing_that_was_written(room: Room) -> None:
    room[1].encrypt(b"x", rng=room.rng)
    taking = Group.restore(room[1].snapshot())._member.messages.secrets.next_key(1, APPLICATION_RATCHET)
    assert taking.generation == 1


def test_used_secrets_are_gone_from_structures_and_snapshot(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    roots: list[bytes] = []
    original = SecretTree.__init__

    def spy(self: SecretTree, suite: object, leaves: int, encryption_secret: bytes) -> None:
        roots.append(encryption_secret)
        original(self, suite, leaves, encryption_secret)  # type: ignore[arg-type]

    monkeypatch.setattr(SecretTree, "__init__", spy)
    epoch_secrets: list[bytes] = []
    from_epoch_secret = schedule.from_epoch_secret

    def watch(suite: object, secret: bytes, *rest: bytes) -> object:
        epoch_secrets.append(secret)
        return from_epoch_secret(suite, secret, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(schedule, "from_epoch_secret", watch)
    room.commit(2)
    message = room[1].encrypt(b"x", rng=room.rng)
    secrets = room[0]._member.messages.secrets
    taking = secrets.peek(1, APPLICATION_RATCHET, 0)
    spent = [secrets._nodes[node] for node in taking._spent_nodes]
    used = [taking.key, taking.nonce, *spent, *(r.secret for p, r in taking._new_ratchets.items() if p[1] == 1)]
    room[0].decrypt(message)
    for leaf in (0, 1):
        snapshot = room[leaf].snapshot()
        for secret in (*roots, *epoch_secrets, taking.key, taking.nonce, *spent):
            assert secret not in snapshot
    assert roots
    assert epoch_secrets
    assert spent
    assert all(secret not in room[0].snapshot() for secret in used)


def test_saving_and_restoring_never_uses_a_generation_twice(room: Room) -> None:
    generations = []
    for _ in range(4):
        message = room[1].encrypt(b"x", rng=room.rng)
        generations.append(room[0].decrypt(message).generation)
        room.groups[1] = Group.restore(room[1].snapshot())
    assert generations == [0, 1, 2, 3]


def test_the_last_generation_is_not_passed(room: Room) -> None:
    room[1].encrypt(b"x", rng=room.rng)
    ratchets = room[1]._member.messages.secrets._ratchets
    place = (1, APPLICATION_RATCHET)
    ratchets[place] = replace(ratchets[place], generation=0xFFFF_FFFF)
    refuse(Misuse, lambda: room[1].encrypt(b"x", rng=room.rng), room[1])


def test_a_handshake_message_is_not_taken_for_data(room: Room) -> None:
    proposal = room[1].propose_remove(2, now=NOW)
    refuse(Malformed, lambda: room[0].decrypt(proposal), room[0])
    body = private(room[1].encrypt(b"x", rng=room.rng))
    crossed = write_message(replace(body, content_type=2))
    refuse(DecryptionFailed, lambda: room[0].process(crossed, now=NOW), room[0])


def test_application_data_in_the_clear_is_refused(room: Room) -> None:
    """Breaks MLS-06.2-02."""
    message = forge(room[1], b"in the clear")
    refuse(Malformed, lambda: room[0].process(message, now=NOW), room[0], says="PublicMessage")


def test_a_broken_random_source_is_noticed(room: Room) -> None:
    refuse(Misuse, lambda: room[1].encrypt(b"x", rng=lambda size: b""), room[1])
