"""What can be wrong with a log, a checkpoint, a cosignature or a proof that another party hands over.

Tree::

    TranslogError                 something in the audit trail's evidence does not hold
    ├── ProofRefused              a Merkle proof does not lead to the signed root
    ├── NoteMalformed             bytes that are not a signed note, a checkpoint or a request at all
    │   ├── KeyMalformed          a verifier key that cannot be used
    │   ├── CheckpointMalformed   a note whose text is not a checkpoint
    │   ├── PolicyMalformed       a witness policy that breaks the grammar or contradicts itself
    │   ├── ProofMalformed        a .tlog-proof file that breaks the grammar
    │   ├── RequestMalformed      an add-checkpoint body that breaks the grammar
    │   └── TileMalformed         a tile path or tile content that breaks the grammar
    ├── SignatureRefused          a signature by a known key fails: the whole note is refused
    ├── NoKnownSignature          nobody we know signed
    ├── QuorumNotMet              too few witnesses signed for the policy
    └── TimestampError            a time-stamp over a checkpoint does not hold (RFC 3161)
        ├── TimestampMalformed    bytes that are not an authority's answer
        ├── TimestampNotGranted   the authority refused
        ├── TimestampMismatch     it is over something else, or answers another question
        ├── TimestampRefused      its signature, its certificate or its algorithms do not hold
        └── RootMalformed         a root certificate that cannot be used

Local mistakes (a negative size asked of our own tree, a key of the wrong kind handed to a signer) raise ``ValueError``:
they are ours, not another party's.
"""

from __future__ import annotations

from protocols.errors import RemoteError


class TranslogError(RemoteError):
    """Root: evidence from the audit trail that does not hold. It was refused; our state is unchanged."""

    code = "translog.error"
    _sentence = "The audit trail's evidence does not hold. It was refused; keep a copy and tell the operators."


class ProofRefused(TranslogError):
    """An inclusion or consistency proof does not lead to the root it is for (RFC 9162 sections 2.1.3.2, 2.1.4.2)."""

    code = "translog.proof-refused"
    _sentence = (
        "The proof does not match the signed log. The entry may have been altered or the log rewritten. "
        "Nothing was accepted; keep the proof as evidence."
    )


class NoteMalformed(TranslogError):
    """Bytes that break the grammar of a C2SP signed note, or of something built on one."""

    code = "translog.note-malformed"
    _sentence = "A signed note from the log could not be read. It was refused; ask for it again."


class KeyMalformed(NoteMalformed):
    """A verifier key (C2SP signed-note, "Verifier keys") that is malformed, unknown in kind, or unsafe."""

    code = "translog.key-malformed"
    _sentence = "A log or witness key could not be used. Nothing was enrolled; compare it with the signed accord."


class CheckpointMalformed(NoteMalformed):
    """A note text that is not a C2SP tlog-checkpoint."""

    code = "translog.checkpoint-malformed"
    _sentence = "A checkpoint of the log could not be read. It was refused; ask for it again."


class PolicyMalformed(NoteMalformed):
    """A C2SP tlog-policy text that breaks its grammar."""

    code = "translog.policy-malformed"
    _sentence = "The witness policy could not be read. It is not in force; compare it with the signed accord."


class ProofMalformed(NoteMalformed):
    """A C2SP tlog-proof text that breaks its grammar."""

    code = "translog.proof-malformed"
    _sentence = "The proof file could not be read. It proves nothing as it stands; ask for it again."


class RequestMalformed(NoteMalformed):
    """An add-checkpoint request body (C2SP tlog-witness) that breaks its grammar."""

    code = "translog.request-malformed"
    _sentence = "The hub asked for a cosignature in a form that could not be read. Nothing was signed."


class TileMalformed(NoteMalformed):
    """A tile path or content (C2SP tlog-tiles) that breaks its grammar."""

    code = "translog.tile-malformed"
    _sentence = "An exported piece of the log could not be read. It was refused; export it again."


class SignatureRefused(TranslogError):
    """A signature names a key that we know and does not verify under it."""

    code = "translog.signature-refused"
    _sentence = "A signature in the audit trail is false. The whole note was refused; keep it as evidence."


class NoKnownSignature(TranslogError):
    """No signature in the note is by a key that we know."""

    code = "translog.no-known-signature"
    _sentence = "Nobody known to this station signed that checkpoint. It was refused."


class QuorumNotMet(TranslogError):
    """The verified cosignatures do not reach the policy's quorum."""

    code = "translog.quorum-not-met"
    _sentence = "Too few witnesses have signed that checkpoint. It is not yet evidence; wait for more witnesses."


class TimestampError(TranslogError):
    """A time-stamp (RFC 3161) over a checkpoint that does not hold."""

    code = "translog.timestamp-error"
    _sentence = (
        "A time-stamp over the log does not hold. It counts for nothing; the log's own evidence stands without it."
    )


class TimestampMalformed(TimestampError):
    """Bytes that are not a TimeStampResp in DER (RFC 3161 section 2.4.2), or too many of them."""

    code = "translog.timestamp-malformed"
    _sentence = (
        "What should be a time-stamp over the log could not be read. It counts for nothing; the log's own evidence stands "
        "without it."
    )


class TimestampNotGranted(TimestampError):
    """The authority's status is not ``granted``: there is no token."""

    code = "translog.timestamp-not-granted"
    _sentence = (
        "The time-stamping authority refused to stamp the log. The log's own evidence stands without it; ask the authority "
        "why."
    )


class TimestampMismatch(TimestampError):
    """A token over other bytes than this checkpoint, by another hash than SHA-256, or for another request."""

    code = "translog.timestamp-mismatch"
    _sentence = (
        "A time-stamp is not over this checkpoint of the log. It counts for nothing; ask whoever handed it over for the "
        "right one."
    )


class TimestampRefused(TimestampError):
    """The token's signature, the certificate behind it, or an algorithm used does not hold."""

    code = "translog.timestamp-refused"
    _sentence = (
        "A time-stamp over the log is not signed by an authority that you trust, or was changed. It counts for nothing; "
        "compare your root certificates with those the authority publishes."
    )


class RootMalformed(TimestampError):
    """A root certificate, brought by whoever verifies, that cannot be used."""

    code = "translog.root-malformed"
    _sentence = (
        "A root certificate for time-stamping authorities could not be used. No time-stamp was checked; give the "
        "authority's self-signed root certificate, as PEM or DER."
    )
