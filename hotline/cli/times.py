"""Dates as people type them on the command line."""

from __future__ import annotations

import re

import click

from protocols.encoding import Malformed, from_rfc3339


class Moment(click.ParamType[int]):
    """``2031-03-12`` (its first moment, UTC) or ``2031-03-12T03:12:00Z``; gives milliseconds UTC."""

    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value)
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            text += "T00:00:00Z"
        try:
            return from_rfc3339(text)
        except Malformed:
            self.fail(f"{value!r} is no date such as 2031-03-12 or 2031-03-12T03:12:00Z (UTC)", param, ctx)


MOMENT = Moment()
