"""A ladder's picture for a page: SVG that the templates take as it is, because every word in it was escaped there."""

from __future__ import annotations

from markupsafe import Markup

from mediation.drawing import Chart, Outline


def drawn(chart: Chart | None) -> tuple[Markup, Outline] | None:
    """The picture and the same as a list; None where there is no ladder to draw."""
    if chart is None:
        return None
    svg, outline = chart.drawn()
    # Escaped word by word in `mediation.drawing.svg`, where hostile titles are a test.
    return Markup(svg), outline  # noqa: S704
