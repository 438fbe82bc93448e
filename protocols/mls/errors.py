"""Every refusal of the MLS package.

Tree::

    MlsError
    ├── LocalMlsError            our own side called wrongly; nothing was sent, nothing changed
    │   ├── Misuse                   wrong argument, or a call in the wrong state
    │   ├── StaleStage               a staged commit is merged into another epoch than it was made for
    │   ├── NotAMember               this station was removed from the group
    │   └── SnapshotRefused          a saved state is damaged or of another version
    └── RemoteMlsError           what arrived is wrong; it was refused, our state is unchanged
        ├── Malformed                bytes that are not the canonical encoding of an MLS structure
        ├── Unsupported              version, suite, credential or proposal type that we do not speak
        ├── WrongGroup, WrongEpoch   for another group, or another epoch of this one
        ├── UnknownSender            the sender holds no leaf, or may not send this
        ├── OwnMessage               our own message came back
        ├── BadSignature, BadTag     the signature, or the membership or confirmation tag, does not verify
        ├── DecryptionFailed         no key of ours opens this ciphertext
        ├── Replayed                 the key of this generation was used and destroyed
        ├── GenerationTooFar         the generation jumps further than we follow
        ├── InvalidLeaf              a leaf node breaks RFC 9420 section 7.3
        ├── InvalidKeyPackage        a key package breaks section 10.1
        │   └── KeyPackageExpired        ... by its lifetime
        ├── InvalidTree              a ratchet tree breaks sections 7.9 or 12.4.3.1
        ├── InvalidPath              an update path does not match the tree or its own keys
        ├── InvalidProposal          a proposal, or a list of them, breaks sections 12.1 or 12.2
        │   ├── UnknownProposal          a reference to a proposal that nobody has
        │   └── UnknownPsk               a pre-shared key that we do not hold
        ├── InvalidCommit            a commit breaks section 12.4
        └── InvalidWelcome           a Welcome breaks section 12.4.3.1
            └── NotForUs                 ... because it was meant for another key package

The class of an error may be shown to the other side; its text never holds a secret.
"""

from __future__ import annotations

from protocols.errors import LocalError, ProtocolError, RemoteError


class MlsError(ProtocolError):
    """Root of the package."""

    code = "mls.error"
    _sentence = "The group encryption refused this. Nothing was changed."


class LocalMlsError(MlsError, LocalError):
    """Our own side used the engine wrongly."""

    code = "mls.local"
    _sentence = "This station could not prepare the encrypted message. Nothing was sent; tell your engineers."


class RemoteMlsError(MlsError, RemoteError):
    """What another party sent breaks the protocol; our state is unchanged."""

    code = "mls.remote"
    _sentence = "An encrypted message that arrived breaks the agreed protocol. It was refused; nothing was changed."


class Misuse(LocalMlsError):
    """A wrong argument, or a call that this state does not allow."""

    code = "mls.misuse"


class StaleStage(LocalMlsError):
    """The group moved on since this commit was staged."""

    code = "mls.stale-stage"
    _sentence = "The group's keys changed before this change was confirmed. Nothing was changed; it is tried again."


class NotAMember(LocalMlsError):
    """This station was removed: it holds no key of the current epoch."""

    code = "mls.not-a-member"
    _sentence = "This station is no longer a member of this thread and can neither read nor write in it."


class SnapshotRefused(LocalMlsError):
    """A saved state that does not decode."""

    code = "mls.snapshot"
    _sentence = "This station's saved keys are damaged. Stop, keep the file, and tell your engineers."


class Malformed(RemoteMlsError):
    """Not the canonical encoding of the structure expected (RFC 9420 section 2.1)."""

    code = "mls.malformed"


class Unsupported(RemoteMlsError):
    """A version, suite, credential, extension or proposal type that we do not speak."""

    code = "mls.unsupported"


class WrongGroup(RemoteMlsError):
    """Addressed to another group."""

    code = "mls.wrong-group"


class WrongEpoch(RemoteMlsError):
    """Made for an epoch that is over, or that we have not reached."""

    code = "mls.wrong-epoch"
    _sentence = "A message was made under keys that are not in force here. It was refused; nothing was changed."


class UnknownSender(RemoteMlsError):
    """The sender holds no leaf in this epoch, or is of a kind that may not send this."""

    code = "mls.unknown-sender"


class OwnMessage(RemoteMlsError):
    """Our own message came back to us; its key is already destroyed."""

    code = "mls.own-message"


class BadSignature(RemoteMlsError):
    """The signature is missing, of a wrong length, or not made by the claimed key."""

    code = "mls.bad-signature"
    _sentence = "A message is not signed by the station that it names. It was refused: treat it as forged."


class BadTag(RemoteMlsError):
    """The membership or confirmation tag is missing, of a wrong length, or wrong."""

    code = "mls.bad-tag"
    _sentence = "A message was not made with this group's keys. It was refused: treat it as forged."


class DecryptionFailed(RemoteMlsError):
    """No key of ours opens this ciphertext."""

    code = "mls.decryption-failed"
    _sentence = "A message cannot be opened with the keys held here. It was refused; ask its sender to repeat it."


class Replayed(RemoteMlsError):
    """The key of this generation was used once and destroyed."""

    code = "mls.replayed"
    _sentence = "A message arrived a second time. The copy was refused."


class GenerationTooFar(RemoteMlsError):
    """The generation jumps further ahead than we follow."""

    code = "mls.generation-too-far"


class InvalidLeaf(RemoteMlsError):
    """A leaf node breaks RFC 9420 section 7.3."""

    code = "mls.invalid-leaf"


class InvalidKeyPackage(RemoteMlsError):
    """A key package breaks RFC 9420 section 10.1."""

    code = "mls.invalid-key-package"


class KeyPackageExpired(InvalidKeyPackage):
    """The lifetime is over, has not begun, or is longer than we allow."""

    code = "mls.key-package-expired"
    _sentence = "The invitation key of a station is not valid at this time. Ask that station to publish a new one."


class InvalidTree(RemoteMlsError):
    """A ratchet tree breaks RFC 9420 sections 7.9 or 12.4.3.1."""

    code = "mls.invalid-tree"


class InvalidPath(RemoteMlsError):
    """An update path does not match the tree, or its secrets do not match its public keys."""

    code = "mls.invalid-path"


class InvalidProposal(RemoteMlsError):
    """A proposal, or a list of proposals, breaks RFC 9420 sections 12.1 or 12.2."""

    code = "mls.invalid-proposal"


class UnknownProposal(InvalidProposal):
    """A commit refers to a proposal that we do not hold."""

    code = "mls.unknown-proposal"


class UnknownPsk(InvalidProposal):
    """A pre-shared key that we do not hold."""

    code = "mls.unknown-psk"


class InvalidCommit(RemoteMlsError):
    """A commit breaks RFC 9420 section 12.4."""

    code = "mls.invalid-commit"


class InvalidWelcome(RemoteMlsError):
    """A Welcome breaks RFC 9420 section 12.4.3.1."""

    code = "mls.invalid-welcome"


class NotForUs(InvalidWelcome):
    """The Welcome was meant for another key package."""

    code = "mls.not-for-us"
