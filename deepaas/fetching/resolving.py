# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Resolve the names of hosts without holding up the event loop or its threads.

A client chooses the name, so its name server may be slow on purpose: look-ups get threads of their
own, a few, that an exit of the process does not wait for.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

from deepaas.errors import CannotFetch

#: Returns the addresses of a host and port, numeric; raises OSError.
Resolve = Callable[[str, int], Awaitable[list[str]]]

_TOO_MANY = "Too many addresses are being looked up; try again later."
_AT_ONCE = 32
_places = threading.BoundedSemaphore(_AT_ONCE)


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, as the C library finds them, in its order.

    Numbers in any notation that it knows (decimal, octal, hexadecimal, short) are addresses too.

    Raises:
        OSError: There are none.
        CannotFetch: Too many look-ups are under way.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()
    if not _places.acquire(blocking=False):
        raise CannotFetch(_TOO_MANY)

    def tell(answer: list[str] | OSError) -> None:
        if found.done():
            return  # nobody waits any more
        if isinstance(answer, OSError):
            found.set_exception(answer)
        else:
            found.set_result(answer)

    def look_up() -> None:
        answer: list[str] | OSError
        try:
            answer = _look_up(host, port)
        except OSError as exc:
            answer = exc
        except (UnicodeError, ValueError) as exc:
            answer = OSError(str(exc))  # no name at all
        finally:
            _places.release()
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(tell, answer)

    try:
        threading.Thread(target=look_up, name="resolving", daemon=True).start()
    except RuntimeError as exc:  # the system has no thread left
        _places.release()
        raise CannotFetch(_TOO_MANY) from exc
    return await found


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
