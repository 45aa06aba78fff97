# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The worker of the limit: reads calls, answers all that it has read in one write.

Run by :mod:`benchmarks.limits.one_worker` as ``python -m benchmarks.limits.worker MODEL FD``.
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.limits.calls import answer, answer_batch, answer_stream
from benchmarks.limits.frames import Unpacker, pack
from benchmarks.model import BATCH_SIZE

_READ_BYTES = 256 * 1024
_FLUSH_S = 0.001


def _answer_all(model: str, calls: list[tuple[int, Any]]) -> bytes:
    """Answer what has been read; a frame is the number, whether it is the last one, the body."""
    frames = []
    if model == "batch":
        for start in range(0, len(calls), BATCH_SIZE):
            some = calls[start : start + BATCH_SIZE]
            bodies = answer_batch([body for _, body in some])
            frames += [
                pack((number, True, body)) for (number, _), body in zip(some, bodies, strict=True)
            ]
    else:
        for number, body in calls:
            content = Path(body) if isinstance(body, str) else body
            frames.append(pack((number, True, answer(model, content))))
    return b"".join(frames)


def _stream(sock: socket.socket, number: int, body: bytes) -> None:
    """Send the first item at once, then what each millisecond has brought in one write."""
    waiting: list[bytes] = []
    flush_at = 0.0
    for item in answer_stream(body):
        waiting.append(pack((number, False, item)))
        if (now := time.monotonic()) >= flush_at:
            sock.sendall(b"".join(waiting))
            waiting.clear()
            flush_at = now + _FLUSH_S
    sock.sendall(b"".join([*waiting, pack((number, True, b""))]))


def main(model: str, fd: int) -> None:
    """Serve until the other side closes."""
    # Ctrl-C goes to all processes of a terminal; the server closes the socket.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    unpacker = Unpacker()
    with socket.socket(fileno=fd) as sock:
        while data := sock.recv(_READ_BYTES):
            calls = list(unpacker.feed(data))
            if model == "stream":
                for number, body in calls:
                    _stream(sock, number, body)
            elif model in ("work", "single"):
                # A slow model's answers do not wait for each other.
                for call in calls:
                    sock.sendall(_answer_all(model, [call]))
            elif calls:
                sock.sendall(_answer_all(model, calls))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
    os._exit(0)
