# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How a worker takes calls, and hears what the server has to say meanwhile."""

import os
import select
import time

from deepaas.execution.messages import Call, Channel, Stop, map_file
from deepaas.execution.page import CallPage

#: A call, and its JSON body where that came in memory of its own.
Taken = tuple[Call, memoryview | None]


class Intake:
    """The channel that all workers of a model read, and this worker's own; used by one thread."""

    def __init__(self, calls: Channel, control: Channel, page: CallPage) -> None:
        self.calls = calls
        self.control = control
        self._page = page
        self._was_stopped = False
        self._all = select.epoll()
        # Exclusive: a call wakes one idle worker, not all of them (epoll_ctl(2)).
        self._all.register(calls.fileno(), select.EPOLLIN | select.EPOLLEXCLUSIVE)
        self._all.register(control.fileno(), select.EPOLLIN)
        self._words = select.poll()
        self._words.register(control.fileno(), select.POLLIN)

    def close(self) -> None:
        """Release what waiting needs; the channels stay open."""
        self._all.close()

    def close_down(self) -> None:
        """Let the worker take no more calls, though the server has not said so."""
        self._was_stopped = True

    @property
    def is_stopping(self) -> bool:
        """Whether the worker is to take no more calls."""
        return self._was_stopped or self._page.is_stopping

    def take(self, slot: int) -> Taken | None:
        """Take a call if one is there, and note it in a slot that is free.

        Raises:
            ChannelClosed: The server is gone.
        """
        page = self._page
        page.set_receiving(True)
        try:
            call, fds = self.calls.receive()
            now_s = time.monotonic()
            page.begin(call.id, now_s, slot)
            page.tallies.waited.add(now_s - call.accepted_s)
        except BlockingIOError:
            return None
        finally:
            page.set_receiving(False)
        return call, (_body(call, fds) if fds else None)

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until there may be a call, or the server has said something.

        Raises:
            ChannelClosed: The server is gone.
        """
        control = self.control.fileno()
        if any(fd == control for fd, _ in self._all.poll(timeout_s)):
            self.hear()

    def wait_for_word(self, timeout_s: float) -> None:
        """Wait until the server has said something.

        Raises:
            ChannelClosed: The server is gone.
        """
        if self._words.poll(timeout_s * 1000):
            self.hear()

    def hear(self) -> None:
        """Read what the server has said; what it noted in the page stands there.

        Raises:
            ChannelClosed: The server is gone.
        """
        try:
            while True:
                message, _ = self.control.receive()
                if isinstance(message, Stop):
                    self._was_stopped = True
        except BlockingIOError:
            return


def _body(call: Call, fds: list[int]) -> memoryview | None:
    """Map the body that came with a call; its descriptors are needed no more then."""
    try:
        return memoryview(map_file(fds[0])) if call.has_body_fd else None
    finally:
        for fd in fds:
            os.close(fd)
