# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Queued predictions in directories of a test's own, and a pool that answers by hand."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepaas.execution.base import Load, Result
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.messages import Answer, Failure
from deepaas.execution.submission import write_call
from deepaas.records import CallInput, Job, JobState, ModelSource, SourceKind
from deepaas.service.predictions import error_of
from deepaas.testing import make_job

SOURCE = ModelSource("cat", SourceKind.OBJECT, "cat:model")

explain = error_of


@dataclass(eq=False)
class HandCall:
    """A call that the pool has, until the test ends it."""

    given: Mapping[str, Any]
    future: asyncio.Future[Result]
    was_left: bool = False

    @property
    def number(self) -> int:
        """Of its job."""
        return int(self.given["given"].query[0][1])

    def answer(self, body: bytes = b"miaow", **result: Any) -> None:
        """Answer it."""
        self.future.set_result(Result(Answer(1, "text/plain", body), version=3, **result))

    def fail(self, failure: Failure) -> None:
        """Answer that the model failed."""
        self.future.set_result(Result(Answer(1, failure=failure), version=3))

    def break_off(self, error: Exception) -> None:
        """Have no answer."""
        self.future.set_exception(error)

    def release(self) -> None:
        """Need nothing of it any more."""
        self.given["release"]()


@dataclass
class HandPool:
    """A pool whose calls a test ends itself."""

    capacity: int = 4
    is_refusing: bool = False
    #: Calls of others.
    direct: int = 0
    calls: list[HandCall] = field(default_factory=list)

    @property
    def load(self) -> Load:
        """How much of it is used."""
        running = sum(not call.future.done() for call in self.calls)
        capacity = 0 if self.is_refusing else self.capacity
        return Load(capacity, running + self.direct, self.is_refusing)

    async def call(self, function: str, **given: Any) -> Result:
        """Take a call."""
        assert function == "predict"
        call = HandCall(given, asyncio.get_running_loop().create_future())
        self.calls.append(call)
        try:
            return await call.future
        except asyncio.CancelledError:
            call.was_left = True
            raise


def stored(
    folder: Path, number: int = 1, body: bytes | None = None, **changes: Any
) -> tuple[Job, JobDirectory]:
    """Write a queued prediction, which the store does not know yet."""
    job = make_job(number, kind="predict", **changes)
    directory = JobDirectory(folder / job.id)
    given = CallInput(query=(("n", str(number)),), body=body)
    call = JobCall(SOURCE, given, warm=False, request_id="r", principal="me", stream="s/s")
    write_call(directory, call, None)
    return job, directory


def claimed(folder: Path, body: bytes | None = None, **changes: Any) -> tuple[Job, JobDirectory]:
    """Write one that is claimed."""
    job, directory = stored(folder, body=body, **changes)
    return job.evolve(state=JobState.RUNNING), directory
