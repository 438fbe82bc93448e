"""Makes the cast of an exercise: folders, keys, mandates and an accord that all four offices sign.

Everything is made by the same commands an office would type, each office in its own folder with its own passphrases;
nothing is shared but public cards and the accord.
"""

from __future__ import annotations

import contextlib
import io
import json
import secrets
import socket
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hotline.cli import main
from hotline.ladders import load
from hotline.scenario.script import Script

DRAFTER = "duty-officer"
RELEASER = "diplomatic-contact"
OPERATOR = "operator"
HEAD_INTERVAL = "2"  # seconds between heads of the log: an exercise runs fast


@dataclass(frozen=True)
class Member:
    """An office of the cast and its capital's time zone and language."""

    id: str
    name: str
    role: str
    zone: str
    language: str


CAST = (
    Member("AV", "Arvenia", "party", "Europe/Lisbon", "en"),
    Member("KV", "Kostrava", "party", "Europe/Helsinki", "en"),
    Member("MD", "Meridia", "mediator", "Africa/Tunis", "en"),
    Member("HD", "Halden", "mediator", "Europe/Oslo", "en"),
)


@dataclass
class Folders:
    """Where everything of one exercise lies. ``ports``: hub, then one desk an office."""

    root: Path
    ports: tuple[int, ...]
    ladders: dict[str, Path] = field(default_factory=dict)

    @property
    def hub(self) -> Path:
        return self.root / "hub"

    @property
    def accord(self) -> Path:
        return self.root / "accord.jws"

    def office(self, office: str) -> Path:
        return self.root / "offices" / office

    def station(self, office: str) -> Path:
        return self.root / "stations" / office

    def secret(self, name: str) -> Path:
        """A file that holds one passphrase (mode 0600)."""
        return self.root / "passphrases" / name

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def port_of(self, office: str) -> int:
        return self.ports[1 + [member.id for member in CAST].index(office)]


def make_cast(root: Path, script: Script, ladders: Sequence[tuple[str, int]], ports: tuple[int, ...]) -> Folders:
    """Build everything below ``root``, which must be empty. ``ladders``: (name in the accord, scale)."""
    folders = Folders(root, ports)
    for name in ("offices", "stations", "passphrases", "logs", "ladders"):
        (root / name).mkdir(parents=True, mode=0o700)
    for name, _ in ladders:
        path = root / "ladders" / f"{name}.toml"
        # The same ladder under the name by which the accord puts it in force at this scale.
        own, named = (f'\nid = "{ladder}"\n'.encode() for ladder in (script.ladder, name))
        path.write_bytes(load(script.ladder).replace(own, named, 1))
        folders.ladders[name] = path
    # What the commands say to the person who types them would drown the exercise (and shows the operator's second factor).
    with contextlib.redirect_stdout(io.StringIO()), ThreadPoolExecutor(len(CAST)) as offices:
        _make_hub(folders)
        list(offices.map(lambda member: _make_office(folders, member), CAST))
        _make_accord(folders, script, ladders)
        list(offices.map(lambda member: _install(folders, member), CAST))
        _finish_hub(folders)
    return folders


def _finish_hub(folders: Folders) -> None:
    _run("hub", "install", folders.hub, "--accord", folders.accord, *_ladder_options(folders))
    _run(
        "hub",
        "operator-add",
        folders.hub,
        OPERATOR,
        "--password-file",
        _secret(folders, "operator"),
        "--passphrase-file",
        folders.secret("hub"),
    )


def free_ports(wanted: Sequence[int]) -> tuple[int, ...]:
    """The wanted loopback ports where they are free, others where not."""
    found = []
    held = []
    try:
        for port in wanted:
            for candidate in (port, 0):
                listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    listener.bind(("127.0.0.1", candidate))
                except OSError:
                    listener.close()
                    continue
                held.append(listener)
                found.append(listener.getsockname()[1])
                break
    finally:
        for listener in held:
            listener.close()
    return tuple(found)


def _make_hub(folders: Folders) -> None:
    port = folders.ports[0]
    _run(
        "hub",
        "init",
        folders.hub,
        "--name",
        "hub.stbrannoc.example",
        "--address",
        f"wss://127.0.0.1:{port}/line",
        "--listen",
        f"127.0.0.1:{port}",
        "--head-interval",
        HEAD_INTERVAL,
        "--passphrase-file",
        _secret(folders, "hub"),
    )


def _make_office(folders: Folders, member: Member) -> None:
    office, station = folders.office(member.id), folders.station(member.id)
    root_secret = _secret(folders, f"{member.id}-root")
    _run(
        "office",
        "init",
        office,
        "--id",
        member.id,
        "--name",
        member.name,
        "--role",
        member.role,
        "--zone",
        member.zone,
        "--language",
        member.language,
        "--passphrase-file",
        root_secret,
    )
    _run(
        "station",
        "init",
        station,
        "--office",
        member.id,
        "--name",
        f"{member.id}-1",
        "--zone",
        member.zone,
        "--passphrase-file",
        _secret(folders, f"{member.id}-station"),
    )
    for officer in (DRAFTER, RELEASER):
        _run(
            "station",
            "officer-add",
            station,
            officer,
            "--role",
            "drafter",
            "--role",
            "releaser",
            "--passphrase-file",
            _secret(folders, f"{member.id}-{officer}"),
        )


def _make_accord(folders: Folders, script: Script, ladders: Sequence[tuple[str, int]]) -> None:
    today = datetime.now(UTC)
    ladder_options: list[str | Path] = []
    for name, scale in ladders:
        ladder_options += ["--ladder", f"{name}={folders.ladders[name]}@{scale}"]
    _run(
        "accord",
        "init",
        folders.accord,
        "--title",
        script.title,
        "--status",
        script.status,
        "--exercise",
        script.exercise,
        "--hub",
        folders.hub / "hub-card.json",
        *ladder_options,
        "--not-before",
        _date(today - timedelta(days=1)),
        "--review",
        _date(today + timedelta(days=365)),
        "--sunset",
        _date(today + timedelta(days=730)),
    )
    for member in CAST:
        mediator = ["--mediator", "--monitor"] if member.role == "mediator" else []
        _run(
            "accord",
            "add-office",
            folders.accord,
            folders.office(member.id) / "office-card.json",
            *mediator,
            "--witness",
            folders.station(member.id) / "station-card.json",
        )
    for member in CAST:
        _run(
            "accord",
            "sign",
            folders.accord,
            "--office",
            folders.office(member.id),
            "--passphrase-file",
            folders.secret(f"{member.id}-root"),
        )


def _install(folders: Folders, member: Member) -> None:
    office, station = folders.office(member.id), folders.station(member.id)
    until = _date(datetime.now(UTC) + timedelta(days=365))
    cards = [
        station / "station-card.json",
        *(station / "officers" / f"{name}-card.json" for name in (DRAFTER, RELEASER)),
    ]
    mandates: list[str | Path] = []
    for number, card in enumerate(cards):
        out = office / f"mandate-{number}.jws"
        _run(
            "office",
            "mandate",
            office,
            card,
            "--until",
            until,
            "--out",
            out,
            "--passphrase-file",
            folders.secret(f"{member.id}-root"),
        )
        mandates += ["--mandate", out]
    _hasten(station / "station.toml")
    _run("station", "install", station, "--accord", folders.accord, *_ladder_options(folders), *mandates)


def _hasten(settings: Path) -> None:
    """Short waits, as an administrator would set them by hand: in an exercise a second is an hour."""
    found = tomllib.loads(settings.read_text("utf-8"))
    found["line"] |= {"base": 0.1, "cap": 0.5}
    found["duty"] |= {"fallback": 3.0, "tick": 0.5}
    tables = [f"\n[{name}]\n" + _lines(found.pop(name)) for name in ("line", "duty")]
    settings.write_text(_lines(found) + "".join(tables), "utf-8")


def _lines(table: dict[str, Any]) -> str:
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in table.items())


def _ladder_options(folders: Folders) -> list[str | Path]:
    options: list[str | Path] = []
    for path in folders.ladders.values():
        options += ["--ladder", path]
    return options


def _secret(folders: Folders, name: str) -> Path:
    path = folders.secret(name)
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe(24) + "\n", encoding="ascii")
    return path


def _date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _run(*arguments: str | Path) -> None:
    main.main([str(argument) for argument in arguments], standalone_mode=False)
