"""Witness policies: every subset of every small rule, and every way to write one wrongly."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.translog import (
    NoKnownSignature,
    Policy,
    PolicyMalformed,
    QuorumNotMet,
    SignatureRefused,
    add_signatures,
    cosign,
    ed25519_cosigner,
    ed25519_signer,
    format_policy,
    mldsa44_cosigner,
    open_with_policy,
    parse_policy,
    quorum_met,
    sign_checkpoint,
)
from protocols.translog.cosignature import Cosignature
from tests.protocols.translog.kit import LOG, POLICY, PQ_WITNESS, WITNESSES, log_of, policy_text

KEYS = [ed25519_cosigner(f"k{each}.example", bytes([each + 40]) * 32).key for each in range(6)]
HEAD = "".join(f"witness {name} {key.vkey}\n" for name, key in zip("abcdef", KEYS, strict=True))


def subsets(names: str) -> list[frozenset[str]]:
    return [frozenset(each) for count in range(len(names) + 1) for each in combinations(names, count)]


@pytest.mark.parametrize("count", range(1, 7))
@pytest.mark.parametrize("rule", ["any", "all", *"123456"])
def test_a_group_counts_its_members_over_all_64_subsets(rule: str, count: int) -> None:
    need = {"any": 1, "all": count}.get(rule) or int(rule)
    text = f"{HEAD}group g {rule} {' '.join('abcdef'[:count])}\nquorum g\n"
    if need > count:
        with pytest.raises(PolicyMalformed, match="asks for"):
            parse_policy(text)
        return
    policy = parse_policy(text)
    assert policy.smallest_quorum() == need
    for chosen in subsets("abcdef"):
        assert policy.satisfied_by(chosen) == (len(chosen & set("abcdef"[:count])) >= need)


def test_groups_of_groups_follow_their_truth_table_over_all_64_subsets() -> None:
    policy = parse_policy(
        HEAD + "group states 2 a b\ngroup neutral any c d e\ngroup both all states neutral\n"
        "group escape any both f\nquorum escape\n"
    )
    for chosen in subsets("abcdef"):
        want = ({"a", "b"} <= chosen and bool(chosen & {"c", "d", "e"})) or "f" in chosen
        assert policy.satisfied_by(chosen) == want
    assert policy.smallest_quorum() == 1


def test_a_single_witness_or_nobody_can_be_the_quorum() -> None:
    alone = parse_policy(HEAD + "quorum c\n")
    assert [alone.satisfied_by(chosen) for chosen in ({"a", "b"}, {"c"})] == [False, True]
    nobody = parse_policy("quorum none\n")
    assert nobody.satisfied_by(set())
    assert (nobody.quorum, nobody.smallest_quorum()) == (None, 0)


def test_names_that_the_policy_lacks_do_not_help() -> None:
    assert not POLICY.satisfied_by({"W0", "W1", "stranger", "G", "none"})


def test_only_the_exact_keys_count_and_each_once() -> None:
    def signed(*keys: object) -> list[Cosignature]:
        return [Cosignature(key, 1000) for key in keys]  # type: ignore[arg-type]

    three = [each.key for each in WITNESSES[:3]]
    renamed = ed25519_cosigner("w3.example/other", bytes([4]) * 32).key
    assert quorum_met(POLICY, signed(*three))
    assert not quorum_met(POLICY, signed(*three[:2], three[0], three[0]))
    assert not quorum_met(POLICY, signed(*three[:2], PQ_WITNESS.key))
    assert not quorum_met(POLICY, signed(*three[:2], renamed))


def test_keys_of_one_key_name_are_one_operator_when_quorums_are_counted() -> None:
    pairs = [
        signer
        for each in range(4)
        for signer in (
            ed25519_cosigner(f"w{each}.example", bytes([each + 60]) * 32),
            mldsa44_cosigner(f"w{each}.example", bytes([each + 60]) * 32),
        )
    ]
    either = "".join(f"witness {at} {each.key.vkey}\n" for at, each in enumerate(pairs))
    flat = parse_policy(f"{either}group g 3 0 1 2 3 4 5 6 7\nquorum g\n")
    nested = parse_policy(
        either
        + "".join(f"group n{at} any {2 * at} {2 * at + 1}\n" for at in range(4))
        + "group g 3 n0 n1 n2 n3\nquorum g\n"
    )
    assert flat.operators == nested.operators == tuple(f"w{each}.example" for each in range(4))
    assert flat.smallest_quorum() == 2
    assert nested.smallest_quorum() == 3


def test_a_policy_survives_a_round_trip() -> None:
    text = (
        f"# a comment, and no key: quorum none\n\n  log\t{LOG.key.vkey}  https://hub.example/ \n"
        f"witness Ω {KEYS[0].vkey} https://w.example/\nwitness none2 {PQ_WITNESS.key.vkey}\n"
        f"group g 1 Ω none2\n\t# indented\nquorum g\n"
    )
    policy = parse_policy(text)
    assert parse_policy(format_policy(policy)) == parse_policy(text.encode()) == policy
    assert (policy.logs[0].url, policy.witnesses[0].url, policy.witnesses[1].url) == (
        "https://hub.example/",
        "https://w.example/",
        None,
    )


LOG_LINE = f"log {LOG.key.vkey}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no quorum"),
        (HEAD, "no quorum"),
        (HEAD + "quorum a\nquorum a\n", "more than one"),
        ("quorum none\nquorum none\n", "more than one"),
        (HEAD + "quorum a", "newline"),
        (HEAD + "quorum x\n", "undefined"),
        ("quorum a\n" + HEAD, "undefined"),
        (HEAD + "quorum\n", "not a policy line"),
        (HEAD + "quorum a b\n", "not a policy line"),
        (HEAD + "Quorum a\n", "not a policy line"),
        (HEAD + "quorum a\n\ufeff\n", "not a policy line"),
        (HEAD + "quorum a # why\n", "not a policy line"),
        (HEAD + "quorum\u00a0a\n", "not a policy line"),
        (HEAD + "quorum a\r\n", "control"),
        (HEAD + "quorum a\x0c\n", "control"),
        (HEAD + "quorum a\x7f\n", "control"),
        (HEAD.encode() + b"# \xff\nquorum a\n", "UTF-8"),
        (HEAD + "group g 0 a b\nquorum g\n", "asks for 0"),
        (HEAD + "group g 3 a b\nquorum g\n", "asks for 3"),
        (HEAD + "group g 02 a b\nquorum g\n", "decimal"),
        (HEAD + "group g -1 a b\nquorum g\n", "decimal"),
        (HEAD + "group g most a b\nquorum g\n", "decimal"),
        (HEAD + "group g all\nquorum a\n", "not a policy line"),
        (HEAD + "group g all g\nquorum g\n", "undefined"),
        (HEAD + "group g all a h\ngroup h all b\nquorum g\n", "undefined"),
        (HEAD + "group g all a a\nquorum g\n", "already a member"),
        (HEAD + "group g all a\ngroup h all a b\nquorum g\n", "already a member"),
        (HEAD + "group g all a none\nquorum g\n", "cannot be"),
        (HEAD + "group none all a\nquorum none\n", "duplicate name"),
        (HEAD + "group a all b\nquorum a\n", "duplicate name"),
        (HEAD + f"witness a {PQ_WITNESS.key.vkey}\nquorum a\n", "duplicate name"),
        (HEAD + f"witness g {KEYS[0].vkey}\nquorum a\n", "duplicate key"),
        (f"{LOG_LINE}{LOG_LINE}quorum none\n", "duplicate key"),
        (f"log {KEYS[0].vkey}\nquorum none\n", "kind 0x01"),
        (f"witness w {LOG.key.vkey}\nquorum w\n", "kind 0x04"),
        ("witness w nonsense\nquorum w\n", "bad key"),
        (f"witness w {KEYS[0].vkey} url extra\nquorum w\n", "not a policy line"),
        ("# \n" * 10 + HEAD + "quorum a\n" + f"log {LOG.key.vkey}\n" * 300, "more than 256 lines"),
        ("#" * (1024 * 1024) + "\nquorum none\n", "more than"),
    ],
)
def test_a_policy_written_wrongly_is_refused(text: str | bytes, why: str) -> None:
    with pytest.raises(PolicyMalformed, match=why):
        parse_policy(text)


def test_one_key_never_has_two_roles() -> None:
    seed = bytes([5]) * 32
    log, witness = ed25519_signer("log.example", seed), ed25519_cosigner("w.example", seed)
    with pytest.raises(PolicyMalformed, match="duplicate key"):
        parse_policy(f"log {log.key.vkey}\nwitness w {witness.key.vkey}\nquorum w\n")


def test_thirty_two_of_each_are_accepted() -> None:
    lines = [f"log {ed25519_signer(f'l{at}', bytes([at, 1] * 16)).key.vkey}" for at in range(32)]
    lines += [f"witness w{at} {ed25519_cosigner(f'k{at}', bytes([at, 2] * 16)).key.vkey}" for at in range(32)]
    lines += [f"group g{at} all w{at}" for at in range(32)]
    policy = parse_policy("\n".join([*lines, "quorum g31"]) + "\n")
    assert (len(policy.logs), len(policy.witnesses), len(policy.groups)) == (32, 32, 32)
    assert policy.smallest_quorum() == 1


# ------------------------------------------------------------------------------------------------ opening heads

SMALL = log_of(5)


@given(st.sets(st.sampled_from(range(4))))
def test_a_head_opens_exactly_if_its_cosigners_make_the_quorum(chosen: set[int]) -> None:
    note = SMALL.note(5, [(WITNESSES[each], 1000 + each) for each in sorted(chosen)])
    if len(chosen) >= 3:
        opened = open_with_policy(note, POLICY)
        assert POLICY.cosigners(opened.cosignatures) == {f"W{each}": 1000 + each for each in chosen}
    else:
        with pytest.raises(QuorumNotMet):
            open_with_policy(note, POLICY)


def test_a_head_of_another_log_is_refused_whatever_its_cosigners() -> None:
    other = parse_policy(policy_text().replace(LOG.key.vkey, ed25519_signer("x.example", bytes(32)).key.vkey))
    with pytest.raises(NoKnownSignature, match="not a log of the policy"):
        open_with_policy(SMALL.note(5, [(each, 1000) for each in WITNESSES]), other)


def test_a_log_may_have_two_keys_while_it_changes_them() -> None:
    new = ed25519_signer(LOG.key.name, bytes([77]) * 32)
    policy = parse_policy(f"log {new.key.vkey}\n" + policy_text())
    checkpoint = SMALL.checkpoint(5)
    for signer in (LOG, new):
        lines = [cosign(checkpoint, each, 1000) for each in WITNESSES]
        assert open_with_policy(add_signatures(sign_checkpoint(checkpoint, signer), lines), policy).log == signer.key
    stranger = ed25519_signer(LOG.key.name, bytes([78]) * 32)
    with pytest.raises(NoKnownSignature):
        open_with_policy(sign_checkpoint(checkpoint, stranger), policy)


def test_a_quorum_does_not_heal_one_false_cosignature() -> None:
    lie = cosign(SMALL.checkpoint(4), WITNESSES[3], 1000)
    note = add_signatures(SMALL.note(5, [(each, 1000) for each in WITNESSES[:3]]), [lie])
    with pytest.raises(SignatureRefused):
        open_with_policy(note, POLICY)


def test_a_policy_made_in_code_is_checked_like_one_that_was_read() -> None:
    with pytest.raises(PolicyMalformed, match="undefined"):
        Policy((), POLICY.items, "X")
    with pytest.raises(PolicyMalformed, match="undefined"):
        Policy((), POLICY.items, "none")
    with pytest.raises(PolicyMalformed, match="undefined"):
        Policy((), POLICY.items[::-1], "G")
