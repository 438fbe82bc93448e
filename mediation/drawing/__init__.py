"""A ladder as a picture: `mermaid` for documents that draw Mermaid; `position_of` for where a thread stands on it."""

from mediation.drawing.mermaid import mermaid
from mediation.drawing.position import Position, position_of

__all__ = ["Position", "mermaid", "position_of"]
