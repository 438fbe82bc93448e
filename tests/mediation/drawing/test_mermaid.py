"""The Mermaid text keeps to a small grammar, and names nothing that it has not declared."""

from __future__ import annotations

import re

import msgspec
import pytest

from mediation.drawing import mermaid
from tests.mediation.drawing.test_layout import NAMES, ladder_of, position_in
from tests.mediation.play import LADDER

WORDS = r'"[^"\\<>|&`]*(?:<br/>[^"\\<>|&`]*)*"'
LINES = {
    "head": re.compile(rf"---|title: {WORDS}|flowchart BT"),
    "level": re.compile(rf"    subgraph level\d+\[{WORDS}\]|    end"),
    "node": re.compile(rf"        (r\d+)\[{WORDS}\]"),
    "any": re.compile(rf"    (any)\(\[{WORDS}\]\)"),
    "arrow": re.compile(rf"    (any|r\d+) (?:-->|-\.->)\|{WORDS}\| (r\d+)"),
    "class": re.compile(r"    classDef (?:still|here) [a-z0-9:,\- ]+|    class (r\d+(?:,r\d+)*) (?:still|here)"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("placed", [False, True])
def test_every_line_is_a_flowchart_line_and_every_node_is_declared(name: str, placed: bool) -> None:
    ladder = ladder_of(name)
    text = mermaid(ladder, position_in(ladder) if placed else None)
    declared, used = set(), set()
    for line in text.splitlines():
        kind, found = next((kind, found) for kind, form in LINES.items() if (found := form.fullmatch(line)))
        if kind in ("node", "any"):
            declared.add(found[1])
        elif kind == "arrow":
            used |= {found[1], found[2]}
    assert used <= declared
    assert len(declared - {"any"}) == len(ladder.rungs)
    assert text.count("subgraph") == text.count("    end\n")
    assert ("you are here" in text) is placed


def test_every_step_has_an_arrow_from_each_of_its_rungs() -> None:
    text = mermaid(LADDER)
    for step in LADDER.steps.values():
        arrows = re.findall(rf'\|"{re.escape(step.title)}(?:<br/>|")', text)
        assert len(arrows) == (1 if step.id == "L5-mediation" else len(step.start)), step.id


def test_marks_of_mermaid_in_a_title_become_entities() -> None:
    steps = {
        name: msgspec.structs.replace(step, title='"]|end\n--> x; <b>#`\\&') for name, step in LADDER.steps.items()
    }
    text = mermaid(msgspec.structs.replace(LADDER, steps=steps))
    assert all(any(form.fullmatch(line) for form in LINES.values()) for line in text.splitlines())
