"""``hotline hub``: make a hub, install its accord, run it, let its operators in."""

from __future__ import annotations

import asyncio
import getpass
import signal
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import click
import segno
import structlog
from aiohttp import web

from hotline import passphrase
from hotline.cli import Lazy
from hotline.cli.logs import log_to_stderr
from hotline.cli.saying import says_refusals
from hotline.clock import Mark, SystemClock, span_words
from hotline.hub import folder as folders
from hotline.hub import records
from hotline.hub.app import make_app
from hotline.hub.console import HubConsole
from hotline.hub.errors import BehindWitnesses
from hotline.hub.hub import Hub, HubKeys
from hotline.hub.operators import Operators
from hotline.passphrase import PassphraseSource
from hotline.store.engine import Store, migrate
from hotline.store.place import Place
from hotline.tasks import keep_loaded

T = TypeVar("T")
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


_PARTS = {
    **{name: f"hotline.cli.hub_care:{name}" for name in ("backup", "check", "refill", "restore")},
    "migrate": "hotline.cli.hub_store:migrate",
    "move-store": "hotline.cli.hub_store:move_store",
    "adopt-files": "hotline.cli.hub_care:adopt_files",
}


@click.group(cls=Lazy, parts=_PARTS)
def command() -> None:
    """Run the hub: it orders, keeps and forwards sealed messages and enforces the ladders. It reads no content."""


@command.command()
@click.argument("folder", type=FOLDER)
@click.option("--name", required=True, help="The hub's name in the accord, as in hub.example.")
@click.option(
    "--address", "addresses", multiple=True, required=True, help="URL stations reach it by; first choice first."
)
@click.option("--listen", required=True, help="host:port to listen on.")
@click.option("--plain", is_flag=True, help="No TLS: only behind a tunnel of your own.")
@click.option("--head-interval", default=60.0, show_default=True, help="Seconds between heads of the log while idle.")
@click.option(
    "--generation",
    type=click.IntRange(min=1, max=9999),
    default=1,
    show_default=True,
    help="Above 1: the log is a new one, after an older log of this hub was lost or discredited.",
)
@passphrase.options("the hub's keys", new=True)
@says_refusals
def init(
    folder: Path,
    name: str,
    addresses: tuple[str, ...],
    listen: str,
    plain: bool,
    head_interval: float,
    generation: int,
    passphrase: PassphraseSource,
) -> None:
    """Make the hub's keys and folder. Hand hub-card.json to whoever drafts the accord."""
    card = folders.create(
        folder,
        name=name,
        addresses=addresses,
        listen=listen,
        passphrase=passphrase.get(),
        now=time.time_ns() // 1_000_000,
        plain=plain,
        head_interval=head_interval,
        generation=generation,
    )
    click.echo(f"{folder}: hub {card.name} made. Public card: {folder / 'hub-card.json'}")
    if plain:
        click.echo("It will run WITHOUT TLS. Who can watch the wire sees who writes to whom, and when.", err=True)


@command.command()
@click.argument("folder", type=FOLDER)
@click.option("--accord", type=FILE, required=True, help="The accord, signed by every office.")
@click.option("--ladder", "ladders", type=FILE, multiple=True, required=True, help="A ladder's exact file.")
@says_refusals
def install(folder: Path, accord: Path, ladders: tuple[Path, ...]) -> None:
    """Pin the accord and keep its ladders."""
    signed = folders.install(folder, accord.read_bytes(), tuple(path.read_bytes() for path in ladders))
    click.echo(f"Pinned {signed.accord.title!r} ({signed.accord.status}), id {signed.id}")


@command.command()
@click.argument("folder", type=FOLDER)
@passphrase.options("the hub's keys")
@says_refusals
def serve(folder: Path, passphrase: PassphraseSource) -> None:
    """Run the hub until it is told to stop (SIGTERM or Ctrl-C)."""
    log_to_stderr()
    made = folders.open_folder(folder)
    with folders.only_one(folder):
        keys, tls = made.unlock(passphrase.get())
        asyncio.run(_serve(made, keys, tls))


async def _serve(made: folders.HubFolder, keys: HubKeys, tls: ssl.SSLContext | None) -> None:
    from web.console import make_console  # pages are only needed here, not by the commands around it

    log = structlog.get_logger("hotline.hub")
    roots = made.timestamp_roots()
    hub = await Hub.open(made.place, made.settings, keys, made.accord, made.ladders, roots, made.files)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    app = make_app(hub)
    console = make_console(HubConsole(hub), allowed_hosts=_console_hosts(made), secure=tls is not None, clock=hub.clock)
    app.add_subapp("/console/", console)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    listening: asyncio.Server | None = None
    hub.start()
    try:
        await runner.setup()
        host, port = made.settings.address
        listening = await hub.front.listen(runner.server, host, port, tls=tls)
        keep_loaded()
        log.info("serving", name=made.settings.name, listen=made.settings.listen, tls=tls is not None)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((stopping, hub.failed), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        failed = hub.failed.done()
        log.info("stopping", failed=failed)
    finally:
        if listening is not None:
            listening.close()
        await hub.stop()
        await runner.cleanup()
    if failed and isinstance(behind := hub.failed.exception(), BehindWitnesses):
        raise behind
    if failed:
        # A part of the hub failed: end loudly, so that whatever supervises this process starts it again.
        raise SystemExit(1)


def _console_hosts(made: folders.HubFolder) -> list[str]:
    """The names (host:port) by which a browser may call the console; the first is the one links are made with."""
    _, port = made.settings.address
    addresses = (urlsplit(address).netloc for address in made.accord.accord.hub.addresses)
    hosts = [*made.settings.console_hosts, *addresses, f"127.0.0.1:{port}", f"localhost:{port}"]
    return [host.lower() for host in dict.fromkeys(hosts) if host]


@command.command("operator-add")
@click.argument("folder", type=FOLDER)
@click.argument("name")
@click.option("--password-file", type=FILE, help="Read the operator's password from this file instead of asking.")
@passphrase.options("the hub's keys")
@says_refusals
def operator_add(folder: Path, name: str, password_file: Path | None, passphrase: PassphraseSource) -> None:
    """Let an operator into the console: password and a second factor, which is shown here once."""
    made = folders.open_folder(folder)
    keys, _ = made.unlock(passphrase.get())
    if password_file is not None:
        password = password_file.read_text("utf-8").rstrip("\r\n")
    else:
        password = getpass.getpass(f"Password for {name}: ")
        if getpass.getpass("Once more: ") != password:
            raise click.ClickException("The two passwords differ. Nothing was changed.")
    new = _with_operators(made, keys.operators, lambda operators: operators.add(name, password))
    click.echo(f"Operator {name} added. Scan this with an authenticator now; it is not shown again.")
    click.echo(new.otpauth)
    if sys.stdout.isatty():
        segno.make(new.otpauth).terminal(compact=True)


@command.command("login-link")
@click.argument("folder", type=FOLDER)
@click.argument("name")
@says_refusals
def login_link(folder: Path, name: str) -> None:
    """Print a link that lets an operator into the console once, within a quarter of an hour."""
    made = folders.open_folder(folder)
    token = _with_operators(made, None, lambda operators: operators.make_token(name))
    scheme = "http" if made.settings.plain else "https"
    click.echo(f"{scheme}://{_console_hosts(made)[0]}/console/login#{token}")


@command.command("take-time")
@click.argument("folder", type=FOLDER)
@says_refusals
def take_time(folder: Path) -> None:
    """Have the next start take the time from this machine's clock. The hub must be stopped.

    A hub that is started again goes on counting where it was. Use this after a wrong clock was mended. Never before what is
    written down: time that was stamped stays passed. Stations believe no hub that differs from them by two minutes.
    """
    made = folders.open_folder(folder)
    with folders.only_one(folder):
        differs = asyncio.run(_forget_mark(made.place))
    click.echo(f"The next start takes this machine's clock. It was {differs} the hub's.")


async def _forget_mark(place: Place) -> str:
    await migrate(place, "hub")
    store, clock = Store(place), SystemClock()
    try:
        async with store.write() as connection:
            row = records.clock_row(shared=store.shared)
            mark = await records.read_mark(connection, row)
            await records.put_mark(connection, Mark("", 0), row)
    finally:
        await store.close()
    if mark is None or not clock.go_on(mark):
        return "not compared with"
    drift = clock.drift()
    return f"{span_words(round(drift, -3))} {'behind' if drift < 0 else 'ahead of'}"


def _with_operators(made: folders.HubFolder, key: bytes | None, work: Callable[[Operators], Awaitable[T]]) -> T:
    from hotline.store.migrate import make_or_check  # Alembic takes a while to import; not every command needs it

    async def run() -> T:
        await asyncio.to_thread(make_or_check, made.place)
        store = Store(made.place)
        try:
            return await work(Operators(store, SystemClock(), key, made.settings.name))
        finally:
            await store.close()

    return asyncio.run(run())
