# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Send what asynchronous generators yield, many at a time, without blocking their loop."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from typing import Any

from deepaas.execution.messages import Call, Failure, StreamEnd, StreamStart
from deepaas.execution.outbox import FULL_PAUSE_S, Outbox, pieces
from deepaas.execution.page import CallPage
from deepaas.execution.streaming import LOOK_AGAIN_S, WINDOW_BYTES, StreamForm, note_resisting

#: A generator that never waits lets others run after so many items.
_ITEMS_A_TURN = 64


class AsyncStreamSender:
    """Sends the streams of calls that run at the same time, in one event loop."""

    def __init__(
        self, outbox: Outbox, page: CallPage, failure_of: Callable[[BaseException], Failure]
    ) -> None:
        self._outbox = outbox
        self._page = page
        self._failure_of = failure_of
        self._resumed = asyncio.Event()
        self._pid = os.getpid()

    def resume(self) -> None:
        """Let those that wait look into the page: the server has passed something on."""
        self._resumed.set()
        self._resumed = asyncio.Event()

    async def send(
        self, call: Call, items: AsyncGenerator[Any], form: StreamForm, slot: int
    ) -> None:
        """Send what a generator yields, then close it.

        Raises:
            BaseException: What the generator raised before its first item, or why that cannot be
                encoded; the call has no answer yet.
        """
        try:
            try:
                first = form.encode(await anext(items))
            except StopAsyncIteration:
                first = b""
            self._leave_fork()
            self._page.set_passed_on(slot, 0)
            start = StreamStart(call.id, form.content_type, slot)
            await self._until(lambda: self._outbox.offer(start))
            failure = await self._send_items(call, items, form, slot, first)
        finally:
            await self._close(items)
        end = StreamEnd(call.id, failure)
        await self._until(lambda: self._outbox.offer(end))

    async def _send_items(
        self, call: Call, items: AsyncGenerator[Any], form: StreamForm, slot: int, first: bytes
    ) -> Failure | None:
        """Send items until there are no more or nobody wants them; return why it broke off."""
        try:
            if first:
                await self._data(call.id, first)
            self._outbox.flush()
            os.sched_yield()  # see StreamSender
            await self._send_rest(call.id, items, form.encode, slot, len(first))
        except SystemExit:
            raise
        except BaseException as exc:  # noqa: BLE001 - the border of the author's code
            self._leave_fork()
            self._outbox.check_server()
            is_ours = self._page.is_cancelled(slot, call.id)
            return None if is_ours else self._failure_of(exc)
        return None

    async def _send_rest(
        self,
        call_id: int,
        items: AsyncGenerator[Any],
        encode: Callable[[Any], bytes],
        slot: int,
        sent: int,
    ) -> None:
        page, offer = self._page, self._outbox.offer_data
        passed_on = count = 0
        async for item in items:
            self._leave_fork()
            data = encode(item)
            if len(data) > WINDOW_BYTES // 16 or not offer(call_id, data):
                await self._data(call_id, data)
            sent += len(data)
            count += 1
            if sent - passed_on >= WINDOW_BYTES:
                passed_on = await self._wait(slot, call_id, sent)
            elif count % _ITEMS_A_TURN == 0:
                await asyncio.sleep(0)
            if page.is_cancelled(slot, call_id):
                return

    async def _wait(self, slot: int, call_id: int, sent: int) -> int:
        """Wait until less than a window is under way, or the call is cancelled."""
        while True:
            passed_on = self._page.passed_on(slot)
            if sent - passed_on < WINDOW_BYTES or self._page.is_cancelled(slot, call_id):
                return passed_on
            self._outbox.flush()
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._resumed.wait()
            except TimeoutError:
                continue

    async def _data(self, call_id: int, data: bytes) -> None:
        for piece in pieces(data):
            while not self._outbox.offer_data(call_id, piece):
                await self._pause()

    async def _until(self, offer: Callable[[], bool]) -> None:
        while not offer():
            await self._pause()

    async def _pause(self) -> None:
        """Let the server empty the ring, which it does in its next turn."""
        self._outbox.check_server()
        await asyncio.sleep(FULL_PAUSE_S)

    async def _close(self, items: AsyncGenerator[Any]) -> None:
        try:
            await items.aclose()
        except SystemExit:
            raise
        except BaseException as exc:  # noqa: BLE001 - the border of the author's code
            note_resisting(exc)
        self._leave_fork()

    def _leave_fork(self) -> None:
        if os.getpid() != self._pid:
            os._exit(0)  # a fork of the model's that came back from its generator
