"""``hotline witness``: a neutral witness of other people's logs."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
import structlog
from aiohttp import web

from hotline import passphrase
from hotline.cli.logs import log_to_stderr
from hotline.cli.saying import printable, says_refusals
from hotline.passphrase import PassphraseSource
from hotline.witness import folder as folders
from hotline.witness.app import make_app
from hotline.witness.errors import WitnessFault, WitnessRetired
from hotline.witness.service import Witness
from protocols.accord import MAX_ACCORD_BYTES, open_accord
from protocols.encoding import rfc3339
from protocols.translog import KeyKind, KeyMalformed, parse_vkey

FOLDER = click.Path(path_type=Path, file_okay=False)
HERE = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def command() -> None:
    """A neutral witness: it confirms that a log only grows. It holds no message and no key to any."""


@command.command()
@click.argument("folder", type=FOLDER)
@click.option("--name", required=True, help="The witness's key name, as in witness.example.")
@click.option("--url", required=True, help="URL under which hubs will reach it, as in https://witness.example/v1.")
@passphrase.options("the witness's keys", new=True)
@says_refusals
def init(folder: Path, name: str, url: str, passphrase: PassphraseSource) -> None:
    """Make the witness's keys (Ed25519 and ML-DSA-44) and its memory. Hand witness-card.json to the accord's drafter."""
    folders.create(folder, name=name, url=url, passphrase=passphrase.get())
    click.echo(f"{folder}: witness {name} made. Public card: {folder / 'witness-card.json'}")


@command.command("add-log")
@click.argument("folder", type=HERE)
@click.option("--accord", type=FILE, help="The accord, signed by every office: its hub's log is watched.")
@click.option("--vkey", help="A log's key (C2SP vkey), for logs of others.")
@says_refusals
def add_log(folder: Path, accord: Path | None, vkey: str | None) -> None:
    """Watch a log. Once under a key, never under another."""
    if (accord is None) == (vkey is None):
        raise click.UsageError("Give --accord or --vkey, one of them.")
    if accord is not None:
        with accord.open("rb") as file:
            vkey = open_accord(file.read(MAX_ACCORD_BYTES + 1)).accord.hub.log
    try:
        log = parse_vkey(str(vkey))
    except KeyMalformed as error:
        raise WitnessFault(f"the log's key cannot be used: {error.detail}") from error
    if log.kind is not KeyKind.ED25519:
        raise WitnessFault("that is a witness's key, not a log's")
    with closing(folders.open_memory(folder)) as memory:
        new = memory.add_log(log, int(time.time()))
    click.echo(printable(f"{log.name}: {'watched from now on' if new else 'watched already'}."))


@command.command()
@click.argument("folder", type=HERE)
@says_refusals
def evidence(folder: Path) -> None:
    """Print what the witness kept of logs that contradicted themselves. Exit status 1 if a log showed two histories."""
    with closing(folders.open_memory(folder)) as memory:
        kept = memory.evidence()
    lied = False
    for each in kept:
        lied |= each.kind == "two-histories"
        click.echo(printable(f"# {rfc3339(each.at * 1000)} {each.origin}: {each.kind}"))
        for note in (each.first, each.second):
            click.echo("\n".join(printable(line) for line in note.split("\n")))
    if not kept:
        click.echo("Nothing: no log contradicted itself here.")
    if lied:
        raise click.exceptions.Exit(1)


@command.command()
@click.argument("folder", type=HERE)
@click.option("--listen", default="127.0.0.1:8790", show_default=True, help="host:port; put your TLS proxy before it.")
@passphrase.options("the witness's keys")
@says_refusals
def serve(folder: Path, listen: str, passphrase: PassphraseSource) -> None:
    """Answer hubs until told to stop (SIGTERM or Ctrl-C). Ends with status 3 where the witness is retired."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise WitnessFault(f"{listen!r} is not host:port")
    log_to_stderr()
    with _only_one(folder):
        opened = folders.open_folder(folder, passphrase.get())
        with closing(opened.store):
            asyncio.run(_serve(opened, host.strip("[]"), int(port)))


async def _serve(opened: folders.OpenWitness, host: str, port: int) -> None:
    log = structlog.get_logger("hotline.witness")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    retired = False

    def retire() -> None:
        nonlocal retired
        retired = True
        loop.call_soon_threadsafe(stop.set)

    witness = Witness(opened.store, opened.signers, lambda: int(time.time()), retire)
    runner = web.AppRunner(make_app(witness), access_log=None, shutdown_timeout=2)
    try:
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise WitnessFault(f"cannot listen on {host}:{port}: {error.strerror}") from error
        log.info("serving", listen=f"{host}:{port}", logs=len(opened.store.logs()))
        await stop.wait()
        log.info("stopping", retired=retired)
    finally:
        await runner.cleanup()
    if retired:
        raise WitnessRetired


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Two processes of one witness could each sign another history."""
    handle = os.open(folder / "witness.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WitnessFault("another process runs this witness") from error
        yield
    finally:
        os.close(handle)
