# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The socket by which the workers of one model are handed their calls."""

import os

from deepaas.execution.messages import Channel
from deepaas.execution.pending import Pending


class CallSocket:
    """Belongs to one pool; what is sent lies there until a worker takes it, or it is read back."""

    def __init__(self) -> None:
        self._ours, self.workers_end = Channel.pair()
        self._ours.socket.setblocking(False)

    def send(self, pending: Pending) -> None:
        """Put a call there; one worker that waits is woken for it.

        Raises:
            BlockingIOError: It is full of large calls.
            OSError: This call cannot cross.
        """
        fds = () if pending.body_fd is None else (pending.body_fd,)
        self._ours.send(pending.call, fds)

    def read_back(self) -> list[int]:
        """Take out the calls that no worker has taken; return their ids, in order."""
        found = []
        try:
            while True:
                call, fds = self.workers_end.receive()
                for fd in fds:
                    os.close(fd)
                found.append(call.id)
        except BlockingIOError:
            return found

    def close(self) -> None:
        """Close both ends; may be called twice."""
        self._ours.close()
        self.workers_end.close()
