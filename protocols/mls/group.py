"""A group as one member holds it: the class that stations use (RFC 9420 sections 6, 9, 11, 12).

Every method either does all of its work or raises an ``MlsError`` and changes nothing. What each one changes:

=====================  ==================================================================================
create, join, restore  make a Group
reinitialize, branch   make another Group that follows from this one
commit, stage          nothing; ``merge`` their result
merge                  enters the next epoch, keeps three past ones for late messages
encrypt, decrypt       use up one key
propose_*, process     remember a proposal for a later commit (or use up a key, or stage a commit)
=====================  ==================================================================================

After each call that changes the group, save ``snapshot()`` *before* its output leaves the machine.

``now`` is the POSIX time that key packages are judged by. Pass the time at which the hub admitted a message, not the
time at which it is read: all members must reach the same verdict, also those who come back after a month.

Python cannot wipe memory. A used key is dropped from the structures and from every later snapshot; until the interpreter
reuses its memory, a seized running machine may still hold it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .codec import Reader, opaque, u64
from .committing import Author, Plan, RulesCheck, make_commit, plan_pending
from .errors import (
    InvalidCommit,
    InvalidWelcome,
    Malformed,
    Misuse,
    NotAMember,
    OwnMessage,
    StaleStage,
    WrongEpoch,
    WrongGroup,
)
from .external import external_commit
from .framing import (
    APPLICATION,
    COMMIT_CONTENT,
    MEMBER,
    PRIVATE_MESSAGE,
    PROPOSAL,
    AuthData,
    AuthenticatedContent,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    read_message,
    write_message,
)
from .group_proposing import DEFAULT_PADDING, GroupProposing
from .group_view import external_psks
from .joining import Membership, create_group, join_group
from .kem import Rng, draw
from .key_package import MAX_LIFETIME, KeyPackageBundle, read_key_package_message
from .leaf_node import Extension, Lifetime
from .member_state import PskLookup, follow_commit
from .proposals import (
    USAGE_BRANCH,
    USAGE_REINIT,
    Add,
    Commit,
    GroupContextExtensions,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    Remove,
)
from .protection import (
    MessageKeys,
    check_membership_tag,
    protect_private,
    sign_content,
    unprotect_private,
)
from .public_state import advance, check_address, members_at, queue_proposal, verify_public
from .results import Decrypted, Proposed
from .secret_tree import HANDSHAKE, Taking
from .snapshot import (
    GROUP,
    read_member,
    read_messages,
    read_pairs,
    read_public,
    seal,
    unseal,
    write_member,
    write_messages,
    write_pairs,
    write_public,
)
from .staged import StagedCommit, StagedPeerCommit
from .succession import Successor, check_succession
from .suites import signing_key

PAST_EPOCHS = 3
"""How many epochs back application messages that arrive late can still be read."""


class Group(GroupProposing):
    """One member's view of one group."""

    # Entering

    @staticmethod
    def create(
        suite: int,
        group_id: bytes,
        identity: bytes,
        signature_private: bytes,
        *,
        now: int,
        rng: Rng,
        extensions: Sequence[tuple[int, bytes]] = (),
        max_lifetime: int = MAX_LIFETIME,
    ) -> Group:
        """Begin a group of one. ``group_id`` must never have been used before."""
        signing = signing_key(signature_private)
        begin = max(0, now - 3600)
        lifetime = Lifetime(begin, begin + min(max_lifetime, MAX_LIFETIME))
        listed = tuple(Extension(kind, data) for kind, data in extensions)
        made = create_group(suite, group_id, identity, signing, lifetime, listed, rng)
        return Group._enter(made, signing, max_lifetime)

    @staticmethod
    def join(
        welcome: bytes,
        bundle: KeyPackageBundle,
        signature_private: bytes,
        *,
        now: int,
        ratchet_tree: bytes | None = None,
        psks: Mapping[bytes, bytes] | None = None,
        former: Group | None = None,
        max_lifetime: int = MAX_LIFETIME,
    ) -> Group:
        """Enter a group by a Welcome. Destroy ``bundle`` afterwards: its keys are for one use.

        ``former`` is the group that this one must follow from, by reinitialization or as a branch. Check that ``group_id``
        is the one expected and that ``members()`` is the agreed roster before using the group.
        """
        lookup = external_psks(psks) if former is None else former._psk_lookup(psks)
        before = None if former is None else former._public
        joined = join_group(welcome, bundle, signature_private, ratchet_tree, lookup, now, before)
        return Group._enter(joined, signing_key(signature_private), max_lifetime)

    @staticmethod
    def join_external(
        group_info: bytes,
        identity: bytes,
        signature_private: bytes,
        *,
        now: int,
        rng: Rng,
        replaces: int | None = None,
        ratchet_tree: bytes | None = None,
        aad: bytes = b"",
        max_lifetime: int = MAX_LIFETIME,
    ) -> tuple[Group, bytes]:
        """Enter a group by our own commit, from a GroupInfo made with ``external_commit=True``.

        Returns the group as it will be and the commit for the hub. Save the group before the commit leaves; use it once the
        hub admitted the commit, and drop it otherwise. ``replaces`` is the leaf of our former self, if it is still there.
        """
        signing = signing_key(signature_private)
        made = external_commit(
            group_info,
            identity,
            signing,
            ratchet_tree=ratchet_tree,
            replaces=replaces,
            aad=aad,
            now=now,
            longest=max_lifetime,
            rng=rng,
        )
        return Group(made.public, made.member, signing, max_lifetime), made.commit

    @staticmethod
    def _enter(membership: Membership, signing: bytes, max_lifetime: int) -> Group:
        return Group(membership.public, membership.member, signing, max_lifetime)

    def reinitialize(self, key_packages: Sequence[bytes], *, now: int, rng: Rng) -> tuple[Group, StagedCommit]:
        """Make the group that a committed ReInit promised (RFC 9420 section 11.2).

        ``key_packages`` are of its suite, one of each other member. Returns the new group at epoch 0 and its first commit:
        the hub follows from the group's ``group_info``, admits the commit, then it is merged. The others ``join`` by its
        Welcome with this group as ``former``.
        """
        successor = self.successor
        if successor is None:
            raise Misuse("no ReInit was committed")
        return self._begin(USAGE_REINIT, successor, key_packages, now, rng)

    def branch(
        self, group_id: bytes, key_packages: Sequence[bytes], *, now: int, rng: Rng
    ) -> tuple[Group, StagedCommit]:
        """Make a group of some of our members, of the same suite and extensions (section 11.3); as ``reinitialize``."""
        self._open_member()
        extensions = tuple((e.extension_type, e.data) for e in self._public.context.extensions)
        return self._begin(USAGE_BRANCH, Successor(group_id, self.suite, extensions), key_packages, now, rng)

    def _begin(
        self, usage: int, successor: Successor, key_packages: Sequence[bytes], now: int, rng: Rng
    ) -> tuple[Group, StagedCommit]:
        leaf = self._public.tree.leaf(self._member.own_leaf)
        if leaf is None:
            raise NotAMember("our leaf is blank")
        group = Group.create(
            successor.suite,
            successor.group_id,
            leaf.credential.identity,
            self._signing[:32],
            now=now,
            rng=rng,
            extensions=successor.extensions,
            max_lifetime=self._max_lifetime,
        )
        values: list[Proposal] = [Add(read_key_package_message(package)) for package in key_packages]
        nonce = draw(rng, group._public.suite.hash_size)
        tie = PreSharedKeyID.resumption(usage, self.group_id, self.epoch, nonce)
        staged = group._commit([*values, PreSharedKey(tie)], self._psk_lookup(None), now=now, rng=rng)
        try:
            check_succession(tie, self._public, staged.public)
        except InvalidWelcome as error:
            raise Misuse(f"the others would not enter it: {error.detail}") from None
        return group, staged

    # Commits

    def commit(
        self,
        *,
        add: Sequence[bytes] = (),
        remove: Sequence[int] = (),
        public: bool = True,
        aad: bytes = b"",
        now: int,
        rng: Rng,
        psks: Mapping[bytes, bytes] | None = None,
        extensions: Sequence[tuple[int, bytes]] | None = None,
        reinit: Successor | None = None,
        pending: bool = True,
        padding: int = DEFAULT_PADDING,
    ) -> StagedCommit:
        """Make a commit; without arguments it renews our keys.

        ``add`` holds key package messages, ``psks`` external pre-shared keys to mix in, ``extensions`` replaces the group's,
        ``reinit`` closes the group and names the next one; ``pending`` includes the waiting proposals that fit. The group is
        unchanged until ``merge``, except that a commit with ``public=False`` uses up one key: save the group before it leaves.
        """
        values: list[Proposal] = [Remove(leaf) for leaf in remove]
        values += [Add(read_key_package_message(package)) for package in add]
        hash_size = self._public.suite.hash_size
        values += [PreSharedKey(PreSharedKeyID.external(name, draw(rng, hash_size))) for name in sorted(psks or {})]
        if extensions is not None:
            listed = tuple(Extension(kind, data) for kind, data in extensions)
            values.append(GroupContextExtensions(listed))
        if reinit is not None:
            values.append(reinit.proposal())
        lookup = self._psk_lookup(psks)
        return self._commit(values, lookup, public=public, aad=aad, now=now, rng=rng, pending=pending, padding=padding)

    def _commit(
        self,
        values: Sequence[Proposal],
        lookup: PskLookup,
        *,
        public: bool = True,
        aad: bytes = b"",
        now: int,
        rng: Rng,
        pending: bool = False,
        padding: int = DEFAULT_PADDING,
    ) -> StagedCommit:
        member = self._open_member()
        plan = Plan(values, ())
        if pending and self._public.proposals:
            check = RulesCheck(self._public, member.own_leaf, now, self._max_lifetime)
            plan = plan_pending(self._public, values, member.own_leaf, check)
        made = make_commit(
            Author(self._public, member, self._signing),
            plan,
            public_message=public,
            aad=aad,
            padding=padding,
            lookup=lookup,
            now=now,
            longest=self._max_lifetime,
            rng=rng,
        )
        if made.taking is not None:
            member.messages.secrets.consume(made.taking)
        return StagedCommit(
            self._base,
            member.own_leaf,
            members_at(made.public.tree, made.added),
            members_at(self._public.tree, made.removed),
            aad,
            made.public,
            made.commit,
            made.welcome,
            made.member,
        )

    def stage(self, message: bytes, *, now: int, psks: Mapping[bytes, bytes] | None = None) -> StagedPeerCommit:
        """Check a peer's commit completely. Nothing changes; look at ``members``, then ``merge`` or drop it."""
        body = read_message(message)
        if isinstance(body, PublicMessage):
            content, taking = self._verify_public(body), None
        elif isinstance(body, PrivateMessage):
            content, taking = self._verify_private_handshake(body)
        else:
            raise Malformed("not a commit message")
        return self._stage(content, taking, now, psks)

    def _stage(
        self, content: AuthenticatedContent, taking: Taking | None, now: int, psks: Mapping[bytes, bytes] | None
    ) -> StagedPeerCommit:
        member = self._open_member()
        if not isinstance(content.content.content, Commit):
            raise InvalidCommit("not a commit")
        sender = content.content.sender
        if sender == Sender(MEMBER, member.own_leaf):
            # MLS-12.4-24: our own commit is merged, not followed: its secrets are not encrypted to us.
            raise OwnMessage("our own commit: merge the pending one")
        transition = advance(self._public, content, now, self._max_lifetime)
        # Our leaf may be somebody else's after the commit: then that somebody took the place we were removed from.
        follower = None
        if member.own_leaf not in transition.applied.removed:
            lookup = self._psk_lookup(psks)
            follower = follow_commit(self._public, member, transition, content, lookup, self._update_privates)
        joined = transition.applied.added
        if sender.sender_type != MEMBER:
            joined = (*joined, transition.committer)
        return StagedPeerCommit(
            self._base,
            sender.index if sender.sender_type == MEMBER else None,
            members_at(transition.state.tree, joined),
            members_at(self._public.tree, transition.applied.removed),
            content.content.authenticated_data,
            transition.state,
            follower,
            None if taking is None else (sender.index, taking.generation),
        )

    def merge(self, staged: StagedCommit | StagedPeerCommit) -> None:
        """Enter the epoch of a commit: ours, once the hub admitted it, or a peer's that was staged."""
        member = self._open_member()
        if staged.base != self._base:
            raise StaleStage("staged in another epoch or group")
        old = member.messages
        if isinstance(staged, StagedPeerCommit) and staged.handshake is not None:
            leaf, generation = staged.handshake
            old.secrets.consume(old.secrets.peek(leaf, HANDSHAKE, generation))
        old.secrets.retire(member.own_leaf)
        self._past = (old, *self._past)[:PAST_EPOCHS]
        self._resumption[self.epoch] = member.secrets.resumption_psk
        for epoch in sorted(self._resumption)[:-PAST_EPOCHS]:
            del self._resumption[epoch]
        self._update_privates = {}
        self._public, self._member_state = staged.public, staged.member

    # Receiving

    def process(
        self, message: bytes, *, now: int, psks: Mapping[bytes, bytes] | None = None
    ) -> Decrypted | Proposed | StagedPeerCommit:
        """Take any message of the group: decrypt it, remember a proposal, or stage a commit."""
        body = read_message(message)
        taking: Taking | None = None
        if isinstance(body, PrivateMessage):
            if body.content_type == APPLICATION:
                return self._decrypt(body)
            content, taking = self._verify_private_handshake(body)
        elif isinstance(body, PublicMessage):
            content = self._verify_public(body)
        else:
            raise Malformed("not a message of a group")
        proposal = content.content.content
        if isinstance(proposal, bytes):
            raise Malformed("application data in a handshake message")
        if isinstance(proposal, Commit):
            return self._stage(content, taking, now, psks)
        ref, self._public = queue_proposal(self._public, content, now, self._max_lifetime)
        if taking is not None:
            self._member.messages.secrets.consume(taking)
        sender = content.content.sender
        leaf = sender.index if sender.sender_type == MEMBER else None
        return Proposed(ref, proposal.proposal_type, leaf)

    def _verify_public(self, body: PublicMessage) -> AuthenticatedContent:
        member = self._open_member()
        check_address(self._public, body.content.group_id, body.content.epoch)
        context = self._public.context.encoded
        check_membership_tag(self._public.suite, body, member.secrets.membership_key, context)
        return verify_public(self._public, body)

    def _verify_private_handshake(self, body: PrivateMessage) -> tuple[AuthenticatedContent, Taking]:
        member = self._open_member()
        check_address(self._public, body.group_id, body.epoch)
        if body.content_type not in (PROPOSAL, COMMIT_CONTENT):
            raise Malformed("not a handshake message")
        return unprotect_private(member.messages, body)

    # Messages

    def encrypt(self, data: bytes, *, aad: bytes = b"", rng: Rng, padding: int = DEFAULT_PADDING) -> bytes:
        """Encrypt to the group. Save the group before the result leaves. ``aad`` travels readable, but signed."""
        member, suite = self._open_member(), self._public.suite
        context = self._public.context
        content = FramedContent(context.group_id, context.epoch, Sender(MEMBER, member.own_leaf), aad, bytes(data))
        signature = sign_content(suite, self._signing, PRIVATE_MESSAGE, content, context.encoded)
        message = AuthenticatedContent(PRIVATE_MESSAGE, content, AuthData(signature, None))
        sealed, taking = protect_private(member.messages, message, padding, rng)
        member.messages.secrets.consume(taking)
        return write_message(sealed)

    def decrypt(self, message: bytes) -> Decrypted:
        """Decrypt an application message of this epoch or one of the last three; its key is destroyed."""
        body = read_message(message)
        if not isinstance(body, PrivateMessage) or body.content_type != APPLICATION:
            raise Malformed("not an encrypted application message")
        return self._decrypt(body)

    def _decrypt(self, body: PrivateMessage) -> Decrypted:
        if body.group_id != self.group_id:
            # MLS-06.3-03: an encrypted message is for our group.
            raise WrongGroup("message for another group")
        keys = next((k for k in self._receiving() if k.epoch == body.epoch), None)
        if keys is None:
            # MLS-06.3-04: it is of this epoch or of one of the last that we still hold keys of.
            raise WrongEpoch(f"no keys for epoch {body.epoch}, we are in {self.epoch}")
        content, taking = unprotect_private(keys, body)
        framed = content.content
        if not isinstance(framed.content, bytes):
            raise Malformed("not application data")
        keys.secrets.consume(taking)
        leaf = framed.sender.index
        return Decrypted(
            framed.content,
            framed.authenticated_data,
            leaf,
            keys.signature_keys[leaf],
            framed.epoch,
            taking.generation,
        )

    def _receiving(self) -> tuple[MessageKeys, ...]:
        if self._member_state is None:
            return self._past
        return (self._member_state.messages, *self._past)

    # Saving

    def snapshot(self) -> bytes:
        """The whole state, secrets included: seal it before it is stored."""
        return seal(
            GROUP,
            b"".join(
                [
                    u64(self._max_lifetime),
                    opaque(self._signing),
                    write_public(self._public),
                    write_member(self._member_state),
                    opaque(b"".join([write_messages(keys) for keys in self._past])),
                    write_pairs((u64(epoch), psk) for epoch, psk in sorted(self._resumption.items())),
                    write_pairs((opaque(key), private) for key, private in self._update_privates.items()),
                ]
            ),
        )

    @staticmethod
    def restore(data: bytes) -> Group:
        """Read what ``snapshot`` saved, or raise SnapshotRefused."""

        def read(reader: Reader) -> Group:
            max_lifetime, signing = reader.u64(), reader.opaque()
            group = Group(read_public(reader), read_member(reader), signing, max_lifetime)
            group._past = reader.vector(read_messages)
            group._resumption = read_pairs(reader, Reader.u64)
            group._update_privates = read_pairs(reader, Reader.opaque)
            return group

        return unseal(GROUP, data, read)
