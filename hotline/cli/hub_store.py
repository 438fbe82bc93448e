"""``hotline hub migrate`` and ``move-store``: the form of a hub's store, and its place."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from hotline.cli.saying import says_refusals
from hotline.hub.folder import HubFolder, only_one, open_folder
from hotline.hub.relocate import relocate
from hotline.store import migrate as forms
from hotline.store.dump import dump
from hotline.store.forms import Step
from hotline.store.place import Server, words_of

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
NEW = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "--before", "when", flag_value="before", help="Take the steps that come before hubs of this version start."
)
@click.option("--after", "when", flag_value="after", help="Take those that come after the last older hub has ended.")
@click.option("--backup", type=NEW, help="Copy the database there before, with pg_dump. A file is always copied.")
@click.option("--backed-up", is_flag=True, help="Say that you have made a copy of the database just now.")
@says_refusals
def migrate(folder: Path, when: Literal["before", "after"] | None, backup: Path | None, backed_up: bool) -> None:
    """Bring the store of the hub in FOLDER to this version's form; without --before or --after, say what waits.

    A hub on a file does it by itself when it starts. On PostgreSQL nothing is changed by a start: --before while hubs of the
    older version go on, then one hub after the other is upgraded, then --after. A step that somebody on the store could not
    go on after is refused, and each is taken whole or not at all.
    """
    made = open_folder(folder)
    standing = forms.look(made.place)
    if when is None:
        _tell(standing)
        return
    steps = standing.before if when == "before" else (*standing.before, *standing.after)
    if not steps and standing.stand.revision is not None:
        click.echo("Nothing waits. Nothing was changed.")
        return
    if isinstance(made.place, Server):
        copied = backed_up or _copy(made, backup)
        done = forms.take(made.place, after=when == "after", copied=copied)
    else:
        with only_one(folder):
            done = forms.take(made.place, after=when == "after", copied=False)
    for step in done.steps:
        click.echo(f"Taken: {_words(step)}")
    if done.copy is not None:
        click.echo(f"Before it the store was copied to {done.copy.name}.")


def _copy(made: HubFolder, out: Path | None) -> bool:
    if out is None or not isinstance(made.place, Server):
        return False
    size = dump(made.place, out)
    click.echo(f"{out}: {size} bytes, a copy of the database as it was.")
    return True


def _tell(standing: forms.Standing) -> None:
    click.echo(f"The store has the form {standing.stand.revision or 'of nothing yet'}.")
    for when, steps in (("--before", standing.before), ("--after", standing.after)):
        for step in steps:
            click.echo(f"Waits for {when}: {_words(step)}")
    if not standing.before and not standing.after:
        click.echo("It is this program's. Nothing waits.")
    if standing.older:
        click.echo(f"{len(standing.older)} hubs of an older version are on it.")


def _words(step: Step) -> str:
    return f"{step.revision} ({step.words})" if step.words else step.revision


@click.command("move-store")
@click.argument("folder", type=FOLDER)
@click.option("--to", "url", help="The empty database, as [store] url in hub.toml names it. No password in it.")
@click.option("--to-file", is_flag=True, help="Back to the file hub.db in FOLDER, which must not be there.")
@says_refusals
def move_store(folder: Path, url: str | None, to_file: bool) -> None:
    """Move what the hub in FOLDER holds from hub.db to a PostgreSQL database, or back. Every hub of it must be stopped.

    All rows are copied in one transaction, read anew on both sides and compared, and the log's tree is computed anew. Then the
    old store is marked, so that no hub serves it any more, and hub.toml names the new one. If it is interrupted, run it again.
    """
    if bool(url) == to_file:
        raise click.UsageError("Give either --to or --to-file.")
    made = open_folder(folder)
    with only_one(folder):
        found = relocate(made, url or "", lambda table, rows: click.echo(f"{table}: {rows} rows"))
    if found.moved.resumed:
        click.echo("The new store held all of it already, row by row the same.")
    click.echo(f"{sum(found.moved.rows.values())} rows moved and compared: {found.size} leaves, root {found.root}.")
    click.echo(f"hub.toml names the new store. {words_of(made.place)} stays as it is, marked, and is served no more.")


__all__ = ["migrate", "move_store"]
