# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What goes into the ring comes out whole, in order, once; also after the writer's death."""

import mmap
import os
import random
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepaas.execution.ring import MAX_MESSAGE_BYTES, RING_BYTES, Ring
from tests.unit.parts import PATIENCE_S, ROOT

OFFSET = mmap.PAGESIZE

#: Writes messages of known sizes and content, as fast as there is room.
WRITER = """
import mmap, os, random, signal, sys
from deepaas.execution.ring import RING_BYTES, Ring
memory = mmap.mmap(int(sys.argv[1]), mmap.PAGESIZE + RING_BYTES)
ring = Ring(memory, mmap.PAGESIZE)
sizes = random.Random(int(sys.argv[2]))
for number in range(int(sys.argv[3])):
    message = bytes([number % 251]) * sizes.choice((0, 1, 3, 4, 5, 100, 3000, 32768))
    while not ring.put(message):
        pass
if len(sys.argv) > 4:
    os.kill(os.getpid(), signal.SIGKILL)
"""


@contextmanager
def two_sides() -> Iterator[tuple[Ring, Ring, int]]:
    """Lend the worker's side and the server's, and the descriptor of their memory."""
    fd = os.memfd_create("ring")
    os.ftruncate(fd, OFFSET + RING_BYTES)
    memories = [mmap.mmap(fd, OFFSET + RING_BYTES) for _ in range(2)]
    worker, server = (Ring(memory, OFFSET) for memory in memories)
    try:
        yield worker, server, fd
    finally:
        for ring, memory in zip((worker, server), memories, strict=True):
            ring.close()
            memory.close()
        os.close(fd)


def taken(ring: Ring) -> list[bytes]:
    """Take everything."""
    found = []
    while (data := ring.take()) is not None:
        found.append(data)
    return found


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.integers(0, 64),
            st.integers(0, MAX_MESSAGE_BYTES),
            st.just(MAX_MESSAGE_BYTES),
            st.none(),
        ),
        max_size=120,
    )
)
def test_what_goes_in_comes_out(steps: list[int | None]) -> None:
    """Sizes of messages to put, and ``None`` to take one."""
    expected: deque[bytes] = deque()
    with two_sides() as (worker, server, _):
        for number, step in enumerate(steps):
            if step is None:
                assert server.take() == (expected.popleft() if expected else None)
                continue
            data = bytes([number]) * step
            if worker.put(data):
                expected.append(data)
            else:
                # A message takes some more than its size; what it, or one before it, did not fit
                # into at the end stays empty.
                used = sum(len(each) + 8 for each in expected)
                empty = max(MAX_MESSAGE_BYTES, step) + 8
                assert used + empty + step + 8 > RING_BYTES - 64
            assert worker.has_unread == bool(expected)
        assert taken(server) == list(expected)
        assert not worker.has_unread


def test_a_message_that_is_too_long_has_no_room_ever() -> None:
    with two_sides() as (worker, server, _):
        assert not worker.put(bytes(MAX_MESSAGE_BYTES + 1))
        assert server.take() is None
        assert worker.put(bytes(MAX_MESSAGE_BYTES))


def test_a_full_ring_takes_nothing_and_loses_nothing() -> None:
    with two_sides() as (worker, server, _):
        count = 0
        while worker.put(count.to_bytes(4, "big")):
            count += 1
        assert count == (RING_BYTES - 64) // 8
        assert not worker.put(b"")
        assert server.take() == bytes(4)
        assert worker.put(b"last")
        assert not worker.put(b"more")
        assert taken(server)[-2:] == [(count - 1).to_bytes(4, "big"), b"last"]


@pytest.mark.parametrize("end", ["done", "killed"])
def test_between_two_processes(end: str) -> None:
    """Nothing is lost, doubled or torn, and what a killed writer left can be read."""
    count, seed = 20_000, 7
    sizes = random.Random(seed)
    with two_sides() as (_, server, fd):
        more = ["killed"] if end == "killed" else []
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(fd), str(seed), str(count), *more],
            pass_fds=[fd],
            cwd=ROOT,
        ) as writer:
            deadline = time.monotonic() + PATIENCE_S
            for number in range(count):
                while (data := server.take()) is None:
                    assert time.monotonic() < deadline
                size = sizes.choice((0, 1, 3, 4, 5, 100, 3000, 32768))
                assert data == bytes([number % 251]) * size
        assert writer.returncode == (-signal.SIGKILL if more else 0)
        assert server.take() is None


def test_the_server_is_told_once_until_it_looks() -> None:
    with two_sides() as (worker, server, _):
        worker.put(b"1")
        assert worker.claim_telling()
        assert not worker.claim_telling()
        server.looked()
        assert taken(server) == [b"1"]
        worker.put(b"2")
        assert worker.claim_telling()


def test_a_side_that_comes_later_goes_on_where_the_other_was() -> None:
    with two_sides() as (worker, server, fd):
        worker.put(b"1")
        worker.put(b"2")
        assert server.take() == b"1"
        memory = mmap.mmap(fd, OFFSET + RING_BYTES)
        later = Ring(memory, OFFSET)
        assert taken(later) == [b"2"]
        later.close()
        memory.close()
