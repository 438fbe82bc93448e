"""What the other side sends may be anything: it is shown, or not, and never keeps the page from opening."""

from __future__ import annotations

from typing import Any, cast

import pytest

from hotline.station.model import Held
from hotline.station.screens.entries import shown_fields


class _Body:
    class payload:  # noqa: N801 - stands for an attribute
        kind = "handover"

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields


@pytest.mark.parametrize("history", [5, None, "abc", [1, 2], True, {"x": ["y"]}])
def test_a_handover_of_any_form_can_be_shown(history: Any) -> None:
    shown = shown_fields(cast(Held, _Body({"history": history})), lambda entry: f"entry {entry}")
    assert shown == {"history": ["entry x"] if isinstance(history, dict) else []}
