# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Names become addresses in threads of their own, a few at a time."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from deepaas.errors import CannotFetch
from deepaas.fetching import resolving
from deepaas.fetching.resolving import resolve


@pytest.mark.parametrize("text", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"])
async def test_every_notation_of_the_c_library(text: str) -> None:
    assert await resolve(text, 80) == ["127.0.0.1"]


async def test_a_name() -> None:
    assert {"127.0.0.1", "::1"} & set(await resolve("localhost", 80))


@pytest.mark.parametrize("text", ["nowhere.invalid", "a" * 300, "1.2.3.4.5", "a\x00b", "\udc80"])
async def test_no_name(text: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - what the C library says differs
        await resolve(text, 80)


class Slow:
    """A name server that answers when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", self.look_up)

    def look_up(self, host: str, port: int, **_: Any) -> list[Any]:
        self.answers.wait()
        return [(socket.AF_INET, 0, 0, "", ("192.0.2.1", port))] * 2


async def test_who_does_not_wait_any_more_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    gone = asyncio.create_task(resolve("x", 80))
    stays = asyncio.create_task(resolve("x", 80))
    await asyncio.sleep(0)
    gone.cancel()
    slow.answers.set()
    assert await stays == ["192.0.2.1"]
    assert gone.cancelled()


def test_the_loop_may_end_before_the_answer_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)

    async def leave() -> None:
        task = asyncio.create_task(resolve("x", 80))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    [thread] = [each for each in threading.enumerate() if each.name == "resolving"]
    slow.answers.set()
    thread.join()


async def test_only_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    monkeypatch.setattr(resolving, "_places", threading.BoundedSemaphore(2))
    tasks = [asyncio.create_task(resolve("x", 80)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(CannotFetch, match="Too many"):
        await resolve("x", 80)
    slow.answers.set()
    assert await asyncio.gather(*tasks) == [["192.0.2.1"]] * 2
    assert await resolve("x", 80) == ["192.0.2.1"]


async def test_without_a_thread_no_place_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(resolving, "_places", threading.BoundedSemaphore(1))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        for _ in range(2):
            with pytest.raises(CannotFetch, match="Too many"):
                await resolve("x", 80)
    assert await resolve("127.0.0.1", 80) == ["127.0.0.1"]
