"""The witness state machine: one truth table, then histories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.translog import (
    EMPTY_ROOT,
    Accepted,
    Checkpoint,
    NoteSignature,
    QuorumNotMet,
    Rejected,
    RequestMalformed,
    WitnessState,
    add_signatures,
    consider,
    consider_body,
    cosign,
    ed25519_signer,
    format_add_checkpoint,
    open_with_policy,
    parse_add_checkpoint,
    parse_note,
    sign_checkpoint,
    sign_note,
)
from tests.protocols.translog.kit import LOG, ORIGIN, POLICY, WITNESSES, Log, log_of

HISTORY = log_of(16)
FORK = log_of(16, lambda index: b"forged %d" % index if index >= 4 else b"leaf %d" % index)
AT_4 = WitnessState(4, HISTORY.checkpoint(4).root, 1000)
STRANGER = ed25519_signer(ORIGIN, bytes([50]) * 32)


def body(old: int, size: int, log: Log = HISTORY, proof: Sequence[bytes] | None = None, note: str = "") -> bytes:
    made = log.consistency(old, size) if proof is None and old <= size else proof or []
    return format_add_checkpoint(old, made, note or log.note(size))


def ask(state: WitnessState | None, request: bytes, now: int = 2000) -> Accepted | Rejected:
    return consider_body(request, {ORIGIN: (state, LOG.key)}.get, now)


def forged_note(size: int, root: bytes) -> str:
    return sign_checkpoint(Checkpoint(ORIGIN, size, root), LOG)


@dataclass(frozen=True)
class Row:
    """One row of the truth table."""

    says: str
    state: WitnessState | None
    request: bytes
    status: int
    equivocation: bool = False
    log_signed: bool = True
    now: int = 2000


STRANGERS = sign_checkpoint(HISTORY.checkpoint(9), STRANGER)
MOVED = HISTORY.note(9).replace("\n9\n", "\n8\n")

TABLE = [
    Row("a first head from size 0", None, body(0, 4), 200),
    Row("a first head that is empty", None, body(0, 0), 200),
    Row("growth with its proof", AT_4, body(4, 9), 200),
    Row("the same head again: the heartbeat", AT_4, body(4, 4), 200),
    Row("the same head in the same second", AT_4, body(4, 4), 200, now=1000),
    Row("a witness that holds the empty head grows", WitnessState(0, EMPTY_ROOT, 5), body(0, 9), 200),
    Row("old above the head's size", AT_4, body(5, 4), 400),
    Row("old behind the witness", AT_4, body(2, 9), 409),
    Row("old 0 to a witness with state", AT_4, body(0, 9), 409),
    Row("old ahead of the witness", AT_4, body(5, 9), 409),
    Row("old ahead of a fresh witness", None, body(3, 9), 409),
    Row(
        "old behind, and the same size under another root", AT_4, body(0, 4, note=forged_note(4, bytes(32))), 409, True
    ),
    Row("a proof with old 0", None, body(0, 9, proof=[bytes(32)]), 422),
    Row("a proof for the same size", AT_4, body(4, 4, proof=[bytes(32)]), 422),
    Row("no proof where one is needed", AT_4, body(4, 9, proof=[]), 422),
    Row("a proof one hash short", AT_4, body(4, 9, proof=HISTORY.consistency(4, 9)[:-1]), 422),
    Row("a proof one hash long", AT_4, body(4, 9, proof=[*HISTORY.consistency(4, 9), bytes(32)]), 422),
    Row("a proof of another step", AT_4, body(4, 9, proof=HISTORY.consistency(3, 9)), 422),
    Row("63 wrong hashes", AT_4, body(4, 9, proof=[bytes(32)] * 63), 422),
    Row("the same size under another root", AT_4, body(4, 4, note=forged_note(4, bytes(32))), 422, True),
    Row("a forked history", replace(AT_4, size=8, root=HISTORY.checkpoint(8).root), body(8, 9, FORK), 422),
    Row("size 0 with another root, first", None, body(0, 0, note=forged_note(0, bytes(32))), 422),
    Row("a clock behind the last cosignature", AT_4, body(4, 9), 503, now=999),
    Row("a clock at zero", None, body(0, 4), 503, now=0),
    Row("nobody trusted signed", AT_4, body(4, 9, note=STRANGERS), 403, log_signed=False),
    Row("the log's signature is over another head", AT_4, body(4, 9, note=MOVED), 403, log_signed=False),
]


@pytest.mark.parametrize("row", TABLE, ids=[row.says for row in TABLE])
def test_the_answer_is_the_one_in_the_table(row: Row) -> None:
    answer = ask(row.state, row.request, row.now)
    assert answer.status == row.status, answer
    if isinstance(answer, Rejected):
        assert (answer.equivocation, answer.log_signed) == (row.equivocation, row.log_signed)
        assert answer.body.endswith("\n")
    else:
        assert answer.time == answer.state.time == row.now
        assert (answer.state.size, answer.state.root) == (answer.checkpoint.size, answer.checkpoint.root)


def test_a_conflict_says_which_size_the_witness_has_and_nothing_else() -> None:
    answer = ask(AT_4, body(2, 9))
    assert isinstance(answer, Rejected)
    assert (answer.body, answer.content_type) == ("4\n", "text/x.tlog.size")


def test_an_origin_that_is_not_watched_is_unknown() -> None:
    assert consider_body(body(0, 4), lambda origin: None, 2000).status == 404
    request = parse_add_checkpoint(body(0, 4))
    assert consider(None, request, None, 2000).status == 404
    assert consider(None, request, ed25519_signer("other.example", bytes(32)).key, 2000).status == 404


GOOD = body(4, 9)


@pytest.mark.parametrize(
    "request_body",
    [
        b"",
        b"old 4\n",
        GOOD.replace(b"old 4\n", b""),
        GOOD.replace(b"old 4", b"old 04"),
        GOOD.replace(b"old 4", b"old  4"),
        GOOD.replace(b"old 4", b"old -4"),
        GOOD.replace(b"old 4", b"old +4"),
        GOOD.replace(b"old 4", b"Old 4"),
        GOOD.replace(b"old 4", b"old 9223372036854775808"),
        GOOD.replace(b"old 4\n", b"old 4\nAAAA\n"),
        GOOD.replace(b"old 4\n", b"old 4\n!\n"),
        GOOD.replace(b"old 4\n", b"old 4\n" + b"A" * 43 + b"B=\n"),
        GOOD.replace(b"old 4\n", b"old 4\n" + (b"A" * 43 + b"=\n") * 64),
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"\n\n", b"\n", 1),
        GOOD[: GOOD.index("—".encode())],
        GOOD[:-1],
        GOOD + b"x\n",
        GOOD.replace(b"\n9\n", b"\n09\n"),
        GOOD.replace(b"\n9\n", b"\nnine\n"),
        b"\xff" + GOOD,
        b"old 4\n\n" + sign_note("hub.example/audit/1\n9\n", [LOG]).encode(),
        b"old 4\n\n" + sign_note(HISTORY.checkpoint(9).text + "extension\n", [LOG]).encode(),
        b"old 4\n" + b"x" * (1024 * 1024),
    ],
)
def test_a_malformed_body_is_a_bad_request(request_body: bytes) -> None:
    with pytest.raises(RequestMalformed):
        parse_add_checkpoint(request_body)
    assert ask(AT_4, request_body).status == 400


def test_a_request_survives_a_round_trip() -> None:
    request = parse_add_checkpoint(GOOD)
    assert format_add_checkpoint(request.old_size, request.proof, request.note) == GOOD
    with pytest.raises(ValueError, match="63"):
        format_add_checkpoint(0, [bytes(32)] * 64, "")
    with pytest.raises(ValueError, match="32 bytes"):
        format_add_checkpoint(0, [b"short"], "")


def test_unknown_signatures_beside_the_logs_own_are_ignored() -> None:
    checkpoint = HISTORY.checkpoint(9)
    lines = [cosign(checkpoint, WITNESSES[0], 5), *parse_note(sign_checkpoint(checkpoint, STRANGER)).signatures]
    assert ask(AT_4, body(4, 9, note=add_signatures(HISTORY.note(9), lines))).status == 200


def test_a_refusal_leaves_the_state_alone_and_an_acceptance_never_goes_back() -> None:
    state: WitnessState | None = None
    time = 0
    for now, old, size in (
        (10, 0, 3),
        (20, 3, 3),
        (15, 3, 8),
        (30, 0, 8),
        (30, 3, 8),
        (30, 8, 5),
        (29, 8, 8),
        (30, 8, 16),
    ):
        answer = ask(state, body(old, size), now)
        if isinstance(answer, Accepted):
            assert answer.time >= time
            assert answer.state.size >= (state.size if state else 0)
            state, time = answer.state, answer.time
    assert state == WitnessState(16, HISTORY.checkpoint(16).root, 30)


moves = st.lists(
    st.tuples(st.booleans(), st.integers(0, 16), st.integers(0, 16), st.integers(1, 50)), min_size=1, max_size=25
)


@settings(max_examples=60)
@given(moves)
def test_no_sequence_of_requests_makes_one_witness_sign_two_histories(steps: list[tuple[bool, int, int, int]]) -> None:
    """The hub signs two histories that part at leaf 4, and asks in any order. One witness ends up on one of them."""
    state: WitnessState | None = None
    signed: list[tuple[int, int, bytes]] = []
    for fork, old, size, now in steps:
        log = FORK if fork else HISTORY
        answer = ask(state, body(old, size, log), now)
        if isinstance(answer, Accepted):
            assert answer.state.time == now
            state = answer.state
            signed.append((now, size, answer.checkpoint.root))
    assert [each[:2] for each in signed] == sorted(each[:2] for each in signed)
    for log in (HISTORY, FORK):
        if all(root == log.checkpoint(size).root for _, size, root in signed):
            break
    else:
        pytest.fail(f"two histories: {signed}")


def quorum_opens(note: str) -> bool:
    try:
        open_with_policy(note, POLICY)
    except QuorumNotMet:
        return False
    return True


@pytest.mark.parametrize("liars", range(5))
def test_a_hub_can_show_two_histories_exactly_if_more_than_f_witnesses_collude(liars: int) -> None:
    """3 of 4 satisfies k1 + k2 > n + f for one liar: one is survived, two are not, so the bound is tight.

    The hub asks every honest witness for both heads, in either order; liars sign both without looking.
    """
    succeeded = False
    for order in product((HISTORY, FORK), repeat=4 - liars):
        lines: dict[int, list[NoteSignature]] = {id(HISTORY): [], id(FORK): []}
        for witness, first in zip(WITNESSES, order, strict=False):
            state: WitnessState | None = None
            for log in (first, FORK if first is HISTORY else HISTORY):
                answer = ask(state, body(state.size if state else 0, 9, log, proof=[]))
                if isinstance(answer, Accepted):
                    state = answer.state
                    lines[id(log)].append(cosign(answer.checkpoint, witness, answer.time))
                else:
                    assert answer.equivocation, "the second history is proof against the hub"
        for witness in WITNESSES[4 - liars :]:
            for log in (HISTORY, FORK):
                lines[id(log)].append(cosign(log.checkpoint(9), witness, 2000))
        succeeded |= all(quorum_opens(add_signatures(log.note(9), lines[id(log)])) for log in (HISTORY, FORK))
    assert succeeded == (liars >= 2)
