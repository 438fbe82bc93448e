"""Run the official RFC 9420 test vectors: ``python -m tests.vectors.mls FOLDER``.

The folder holds the JSON files of mlswg/mls-implementations (``test-vectors/``), or some of them. Prints one line per kind
and a closing ``N passed, N failed``; exits 1 if anything failed or nothing was run. Cases of suites that we do not have are
not counted, only mentioned; a file that is not JSON, or a case that is not as ``test-vectors.md`` says, is a failure.

The vectors carry no time: key packages in them were valid in the year in which they were made, so lifetimes of added key
packages are not judged here (``tests/protocols/mls`` does that).
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from protocols.mls import Decrypted, Group, Proposed, key_package
from protocols.mls.codec import Reader, decode
from protocols.mls.errors import InvalidTree
from protocols.mls.framing import (
    AuthData,
    AuthenticatedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    encode_content,
    read_message,
    write_message,
)
from protocols.mls.group_info import GroupContext, GroupInfo, GroupSecrets, Welcome
from protocols.mls.key_package import KeyPackageBundle, pack_private, read_key_package_message
from protocols.mls.key_schedule import (
    export,
    from_joiner,
    joiner_secret,
    psk_secret,
    welcome_key_nonce,
    welcome_secret,
)
from protocols.mls.leaf_node import COMMIT
from protocols.mls.proposal_rules import QueuedProposal, Rules, apply
from protocols.mls.proposals import Commit, PreSharedKeyID, UpdatePath, encode_proposal, read_proposal
from protocols.mls.protection import (
    MessageKeys,
    check_membership_tag,
    protect_private,
    protect_public,
    sign_content,
    unprotect_private,
    verify_content,
)
from protocols.mls.public_state import read_tree
from protocols.mls.secret_tree import APPLICATION_RATCHET, HANDSHAKE, SecretTree
from protocols.mls.staged import StagedPeerCommit
from protocols.mls.suites import SUITES, signing_key
from protocols.mls.transcript import confirmation_tag, confirmed_hash, interim_hash
from protocols.mls.tree_math import common_ancestor, left, level, node_width, parent, right, root, sibling
from protocols.mls.treekem import encrypt_path, follow_path, make_path, merge_received_path, node_key_pair

Case = dict[str, Any]

NOW = 1_750_000_000
FOREVER = (1 << 64) - 1
_KINDS_OF_PROPOSAL = (
    "add",
    "update",
    "remove",
    "pre_shared_key",
    "re_init",
    "external_init",
    "group_context_extensions",
)


def same(actual: object, expected: object) -> None:
    """Fail with both values."""
    if actual != expected:
        raise AssertionError(f"{actual!r} is not {expected!r}")


def unhex(case: Case, *names: str) -> tuple[bytes, ...]:
    """Several hex fields."""
    return tuple(bytes.fromhex(case[name]) for name in names)


def tree_math(case: Case) -> None:
    leaves, width = case["n_leaves"], case["n_nodes"]
    same(node_width(leaves), width)
    same(root(leaves), case["root"])
    for node in range(width):
        inner, top = level(node) > 0, node == root(leaves)
        same(left(node) if inner else None, case["left"][node])
        same(right(node) if inner else None, case["right"][node])
        same(None if top else parent(node), case["parent"][node])
        same(None if top else sibling(node), case["sibling"][node])


def crypto_basics(case: Case) -> None:
    suite = SUITES[case["cipher_suite"]]
    part = case["ref_hash"]
    same(suite.ref_hash(part["label"].encode(), *unhex(part, "value")), *unhex(part, "out"))
    part = case["expand_with_label"]
    secret, context, out = unhex(part, "secret", "context", "out")
    same(suite.expand_with_label(secret, part["label"].encode(), context, part["length"]), out)
    part = case["derive_secret"]
    same(suite.derive_secret(*unhex(part, "secret"), part["label"].encode()), *unhex(part, "out"))
    part = case["derive_tree_secret"]
    secret, out = unhex(part, "secret", "out")
    label, generation, length = part["label"].encode(), part["generation"], part["length"]
    same(suite.derive_tree_secret(secret, label, generation, length), out)
    part = case["sign_with_label"]
    private, public, content, signature = unhex(part, "priv", "pub", "content", "signature")
    label = part["label"].encode()
    suite.verify(public, label, content, signature)
    same(suite.sign(signing_key(private), label, content), signature)
    part = case["encrypt_with_label"]
    private, public, context, plaintext = unhex(part, "priv", "pub", "context", "plaintext")
    label = part["label"].encode()
    for pair in (
        unhex(part, "kem_output", "ciphertext"),
        suite.encrypt_with_label(public, label, context, plaintext, os.urandom),
    ):
        same(suite.decrypt_with_label(private, public, label, context, *pair), plaintext)


def secret_tree(case: Case) -> None:
    suite = SUITES[case["cipher_suite"]]
    part = case["sender_data"]
    secret, ciphertext, key, nonce = unhex(part, "sender_data_secret", "ciphertext", "key", "nonce")
    sample = ciphertext[: suite.hash_size]
    same(suite.expand_with_label(secret, b"key", sample, suite.aead.key_size), key)
    same(suite.expand_with_label(secret, b"nonce", sample, suite.aead.nonce_size), nonce)
    (encryption_secret,) = unhex(case, "encryption_secret")
    leaves = case["leaves"]
    tree = SecretTree(suite, len(leaves), encryption_secret)
    for leaf, generations in enumerate(leaves):
        for item in generations:
            for kind, name in ((HANDSHAKE, "handshake"), (APPLICATION_RATCHET, "application")):
                taking = tree.peek(leaf, kind, item["generation"])
                same((taking.key, taking.nonce), unhex(item, f"{name}_key", f"{name}_nonce"))
                tree.consume(taking)


def message_protection(case: Case) -> None:
    suite = SUITES[case["cipher_suite"]]
    group_id, tree_hash, transcript = unhex(case, "group_id", "tree_hash", "confirmed_transcript_hash")
    seed, public = unhex(case, "signature_priv", "signature_pub")
    signing = signing_key(seed[:32])
    encryption_secret, sender_data, membership = unhex(
        case, "encryption_secret", "sender_data_secret", "membership_key"
    )
    context = GroupContext(1, suite.code, group_id, case["epoch"], tree_hash, transcript, ()).encoded

    def keys(own: int) -> MessageKeys:
        tree = SecretTree(suite, 2, encryption_secret)
        return MessageKeys(suite, group_id, case["epoch"], context, own, {1: public}, sender_data, tree)

    for name in ("proposal", "commit", "application"):
        (plain,) = unhex(case, name)
        sealed = read_message(*unhex(case, f"{name}_priv"))
        assert isinstance(sealed, PrivateMessage)
        # Each message of the vectors is the first of its sender, so each is read with fresh keys.
        content, _ = unprotect_private(keys(0), sealed)
        same(_raw(content), plain)
        # Our own protection, read back.
        again, _ = protect_private(keys(1), content, 0, os.urandom)
        same(unprotect_private(keys(0), again)[0], content)
        if name == "application":
            continue
        message = read_message(*unhex(case, f"{name}_pub"))
        assert isinstance(message, PublicMessage)
        check_membership_tag(suite, message, membership, context)
        verified = verify_content(suite, public, 1, message.content, message.auth, context)
        same(_raw(verified), plain)
        signature = sign_content(suite, signing, 1, message.content, context)
        tag = verified.auth.confirmation_tag
        ours = AuthenticatedContent(1, message.content, AuthData(signature, tag))
        check_membership_tag(suite, protect_public(suite, ours, membership, context), membership, context)


def _raw(content: AuthenticatedContent) -> bytes:
    inner = content.content.content
    return inner if isinstance(inner, bytes) else encode_content(inner)


def key_schedule(case: Case) -> None:
    suite = SUITES[case["cipher_suite"]]
    group_id, init = unhex(case, "group_id", "initial_init_secret")
    for number, epoch in enumerate(case["epochs"]):
        tree_hash, transcript, commit, psk = unhex(
            epoch, "tree_hash", "confirmed_transcript_hash", "commit_secret", "psk_secret"
        )
        context = GroupContext(1, suite.code, group_id, number, tree_hash, transcript, ()).encoded
        same(context.hex(), epoch["group_context"])
        joiner = joiner_secret(suite, init, commit, context)
        made = from_joiner(suite, joiner, psk, context)
        for name in ("joiner_secret", "welcome_secret", "encryption_secret", "confirmation_key"):
            same(getattr(made, name).hex(), epoch[name])
        for name in made.epoch.FIELDS:
            same(getattr(made.epoch, name).hex(), epoch[name])
        same(suite.derive_key_pair(made.epoch.external_secret)[1].hex(), epoch["external_pub"])
        part = epoch["exporter"]
        out_context, out = unhex(part, "context", "secret")
        secret = made.epoch.exporter_secret
        same(export(suite, secret, part["label"].encode(), out_context, part["length"]), out)
        init = made.epoch.init_secret


def psk_secrets(case: Case) -> None:
    suite = SUITES[case["cipher_suite"]]
    psks = [(PreSharedKeyID.external(*unhex(psk, "psk_id", "psk_nonce")), *unhex(psk, "psk")) for psk in case["psks"]]
    same(psk_secret(suite, psks), *unhex(case, "psk_secret"))


def transcript_hashes(case: Case) -> None:
    suite = SUITES[case["cipher_suite"]]
    key, encoded, before = unhex(case, "confirmation_key", "authenticated_content", "interim_transcript_hash_before")
    content = decode(AuthenticatedContent.read, encoded)
    confirmed = confirmed_hash(suite, before, content)
    same(confirmed, *unhex(case, "confirmed_transcript_hash_after"))
    tag = content.auth.confirmation_tag or b""
    same(confirmation_tag(suite, key, confirmed), tag)
    same(interim_hash(suite, confirmed, tag), *unhex(case, "interim_transcript_hash_after"))


def welcome(case: Case) -> None:
    suite = SUITES[case["cipher_suite"]]
    init_private, signer = unhex(case, "init_priv", "signer_pub")
    message, package = read_message(*unhex(case, "welcome")), read_message(*unhex(case, "key_package"))
    assert isinstance(message, Welcome)
    assert not isinstance(package, PublicMessage | PrivateMessage | Welcome | GroupInfo)
    entry = next(s for s in message.secrets if s.new_member == package.ref(suite))
    sealed = entry.encrypted_group_secrets
    plain = suite.decrypt_with_label(
        init_private, None, b"Welcome", message.encrypted_group_info, sealed.kem_output, sealed.ciphertext
    )
    secrets = decode(GroupSecrets.read, plain)
    same(secrets.psks, ())
    zero = bytes(suite.hash_size)
    key, nonce = welcome_key_nonce(suite, welcome_secret(suite, secrets.joiner_secret, zero))
    info = decode(GroupInfo.read, suite.aead.open(key, nonce, b"", message.encrypted_group_info))
    info.verify(suite, signer)
    made = from_joiner(suite, secrets.joiner_secret, zero, info.context.encoded)
    confirmed = info.context.confirmed_transcript_hash
    same(confirmation_tag(suite, made.confirmation_key, confirmed), info.confirmation_tag)


def tree_operations(case: Case) -> None:
    suite = SUITES[case["cipher_suite"]]
    before, proposal = unhex(case, "tree_before", "proposal")
    tree = read_tree(suite, before)
    same(tree.encoded, before)
    same(tree.root_hash, *unhex(case, "tree_hash_before"))
    context = GroupContext(1, suite.code, b"", 0, tree.root_hash, b"", ())
    sender = Sender(1, case["proposal_sender"])
    queued = QueuedProposal(decode(read_proposal, proposal), sender)
    # The vectors do not name the group, so an update's signature cannot be checked here.
    committer = next(i for i, _ in tree.leaves() if i not in (sender.index, _removed(queued)))
    try:
        after = apply([queued], Sender(1, committer), Rules(tree, context, NOW, FOREVER)).tree
    except Exception:
        if queued.proposal.proposal_type != 2:
            raise
        after = tree.copy()
        after.update_leaf(sender.index, queued.proposal.leaf_node)  # type: ignore[union-attr]
    same(after.encoded, *unhex(case, "tree_after"))
    same(after.root_hash, *unhex(case, "tree_hash_after"))


def _removed(queued: QueuedProposal) -> int:
    return getattr(queued.proposal, "removed", -1)


def tree_validation(case: Case) -> None:
    suite = SUITES[case["cipher_suite"]]
    encoded, group_id = unhex(case, "tree", "group_id")
    tree = read_tree(suite, encoded)
    same(tree.encoded, encoded)
    for node in range(len(tree.nodes)):
        same(tree.resolution(node), case["resolutions"][node])
        same(tree.tree_hash(node).hex(), case["tree_hashes"][node])
    tree.check_structure()
    for index, leaf in tree.leaves():
        leaf.verify(suite, group_id, index)
    _broken_trees_are_refused(encoded, case)


def _broken_trees_are_refused(encoded: bytes, case: Case) -> None:
    suite = SUITES[case["cipher_suite"]]
    tree = read_tree(suite, encoded)
    for node in range(1, len(tree.nodes), 2):
        content = tree.nodes[node]
        if content is not None and not hasattr(content, "signature"):
            broken = read_tree(suite, encoded)
            broken.nodes[node] = replace(content, parent_hash=b"\x00" * 32)
            try:
                broken.check_structure()
            except InvalidTree:
                continue
            raise AssertionError("a tree with a wrong parent hash was accepted")


def treekem(case: Case) -> None:
    suite = SUITES[case["cipher_suite"]]
    encoded, group_id, transcript = unhex(case, "ratchet_tree", "group_id", "confirmed_transcript_hash")
    tree = read_tree(suite, encoded)
    privates: dict[int, dict[int, bytes]] = {}
    signers: dict[int, bytes] = {}
    for leaf in case["leaves_private"]:
        encryption, signature = unhex(leaf, "encryption_priv", "signature_priv")
        index = leaf["index"]
        signers[index] = signing_key(signature[:32])
        privates[index] = {2 * index: encryption}
        for item in leaf["path_secrets"]:
            private, public = node_key_pair(suite, *unhex(item, "path_secret"))
            content = tree.nodes[item["node"]]
            assert content is not None
            same(content.encryption_key, public)
            privates[index][item["node"]] = private
    for item in case["update_paths"]:
        sender = item["sender"]
        path = decode(UpdatePath.read, *unhex(item, "update_path"))
        after = tree.copy()
        filtered = merge_received_path(after, sender, path, group_id, ())
        same(after.root_hash, *unhex(item, "tree_hash_after"))
        context = GroupContext(1, suite.code, group_id, case["epoch"], after.root_hash, transcript, ()).encoded
        for index, own in privates.items():
            if index == sender:
                continue
            gained, commit_secret = follow_path(after, filtered, path, index, own, context, ())
            same(commit_secret, *unhex(item, "commit_secret"))
            expected = bytes.fromhex(item["path_secrets"][index])
            same(node_key_pair(suite, expected)[0], gained[common_ancestor(sender, index)])
        _our_path_is_followed(case, tree, sender, signers[sender], privates)


def _our_path_is_followed(
    case: Case, tree: Any, sender: int, signing: bytes, privates: dict[int, dict[int, bytes]]
) -> None:
    suite = tree.suite
    group_id, transcript = unhex(case, "group_id", "confirmed_transcript_hash")
    ours = tree.copy()
    current = tree.leaf(sender)

    def make_leaf(key: bytes, parent_hash: bytes) -> Any:
        leaf = replace(current, encryption_key=key, source=COMMIT, lifetime=None, parent_hash=parent_hash)
        return leaf.signed(suite, signing, group_id, sender)

    new = make_path(ours, sender, make_leaf, os.urandom)
    context = GroupContext(1, suite.code, group_id, case["epoch"], ours.root_hash, transcript, ()).encoded
    path = encrypt_path(ours, new, context, (), os.urandom)
    theirs = tree.copy()
    filtered = merge_received_path(theirs, sender, path, group_id, ())
    same(theirs.encoded, ours.encoded)
    for index, own in privates.items():
        if index != sender:
            same(follow_path(theirs, filtered, path, index, own, context, ())[1], new.commit_secret)


def messages(case: Case) -> None:
    for name, value in case.items():
        data = bytes.fromhex(value)
        if name.startswith(("mls_", "public_", "private_")):
            same(write_message(read_message(data)), data)
        elif name == "ratchet_tree":
            same(read_tree(SUITES[1], data).encoded, data)
        elif name == "group_secrets":
            same(decode(GroupSecrets.read, data).encoded, data)
        elif name == "commit":
            same(decode(Commit.read, data).encoded, data)
        else:
            kind = _KINDS_OF_PROPOSAL.index(name.removesuffix("_proposal")) + 1
            typed = kind.to_bytes(2, "big") + data
            same(encode_proposal(decode(read_proposal, typed)), typed)


def deserialization(case: Case) -> None:
    same(decode(Reader.varint, *unhex(case, "vlbytes_header")), case["length"])


def passive_client(case: Case) -> None:
    package, signature, encryption, init = unhex(case, "key_package", "signature_priv", "encryption_priv", "init_priv")
    psks = {bytes.fromhex(p["psk_id"]): bytes.fromhex(p["psk"]) for p in case["external_psks"]}
    tree = bytes.fromhex(case["ratchet_tree"]) if case["ratchet_tree"] else None
    lifetime = read_key_package_message(package).leaf_node.lifetime
    assert lifetime is not None
    now = min(max(NOW, lifetime.not_before), lifetime.not_after)
    with patch.object(key_package, "check_lifetime", lambda *_: None):
        _follow(case, package, signature, pack_private(init, encryption), psks, tree, now)


def _follow(
    case: Case,
    package: bytes,
    signature: bytes,
    private: bytes,
    psks: dict[bytes, bytes],
    tree: bytes | None,
    now: int,
) -> None:
    group = Group.join(
        *unhex(case, "welcome"),
        KeyPackageBundle(package, private, b""),
        signature[:32],
        now=now,
        ratchet_tree=tree,
        psks=psks,
        max_lifetime=FOREVER,
    )
    same(group.epoch_authenticator, *unhex(case, "initial_epoch_authenticator"))
    for epoch in case["epochs"]:
        for proposal in epoch["proposals"]:
            assert isinstance(group.process(bytes.fromhex(proposal), now=now, psks=psks), Proposed)
        group = Group.restore(group.snapshot())
        staged = group.process(*unhex(epoch, "commit"), now=now, psks=psks)
        assert not isinstance(staged, Decrypted | Proposed)
        assert isinstance(staged, StagedPeerCommit)
        group.merge(staged)
        same(group.epoch_authenticator, *unhex(epoch, "epoch_authenticator"))


KINDS: dict[str, Callable[[Case], None]] = {
    "crypto-basics": crypto_basics,
    "deserialization": deserialization,
    "key-schedule": key_schedule,
    "message-protection": message_protection,
    "messages": messages,
    "passive-client-handling-commit": passive_client,
    "passive-client-random": passive_client,
    "passive-client-welcome": passive_client,
    "psk_secret": psk_secrets,
    "secret-tree": secret_tree,
    "transcript-hashes": transcript_hashes,
    "tree-math": tree_math,
    "tree-operations": tree_operations,
    "tree-validation": tree_validation,
    "treekem": treekem,
    "welcome": welcome,
}


def folder() -> Path | None:
    """Where the vectors are: ``HOTLINE_VECTORS``, or ``shared/vectors`` beside the repository."""
    given = os.environ.get("HOTLINE_VECTORS")
    base = Path(given) if given else Path(__file__).parents[3] / "shared" / "vectors"
    return base / "mls" if (base / "mls").is_dir() else None


def load(where: Path, kind: str) -> tuple[list[Case], int]:
    """The cases of one kind whose suite we have, and how many others there are."""
    path = where / f"{kind}.json"
    if not path.is_file():
        return [], 0
    everything = json.loads(path.read_text())
    if not isinstance(everything, list):
        raise ValueError(f"{path.name} is not a list of cases")
    ours = [case for case in everything if not isinstance(case, dict) or case.get("cipher_suite", 1) in SUITES]
    return ours, len(everything) - len(ours)


def cases(where: Path, kind: str) -> Iterator[Case]:
    """The cases of one kind whose suite we have."""
    yield from load(where, kind)[0]


def run(where: Path, kind: str) -> tuple[int, int, int]:
    """Run one kind: passed, failed, and how many cases are of suites that we do not have."""
    try:
        ours, others = load(where, kind)
    except (OSError, ValueError) as error:
        print(f"{kind}.json cannot be read: {error}", file=sys.stderr)
        return 0, 1, 0
    passed = 0
    for number, case in enumerate(ours):
        try:
            KINDS[kind](case)
            passed += 1
        except Exception:
            print(f"{kind} #{number}", file=sys.stderr)
            traceback.print_exc(limit=-4)
    return passed, len(ours) - passed, others


def main(arguments: list[str]) -> int:
    """Run every kind found in a folder."""
    if len(arguments) != 1:
        print("usage: python -m tests.vectors.mls FOLDER", file=sys.stderr)
        return 2
    where = Path(arguments[0])
    if not any(where.glob("*.json")) and (where / "mls").is_dir():
        where = where / "mls"
    all_passed = all_failed = 0
    for kind in KINDS:
        passed, failed, others = run(where, kind)
        if passed or failed or others:
            note = f"  ({others} of other suites not run)" if others else ""
            print(f"{kind:32} {passed}/{passed + failed}{note}", flush=True)
        all_passed, all_failed = all_passed + passed, all_failed + failed
    for path in sorted(where.glob("*.json")):
        if path.stem not in KINDS:
            print(f"{path.stem:32} of no kind known here: not run")
    print(f"{all_passed} passed, {all_failed} failed")
    return 1 if all_failed or not all_passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
