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
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepaas import telemetry
from deepaas.errors import CallFailed, Conflict, ModelLoadError, Unavailable, WorkerDied
from deepaas.execution.base import Load, Result
from deepaas.execution.messages import Call, map_file
from deepaas.execution.stats import PoolStats
from deepaas.model import context
from deepaas.records import (
    PACKAGE_VERSION,
    CallInput,
    ModelDescription,
    ModelSource,
    ServedVersion,
)

if TYPE_CHECKING:
    from deepaas.execution.calls import CallRunner

_Task = Callable[[], None]

#: Held while a model's code runs: all models of a process share what ``model_dir()`` returns.
_one_at_a_time = threading.Lock()


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
        self.version = PACKAGE_VERSION
        self._warm = warm
        self._on_loaded = on_loaded
        self._loop = asyncio.get_running_loop()
        self._loaded: asyncio.Future[None] = self._loop.create_future()
        self._is_refusing = False
        #: What callers wait for.
        self._waiting: set[asyncio.Future[Result]] = set()
        #: What the thread runs, or ran last.
        self._begun: asyncio.Future[Result] | None = None
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._runner: CallRunner
        # A daemon: somebody at a debugger's prompt must not keep the server from ending.
        self._thread = threading.Thread(target=self._work, name=f"model {source.name}", daemon=True)

    def start(self, version: ServedVersion = PACKAGE_VERSION) -> None:
        """Load the model in the thread."""
        self.version = version
        self._tasks.put(self._load)
        self._thread.start()

    async def restart(self, version: ServedVersion) -> None:
        """Load another version in the thread, after the first could not be loaded."""
        self.version = version
        self._loaded = self._loop.create_future()
        self._tasks.put(self._load)

    async def switch(
        self,
        version: ServedVersion,
        *,
        commit: Callable[[], Awaitable[object]],
        in_place: bool = False,
    ) -> None:
        """Refuse: what the model has imported and kept in this process cannot be undone.

        Raises:
            Conflict: Always, unless the version is served already.
        """
        if version != self.version:
            raise Conflict(self.why_fixed)
        await commit()

    @property
    def why_fixed(self) -> str:
        """Why it cannot switch."""
        return (
            "A model that runs in the server's own process (--workers 0) changes its version by a"
            " restart only; promote it while it has workers."
        )

    def _work(self) -> None:
        telemetry.model.set(self.source.name)
        while (task := self._tasks.get()) is not None:
            with _one_at_a_time:
                folder = self.version.model_dir
                context.install_model_dir(None if folder is None else Path(folder))
                task()

    def _soon(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function in the loop's thread."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
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
            self._soon(_settle, self._loaded, None, exc)
        except BaseException as exc:  # noqa: BLE001 - the border of the author's code
            reason = f"{self.source.label}: {type(exc).__name__}: {exc}"
            error = ModelLoadError(reason, name=self.source.name, traceback=traceback.format_exc())
            self._soon(_settle, self._loaded, None, error)
        else:
            self._soon(self._on_loaded, description)
            self._soon(_settle, self._loaded, None, None)

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
        return bool(self._waiting)

    @property
    def stats(self) -> PoolStats:
        """What waits and runs; no more is counted, and its process is the server's."""
        running = int(self._begun is not None and not self._begun.done())
        state = "ready" if self._is_loaded else "loading"
        return PoolStats(len(self._waiting) - running, running, {state: 1})

    @property
    def load(self) -> Load:
        """How much of it is used: it runs one call at a time."""
        capacity = 0 if self._is_refusing else self.ready_workers
        return Load(capacity, len(self._waiting), self._is_refusing)

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
        job: str = "",
    ) -> Result:
        """Run a function of the model; what a generator yields is collected."""
        is_apart = body_fd is not None
        call = Call(0, function, request_id, arguments, given, is_apart, "", principal, job)
        future: asyncio.Future[Result] = self._loop.create_future()

        def done(result: Result | None, error: Exception | None) -> None:
            self._waiting.discard(future)
            _settle(future, result, error)
            if release is not None:
                release()

        def run() -> None:
            result, error = None, None
            try:
                if not future.done():
                    self._begun = future
                    result = self._run(call, body_fd)
            except BaseException as exc:  # noqa: BLE001 - SystemExit of the author's among them
                error = CallFailed(type(exc).__name__, str(exc))
            self._soon(done, result, error)

        if self._is_refusing:
            done(None, Unavailable("The service is shutting down."))
        else:
            self._waiting.add(future)
            self._tasks.put(run)
        return await future

    def _run(self, call: Call, body_fd: int | None) -> Result:
        body: mmap.mmap | memoryview | None = None if body_fd is None else map_file(body_fd)
        answer, file = self._runner.run(call, None if body is None else memoryview(body))
        if file is None:
            return Result(answer, version=self.version.number)
        with file:
            return Result(
                answer._replace(body=None), os.dup(file.fileno()), version=self.version.number
            )

    def refuse(self) -> None:
        """Take no more calls."""
        self._is_refusing = True

    async def close(self, *, grace_s: float) -> None:
        """Let the thread end; what it runs cannot be ended, but nobody waits for it any more."""
        self._is_refusing = True
        self._tasks.put(None)
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, grace_s)
        await asyncio.sleep(0)  # for what the thread has said at last
        for future in tuple(self._waiting):
            kind = WorkerDied if future is self._begun else Unavailable
            _settle(future, None, kind("The service is shutting down."))
        if not self._loaded.done():
            self._loaded.cancel()
        elif not self._loaded.cancelled():
            self._loaded.exception()  # retrieved here, so that nobody warns of it


def _settle(future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    """Tell whoever waits; a descriptor that nobody waits for is closed."""
    if future.done():
        if isinstance(result, Result) and result.fd is not None:
            os.close(result.fd)
    elif error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
