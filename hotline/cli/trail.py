"""``hotline audit fsck``, ``tiles`` and ``check-tiles``: the log as a whole, out of a hub's folder."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path

import click

from hotline.cli.saying import printable, says_refusals
from hotline.errors import LocalFault
from hotline.store.place import Place
from protocols.accord import MAX_ACCORD_BYTES, SignedAccord, open_accord
from protocols.errors import ProtocolError
from protocols.translog.policy import MAX_POLICY_BYTES, parse_policy

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


class NoHub(LocalFault):
    """The folder holds no hub whose log could be looked at. ``detail`` says what is missing."""

    code = "audit.no-hub"
    _sentence = "There is no hub's log in this folder that could be read. Nothing was changed."


@click.command()
@click.argument("folder", metavar="HUB", type=FOLDER)
@click.option("--quick", is_flag=True, help="The tree, the heads and the newest note only, no other signatures.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
@says_refusals
def fsck(ctx: click.Context, folder: Path, quick: bool, as_json: bool) -> None:
    """Compute a hub's whole store again from its leaves. Exit status 0 only if all of it holds.

    Leaves, tree, every signed head, every cosignature, every entry's signatures, chain and parts. It only reads, needs no
    key, and may run beside the running hub.
    """
    from hotline.hub.fsck import fsck as check

    accord = accord_of(folder)
    try:
        result = check(store_of(folder), accord, quick=quick)
    except sqlite3.Error as error:
        raise NoHub(f"hub.db: {error}") from error
    if as_json:
        click.echo(json.dumps({"holds": result.holds, **asdict(result)}, ensure_ascii=True))
    else:
        seconds = max(result.seconds, 0.001)
        click.echo(f"Log {accord.log_origin} of {result.leaves} leaves, root {result.root or 'not established'}")
        click.echo(f"{result.nodes} nodes, {result.heads} signed heads, {result.published} published")
        if not quick:
            click.echo(
                f"{result.cosignatures} cosignatures, {result.threads} threads, {result.own_leaves} leaves of its own"
            )
        for found in result.findings:
            click.echo(printable(f"  PROBLEM: {found.sentence} ({found.code} {found.where})"))
        if result.more:
            click.echo(f"  and {result.more} more")
        checked = "the tree and its heads" if quick else "everything"
        if result.holds:
            click.echo(f"HOLDS: {checked}, in {seconds:.1f} s.")
        else:
            click.echo(
                f"DOES NOT HOLD: {len(result.findings) + result.more} problem(s). Stop the hub, copy its folder before "
                "anything else, and compare with what the stations hold."
            )
    ctx.exit(0 if result.holds else 1)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--hub", type=FOLDER, required=True, help="The hub's folder.")
@says_refusals
def tiles(folder: Path, hub: Path) -> None:
    """Write the log into FOLDER as C2SP tlog-tiles, up to the newest published head, and read it back.

    Run again, it adds what is new. The entries are in the files as they are in the log: words sealed, but sender, time
    and kind readable.
    """
    from hotline.hub.tiles import check_tiles, export_tiles

    accord = accord_of(hub)
    try:
        done = export_tiles(store_of(hub), accord, folder)
    except sqlite3.Error as error:
        raise NoHub(f"hub.db: {error}") from error
    check_tiles(folder, parse_policy(accord.accord.policy))
    click.echo(f"{folder}: {done.size} leaves, {done.written} file(s) written, {done.kept} kept. Read back: holds.")


@click.command("check-tiles")
@click.argument("folder", type=FOLDER)
@click.option("--policy", "policy_file", type=FILE, required=True, help="Your witness policy (C2SP tlog-policy).")
@says_refusals
def check_tiles_(folder: Path, policy_file: Path) -> None:
    """Rebuild a log from the tiles in FOLDER and compare it with its head, by your own policy."""
    from hotline.hub.tiles import check_tiles

    with policy_file.open("rb") as file:
        policy = parse_policy(file.read(MAX_POLICY_BYTES + 1))
    head = check_tiles(folder, policy)
    names = ", ".join(sorted(policy.cosigners(head.cosignatures)))
    click.echo(printable(f"HOLDS: {head.checkpoint.origin}, {head.checkpoint.size} leaves, cosigned by {names}."))


def accord_of(folder: Path) -> SignedAccord:
    """The accord that a hub's folder is pinned to. Raises `NoHub`."""
    try:
        pinned = (folder / "accord.id").read_text("ascii").strip()
        with (folder / "accord.jws").open("rb") as file:
            return open_accord(file.read(MAX_ACCORD_BYTES + 1), pinned=pinned)
    except (OSError, UnicodeError, ProtocolError) as error:
        raise NoHub(f"{folder}: {error}") from error


def store_of(folder: Path) -> Place:
    """The store of a hub's folder. Raises `NoHub`, and what `place_of` raises."""
    from hotline.hub.settings import place_of

    place = place_of(folder)
    if isinstance(place, Path) and not place.is_file():
        raise NoHub(f"{folder} has no hub.db")
    return place
