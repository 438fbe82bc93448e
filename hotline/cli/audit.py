"""``hotline audit``: check an evidence bundle offline, or make one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from hotline import bundles, passphrase
from hotline.cli import Lazy
from hotline.cli.files import write_new
from hotline.cli.saying import says_refusals
from hotline.errors import LocalFault
from hotline.passphrase import PassphraseSource
from mediation.audit.papers import with_reports
from protocols.bundle import Bundle

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


class BadExport(LocalFault):
    """The export could not be written as asked."""

    code = "export.fault"
    _sentence = "Nothing was exported."


_PARTS = {
    "check-tiles": "hotline.cli.trail:check_tiles_",
    "fsck": "hotline.cli.trail:fsck",
    "looks": "hotline.cli.looks:looks",
    "redact": "hotline.cli.audit_redact:command",
    "tiles": "hotline.cli.trail:tiles",
    "verify": "hotline.cli.audit_verify:command",
}


@click.group(name="audit", cls=Lazy, parts=_PARTS)
def command() -> None:
    """Evidence: bundles of a thread that anybody can check offline, and the log they come from."""


@command.command()
@click.argument("thread")
@click.option("--hub", type=FOLDER, help="A hub's folder.")
@click.option("--station", type=FOLDER, help="A station's folder.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option(
    "--disclose",
    multiple=True,
    metavar="SEQ:FIELD",
    help="Disclose a field of an entry's body (3:text, 3:*, *:severity). Only from a station. May be repeated.",
)
@passphrase.options("station.key")
@says_refusals
def export(
    thread: str,
    hub: Path | None,
    station: Path | None,
    out: Path,
    disclose: tuple[str, ...],
    passphrase: PassphraseSource,
) -> None:
    """Write the evidence of THREAD to a file.

    Nothing that people wrote is in it unless you disclose it, field by field; what is not disclosed stays provably
    there and unread. The file must not exist yet.
    """
    if (hub is None) == (station is None):
        raise click.UsageError("Give --hub or --station, one of them.")
    if out.exists():
        raise BadExport(f"{out} stands already")
    if hub is not None:
        if disclose:
            raise click.UsageError("A hub has nothing to disclose; export from a station.")
        found, left_out = _from_hub(hub, thread)
    else:
        assert station is not None  # noqa: S101 - one of the two is given, see above
        found, left_out = _from_station(station, thread, disclose, passphrase)
    write_new(out, bundles.pack(with_reports(found)))
    disclosed = sum(len(exhibit.disclosures) for exhibit in found.exhibits)
    click.echo(f"{out}: {len(found.exhibits)} entries, {disclosed} disclosed field(s).")
    if left_out:
        click.echo(f"LEFT OUT: the newest {left_out} entries, which no published head holds yet. Export again later.")


def _from_hub(folder: Path, thread: str) -> tuple[Bundle, int]:
    from hotline.hub.export import export_from_folder  # `verify` needs no server libraries

    found = asyncio.run(export_from_folder(folder, thread))
    return found.bundle, found.left_out


def _from_station(folder: Path, thread: str, disclose: tuple[str, ...], source: PassphraseSource) -> tuple[Bundle, int]:
    from hotline import keystore
    from hotline.station.export import export_from_folder

    key = keystore.unlock(folder / "station.key", source.get())["data"] if disclose else None
    return asyncio.run(export_from_folder(folder, thread, disclose, key))
