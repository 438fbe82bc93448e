"""Joining without being invited: external commits (RFC 9420 sections 8.3, 12.4.3.2).

A station that lost its state uses this to come back: it removes its old leaf and adds a new one in one commit. Members
see the newcomer in the staged commit's roster before they merge, as with any other change.
"""

from __future__ import annotations

from dataclasses import replace

from .codec import Reader, decode
from .committing import MadeCommit
from .errors import InvalidWelcome, Malformed, Misuse
from .framing import (
    NEW_MEMBER_COMMIT,
    PUBLIC_MESSAGE,
    AuthData,
    AuthenticatedContent,
    FramedContent,
    Sender,
    read_message,
    write_message,
)
from .group_info import GroupInfo
from .kem import Rng
from .key_schedule import from_joiner, joiner_secret
from .leaf_node import BASIC, COMMIT, EXTERNAL_PUB, OUR_CAPABILITIES, Credential, LeafNode, find_extension
from .member_state import EXTERNAL_INIT_LABEL, enter_epoch
from .proposal_rules import QueuedProposal, apply, check_membership
from .proposals import Commit, ExternalInit, Proposal, ProposalOrRef, Remove
from .protection import protect_public, sign_content
from .public_state import PublicState, check_group_info
from .transcript import confirmation_tag, confirmed_hash, interim_hash
from .treekem import encrypt_path, make_path


def external_commit(
    group_info: bytes,
    identity: bytes,
    signing: bytes,
    *,
    ratchet_tree: bytes | None,
    replaces: int | None,
    aad: bytes,
    now: int,
    longest: int,
    rng: Rng,
) -> MadeCommit:
    """Make the commit by which we enter; ``replaces`` is the leaf of our former self.

    Whoever vouched for ``group_info`` is checked to be a member; its confirmation tag can only be checked by members.
    """
    info = read_message(group_info)
    if not isinstance(info, GroupInfo):
        raise Malformed("not a GroupInfo")
    before = check_group_info(info, ratchet_tree)
    suite, context = before.suite, before.context
    data = find_extension(info.extensions, EXTERNAL_PUB)
    if data is None:
        raise InvalidWelcome("the GroupInfo does not allow external commits")
    public = decode(Reader.opaque, data)
    kem_output, init_secret = suite.hpke.send_export(public, b"", EXTERNAL_INIT_LABEL, suite.hash_size, rng)
    values: list[Proposal] = [ExternalInit(kem_output)]
    if replaces is not None:
        values.append(Remove(replaces))
    sender = Sender(NEW_MEMBER_COMMIT)
    applied = apply([QueuedProposal(value, sender) for value in values], sender, before.rules(now, longest))
    tree = applied.tree
    former = None if replaces is None else before.tree.leaf(replaces)
    if former is not None and former.credential.identity != identity:
        raise Misuse("only a leaf of the same identity can be replaced")
    blank = LeafNode(b"", signing[32:], Credential(BASIC, identity), OUR_CAPABILITIES, COMMIT, None, b"", ())
    own = tree.add_leaf(blank)

    def make_leaf(encryption_key: bytes, parent_hash: bytes) -> LeafNode:
        leaf = replace(blank, encryption_key=encryption_key, parent_hash=parent_hash)
        return leaf.signed(suite, signing, context.group_id, own)

    new = make_path(tree, own, make_leaf, rng)
    check_membership(tree, applied.extensions)
    provisional = replace(context, epoch=context.epoch + 1, tree_hash=tree.root_hash)
    path = encrypt_path(tree, new, provisional.encoded, (), rng)
    commit = Commit(tuple(ProposalOrRef(value) for value in values), path)
    content = FramedContent(context.group_id, context.epoch, sender, aad, commit)
    signature = sign_content(suite, signing, PUBLIC_MESSAGE, content, context.encoded)
    unconfirmed = AuthenticatedContent(PUBLIC_MESSAGE, content, AuthData(signature, b""))
    confirmed = confirmed_hash(suite, before.interim_transcript_hash, unconfirmed)
    entered = replace(provisional, confirmed_transcript_hash=confirmed)
    joiner = joiner_secret(suite, init_secret, new.commit_secret, entered.encoded)
    derivation = from_joiner(suite, joiner, bytes(suite.hash_size), entered.encoded)
    tag = confirmation_tag(suite, derivation.confirmation_key, confirmed)
    after = PublicState(entered, tree, interim_hash(suite, confirmed, tag), tag, {})
    message = AuthenticatedContent(PUBLIC_MESSAGE, content, AuthData(signature, tag))
    body = write_message(protect_public(suite, message, None, context.encoded))
    member = enter_epoch(after, own, new.privates, derivation)
    return MadeCommit(body, None, after, member, (own,), applied.removed, None)
