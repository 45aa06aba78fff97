# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A server without HTTP, which may be killed at any write: ``killable.py STATE HOW JOB GATE``.

HOW: ``run`` submits a training and waits for its end; ``cancel`` cancels it once it runs; ``stop``
ends the server once it runs; ``recover`` submits nothing, and waits until every job has ended. What
a client would have been told is printed.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from deepaas.execution.claiming import JobLimits
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobs import JobRunner
from deepaas.execution.local import LocalExecutor
from deepaas.execution.presence import ServerPresence
from deepaas.records import CallInput, Job, JobState, ModelSource, SourceKind
from deepaas.store.sqlite import SqliteJobStore

_MODEL = Path(__file__).parent / "models" / "counts_on.py"


async def serve(state: Path, how: str, job_id: str, gate: Path) -> None:
    """Do as the module says."""
    source = ModelSource(_MODEL.stem, SourceKind.FILE, str(_MODEL))
    async with AsyncExitStack() as stack:
        store = await SqliteJobStore.open(state / "jobs.sqlite")
        stack.push_async_callback(store.close)
        presence = ServerPresence(state / "servers")
        stack.callback(presence.close)
        executor = LocalExecutor()  # its guard for predictions is not needed
        stack.push_async_callback(executor.close)
        (state / "jobs").mkdir(exist_ok=True)
        runner = await stack.enter_async_context(
            JobRunner(
                store,
                state / "jobs",
                presence=presence,
                executor=executor,
                sources={source.name: source},
                limits=JobLimits(cancel_grace_s=10),
                warm=False,
                keep_trainings=False,
            )
        )
        if how != "recover":
            await submit(runner, job_id, source, gate)
            tell("accepted")
        if how in ("cancel", "stop"):
            await until((runner.directory(job_id).checkpoints / "next").exists)
            tell("running")
        if how == "cancel":
            tell((await runner.cancel(job_id)).state)
        if how != "stop":
            while not all(job.state.is_final for job in await store.list()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def tell(text: str) -> None:
    """Tell the client, and note among the points when."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    with (Path(os.environ["KILLING_FOLDER"]) / "points").open("a") as file:
        file.write(f"{text}\n")


async def submit(runner: JobRunner, job_id: str, source: ModelSource, gate: Path) -> None:
    """Submit the training, as a request would."""
    fails = str(gate.exists())  # a training that need not wait has time to fail
    job = Job(
        id=job_id,
        kind="train",
        model=source.name,
        state=JobState.QUEUED,
        created=datetime.now(UTC),
        resumable=True,
        retries=1,
    )
    query = (("gate", str(gate)), ("fails", fails))
    await runner.submit(job, JobCall(source, CallInput(query=query), warm=False))


async def until(what: Callable[[], bool]) -> None:
    """Wait for what other processes do."""
    while not what():  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.005)


if __name__ == "__main__":
    state, how, job_id, gate = sys.argv[1:]
    asyncio.run(serve(Path(state), how, job_id, Path(gate)))
