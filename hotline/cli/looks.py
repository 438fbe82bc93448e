"""``hotline audit looks``: what operators looked at, out of a hub's folder."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from hotline.cli.saying import printable, says_refusals
from hotline.cli.trail import FOLDER, NoHub, accord_of, store_of
from protocols.encoding import rfc3339

STATES = {
    "proven": "proven under the newest published head",
    "logged": "in the log, under no published head yet",
    "stored": "from before looks were leaves of the log; only this hub's store says it",
    "damaged": "DAMAGED: what is stored does not open the leaf, or the leaf does not hold",
}


@click.command()
@click.option("--hub", "folder", type=FOLDER, required=True, help="The hub's folder.")
@click.option(
    "--most", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="How many, newest first."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_context
@says_refusals
def looks(ctx: click.Context, folder: Path, most: int, as_json: bool) -> None:
    """List what operators looked at in the hub's console, newest first. Exit status 1 if one of them is damaged.

    Every look is a leaf of the log. Its leaf shows only that somebody looked, and when; the hub keeps what opens it. It only
    reads, needs no key, and may run beside the running hub.
    """
    from hotline.hub.looks import looks_from_folder

    accord = accord_of(folder)
    store_of(folder)
    try:
        found = asyncio.run(looks_from_folder(folder, accord, most))
    except SQLAlchemyError as error:
        raise NoHub(f"hub.db: {type(error).__name__}") from error
    for look in found:
        if as_json:
            click.echo(json.dumps(asdict(look), ensure_ascii=True))
            continue
        place = "-" if look.index is None else str(look.index)
        click.echo(printable(f"{place:>10}  {rfc3339(look.at)}  {look.operator or '?':<12} {look.what or '?'}"))
        if look.state != "proven":
            click.echo(f"{'':>12}{STATES[look.state]}")
    damaged = sum(look.state == "damaged" for look in found)
    if not as_json:
        proven = sum(look.state == "proven" for look in found)
        click.echo(f"{len(found)} looks, {proven} {STATES['proven']}, {damaged} damaged.")
    ctx.exit(1 if damaged else 0)
