# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The event loop of a model whose functions are ``async``.

A model has one for its life, made when it is first needed: what ``warm()`` opens in it, a session
of an HTTP client say, works in the calls that follow.
"""

import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from functools import partial
from types import AsyncGeneratorType, CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

# Imported where a loop is made: it is a fifth of what a worker's start takes, and most models do
# without a loop.
if TYPE_CHECKING:
    import asyncio

_T = TypeVar("_T")

#: What a function returns that is called and has not run yet.
AWAITED = (CoroutineType, AsyncGeneratorType)


class ModelLoop:
    """Used by one thread at a time, and not from within a running event loop."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine to its end; the loop stays, and so do tasks that it leaves.

        Raises:
            BaseException: Whatever the coroutine raises.
        """
        if self._runner is None:
            import asyncio

            self._runner = asyncio.Runner(loop_factory=_loop_factory())
            weakref.finalize(self, _close, self._runner, self._runner.get_loop())
        return self._runner.run(coroutine)

    def settle(self, returned: Any) -> Any:
        """Return what an author's function gave, once it has run.

        Returns:
            The result of a coroutine, a plain generator for an asynchronous one, and any other
            value as it is.
        """
        if isinstance(returned, CoroutineType):
            # An async function may return an asynchronous generator.
            return self.settle(self.run(returned))
        if isinstance(returned, AsyncGeneratorType):
            return self.run(collect(returned))
        return returned


async def collect(items: AsyncIterator[Any]) -> Generator[Any]:
    """Return a plain generator of all items of an asynchronous one, which have come by then."""
    return _given([item async for item in items])


def _given(items: list[Any]) -> Generator[Any]:
    yield from items


def is_async(function: Callable[..., Any] | None) -> bool:
    """Tell whether a function is an ``async def``, a generator or not."""
    while isinstance(function, partial):
        function = function.func
    return any(
        inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each)
        for each in (function, getattr(function, "__call__", None))  # noqa: B004 - not whether
    )


def _loop_factory() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """Return what makes the fastest loop that is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _close(runner: "asyncio.Runner", loop: "asyncio.AbstractEventLoop") -> None:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        runner.close()
    else:
        # Collected while another loop runs in this thread: what is left in this one cannot run.
        loop.close()
