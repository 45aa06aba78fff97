# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A program of a deployment while it runs."""

import asyncio
from pathlib import Path
from typing import Final

from deepaas.orchestrator.local import processes
from deepaas.orchestrator.local.endpoints import url_of, wait_ready
from deepaas.orchestrator.local.records import CannotDeploy, Program, Running

#: In which a program's last words are looked for.
_TAIL_BYTES: Final = 2000


class Member:
    """A program, and the process that runs it.

    Args:
        program: What runs.
        uuid: Of the deployment.
        folder: Of the deployment.
        running: The process, where another orchestrator has started it.
    """

    def __init__(
        self, program: Program, uuid: str, folder: Path, running: Running | None = None
    ) -> None:
        self.program = program
        self._uuid = uuid
        self._folder = folder
        self._running = running
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> Running:
        """The process that was started last."""
        assert self._running is not None, "start() comes first"
        return self._running

    async def start(self) -> Running:
        """Start it; again where it listened before, as its clients know that place.

        Raises:
            CannotDeploy: It cannot be started.
        """
        before = self._running
        place = (
            processes.place_for(self.program) if before is None else (before.address, before.port)
        )
        self._running, self._process = await processes.start(
            self.program, self._uuid, self._folder, place
        )
        return self._running

    async def wait_ready(self) -> None:
        """Wait until the service answers; the caller limits how long.

        Raises:
            CannotDeploy: It has ended instead.
        """
        waiting = asyncio.create_task(wait_ready(url_of(self.program, self.running)))
        ending = asyncio.create_task(self.wait_end())
        try:
            await asyncio.wait({waiting, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise self.failure(ending.result())
            waiting.result()
        finally:
            for task in (waiting, ending):
                task.cancel()
            await asyncio.gather(waiting, ending, return_exceptions=True)

    async def run_to_end(self) -> None:
        """Wait until the job has ended well.

        Raises:
            CannotDeploy: It has failed.
        """
        if status := await self.wait_end():
            raise self.failure(status)

    async def wait_end(self) -> int | None:
        """Wait for the process; return its exit status, ``None`` if another one has reaped it."""
        if self._process is not None:
            return await self._process.wait()
        await processes.ended(self.running)
        return None

    def failure(self, status: int | None) -> CannotDeploy:
        """Return the error that it has ended, with its last words."""
        said = processes.tail(self._folder, _TAIL_BYTES).strip().splitlines()
        words = f": {said[-1]}" if said else ""
        return CannotDeploy(f"{self.program.node!r} ended with status {status}{words}")
