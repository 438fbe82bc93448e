"""``hotline office``: make an office's root key, give mandates, take them back."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from hotline import office as offices
from hotline import passphrase
from hotline.cli.saying import printable, says_refusals
from hotline.cli.times import MOMENT
from hotline.clock import SystemClock
from hotline.office import FOREVER, OfficeFault, give_mandate, open_folder, read_card_or_mandate
from hotline.passphrase import PassphraseSource
from protocols.accord import Office
from protocols.encoding import b64u, from_rfc3339
from protocols.keys import kid_of, public_from
from protocols.mandate import Mandate, MandateRole

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group(name="office")
def command() -> None:
    """An office: its root key and its mandates."""


@command.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--id", "office_id", required=True, help="Short id in capitals, as it stands on every entry: AV.")
@click.option("--name", required=True, help="The office's name as people say it.")
@click.option("--role", type=click.Choice(["party", "mediator", "monitor"]), required=True)
@click.option("--zone", default="UTC", show_default=True, help="IANA time zone of its capital, for screens.")
@click.option("--language", default="en", show_default=True, help="Its language (BCP 47), for screens.")
@click.option(
    "--state", default="", help="The state it belongs to, by its office's id, if it is not that state's own office."
)
@passphrase.options("the root key", new=True)
@says_refusals
def init(
    folder: Path,
    office_id: str,
    name: str,
    role: str,
    zone: str,
    language: str,
    state: str,
    passphrase: PassphraseSource,
) -> None:
    """Make the office DIR: its root key, sealed, and its card for the accord."""
    placeholder = b64u(bytes(32))
    card = {"id": office_id, "name": name, "role": role, "root": placeholder, "zone": zone, "language": language}
    card |= {"state": state} if state else {}
    try:
        office = msgspec.convert(card, Office, strict=True)
    except msgspec.ValidationError as error:
        raise OfficeFault(str(error)) from error
    made = offices.create(folder, office, passphrase.get())
    click.echo(f"Office {made.office.id} ({made.office.name}) made in {folder}.")
    click.echo(f"Root key {kid_of(public_from(made.office.root))}; its card is {folder / 'office-card.json'}.")


@command.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.argument("card", metavar="CARD", type=FILE)
@click.option("--until", type=MOMENT, required=True, help="When it ends (UTC).")
@click.option("--from", "start", type=MOMENT, help="When it begins (UTC). Default: now.")
@click.option("--role", "roles", multiple=True, type=click.Choice(["station", "drafter", "releaser"]))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write a copy here too.")
@passphrase.options("the root key")
@says_refusals
def mandate(
    folder: Path,
    card: Path,
    until: int,
    start: int | None,
    roles: tuple[MandateRole, ...],
    out: Path | None,
    passphrase: PassphraseSource,
) -> None:
    """Mandate the holder of CARD (station-card.json, officer-card.json, or an earlier mandate to renew).

    Without --role the roles are those that the card asks for.
    """
    begin = SystemClock().now() if start is None else start
    _sign(folder, card, begin, until, roles or None, out, passphrase)


@command.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.argument("card", metavar="CARD", type=FILE)
@click.option("--from", "start", type=MOMENT, help="From when on nothing signed counts (UTC). Default: now.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write a copy here too.")
@passphrase.options("the root key")
@says_refusals
def revoke(folder: Path, card: Path, start: int | None, out: Path | None, passphrase: PassphraseSource) -> None:
    """Take back every mandate of the holder of CARD (a card or a mandate's file).

    It takes effect where the file arrives: `hotline station mandates DIR FILE` on one of your stations hands it to the hub,
    which passes it on. Bring one that matters to the other offices' stations by another path too.
    """
    begin = SystemClock().now() if start is None else start
    _sign(folder, card, begin, from_rfc3339(FOREVER), (), out, passphrase)


@command.command(name="list")
@click.argument("folder", metavar="DIR", type=FOLDER)
@says_refusals
def list_(folder: Path) -> None:
    """Every mandate that the office has signed."""
    for given in open_folder(folder).issued():
        click.echo(printable(_words(given)))


def _sign(
    folder: Path,
    card: Path,
    begin: int,
    end: int,
    roles: tuple[MandateRole, ...] | None,
    out: Path | None,
    passphrase: PassphraseSource,
) -> None:
    opened, asked = open_folder(folder), read_card_or_mandate(card)
    if out is not None and out.exists():
        raise OfficeFault(f"{out} stands already")
    given, data = give_mandate(
        opened, opened.unlock(passphrase.get()), asked, not_before=begin, not_after=end, roles=roles
    )
    if out is not None:
        out.write_bytes(data)
    click.echo(printable(_words(given)))
    click.echo(f"Kept in {folder / 'mandates' / f'{given.serial:04d}.jws'}.")


def _words(given: Mandate) -> str:
    what = " and ".join(given.roles) if given.roles else "REVOKED"
    end = "" if not given.roles else f" until {given.not_after}"
    return f"No. {given.serial}: {given.office} {given.name}, {what}, from {given.not_before}{end} (key {given.kid})"
