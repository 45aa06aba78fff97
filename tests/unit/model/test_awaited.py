# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Async functions of a model run in one loop that stays."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from deepaas.model.awaited import ModelLoop, is_async
from tests.unit.parts import eventually, open_fds


async def answer(value: Any = 7) -> Any:
    await asyncio.sleep(0)
    return value


async def numbers() -> AsyncIterator[int]:
    yield 1
    yield 2


def plain() -> int:
    return 7


class Callee:
    """An object that can be called, asynchronously."""

    async def __call__(self) -> int:
        return 7

    async def method(self) -> int:
        return 7


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (answer, True),
        (numbers, True),
        (partial(answer, 8), True),
        (partial(partial(Callee()), 8), True),
        (Callee(), True),
        (Callee().method, True),
        (plain, False),
        (partial(plain), False),
        (len, False),
        (None, False),
    ],
)
def test_which_functions_are_async(function: Callable[..., Any] | None, expected: bool) -> None:
    assert is_async(function) == expected


def test_what_has_run_is_returned() -> None:
    loop = ModelLoop()
    assert loop.settle(answer()) == 7
    assert list(loop.settle(numbers())) == [1, 2]
    assert list(loop.settle(answer(numbers()))) == [1, 2]
    value = object()
    assert loop.settle(value) is value


def test_it_is_the_same_loop_every_time() -> None:
    async def current() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    loop = ModelLoop()
    assert loop.run(current()) is loop.run(current())


def test_what_a_coroutine_raises_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("boom")

    loop = ModelLoop()
    with pytest.raises(ValueError, match="boom"):
        loop.settle(fail())
    assert loop.settle(answer()) == 7


def test_nothing_is_left_of_a_loop_that_nobody_needs() -> None:
    gc.collect()
    before = open_fds()
    loop = ModelLoop()
    loop.settle(answer())
    del loop
    gc.collect()
    assert open_fds() == before


async def test_a_loop_that_is_given_up_inside_another() -> None:
    gc.collect()
    await asyncio.to_thread(plain)  # a thread that stays
    before = open_fds()
    loop = ModelLoop()
    await asyncio.to_thread(loop.settle, answer())
    del loop

    async def open_still() -> int:
        gc.collect()
        return open_fds()

    # The thread tells what it returned just before it lets go of what it called.
    await eventually(open_still, lambda count: count == before)


def test_without_uvloop_the_standard_library_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert ModelLoop().settle(answer()) == 7
