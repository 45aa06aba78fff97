# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""From a candidate to the version that is served, or back: what goes on when its caller leaves."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deepaas.errors import Conflict, DeepaasError, StorageUnavailable, VersionFailed
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.modelfiles import seal
from deepaas.service.switching import Switching
from deepaas.store.versions import ModelVersion, VersionState, VersionStore

logger = logging.getLogger(__name__)

_INTERRUPTED = "The server was stopped while it was being promoted."
_CALLED_OFF = "The promotion was called off."

#: Makes a version a candidate, and returns it.
Propose = Callable[[], Awaitable[ModelVersion]]


class VersionChanges:
    """The changes that one server makes, each in a task of its own."""

    def __init__(
        self, store: VersionStore, switching: Switching, *, server: str, folder: Path
    ) -> None:
        """Prepare.

        Args:
            store: Not closed here.
            switching: Lets the models serve.
            server: Id of this server.
            folder: Holds a directory for each job.
        """
        self._store = store
        self._switching = switching
        self._server = server
        self._folder = folder
        self._tasks: set[asyncio.Task[Any]] = set()
        #: Of those, the one that has a candidate, by model.
        self._trying: dict[str, asyncio.Task[Any]] = {}
        #: Of those, the ones that were called off or have failed; they need not be called off.
        self._ending: set[asyncio.Task[Any]] = set()
        #: By model, the number of a candidate of this server that is none any more, and why, where
        #: that could not be recorded.
        self._undropped: dict[str, tuple[int, str]] = {}

    async def run(self, propose: Propose, *, waits: bool) -> ModelVersion:
        """Make a change; see :meth:`~deepaas.service.versions.VersionService.promote`.

        Args:
            propose: Begins it.
            waits: Whether to return when the version is served, or when it is a candidate.
        """
        proposed: asyncio.Future[ModelVersion] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._change(propose, proposed), name="change of a version")
        self._tasks.add(task)
        task.add_done_callback(self._has_ended)
        if waits:
            return await asyncio.shield(task)
        await asyncio.wait({task, proposed}, return_when=asyncio.FIRST_COMPLETED)
        return proposed.result() if proposed.done() else task.result()

    def _has_ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved here: whoever asked may have left, and it is recorded

    async def _change(
        self, propose: Propose, proposed: "asyncio.Future[ModelVersion]"
    ) -> ModelVersion:
        version = await propose()
        proposed.set_result(version)
        if version.state is VersionState.CANDIDATE:
            await self._try(version)
        else:
            # It is chosen already, and this server may not have caught up.
            await self._serve(version)
        return await self._store.get(version.model, version.number)

    async def _try(self, version: ModelVersion) -> None:
        """Serve a candidate, or record why it is not served."""
        task = asyncio.current_task()
        assert task is not None
        self._trying[version.model] = task
        # What was left is gone, or this would not be the candidate; it may have the same number.
        self._undropped.pop(version.model, None)
        try:
            await self._serve(version)
        except BaseException as exc:
            failure = Conflict(_CALLED_OFF) if task in self._ending else exc
            self._ending.add(task)
            await self._drop(version, failure)
            if failure is exc:
                raise
            raise failure from exc
        finally:
            self._ending.discard(task)
            # Once the candidate is none any more, another task may have the next one.
            if self._trying.get(version.model) is task:
                del self._trying[version.model]

    async def call_off(self, model: str) -> None:
        """End the promotion of a version of a model that this server tries, if there is one."""
        task = self._trying.get(model)
        if task is None:
            return
        if task not in self._ending:
            self._ending.add(task)
            task.cancel()
        await asyncio.wait({task})

    async def _serve(self, version: ModelVersion) -> None:
        async def commit() -> None:
            if version.state is VersionState.CANDIDATE:
                now = datetime.now(UTC)
                await self._store.serve(version.model, server=self._server, now=now)

        if version.job is not None:
            try:
                await asyncio.to_thread(seal, JobDirectory(self._folder / version.job))
            except OSError as exc:
                reason = f"its artifacts cannot be read or noted: {exc.strerror}"
                raise VersionFailed(version.number, reason) from exc
        await self._switching.serve(version.model, version.number, version.job, commit)

    async def _drop(self, version: ModelVersion, exc: BaseException) -> None:
        """Record why a candidate is not served."""
        if isinstance(exc, VersionFailed):
            reason = exc.reason
        else:
            reason = exc.public_message if isinstance(exc, DeepaasError) else _INTERRUPTED
        self._undropped[version.model] = (version.number, reason)
        try:
            await self.drop_left()
        except StorageUnavailable as failure:
            # Tried again by the follower.
            logger.warning("%s", failure.message, extra={"action": "candidate_not_dropped"})

    async def drop_left(self) -> None:
        """Record the end of the candidates of this server that are none any more.

        While one is left, no other version of its model can be proposed.

        Raises:
            StorageUnavailable: It cannot be recorded now.
        """
        while self._undropped:
            model, left = next(iter(self._undropped.items()))
            number, reason = left
            await self._store.drop(model, number, server=self._server, reason=reason)
            if self._undropped.get(model) is left:
                del self._undropped[model]

    async def close(self) -> None:
        """End what goes on; a version that is being promoted is not."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
