# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Work that was begun is done, and what it says is heard or noted."""

import asyncio
import gc
import logging

import pytest

from deepaas.errors import JobNotFound
from deepaas.finishing import finished


async def left(gate: asyncio.Event, exc: Exception | None) -> "asyncio.Task[str]":
    """Return work whose caller was cancelled, and that ends once the gate is open."""

    async def work() -> str:
        await gate.wait()
        if exc is not None:
            raise exc
        return "done"

    doing = asyncio.create_task(work())
    waiting = asyncio.create_task(finished(doing))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not doing.done()
    return doing


async def test_the_result_and_the_error_of_work_are_its_callers() -> None:
    gate = asyncio.get_running_loop().create_future()
    gate.set_result("done")
    assert await finished(gate) == "done"
    failing = asyncio.get_running_loop().create_future()
    failing.set_exception(JobNotFound("x"))
    with pytest.raises(JobNotFound):
        await finished(failing)


@pytest.mark.parametrize(
    ("exc", "noted"), [(None, []), (JobNotFound("x"), []), (ValueError("boom"), ["boom"])]
)
async def test_work_that_nobody_waits_for_goes_on_and_only_faults_are_noted(
    exc: Exception | None, noted: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    gate = asyncio.Event()
    doing = await left(gate, exc)
    with caplog.at_level(logging.ERROR):
        gate.set()
        await asyncio.wait({doing})
        await asyncio.sleep(0)
        del doing
        gc.collect()  # asyncio reports what nobody has looked at when it is collected
    assert [str(record.exc_info and record.exc_info[1]) for record in caplog.records] == noted


async def test_work_that_is_cancelled_itself_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    doing = await left(asyncio.Event(), None)
    doing.cancel()
    await asyncio.wait({doing})
    await asyncio.sleep(0)
    assert caplog.records == []
