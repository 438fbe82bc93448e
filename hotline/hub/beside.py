"""Signature checks beside the hub: in a process of their own, so that they do not wait for its interpreter, nor it for them.

Only a hub under load has one: an entry that nothing stands before is checked where it is judged, which is soonest. What is
proven here are triples of public key, exact message and signature; admission checks itself whatever it does not find among
them, so a process that fails costs time and nothing else.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from hotline.hub.verifier import request, take_frame
from protocols.entry import Triple

_LOG = structlog.get_logger("hotline.hub.beside")
PATIENCE = 5.0
"""Seconds that a batch waits for its checks; then the process is ended, and another is not tried for `PAUSE`."""
PAUSE = 60.0
Proven = frozenset[Triple]
NOTHING: Proven = frozenset()


class Beside:
    """The process and what it was asked. Made without one; the first `check` starts it."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._ended: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._gathered: list[tuple[Sequence[Triple], asyncio.Future[Proven]]] = []
        self._asked: deque[list[tuple[Sequence[Triple], asyncio.Future[Proven]]]] = deque()

    @property
    def runs(self) -> bool:
        """Whether it can be asked now."""
        return self._process is not None

    def start(self) -> None:
        """Have it started, where it does not run and may be tried; `runs` says when it does."""
        if self._process is None and self._starting is None and time.monotonic() >= self._not_before:
            self._not_before = time.monotonic() + PAUSE
            self._starting = asyncio.create_task(self._start(), name="hub verifier start")

    def check(self, triples: Sequence[Triple]) -> asyncio.Future[Proven]:
        """Which of these hold: those in the result do, of the others nothing is known. Never fails."""
        future: asyncio.Future[Proven] = asyncio.get_running_loop().create_future()
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._send)
        self._gathered.append((triples, future))
        return future

    async def wait(self, checks: Sequence[asyncio.Future[Proven]]) -> None:
        """Until these are done. One that lets them wait too long is ended, and they are done without it."""
        waiting = [check for check in checks if not check.done()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=PATIENCE)
            if late:
                _LOG.error("verifier does not answer", waiting=len(late))
                self._end()

    async def close(self) -> None:
        """End the process."""
        tasks = [task for task in (self._starting, self._reading) if task is not None]
        self._not_before = float("inf")
        self._end()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._end()  # it was starting when we came
        if self._ended is not None:
            await self._ended.wait()

    async def _start(self) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "hotline.hub.verifier"),  # no module from wherever the hub was started
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            _LOG.error("verifier not started", error=type(error).__name__)
            return
        finally:
            self._starting = None
        self._process = process
        self._reading = asyncio.create_task(self._read(process), name="hub verifier")

    def _send(self) -> None:
        gathered, self._gathered = self._gathered, []
        if self._process is None or self._process.stdin is None:
            _settle(gathered, lambda: 0)
            return
        self._asked.append(gathered)
        self._process.stdin.write(request([triple for triples, _ in gathered for triple in triples]))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        buffer = bytearray()
        try:
            while process.stdout is not None and (data := await process.stdout.read(1 << 16)):
                buffer += data
                while (found := take_frame(buffer)) is not None:
                    asked = self._asked.popleft()
                    count = sum(len(triples) for triples, _ in asked)
                    if len(found) != count:
                        raise ConnectionError("an answer to another question")
                    _settle(asked, iter(found).__next__)
        except (ConnectionError, IndexError) as error:
            _LOG.error("verifier failed", error=type(error).__name__)
        finally:
            if self._process is process:
                _LOG.error("verifier ended")
                self._end()

    def _end(self) -> None:
        """Whatever was asked is not known."""
        process, self._process = self._process, None
        if process is not None:
            self._ended = process
            with suppress(ProcessLookupError):
                process.kill()
        while self._asked:
            _settle(self._asked.popleft(), lambda: 0)


def _settle(asked: Sequence[tuple[Sequence[Triple], asyncio.Future[Proven]]], holds: Callable[[], int]) -> None:
    for triples, future in asked:
        proven = frozenset([triple for triple in triples if holds() == 1])
        if not future.done():
            future.set_result(proven)
