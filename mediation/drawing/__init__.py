"""A ladder as a picture: `svg` for screens and files, `mermaid` for documents that draw Mermaid themselves,
`outline` for those who cannot see it.

Pure: no font, no clock, no outside program is asked. `words` says each step, `plan` chooses where it is drawn, `layout`
measures, `svg` writes.
"""

from mediation.drawing.chart import Chart
from mediation.drawing.mermaid import mermaid
from mediation.drawing.outline import Outline, outline
from mediation.drawing.position import Position, position_of
from mediation.drawing.svg import svg

__all__ = ["Chart", "Outline", "Position", "mermaid", "outline", "position_of", "svg"]
