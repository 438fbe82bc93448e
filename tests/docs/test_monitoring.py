"""The dashboard and the alert rules that are shipped ask for what a hub says, by its names; every alarm is explained."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from hotline.hub.metrics import Metrics
from tests.docs.generate import ROOT

DASHBOARD = ROOT / "docs" / "examples" / "grafana-hotline.json"
RULES = ROOT / "docs" / "examples" / "prometheus-hotline.rules.yml"
OPERATE = ROOT / "docs" / "how-to" / "operate-a-hub.md"
OF_PROMETHEUS = {"instance", "job", "le"}
_NAME = re.compile(r"\bhotline_[a-z_]+")
_LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)\s*\\?\"")
_BY = re.compile(r"\bby \(([^)]*)\)")


def series() -> dict[str, set[str]]:
    """Every series that a hub has, and its labels."""
    metrics = Metrics()
    found: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        labels = set(getattr(metrics.registry._names_to_collectors[family.name], "_labelnames", ()))
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}[family.type]
        for end in ends:
            found[family.name + end] = labels
    return found


def expressions() -> list[str]:
    board = json.loads(DASHBOARD.read_text("utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    return asked + [line.strip().removeprefix("expr: ") for line in RULES.read_text().splitlines() if "expr:" in line]


@pytest.mark.parametrize("expression", expressions())
def test_whatever_is_asked_for_is_what_a_hub_says(expression: str) -> None:
    known = series()
    names = set(_NAME.findall(expression))
    assert names or expression.startswith("up{")
    assert names <= set(known), f"no such series: {names - set(known)}"
    labels = {label for name in names for label in known[name]} | OF_PROMETHEUS
    used = set(_LABEL.findall(expression)) | {
        label.strip() for group in _BY.findall(expression) for label in group.split(",")
    }
    assert used <= labels, f"no such label: {used - labels}"


def test_whatever_a_hub_says_is_on_the_dashboard() -> None:
    text = " ".join(expressions())
    families = [family.name for family in Metrics().registry.collect()]
    assert not [name for name in families if name not in text]


def test_the_panels_have_places_of_their_own_and_say_what_they_show() -> None:
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] == "row" or panel["description"]


def test_every_alarm_has_words_and_a_heading_that_says_what_to_do() -> None:
    text = RULES.read_text("utf-8")
    alerts = re.findall(r"- alert: (\w+)", text)
    assert len(alerts) == len(set(alerts)) == text.count("summary: ") == text.count("description: ") > 10
    assert set(re.findall(r"severity: (\w+)", text)) == {"page", "ticket"}
    headings = set(re.findall(r"^### (\w+)$", OPERATE.read_text("utf-8"), re.MULTILINE))
    assert headings == set(alerts)
