"""What becomes of a message that was taken."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decrypted:
    """An application message whose sender was verified.

    Name the sender by ``signature_key``: in an older epoch the same leaf may have been another station's.
    """

    data: bytes
    aad: bytes
    sender_leaf: int
    signature_key: bytes
    epoch: int
    generation: int

    def __repr__(self) -> str:
        """Name the message without its content, so that no log ever holds it."""
        return f"Decrypted(leaf={self.sender_leaf}, epoch={self.epoch}, generation={self.generation})"


@dataclass(frozen=True)
class Proposed:
    """A proposal that now waits for somebody to commit it."""

    ref: bytes
    proposal_type: int
    sender_leaf: int | None
    """The proposer's leaf, or None for one outside the group."""
