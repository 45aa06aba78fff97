# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A worker of a model whose ``predict`` is ``async``: it runs many calls at once, in one loop."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from functools import partial
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from deepaas.execution.async_streaming import AsyncStreamSender
from deepaas.execution.calls import (
    Answered,
    CallRunner,
    cancelled,
    encode_health,
    encode_metadata,
    failed_health,
)
from deepaas.execution.intake import Intake
from deepaas.execution.messages import Call
from deepaas.execution.outbox import Outbox
from deepaas.execution.page import CallPage
from deepaas.execution.serving import end_call, leave
from deepaas.execution.streaming import form_of
from deepaas.model.adapter import ModelAdapter
from deepaas.model.awaited import collect
from deepaas.model.encoding import EncodedAnswer


class AsyncServing:
    """Takes calls while slots are free, runs each as a task, and answers it when it ends.

    An idle worker of several is not the only one that a call wakes: the wake-up that goes to one
    alone (``EPOLLEXCLUSIVE``) works for who waits on the channel itself, not through a loop.
    """

    def __init__(
        self,
        runner: CallRunner,
        intake: Intake,
        outbox: Outbox,
        page: CallPage,
        *,
        adapter: ModelAdapter,
    ) -> None:
        self._runner = runner
        self._intake = intake
        self._outbox = outbox
        self._page = page
        self._adapter = adapter
        self._streams = AsyncStreamSender(outbox, page, runner.failure)
        # Popped from the end: the first slots are used most, and the server looks at few.
        self._free = list(range(adapter.limits.concurrency))[::-1]
        self._tasks: dict[int, tuple[Call, asyncio.Task[Answered | None]]] = {}
        self._is_taking = False
        self._will_flush = False
        self._pid = os.getpid()

    async def serve(self) -> None:
        """Run until the server says stop, and what runs then has ended.

        Raises:
            ChannelClosed: The server is gone.
        """
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._intake.control.fileno(), self._hear)
        self._hear()
        try:
            await self._over
        finally:
            self._take_no_more()
            self._loop.remove_reader(self._intake.control.fileno())
        self._outbox.flush()

    def _hear(self) -> None:
        """Read what the server has said, and look into the page for what it means."""
        try:
            self._intake.hear()
        except Exception as exc:  # noqa: BLE001 - told to whoever runs this
            self._give_up(exc)
            return
        self._streams.resume()
        for slot, (call, task) in list(self._tasks.items()):
            if self._page.is_cancelled(slot, call.id):
                task.cancel()
        self._go_on()

    def _go_on(self) -> None:
        """Take calls, or none: as many run as may run, or the worker is to stop."""
        if self._over.done():
            return
        if self._intake.is_stopping:
            self._take_no_more()
            if not self._tasks:
                self._over.set_result(None)
        elif self._free and not self._is_taking:
            self._is_taking = True
            self._loop.add_reader(self._intake.calls.fileno(), self._take)

    def _take_no_more(self) -> None:
        if self._is_taking:
            self._is_taking = False
            self._loop.remove_reader(self._intake.calls.fileno())

    def _take(self) -> None:
        try:
            while self._free and not self._intake.is_stopping:
                taken = self._intake.take(self._free[-1])
                if taken is None:
                    return
                slot = self._free.pop()
                call, body = taken
                task = self._loop.create_task(self._run(call, body, slot))
                self._tasks[slot] = (call, task)
                # Not in the task, which never begins if it is cancelled first.
                task.add_done_callback(partial(self._ended, call, slot))
        except Exception as exc:  # noqa: BLE001 - told to whoever runs this
            self._give_up(exc)
            return
        self._take_no_more()
        self._go_on()

    def _give_up(self, exc: Exception) -> None:
        self._take_no_more()
        if not self._over.done():
            self._over.set_exception(exc)

    def _ended(self, call: Call, slot: int, task: "asyncio.Task[Answered | None]") -> None:
        try:
            answered = (cancelled(call), None) if task.cancelled() else task.result()
            end_call(self._outbox, self._page, slot, answered)
        except OSError as exc:
            self._give_up(exc)  # the server is gone
        del self._tasks[slot]
        self._free.append(slot)
        if not self._will_flush:
            # Once for all that end in this turn of the loop.
            self._will_flush = True
            self._loop.call_soon(self._flush)
        self._go_on()

    def _flush(self) -> None:
        self._will_flush = False
        try:
            self._outbox.flush()
        except OSError as exc:
            self._give_up(exc)

    async def _run(self, call: Call, body: memoryview | None, slot: int) -> Answered | None:
        """Run one call; ``None`` if its answer was a stream."""
        try:
            answered = await self._answered(call, body, slot)
        except SystemExit as exc:
            leave(exc)
        except BaseException as exc:  # noqa: BLE001 - the border of the author's code
            is_ours = isinstance(exc, asyncio.CancelledError) and self._is_cancelled(call, slot)
            answered = (cancelled(call), None) if is_ours else self._runner.failed(call, exc)
        if os.getpid() != self._pid:
            os._exit(0)  # a fork of the model's that came back from predict()
        return answered

    def _is_cancelled(self, call: Call, slot: int) -> bool:
        return self._page.is_cancelled(slot, call.id)

    async def _answered(self, call: Call, body: memoryview | None, slot: int) -> Answered | None:
        runner = self._runner
        runner.enter(call)
        if call.function == "health":
            return runner.answer_of(call, await self._health())
        if call.function == "metadata":
            said = await self._adapter.metadata_async()
            return runner.answer_of(call, encode_metadata(said))
        if call.function != "predict":
            return runner.serve(call, body, None)
        arguments = runner.arguments(call, body)
        returned = await self._adapter.predict_async(arguments)
        if isinstance(returned, GeneratorType):
            returned = _as_async(returned)
        if isinstance(returned, AsyncGeneratorType):
            form = form_of(call.stream, arguments.get("accept"))
            if form is not None:
                await self._streams.send(call, returned, form, slot)
                return None
            returned = await collect(returned)
        return runner.encode(call, arguments, returned)

    async def _health(self) -> EncodedAnswer:
        try:
            return encode_health(await self._adapter.health_async())
        except Exception as exc:  # noqa: BLE001 - the author's health()
            return failed_health(exc)


async def _as_async(items: Generator[Any]) -> AsyncGenerator[Any]:
    """Iterate over a plain generator that an ``async`` function returned."""
    try:
        for item in items:
            yield item
    finally:
        items.close()
