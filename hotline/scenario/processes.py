"""Child processes of an exercise: started, watched, killed, ended; every one by its own process id."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from hotline.errors import LocalFault

START_TIMEOUT = 30.0  # seconds until a process answers on its port
STOP_TIMEOUT = 10.0  # seconds from SIGTERM to SIGKILL


class DidNotStart(LocalFault):
    """A process of the exercise ended or did not answer in time. Its log says why."""

    code = "exercise.did-not-start"
    _sentence = "A part of the exercise did not start. Its log file says why; nothing outside the exercise is touched."


class Process:
    """One ``hotline`` command running as its own process, its output in ``log``."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path, probe: str) -> None:
        self.name = name
        self.log = log
        self._arguments = tuple(arguments)
        self._probe = probe
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start and wait until it answers. Raises `DidNotStart`."""
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hotline",
                *self._arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A Ctrl-C at the terminal reaches the exercise alone, which then ends its parts in order.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while not await self._answers():
                    if self._process.returncode is not None:
                        raise DidNotStart(f"{self.name} ended with {self._process.returncode}; see {self.log}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            await self.stop()
            raise DidNotStart(f"{self.name} did not answer in {START_TIMEOUT:.0f} s; see {self.log}") from None

    async def kill(self) -> None:
        """SIGKILL: no time to save anything."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    async def stop(self) -> int | None:
        """SIGTERM, then SIGKILL after `STOP_TIMEOUT`; the exit status."""
        process = self._process
        if process is None:
            return None
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await process.wait()
            except TimeoutError:
                await self.kill()
        return process.returncode

    async def _answers(self) -> bool:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
                session.get(self._probe, ssl=False, allow_redirects=False) as response,
            ):
                return response.status < 500
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
