"""The command line: the one place that composes hub, station and web."""

from __future__ import annotations

import importlib

import click

_COMMANDS = {
    "accord": "hotline.cli.accord",
    "audit": "hotline.cli.audit",
    "demo": "hotline.cli.demo",
    "hub": "hotline.cli.hub",
    "ladder": "hotline.cli.ladder",
    "office": "hotline.cli.office",
    "station": "hotline.cli.station",
    "witness": "hotline.cli.witness",
}


class _Lazy(click.Group):
    """Imports a command's module only when it is called, so that ``audit verify`` needs no server libraries."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(module).command
        return command


@click.group(cls=_Lazy)
@click.version_option(package_name="hotline")
def main() -> None:
    """A crisis line between states: channels, ladders, mediators, a provable trail."""
