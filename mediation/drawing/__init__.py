"""A ladder as a picture: `svg` for screens and files, `mermaid` for documents that draw Mermaid themselves.

Pure: no font, no clock, no outside program is asked. `words` says each step, `plan` chooses where it is drawn, `layout`
measures, `svg` writes.
"""

from mediation.drawing.mermaid import mermaid
from mediation.drawing.position import Position, position_of
from mediation.drawing.svg import svg

__all__ = ["Position", "mermaid", "position_of", "svg"]
