"""``hotline station``: make a station and its officers' keys, install its accord, run it with its desk, let officers in."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import click
import msgspec
import structlog
from aiohttp import web

from hotline import keystore, passphrase
from hotline.cli.logs import log_to_stderr
from hotline.cli.saying import printable, says_refusals
from hotline.clock import SystemClock
from hotline.office import StationCard, write_json
from hotline.passphrase import PassphraseSource
from hotline.station.core import Core
from hotline.station.errors import BadFolder, LineBroken, NothingToRejoin, NotParted, StillParted
from hotline.station.folder import SECRETS, StationSettings, load_identity, make_keys, read_settings
from hotline.station.logins import LOGIN, token_hash
from hotline.station.observer import begin_memory
from hotline.station.officers import OfficerFolder, add_officer
from hotline.station.papers import Papers, add_papers, file_name
from hotline.station.station import Station
from hotline.store.station import StationStore
from hotline.tasks import keep_loaded
from mediation.ladder import LadderError, parse_ladder
from protocols.accord import open_accord
from protocols.encoding import b64u, digest
from protocols.mandate import MandateBook, sign_holder
from web.desk import make_desk

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
CATCH_UP = 120_000  # ms
LINK_LASTS = 15 * 60_000  # ms


@click.group()
def command() -> None:
    """Run a station: the keys, the desk and the line of one office."""


@command.command()
@click.argument("folder", type=FOLDER)
@click.option("--office", required=True, help="The office's id in the accord, as in AV.")
@click.option("--name", required=True, help="The station's name within its office.")
@click.option("--zone", default="UTC", show_default=True, help="Time zone of the office, as in Europe/Oslo.")
@passphrase.options("the station's keys", new=True)
@says_refusals
def init(folder: Path, office: str, name: str, zone: str, passphrase: PassphraseSource) -> None:
    """Make the station's keys. Hand station-card.json to your office, which mandates it, and to the accord's drafter."""
    try:
        settings = msgspec.convert({"office": office, "name": name, "zone": zone}, StationSettings)
    except msgspec.ValidationError as error:
        raise BadFolder(str(error)) from error
    if folder.exists() and any(folder.iterdir()):
        raise BadFolder(f"{folder} is not empty")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in ("officers", "ladders", "mandates"):
        (folder / part).mkdir(mode=0o700)
    made = {secret: secrets.token_bytes(32) for secret in SECRETS}
    keystore.create(folder / "station.key", made, passphrase.get())
    keys = make_keys(office, name, made)
    asyncio.run(begin_memory(folder / "station.db", keys.witness.key))
    public = keys.card()
    card = StationCard(office, name, public, sign_holder(office, keys.sign, public))
    write_json(folder / "station-card.json", msgspec.to_builtins(card))
    _write_settings(folder, settings)
    click.echo(f"{folder}: station {name} of {office} made. Public card: {folder / 'station-card.json'}")


@command.command("officer-add")
@click.argument("folder", type=FOLDER)
@click.argument("name")
@click.option("--role", "roles", type=click.Choice(["drafter", "releaser"]), multiple=True, required=True)
@passphrase.options("the officer's key", new=True)
@says_refusals
def officer_add(
    folder: Path, name: str, roles: tuple[Literal["drafter", "releaser"], ...], passphrase: PassphraseSource
) -> None:
    """Make an officer's key, sealed with the officer's own passphrase. NAME is the function, as in duty-officer-2."""
    settings = read_settings(folder)
    if not name or not all(character.isalnum() or character in "-_" for character in name):
        raise BadFolder("an officer's name here has letters, digits, - and _ only")
    add_officer(folder / "officers", settings.office, name, tuple(dict.fromkeys(roles)), passphrase.get())
    click.echo(f"Officer {name} made. Public card: {folder / 'officers' / f'{name}-card.json'}")


@command.command()
@click.argument("folder", type=FOLDER)
@click.option("--accord", type=FILE, required=True, help="The accord, signed by every office.")
@click.option("--ladder", "ladders", type=FILE, multiple=True, required=True, help="A ladder's exact file.")
@click.option(
    "--mandate", "mandates", type=FILE, multiple=True, required=True, help="A mandate of this office or another."
)
@says_refusals
def install(folder: Path, accord: Path, ladders: tuple[Path, ...], mandates: tuple[Path, ...]) -> None:
    """Pin the accord and keep its ladders and mandates. What does not fit is refused and nothing is written."""
    settings = read_settings(folder)
    data = accord.read_bytes()
    signed = open_accord(data, pinned=settings.accord or None)
    signed.accord.office(settings.office)
    given = {digest(raw): raw for raw in (path.read_bytes() for path in ladders)}
    found = {each.id: given[each.hash] for each in signed.accord.ladders if each.hash in given}
    strangers = set(given) - {each.hash for each in signed.accord.ladders}
    if strangers:
        raise BadFolder("a ladder was given that the accord does not put in force")
    for name, raw in found.items():
        try:
            parse_ladder(raw)
        except LadderError as error:
            raise BadFolder(f"{name}: {error}") from error
    missing = [each.id for each in signed.accord.ladders if each.id not in found]
    if missing:
        raise BadFolder(f"the accord's ladder {', '.join(missing)} was not given")
    book = MandateBook(signed.accord)
    checked = [book.add_bytes(path.read_bytes()) for path in mandates]
    for name, raw in found.items():
        (folder / "ladders" / f"{name}.toml").write_bytes(raw)
    for mandate in checked:
        (folder / "mandates" / file_name(mandate)).write_bytes(mandate.data)
    (folder / "accord.jws").write_bytes(data)
    # Last: only now is the folder complete, and from now on only this accord is taken.
    _write_settings(folder, msgspec.structs.replace(settings, accord=signed.id))
    click.echo(f"Pinned {signed.accord.title!r} ({signed.accord.status}), id {signed.id}")


@command.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.argument("mandates", metavar="FILE...", type=FILE, nargs=-1, required=True)
@says_refusals
def mandates(folder: Path, mandates: tuple[Path, ...]) -> None:
    """Add mandates and revocations, of this office or another. What does not fit is refused and nothing is written.

    A running station takes them within seconds and hands them to the hub; one that is stopped does so when it starts.
    """
    for found in asyncio.run(add_papers(folder, mandates, now=SystemClock().now())):
        given = found.mandate
        what = ", ".join(given.roles) or "revoked"
        click.echo(printable(f"{given.office} no. {given.serial}: {given.name}, {what}, from {given.not_before}"))


@command.command()
@click.argument("folder", type=FOLDER)
@click.option("--listen", default="127.0.0.1:8701", show_default=True, help="Loopback address of the desk.")
@click.option(
    "--officer-passphrase-file",
    "officers",
    multiple=True,
    metavar="NAME=FILE",
    help="Unlock this officer's key at start (exercises; otherwise officers unlock at the desk).",
)
@passphrase.options("the station's keys")
@says_refusals
def serve(folder: Path, listen: str, officers: tuple[str, ...], passphrase: PassphraseSource) -> None:
    """Run the line and the desk until told to stop (SIGTERM or Ctrl-C)."""
    host, port = _loopback(listen)
    unlocking = [_officer_file(each) for each in officers]
    log_to_stderr()
    with _only_one(folder):
        opened = keystore.unlock(folder / "station.key", passphrase.get())
        asyncio.run(_serve(folder, opened, host, port, unlocking))


async def _serve(
    folder: Path, opened: dict[str, bytes], host: str, port: int, officers: list[tuple[str, Path]]
) -> None:
    log = structlog.get_logger("hotline.station")
    clock = SystemClock()
    identity = load_identity(folder, opened, now=clock.now())
    keys = OfficerFolder(folder / "officers")
    station = await Station.open(identity, folder / "station.db", keys, clock=clock)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(
        make_desk(station, allowed_hosts=(f"{host}:{port}", f"localhost:{port}"), clock=clock),
        access_log=None,
        shutdown_timeout=2,
    )
    try:
        for name, path in officers:
            if not await station.unlock(keys.kid(name), PassphraseSource(name, file=path).get(), unattended=True):
                raise BadFolder(f"the key of {name} does not open with the passphrase in {path.name}")
        station.watch(Papers(folder / "mandates"))
        await station.start()
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise BadFolder(f"cannot listen on {host}:{port}: {error.strerror}") from error
        (folder / "desk-address").write_text(f"{host}:{port}\n", "ascii")
        keep_loaded()
        log.info("serving", office=identity.office, station=identity.settings.name, listen=f"{host}:{port}")
        await stop.wait()
        log.info("stopping")
    finally:
        await runner.cleanup()
        await station.stop()


@command.command()
@click.argument("folder", type=FOLDER)
@click.argument("thread")
@passphrase.options("the station's keys")
@says_refusals
def thaw(folder: Path, thread: str, passphrase: PassphraseSource) -> None:
    """Let steps go on in a thread in which this station and the hub differed over the ladder's state.

    For after both sides have spoken and the cause is mended, a program of another version as a rule. The station must be
    stopped. Every entry is replayed from the first; only if every state agrees with the hub's now does the thread thaw.
    THREAD is its id, or the beginning of it.
    """
    with _only_one(folder):
        opened = keystore.unlock(folder / "station.key", passphrase.get())
        said = asyncio.run(_thaw(folder, opened, thread))
    click.echo(said)


async def _thaw(folder: Path, opened: dict[str, bytes], thread: str) -> str:
    clock = SystemClock()
    identity = load_identity(folder, opened, now=clock.now())
    core = Core(identity, await asyncio.to_thread(StationStore.open, folder / "station.db"), clock)
    try:
        await core.load()
        names = [name for name in core.threads if thread and name.startswith(thread)]
        if len(names) != 1:
            raise NotParted(f"{len(names)} threads begin with {thread[:22]}")
        still = await core.thaw(names[0])
    finally:
        await core.store.close()
    if still is not None:
        raise StillParted(still.seq, still.kind, still.stamped, still.computed)
    return (
        f"Every state of thread {names[0]} agrees with the hub's. Steps go on; start the station, it tells the others."
    )


@command.command()
@click.argument("folder", type=FOLDER)
@click.argument("thread")
@passphrase.options("the station's keys")
@says_refusals
def rejoin(folder: Path, thread: str, passphrase: PassphraseSource) -> None:
    """Bring this station back into the keys of a thread that it lost, if the ladder allows that.

    For a station that was restored from an older copy, or whose store is gone: the other desks are told, so ring them
    first. The station must be stopped. It logs in, replays every entry, and comes back by a commit of its own, in its own
    place and nobody else's. It reads what is sent from then on; what was sent before is read at another station of your
    office. THREAD is its id, or the beginning of it.
    """
    log_to_stderr()
    with _only_one(folder):
        opened = keystore.unlock(folder / "station.key", passphrase.get())
        said = asyncio.run(_rejoin(folder, opened, thread))
    click.echo(said)


async def _rejoin(folder: Path, opened: dict[str, bytes], thread: str) -> str:
    clock = SystemClock()
    identity = load_identity(folder, opened, now=clock.now())
    station = await Station.open(identity, folder / "station.db", OfficerFolder(folder / "officers"), clock=clock)
    try:
        await station.start()
        end = clock.now() + CATCH_UP
        while not station.core.line.caught:
            if clock.now() > end:
                raise LineBroken("not level with the hub in time")
            await asyncio.sleep(0.05)
        names = [name for name in station.core.threads if thread and name.startswith(thread)]
        if len(names) != 1:
            raise NothingToRejoin(f"{len(names)} threads begin with {thread[:22]}")
        seq = await station.rejoin(names[0])
    finally:
        await station.stop()
    return f"Back in thread {names[0]} with entry {seq}. Every desk shows it; tell the other side by phone that it was you."


@command.command("login-link")
@click.argument("folder", type=FOLDER)
@click.argument("officer")
@says_refusals
def login_link(folder: Path, officer: str) -> None:
    """Print a link that lets an officer onto the running desk once, within a quarter of an hour."""
    kid = OfficerFolder(folder / "officers").kid(officer)
    try:
        address = (folder / "desk-address").read_text("ascii").strip()
    except OSError as error:
        raise BadFolder("the desk has not been started here yet") from error
    token = b64u(secrets.token_bytes(32))
    asyncio.run(_keep_token(folder / "station.db", token_hash(token), kid))
    # The fragment never leaves the browser on the wire, so it reaches no log.
    click.echo(f"http://{address}/login#{token}")


async def _keep_token(path: Path, mark: str, kid: str) -> None:
    store = await asyncio.to_thread(StationStore.open, path)
    try:
        async with store.change() as change:
            await change.add_token(mark, LOGIN, kid, time.time_ns() // 1_000_000 + LINK_LASTS)
    finally:
        await store.close()


@command.command("give-back")
@click.argument("folder", type=FOLDER)
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--since", type=click.IntRange(min=0), default=0, show_default=True, help="First leaf that the hub lacks."
)
@click.option("--without-files", is_flag=True, help="Leave out the sealed files that go with entries.")
@passphrase.options("the station's keys")
@says_refusals
def give_back(folder: Path, out: Path, since: int, without_files: bool, passphrase: PassphraseSource) -> None:
    """Write what this station holds of the hub's log into OUT, for a hub that lost its store (hotline hub refill).

    Entries as they stand in the log, their sealed parts, the hub's own leaves, heads and mandates, and the sealed files of all
    threads, signed by the station. What people wrote stays sealed in it, as it was at the hub. The station may be running.
    """
    from hotline.station.give_back import write_give_back

    opened, now = keystore.unlock(folder / "station.key", passphrase.get()), SystemClock().now()
    identity = load_identity(folder, opened, now=now)
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadFolder(f"{out}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            files = not without_files
            done = asyncio.run(write_give_back(identity, folder / "station.db", since, file, now, files=files))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    click.echo(
        f"{out}: {done.entries} entries, {done.own} leaves of the hub's own, {done.heads} heads, {done.mandates} mandates."
    )
    if done.files or done.away:
        click.echo(f"{done.files} sealed files are in it; of {done.away} more this station only knows.")
    if done.unread:
        click.echo(
            f"{done.unread} bodies here are damaged: what files go with them only other stations know.", err=True
        )
    if done.lacking:
        click.echo(f"Of {done.lacking} entries this station has not all sealed parts: another station must.", err=True)


def _write_settings(folder: Path, settings: StationSettings) -> None:
    lines = ["# This station. Its keys are in station.key, sealed."]
    tables: list[str] = []
    for name, value in msgspec.to_builtins(settings).items():
        if isinstance(value, dict):
            tables += [f"\n[{name}]", *(f"{key} = {json.dumps(each)}" for key, each in value.items())]
        else:
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    partial = folder / "station.toml.partial"
    partial.write_text("\n".join([*lines, *tables]) + "\n", "utf-8")
    partial.replace(folder / "station.toml")


def _loopback(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if host not in ("127.0.0.1", "localhost") or not port.isdecimal():
        raise BadFolder("the desk listens on the loopback only, as in 127.0.0.1:8701")
    return host, int(port)


def _officer_file(text: str) -> tuple[str, Path]:
    name, found, path = text.partition("=")
    if not found:
        raise click.UsageError("--officer-passphrase-file wants NAME=FILE.")
    return name, Path(path)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Two processes over one store would both think themselves the station."""
    handle = os.open(folder / "station.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadFolder("this station is running already") from error
        yield
    finally:
        os.close(handle)
