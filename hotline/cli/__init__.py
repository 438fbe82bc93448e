"""The command line: the one place that composes hub, station and web."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class Lazy(click.Group):
    """Imports a part's module only when it is called, so that ``audit verify`` needs no server libraries.

    ``parts``: the name of each to ``module:attribute``.
    """

    def __init__(self, *arguments: Any, parts: Mapping[str, str], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._parts = parts

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self._parts, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = self._parts.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


_GROUPS = ("accord", "audit", "demo", "hub", "ladder", "office", "station", "witness")


@click.group(cls=Lazy, parts={name: f"hotline.cli.{name}:command" for name in _GROUPS})
@click.version_option(package_name="hotline")
def main() -> None:
    """A crisis line between states: channels, ladders, mediators, a provable trail."""
