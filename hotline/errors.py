"""The root of every refusal of the running parts.

Tree::

    HotlineError
    ├── LocalFault      this machine, its disk, its settings, its operator
    └── RemoteFault     the other side of a connection

As in `protocols.errors`: ``code`` is stable and travels, ``sentence`` is for a duty officer or operator.
"""

from __future__ import annotations

from typing import ClassVar


class HotlineError(Exception):
    """Root of all errors of ``hotline``."""

    code: ClassVar[str] = "hotline.error"
    _sentence: ClassVar[str] = "Something failed on this machine. Nothing that was acknowledged is lost."
    exit_status: ClassVar[int] = 1
    """Of a command that ends by it; 3 where starting it again would not help and must not be tried."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def sentence(self) -> str:
        """What the person in front of the screen is told."""
        return self._sentence

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


class LocalFault(HotlineError):
    """A fault of this machine or of how it was set up."""

    code = "hotline.local"


class RemoteFault(HotlineError):
    """A fault of the other side."""

    code = "hotline.remote"
    _sentence = "The other side of the line did not keep to the protocol. The connection was closed; nothing is lost."
