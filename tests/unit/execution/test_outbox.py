# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Answers and streams reach the server, whatever their size and however slowly it reads."""

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from deepaas.execution.messages import (
    INLINE_BYTES,
    Answer,
    Channel,
    Failure,
    StreamData,
    StreamEnd,
    StreamStart,
    Wake,
    map_file,
    memory_file,
    unpack,
)
from deepaas.execution.outbox import PIECE_BYTES, Outbox, pieces
from deepaas.execution.page import CallPage
from deepaas.execution.ring import MAX_MESSAGE_BYTES, RING_BYTES
from tests.unit.parts import open_fds


class Desk:
    """An outbox, and the server's side of it."""

    def __init__(self) -> None:
        self.control, self._theirs = Channel.pair()
        self._fd = CallPage.create()
        self._page, self.page = CallPage(self._fd), CallPage(self._fd)
        self.now_s = 0.0
        self.outbox = Outbox(self._theirs, self._page, clock=lambda: self.now_s)

    def said(self) -> list[tuple[Any, list[int]]]:
        """Return what came by the channel."""
        found = []
        try:
            while True:
                found.append(self.control.receive())
        except BlockingIOError:
            return found

    def put(self) -> list[Any]:
        """Return what lies in the ring."""
        self.page.ring.looked()
        found = []
        while (data := self.page.ring.take()) is not None:
            found.append(unpack(data))
        return found

    def close(self) -> None:
        self.control.close()
        self._theirs.close()
        self._page.close()
        self.page.close()
        os.close(self._fd)


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Lend an outbox."""
    before = open_fds()
    desk = Desk()
    yield desk
    desk.close()
    assert open_fds() == before


def test_answers_that_come_quickly_share_a_wake_up(desk: Desk) -> None:
    desk.now_s = 100.0
    desk.outbox.answer(Answer(1, "a/b", b"1"))
    assert desk.said() == [(Wake(), [])]
    assert desk.put() == [Answer(1, "a/b", b"1")]
    desk.now_s += 0.0005
    desk.outbox.answer(Answer(2))
    assert desk.said() == []
    desk.now_s += 0.001
    desk.outbox.answer(Answer(3))
    assert desk.said() == [(Wake(), [])]
    desk.now_s += 1
    desk.outbox.answer(Answer(4))
    assert desk.said() == []  # it has not looked since
    assert [answer.call_id for answer in desk.put()] == [2, 3, 4]
    desk.outbox.flush()
    assert desk.said() == []  # there is nothing to tell of


def test_before_waiting_the_server_is_told(desk: Desk) -> None:
    desk.outbox.answer(Answer(1))
    desk.put()
    desk.said()
    desk.outbox.answer(Answer(2))
    desk.outbox.flush()
    assert desk.said() == [(Wake(), [])]


@pytest.mark.parametrize("size", [0, 100, MAX_MESSAGE_BYTES - 1, MAX_MESSAGE_BYTES, INLINE_BYTES])
def test_a_body_of_any_size_arrives(desk: Desk, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    desk.outbox.answer(Answer(1, "a/b", body[:size]))
    said = [each for each in desk.said() if each[0] != Wake()]
    if not said:
        assert desk.put() == [Answer(1, "a/b", body[:size])]
        return
    ((answer, fds),) = said
    if fds:
        with memoryview(map_file(fds[0])) as view:
            assert view == body[:size]
        os.close(fds[0])
        answer = answer._replace(body=body[:size])
    assert answer == Answer(1, "a/b", body[:size])


def test_a_file_goes_as_its_descriptor(desk: Desk) -> None:
    fd = memory_file(b"content")
    desk.outbox.answer(Answer(1, "a/b", None, "name"), fd)
    os.close(fd)
    ((answer, fds),) = desk.said()
    assert answer == Answer(1, "a/b", None, "name")
    assert os.pread(fds[0], 100, 0) == b"content"
    os.close(fds[0])


def test_a_failure_of_any_length_arrives(desk: Desk) -> None:
    failure = Failure("E", "x" * 10**6, "y" * 10**6)
    desk.outbox.answer(Answer(1, failure=failure))
    assert [message for message, _ in desk.said()] == [Answer(1, failure=failure)]


def test_answers_go_another_way_when_the_ring_is_full(desk: Desk) -> None:
    while desk.outbox.offer_data(1, bytes(1000)):
        pass
    desk.said()
    desk.outbox.answer(Answer(2, "a/b", bytes(2000)))
    assert [message for message, _ in desk.said()] == [Answer(2, "a/b", bytes(2000))]


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * RING_BYTES])
def test_a_stream_waits_for_a_server_that_reads_slowly(desk: Desk, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)

    def send() -> None:
        desk.outbox.stream(StreamStart(1, "a/b", 3))
        desk.outbox.data(1, data[:size])
        desk.outbox.stream(StreamEnd(1))

    thread = threading.Thread(target=send)
    thread.start()
    if size > RING_BYTES:
        thread.join(0.05)
        assert thread.is_alive()
    heard: list[Any] = []
    while StreamEnd(1) not in heard:
        heard += desk.put()
    thread.join()
    assert heard[0] == StreamStart(1, "a/b", 3)
    assert b"".join(part.data for part in heard if isinstance(part, StreamData)) == data[:size]


def test_who_waits_for_room_learns_that_the_server_is_gone(desk: Desk) -> None:
    while desk.outbox.offer_data(1, bytes(1000)):
        pass
    desk.control.close()
    with pytest.raises(BrokenPipeError):
        desk.outbox.data(1, bytes(1000))
    with pytest.raises(BrokenPipeError):
        desk.outbox.stream(StreamEnd(1, Failure("E", "x" * 1000)))


def test_the_failure_of_a_stream_fits_into_the_ring(desk: Desk) -> None:
    failure = Failure("E", "x" * 10**6, "y" * 10**6 + "end", messages={"a": ["b" * 10**6]})
    assert desk.outbox.offer(StreamEnd(1, failure))
    (end,) = desk.put()
    assert end.failure.text == "x" * len(end.failure.text)
    assert end.failure.traceback.endswith("yend")


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, 3 * PIECE_BYTES + 7])
def test_pieces_are_the_whole(size: int) -> None:
    data = os.urandom(size)
    cut = pieces(data)
    assert b"".join(cut) == data
    assert all(0 < len(piece) <= PIECE_BYTES for piece in cut)
