"""The running exercise: one hub and four stations as processes, and a session for every officer."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from hotline.errors import LocalFault
from hotline.scenario.cast import CAST, DRAFTER, RELEASER, Folders
from hotline.scenario.desk_client import DeskClient
from hotline.scenario.offline import whose
from hotline.scenario.play import Office, Stage
from hotline.scenario.processes import Process
from mediation.audit import Trust
from protocols.accord import open_accord
from protocols.translog import parse_policy


class NoLink(LocalFault):
    """The command that makes login links failed."""

    code = "exercise.no-link"


class Exercise:
    """Processes and sessions of one exercise. `start`, use, `stop`; each in order, each once."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.hub = Process(
            "hub",
            ("hub", "serve", str(folders.hub), "--passphrase-file", str(folders.secret("hub"))),
            folders.log("hub"),
            f"https://127.0.0.1:{folders.ports[0]}/healthz",
        )
        self.stations = {member.id: self._station(member.id) for member in CAST}
        self.offices: dict[str, Office] = {}

    async def start(self) -> None:
        """Start everything and log both officers of every office in. Raises `DidNotStart`."""
        await self.hub.start()
        await asyncio.gather(*(station.start() for station in self.stations.values()))
        await asyncio.gather(*(self._log_in(member.id) for member in CAST))
        for office in self.offices.values():
            await office.drafter.wait(f"{office.id} has a line", lambda desk=office.drafter: _live(desk))  # type: ignore[misc]

    async def stop(self) -> None:
        """Log out and end every process."""
        for office in self.offices.values():
            await office.drafter.close()
            await office.releaser.close()
        self.offices.clear()
        await asyncio.gather(*(station.stop() for station in self.stations.values()))
        await self.hub.stop()

    def stage(self) -> Stage:
        """What the player gets."""
        return Stage(self.hub.kill, self.hub.start, self._verify, self._trust, self.offices)

    async def link(self, office: str, officer: str) -> str:
        """A one-time login link for an officer's desk."""
        return await login_link("station", self.folders.station(office), officer)

    async def _log_in(self, office: str) -> None:
        drafter = await DeskClient.login(await self.link(office, DRAFTER))
        releaser = await DeskClient.login(await self.link(office, RELEASER))
        self.offices[office] = Office(office, drafter, releaser)

    def _station(self, office: str) -> Process:
        folders = self.folders
        address = f"127.0.0.1:{folders.port_of(office)}"
        arguments = [
            "station",
            "serve",
            str(folders.station(office)),
            "--listen",
            address,
            "--passphrase-file",
            str(folders.secret(f"{office}-station")),
        ]
        for officer in (DRAFTER, RELEASER):
            arguments += ["--officer-passphrase-file", f"{officer}={folders.secret(f'{office}-{officer}')}"]
        return Process(office, arguments, folders.log(office), f"http://{address}/login")

    async def _verify(self, office: str, thread: str, entry: str) -> str:
        leaf = await self.offices[office].drafter.get(f"threads/{thread}/entries/{entry}/leaf")
        return whose(leaf["leaf"], self.folders.accord.read_bytes(), _mandates(self.folders))

    def _trust(self) -> Trust:
        accord = open_accord(self.folders.accord.read_bytes())
        return Trust(parse_policy(accord.accord.policy), accord.id)


async def _live(desk: DeskClient) -> bool:
    return bool((await desk.state())["connection"]["state"] == "live")


def _mandates(folders: Folders) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folders.root / "offices").glob("*/mandate-*.jws"))]


async def login_link(side: str, folder: Path, person: str) -> str:
    """A one-time link, made by the command an administrator would type. Raises `NoLink`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hotline",
        side,
        "login-link",
        str(folder),
        person,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, problem = await process.communicate()
    if process.returncode != 0:
        raise NoLink(problem.decode("utf-8", "replace")[-300:])
    return output.decode("ascii").split()[-1]
