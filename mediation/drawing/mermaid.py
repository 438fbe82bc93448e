"""A ladder as a Mermaid flowchart, for documents that draw Mermaid themselves.

Rungs are nodes with their level, steps are arrows with title, condition and clocks; ways down and calming steps are
dashed. The text is plain ASCII syntax around quoted words, in which Mermaid's own marks are written as entities.
Source: Mermaid's flowchart syntax, https://mermaid.js.org/syntax/flowchart.html.
"""

from __future__ import annotations

from collections.abc import Iterator

from mediation.drawing.position import Position
from mediation.drawing.words import Card, cards
from mediation.ladder import Ladder
from mediation.rules import StepRule

_ARROWS = {"up": "-->", "deescalate": "-.->", "down": "-.->", "across": "-->"}
_MARKS = {'"': "#quot;", "#": "#35;", "&": "#amp;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\\": "#92;", "|": "#124;"}


def mermaid(ladder: Ladder, position: Position | None = None) -> str:
    """The whole text of the flowchart, ending in a line break. With ``position`` the current rung says *you are here*."""
    rung = position.rung if position is not None else None
    return "\n".join((*_head(ladder), *_nodes(ladder, rung), *_arrows(ladder), *_classes(ladder, rung))) + "\n"


def _head(ladder: Ladder) -> Iterator[str]:
    yield "---"
    yield f'title: "{_quoted(ladder.title)}"'
    yield "---"
    yield "flowchart BT"


def _nodes(ladder: Ladder, current: str | None) -> Iterator[str]:
    for level in sorted({rung.level for rung in ladder.rungs.values()}):
        yield f'    subgraph level{level}["Level {level}"]'
        for place, rung in enumerate(ladder.rungs.values()):
            if rung.level == level:
                here = "<br/>you are here" if rung.id == current else ""
                yield f'        r{place}["{_quoted(rung.title)}{here}"]'
        yield "    end"


def _arrows(ladder: Ladder) -> Iterator[str]:
    places = {name: f"r{place}" for place, name in enumerate(ladder.rungs)}
    everywhere = {name for name in ladder.rungs if name != ladder.closed}
    if any(_anywhere(step, everywhere) for step in ladder.steps.values()):
        yield '    any(["from any open level"])'
    told = cards(ladder)
    for step in ladder.steps.values():
        label = _label(told[step.id])
        arrow = _ARROWS[step.direction]
        starts = ["any"] if _anywhere(step, everywhere) else [places[name] for name in step.start]
        for number, start in enumerate(starts):
            # The words stand once; further arrows of the same step carry its title.
            words = label if number == 0 else _quoted(step.title)
            yield f'    {start} {arrow}|"{words}"| {places[step.to] if step.to else start}'


def _anywhere(step: StepRule, everywhere: set[str]) -> bool:
    """Whether the step can be taken from every open rung: then it has one arrow from a node of its own."""
    return bool(step.to) and len(everywhere) > 2 and set(step.start) | {step.to} >= everywhere


def _label(card: Card) -> str:
    lines = [card.title]
    for line in card.lines:
        mark = f" [{line.mark}]" if line.mark else ""
        lines.append(f"{line.words}{mark}")
    return "<br/>".join(_quoted(line) for line in lines)


def _classes(ladder: Ladder, current: str | None) -> Iterator[str]:
    still = {step.to for step in ladder.steps.values() if step.standstill is not None and step.to}
    places = {name: f"r{place}" for place, name in enumerate(ladder.rungs)}
    if still:
        yield "    classDef still stroke-dasharray:6 3,stroke-width:2px"
        yield f"    class {','.join(places[name] for name in ladder.rungs if name in still)} still"
    if current in places:
        yield "    classDef here stroke-width:5px"
        yield f"    class {places[current]} here"


def _quoted(words: str) -> str:
    return "".join(_MARKS.get(mark, mark) for mark in " ".join(words.split()))
