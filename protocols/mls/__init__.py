"""Messaging Layer Security, RFC 9420: group keys with authenticated membership, without I/O.

A minimal use, with ``rng`` giving random octets and ``now`` in POSIX seconds::

    alice = Group.create(HYBRID, group_id, b"alice", alice_seed, now=now, rng=rng)
    bundle = make_key_package(HYBRID, b"bob", bob_seed, not_before=now, not_after=now + 86400, rng=rng)
    staged = alice.commit(add=[bundle.key_package], now=now, rng=rng)
    ...                                     # save staged.snapshot(); the hub admits staged.commit
    alice.merge(staged)
    bob = Group.join(staged.welcome, bundle, bob_seed, now=now)
    sealed = bob.encrypt(b"hello", rng=rng)
    ...                                     # save bob.snapshot(), then send
    assert alice.decrypt(sealed).data == b"hello"

What the caller must do: compare ``members()`` with the roster that was agreed, after every join and before every merge;
order commits, one per epoch; save before sending; destroy a key package's private part after its use; pass the admission
time as ``now``. Snapshots hold secrets and are not encrypted.

Only these names are the package's interface (``engine.py``). The implementation has had no independent audit.
"""

from .engine import (
    DEFAULT_PADDING,
    ENGINE,
    HYBRID,
    MAX_LIFETIME,
    PAST_EPOCHS,
    X25519_AES128,
    X25519_CHACHA20,
    BadSignature,
    BadTag,
    Decrypted,
    DecryptionFailed,
    Engine,
    GenerationTooFar,
    Group,
    InvalidCommit,
    InvalidKeyPackage,
    InvalidLeaf,
    InvalidPath,
    InvalidProposal,
    InvalidTree,
    InvalidWelcome,
    KeyPackageBundle,
    KeyPackageExpired,
    KeyPackageInfo,
    LocalMlsError,
    Malformed,
    Member,
    MemberGroup,
    Misuse,
    MlsError,
    NotAMember,
    NotForUs,
    OwnMessage,
    Proposed,
    PublicGroup,
    RemoteMlsError,
    Replayed,
    Rfc9420Engine,
    Rng,
    SnapshotRefused,
    StagedCommit,
    StagedPeerCommit,
    StagedPublicCommit,
    StaleStage,
    UnknownProposal,
    UnknownPsk,
    UnknownSender,
    Unsupported,
    WrongEpoch,
    WrongGroup,
    hpke_open,
    hpke_seal,
    inspect_key_package,
    make_key_package,
)

__all__ = [
    "DEFAULT_PADDING",
    "ENGINE",
    "HYBRID",
    "MAX_LIFETIME",
    "PAST_EPOCHS",
    "X25519_AES128",
    "X25519_CHACHA20",
    "BadSignature",
    "BadTag",
    "Decrypted",
    "DecryptionFailed",
    "Engine",
    "GenerationTooFar",
    "Group",
    "InvalidCommit",
    "InvalidKeyPackage",
    "InvalidLeaf",
    "InvalidPath",
    "InvalidProposal",
    "InvalidTree",
    "InvalidWelcome",
    "KeyPackageBundle",
    "KeyPackageExpired",
    "KeyPackageInfo",
    "LocalMlsError",
    "Malformed",
    "Member",
    "MemberGroup",
    "Misuse",
    "MlsError",
    "NotAMember",
    "NotForUs",
    "OwnMessage",
    "Proposed",
    "PublicGroup",
    "RemoteMlsError",
    "Replayed",
    "Rfc9420Engine",
    "Rng",
    "SnapshotRefused",
    "StagedCommit",
    "StagedPeerCommit",
    "StagedPublicCommit",
    "StaleStage",
    "UnknownProposal",
    "UnknownPsk",
    "UnknownSender",
    "Unsupported",
    "WrongEpoch",
    "WrongGroup",
    "hpke_open",
    "hpke_seal",
    "inspect_key_package",
    "make_key_package",
]
