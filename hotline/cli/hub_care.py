"""``hotline hub backup``, ``restore``, ``refill``, ``check`` and ``adopt-files``: what keeps a hub, and brings it back."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

from hotline import passphrase
from hotline.cli.saying import printable, says_refusals
from hotline.hub import asking, blob_keep, checkup
from hotline.hub.admission import Rules
from hotline.hub.backup import back_up
from hotline.hub.blob_keep import names
from hotline.hub.blob_mark import adopt
from hotline.hub.blob_refill import FilesBack, take_files
from hotline.hub.folder import HubFolder, only_one, open_folder
from hotline.hub.fsck import fsck
from hotline.hub.given_back import Given
from hotline.hub.hub import HubKeys, parse_ladders
from hotline.hub.refill import Refilled, Unsound, log_size
from hotline.hub.refill import refill as take_back
from hotline.hub.restore import refuse_fork, standings
from hotline.hub.restore import restore as put_back
from hotline.hub.safekeeping import Safe
from hotline.passphrase import PassphraseSource
from hotline.store.engine import Store, migrate
from hotline.store.migrate import make_or_check
from hotline.store.place import Server
from protocols.encoding import rfc3339
from protocols.keys import SeedSigner

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
NEW = click.Path(path_type=Path, file_okay=False)
WAYS_ON = (
    "It is in place, and must not serve: it would give away places in the log a second time. Two ways on:\n"
    "  1. Have every station give back what it holds (hotline station give-back), then hotline hub refill.\n"
    "  2. Where something stays missing: a new log that every office signs (see: run a hub, restoring)."
)


@click.command()
@click.argument("folder", type=FOLDER)
@click.argument("out", type=NEW)
@click.option("--with-sealed-keys", is_flag=True, help="Copy hub.key too, sealed with its passphrase as it is.")
@click.option("--older", type=FOLDER, help="An older backup on the same disk: sealed files of both are stored once.")
@says_refusals
def backup(folder: Path, out: Path, with_sealed_keys: bool, older: Path | None) -> None:
    """Copy the hub in FOLDER, running or not, to the new folder OUT, and check the copy.

    One moment of the store, the settings, the accord, the ladders, the public files and the sealed files that go with entries.
    Without hub.key, unless asked for: keep that, and its passphrase, elsewhere. OUT appears only if the whole copy holds.
    """
    manifest = back_up(open_folder(folder), out, _now(), with_keys=with_sealed_keys, older=older)
    click.echo(f"{out}: {manifest.size} leaves, root {manifest.root}, {len(manifest.files)} files, checked.")
    if manifest.blobs:
        click.echo(
            f"{manifest.blobs} sealed files of {manifest.blob_bytes} bytes are in it, each compared with its hash."
        )
    if manifest.lost:
        click.echo(
            f"{manifest.lost} sealed files are not in it: the hub has them no more (hotline hub check).", err=True
        )
    if not with_sealed_keys:
        click.echo("hub.key is not in it. Without that file and its passphrase a backup cannot serve.", err=True)


@click.command()
@click.argument("backup", type=FOLDER)
@click.argument("folder", metavar="NEWFOLDER", type=NEW)
@click.option("--key", type=FILE, help="The sealed hub.key, where the backup holds none.")
@says_refusals
def restore(backup: Path, folder: Path, key: Path | None) -> None:
    """Put BACKUP into NEWFOLDER, and ask the witnesses whether it is the newest there is.

    Every file is compared with the manifest and the store is checked. Nothing that stands is overwritten. Exit status 3 where
    a witness holds a newer head: what is lost is said, and what to do.
    """
    found = put_back(backup, folder, key)
    manifest = found.manifest
    click.echo(f"{folder}: restored as of {rfc3339(manifest.made)}: {manifest.size} leaves, root {manifest.root}.")
    if found.kept.count:
        click.echo(f"{found.kept.count} sealed files were put back, each compared with its hash.")
    if found.kept.lost:
        click.echo(f"Not in the backup are {len(found.kept.lost)} sealed files: {names(found.kept.lost)}.", err=True)
        click.echo("Stations that have them can give them back (hotline station give-back).", err=True)
    if not found.has_keys:
        click.echo(f"There is no hub.key in it yet: put the sealed file to {folder / 'hub.key'}.", err=True)
    heard = _ask(found.made)
    for each in heard:
        if each.problem:
            click.echo(printable(f"Witness {each.name} {each.problem}: what it holds is not known."), err=True)
    # The copy's own newest head is asked of it too: whatever stands in the manifest must stand in the store.
    notes = [each.note for each in heard if each.note] + ([manifest.head] if manifest.head else [])
    states = standings(found.made, notes)
    if any(each.how != "level" for each in states):
        click.echo(WAYS_ON, err=True)
    refuse_fork(manifest, states)
    asked = [each for each in heard if not each.problem]
    if asked:
        click.echo(f"{len(asked)} witnesses hold nothing newer. Stations are asked when they connect.")
    else:
        click.echo("No witness could be asked. The first station that holds a newer head will stop this hub.", err=True)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quick", is_flag=True, help="Of sealed files compare the sizes only, not the hashes.")
@passphrase.options("the hub's keys")
@click.pass_context
@says_refusals
def check(ctx: click.Context, folder: Path, as_json: bool, quick: bool, passphrase: PassphraseSource) -> None:
    """Is the hub in FOLDER fit to serve? One line a part: OK, WARN or FAIL, and what to do.

    It changes nothing and may run beside the running hub. The keys are tried if a passphrase is given. Exit status 1 if
    anything is FAIL, else 0.
    """
    given = any(ctx.params[name] is not None for name in ("passphrase_file", "passphrase_fd"))
    rows = checkup.check_hub(folder, passphrase.get() if given else None, _now(), _ask, quick=quick)
    level = checkup.worst(rows)
    if as_json:
        click.echo(json.dumps({"level": level, "parts": [asdict(row) for row in rows]}, ensure_ascii=True))
    else:
        width = max(len(row.part) for row in rows)
        for row in rows:
            click.echo(printable(f"{row.level:4}  {row.part:{width}}  {row.found}"))
            if row.do:
                click.echo(printable(f"      {'':{width}}  -> {row.do}"))
    if level == "FAIL":
        sys.exit(1)


@click.command()
@click.argument("folder", type=FOLDER)
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option(
    "--without", multiple=True, metavar="KID", help="Pass over a station that is lost for good. May be repeated."
)
@passphrase.options("the hub's keys")
@says_refusals
def refill(folder: Path, files: tuple[Path, ...], without: tuple[str, ...], passphrase: PassphraseSource) -> None:
    """Put back what a restored hub in FOLDER lacks, out of the FILES that stations gave back. The hub must be stopped.

    Every leaf is admitted anew and must come out as the leaf that was signed, and the tree must have the root of every head
    that anybody holds. Everything is put back, or nothing is changed and what is missing is named. Then the sealed files that
    go with entries, each by its hash; what nobody has any more is named. Where only files were lost, they alone are put back.
    """
    made = open_folder(folder)
    with only_one(folder):
        keys, _ = made.unlock(passphrase.get())
        found, back = asyncio.run(_refill(made, keys, files, without))
    given = found.size - found.before
    click.echo(f"{given} leaves were put back: the log has {found.size}, root {found.root}.")
    click.echo(
        f"The largest head that anybody showed is over {found.head} leaves; {found.uncovered} beyond it by their stamps."
    )
    click.echo(f"{found.heads} published heads and {found.mandates} mandates came with them.")
    _say_files(back)
    click.echo("Not given back by anybody: time-stamps, and what operators changed. Checking the whole store ...")
    result = fsck(made.place, made.accord)
    if not result.holds:
        raise Unsound("; ".join(f"{each.code} {each.where}" for each in result.findings[:5]))
    click.echo("All of it holds. The hub may serve.")


def _say_files(back: FilesBack) -> None:
    if back.count or back.there:
        click.echo(f"{back.count} sealed files were put back ({back.size} bytes), {back.there} were there.")
    if back.gone:
        click.echo(f"Nobody has any more {len(back.gone)} sealed files: {names(back.gone)}. Messages hold.", err=True)
    if back.no_room:
        words = f"The disk has no room for {len(back.no_room)} sealed files: {names(back.no_room)}."
        click.echo(f"{words} Make room and run the refill once more.", err=True)
    if back.strange:
        click.echo(f"{back.strange} files were of no thread of the station that gave them back; not taken.", err=True)


async def _refill(
    made: HubFolder, keys: HubKeys, files: tuple[Path, ...], without: tuple[str, ...]
) -> tuple[Refilled, FilesBack]:
    await migrate(made.place, "hub")
    given, store = Given(made.accord), Store(made.place)
    try:
        size = await log_size(store)
        for path in files:
            given.read(path, size)
        heard = await asking.ask_witnesses(asking.witness_urls(made.settings, made.accord), made.accord)
        for each in heard:
            given.hear(each.note)
        rules = Rules(made.accord, parse_ladders(made.accord, made.ladders), SeedSigner(keys.sign))
        safe = Safe(keys.operators, made.accord.log_origin, secrets.token_bytes)
        answered = [each.name for each in heard if not each.problem]
        done = await take_back(store, rules, safe, given, _now(), heard=answered, without=without)
        return done, await take_files(store, made.files, made.settings.attachments, given, _now())
    finally:
        await store.close()


@click.command("adopt-files")
@click.argument("folder", type=FOLDER)
@says_refusals
def adopt_files(folder: Path) -> None:
    """Say that the folder of files in the settings of FOLDER is the one that all hubs of its store share.

    For a shared folder that was moved, or whose files are lost for good. Never for a disk that is not mounted.
    """
    made = open_folder(folder)
    if not isinstance(made.place, Server):
        raise click.ClickException(
            "This hub's store is a file: nobody shares its folder of files. Nothing was changed."
        )
    make_or_check(made.place)
    asyncio.run(_adopt(made))
    found = blob_keep.check_files(made.place, made.files, quick=True)
    click.echo(f"{made.files} is the folder of files now: {found.count} are there, {len(found.lost)} are not.")


async def _adopt(made: HubFolder) -> None:
    store = Store(made.place)
    try:
        await adopt(store, made.files)
    finally:
        await store.close()


def _ask(made: HubFolder) -> tuple[asking.Heard, ...]:
    return asyncio.run(asking.ask_witnesses(asking.witness_urls(made.settings, made.accord), made.accord))


def _now() -> int:
    return time.time_ns() // 1_000_000
