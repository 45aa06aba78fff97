# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model in the server's own process, its calls in one thread: for debuggers.

Nothing here protects the server from the model: a call cannot be ended, a crash ends everything.
"""

import asyncio
import mmap
import os
import queue
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from deepaas.errors import CallFailed, ModelLoadError, Unavailable
from deepaas.execution.base import Result
from deepaas.execution.messages import Answer, Call, map_file
from deepaas.records import CallInput, ModelDescription, ModelSource

if TYPE_CHECKING:
    from deepaas.execution.calls import CallRunner

_Task = Callable[[], None]


class InlinePool:
    """Serves one model in a thread; a :class:`~deepaas.execution.base.ModelPool`."""

    def __init__(
        self,
        source: ModelSource,
        *,
        warm: bool,
        on_loaded: Callable[[ModelDescription], object],
    ) -> None:
        self.source = source
        self._warm = warm
        self._on_loaded = on_loaded
        self._loop = asyncio.get_running_loop()
        self._loaded: asyncio.Future[None] = self._loop.create_future()
        self._is_refusing = False
        self._count = 0
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._runner: CallRunner
        # A daemon: somebody at a debugger's prompt must not keep the server from ending.
        self._thread = threading.Thread(target=self._work, name=f"model {source.name}", daemon=True)

    def start(self) -> None:
        """Load the model in the thread."""
        self._tasks.put(self._load)
        self._thread.start()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()

    def _tell(self, future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
        def settle() -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        try:
            self._loop.call_soon_threadsafe(settle)
        except RuntimeError:
            return  # the loop is closed; nobody waits

    def _load(self) -> None:
        from deepaas.execution.calls import CallRunner
        from deepaas.execution.worker import load_warm
        from deepaas.model.description import describe

        try:
            adapter = load_warm(self.source, warm=self._warm)
            self._runner = CallRunner(adapter)
            description = describe(adapter)
        except ModelLoadError as exc:
            self._tell(self._loaded, None, exc)
        except Exception as exc:  # noqa: BLE001 - the border of the author's code
            reason = f"{self.source.label}: {type(exc).__name__}: {exc}"
            error = ModelLoadError(reason, name=self.source.name, traceback=traceback.format_exc())
            self._tell(self._loaded, None, error)
        else:
            self._loop.call_soon_threadsafe(self._on_loaded, description)
            self._tell(self._loaded, None, None)

    async def wait_loaded(self) -> None:
        """Wait until the model is loaded; see :meth:`.base.ModelPool.wait_loaded`."""
        await asyncio.shield(self._loaded)

    @property
    def _is_loaded(self) -> bool:
        return self._loaded.done() and not self._loaded.cancelled() and not self._loaded.exception()

    @property
    def ready_workers(self) -> int:
        """One, once it is loaded."""
        return int(self._is_loaded)

    @property
    def is_busy(self) -> bool:
        """Whether a call runs or waits."""
        return self._count > 0

    @property
    def reason(self) -> str | None:
        """Why the model cannot answer at the moment, ``None`` if it can."""
        if self._is_refusing:
            return "The service is shutting down."
        return None if self._is_loaded else "The model is loading."

    async def call(
        self,
        function: str,
        *,
        request_id: str,
        arguments: Mapping[str, Any] | None = None,
        given: CallInput | None = None,
        body_fd: int | None = None,
        release: Callable[[], None] | None = None,
        stream: str = "",
        principal: str | None = None,
    ) -> Result:
        """Run a function of the model; what a generator yields is collected."""
        call = Call(0, function, request_id, arguments, given, body_fd is not None, "", principal)
        future: asyncio.Future[Result] = self._loop.create_future()

        def done() -> None:
            self._count -= 1
            if release is not None:
                release()

        def run() -> None:
            try:
                if not future.cancelled():
                    self._tell(future, self._run(call, body_fd), None)
            except BaseException as exc:  # noqa: BLE001 - SystemExit of the author's among them
                self._tell(future, None, CallFailed(type(exc).__name__, str(exc)))
            finally:
                self._loop.call_soon_threadsafe(done)

        if self._is_refusing:
            if release is not None:
                release()
            raise Unavailable("The service is shutting down.")
        self._count += 1
        self._tasks.put(run)
        return await future

    def _run(self, call: Call, body_fd: int | None) -> Result:
        body: mmap.mmap | memoryview | None = None if body_fd is None else map_file(body_fd)
        answer, file = self._runner.run(call, None if body is None else memoryview(body))
        if file is None:
            return Result(answer)
        with file:
            return Result(_without_body(answer), os.dup(file.fileno()))

    def refuse(self) -> None:
        """Take no more calls."""
        self._is_refusing = True

    async def close(self, *, grace_s: float) -> None:
        """Let the thread end; what it runs cannot be ended."""
        self._is_refusing = True
        self._tasks.put(None)
        await asyncio.to_thread(self._thread.join, grace_s)
        if not self._loaded.done():
            self._loaded.cancel()
        elif not self._loaded.cancelled():
            self._loaded.exception()  # retrieved here, so that nobody warns of it


def _without_body(answer: Answer) -> Answer:
    return answer._replace(body=None)
