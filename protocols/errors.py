"""The root of every refusal in this package.

Tree::

    ProtocolError            something the protocol does not allow
    ├── LocalError           our own side called wrongly; nothing was sent or stored
    └── RemoteError          what another party sent is wrong; it was refused, our state is unchanged

Every class carries ``code``, a stable string that travels on the wire and appears in the trail, and ``sentence``,
what a duty officer reads: what happened, what is safe, what to do. The exception's own text is for engineers and never
holds a secret.
"""

from __future__ import annotations

from typing import ClassVar


class ProtocolError(Exception):
    """Root of all errors of ``protocols``.

    ``code`` is stable; ``sentence`` is for people. Subclasses set both; ``str(error)`` adds the engineer's detail.
    """

    code: ClassVar[str] = "protocol.error"
    _sentence: ClassVar[str] = "The message does not follow the agreed protocol. Nothing was changed."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def sentence(self) -> str:
        """What a duty officer is told."""
        return self._sentence

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


class LocalError(ProtocolError):
    """Our own side used the protocol wrongly. Nothing was sent."""

    code = "protocol.local"
    _sentence = "This station could not build the message. Nothing was sent; report it to your engineers."


class RemoteError(ProtocolError):
    """Another party sent something the protocol does not allow. It was refused and our state is unchanged."""

    code = "protocol.remote"
    _sentence = "What arrived does not follow the agreed protocol. It was refused; nothing was changed."
