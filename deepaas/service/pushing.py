# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Bring what trainings leave to a remote, once they have ended.

A mark in the job's directory says that it is to be done, and goes when it is: a server that was
ended meanwhile, or a remote that was down, delays it and loses nothing. How the training ended does
not change.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final

from deepaas.errors import Conflict
from deepaas.execution.artifacts import list_artifacts
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.transfers import TransferEnd, run_transfer
from deepaas.records import Job
from deepaas.whole import written_whole

logger = logging.getLogger(__name__)

_MARK: Final = "push.json"
_DONE: Final = "pushed.json"
#: Between two tries; the last one again and again.
_PAUSES_S: Final = (5.0, 30.0, 120.0, 600.0)

Remove = Callable[[JobDirectory], Awaitable[bool]]
RunTransfer = Callable[[str, str, str], Awaitable[TransferEnd]]


class ArtifactPusher:
    """Pushes the artifacts of one server's trainings, one after the other."""

    def __init__(
        self,
        folder: Path,
        destination: str,
        *,
        run: RunTransfer = run_transfer,
        pauses_s: tuple[float, ...] = _PAUSES_S,
    ) -> None:
        """Push nothing yet.

        Args:
            folder: Holds a directory for each job.
            destination: ``REMOTE:PATH``; each job gets a folder ``MODEL/JOB`` there.
            run: Moves files.
            pauses_s: Between two tries.
        """
        self._folder = folder
        self._destination = destination.rstrip("/")
        self._run = run
        self._pauses_s = pauses_s
        self._turn = asyncio.Lock()
        self._closing = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Go on with what is marked: it was not done when a server ended."""
        for job_id, model in (await asyncio.to_thread(unpushed, self._folder)).items():
            self._begin(job_id, model, is_again=True)

    async def before_end(self, job: Job) -> None:
        """Mark a job that is about to end: once it has ended, no server would look at it again."""
        # One that a server before this one has marked is being pushed already.
        if job.kind == "train" and job.id not in self._tasks:
            directory = JobDirectory(self._folder / job.id)
            try:
                await asyncio.to_thread(_mark_if_any, directory, job.model)
            except OSError as exc:
                _tell_left(directory, exc)

    def on_end(self, job: Job) -> None:
        """Push what a job has left that was marked, and has ended."""
        if job.kind == "train" and job.id not in self._tasks:
            self._begin(job.id, job.model, is_again=False)

    def _begin(self, job_id: str, model: str, *, is_again: bool) -> None:
        push = self._push(JobDirectory(self._folder / job_id), model, is_again=is_again)
        task = asyncio.create_task(push, name=f"push {job_id}")
        self._tasks[job_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job_id, None))

    async def holds(self, job_id: str) -> bool:
        """Whether a job's artifacts are not all at the remote yet, and so must stay here."""
        return job_id in self._tasks or await asyncio.to_thread(
            (self._folder / job_id / _MARK).exists
        )

    def sparing(self, remove: Remove) -> Remove:
        """Return what removes a job unless it is held; then it raises Conflict."""

        async def spare(directory: JobDirectory) -> bool:
            if await self.holds(directory.path.name):
                raise Conflict("Its artifacts are not all pushed yet.")
            return await remove(directory)

        return spare

    async def close(self, *, grace_s: float, force: asyncio.Event) -> None:
        """Try nothing again; what is not done after the grace is left for a later server.

        Args:
            grace_s: What goes on gets so long.
            force: When it is set, the grace is over.
        """
        self._closing.set()
        tasks = set(self._tasks.values())
        done: asyncio.Future[Any] = asyncio.gather(*tasks, return_exceptions=True)
        forced: asyncio.Future[Any] = asyncio.create_task(force.wait())
        await asyncio.wait({done, forced}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        for task in {*tasks, forced}:
            task.cancel()
        await asyncio.gather(*tasks, forced, return_exceptions=True)

    async def _push(self, directory: JobDirectory, model: str, *, is_again: bool) -> None:
        """Try until it is done, or cannot be done."""
        try:
            if not await asyncio.to_thread((directory.path / _MARK).exists):
                return
            target = f"{self._destination}/{model.replace('/', '_')}/{directory.path.name}"
            pauses_s = chain(self._pauses_s, repeat(self._pauses_s[-1]))
            again = chain((is_again,), repeat(True))
            while not await self._try(directory, model, target, is_again=next(again)):
                if await self._is_closed_in(next(pauses_s)):
                    return
        except OSError as exc:
            _tell_left(directory, exc)

    async def _try(
        self, directory: JobDirectory, model: str, target: str, *, is_again: bool
    ) -> bool:
        """Push once; return whether there is nothing more to try."""
        job_id = directory.path.name
        async with self._turn:
            if is_again and self._closing.is_set():
                return True
            end = await self._run("push", str(directory.artifacts), target)
        facts = {"job": job_id, "target": target}
        await asyncio.to_thread(_note, directory, model, target, end)
        if end.is_done:
            logger.info(
                "The artifacts of job %s are at %s: %d files moved, %d bytes.",
                *(job_id, target, end.files, end.bytes),
                extra={"action": "artifacts_pushed", **facts},
            )
            return True
        logger.warning(
            "The artifacts of job %s are not all at %s; they stay here, and %s: %s",
            *(job_id, target, "that is tried again" if end.may_pass else "a restart tries again"),
            end.message,
            extra={"action": "push_failed", **facts},
        )
        return not end.may_pass

    async def _is_closed_in(self, pause_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._closing.wait()
        return self._closing.is_set()


def unpushed(folder: Path) -> dict[str, str]:
    """Return the model of each job whose artifacts are still to be pushed, by its id."""
    found = {}
    for mark in folder.glob(f"*/{_MARK}"):
        with suppress(OSError, ValueError, KeyError):  # removed meanwhile, or not ours
            found[mark.parent.name] = str(json.loads(mark.read_bytes())["model"])
    return found


def _mark_if_any(directory: JobDirectory, model: str) -> None:
    if list_artifacts(directory, is_final=False):
        _write(directory.path / _MARK, {"model": model})


def _tell_left(directory: JobDirectory, exc: OSError) -> None:
    job_id = directory.path.name
    logger.warning(
        "The artifacts of job %s are not pushed, they stay in %s: %s.",
        *(job_id, directory.artifacts, exc.strerror),
        extra={"action": "push_failed", "job": job_id},
    )


def _note(directory: JobDirectory, model: str, target: str, end: TransferEnd) -> None:
    """Keep at the job how it went."""
    facts = {"model": model, "target": target, "time": datetime.now(UTC).isoformat()}
    if end.is_done:
        _write(directory.path / _DONE, facts)
        (directory.path / _MARK).unlink()
    else:
        _write(directory.path / _MARK, {**facts, "problem": end.message})


def _write(path: Path, content: dict[str, str]) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(content), "utf-8")
