"""A line that is open and carries nothing: the desk says so long before the line is given up.

A hub that stands still, or a router that swallows everything, leaves a connection behind that looks whole. The hub is asked for
a sign of life every ``line.ping``; when nothing has come for two of these, the line is no longer shown as live.
"""

from __future__ import annotations

import asyncio

from hotline.station.core import Core

PINGS = 2
"""Periods of ``line.ping`` in which nothing is heard, after which a line is quiet."""


def is_quiet(core: Core) -> bool:
    """Whether the line counts as open and the hub was not heard for longer than `PINGS` pings."""
    line = core.line
    patience = PINGS * core.identity.settings.line.ping * 1000
    return line.state == "live" and core.clock.now() - line.heard > patience


async def watch(core: Core) -> None:
    """Tell the desk when the line falls quiet and when the hub is heard again."""
    shown = False
    while True:
        await asyncio.sleep(core.identity.settings.line.ping / 4)
        quiet = is_quiet(core)
        if quiet != shown:
            shown = quiet
            core.tell(None, "connection")
