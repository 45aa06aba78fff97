# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A channel carries whole messages and their descriptors, or nothing."""

import fcntl
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import pytest

from deepaas.execution.messages import (
    INLINE_BYTES,
    Answer,
    Begin,
    Busy,
    Call,
    Channel,
    ChannelClosed,
    Failure,
    Loaded,
    LoadFailed,
    LoadModel,
    Locked,
    ProcessEnded,
    ProcessStarted,
    StartProcess,
    Stop,
    StopProcess,
    map_file,
    memory_file,
    write_all,
)
from deepaas.records import CallInput, ModelDescription, ModelSource, SourceKind, Training
from tests.unit.parts import open_fds

LARGE = Answer(7, body=os.urandom(3 * INLINE_BYTES))

#: Sends large messages until it is killed.
SENDER = """
import socket
from deepaas.execution.messages import Answer, Channel
channel = Channel(socket.socket(fileno=0))
number = 0
while True:
    number += 1
    channel.send(Answer(number, body=bytes([number % 251]) * (number % 3 * 90_000 + 5)))
"""


@pytest.fixture
def pair() -> Iterator[tuple[Channel, Channel]]:
    """Lend two connected ends; whatever the test does with them, it leaves no descriptor."""
    before = open_fds()
    ours, theirs = Channel.pair()
    yield ours, theirs
    ours.close()
    theirs.close()
    assert open_fds() == before


def test_nothing_is_there(pair: tuple[Channel, Channel]) -> None:
    with pytest.raises(BlockingIOError):
        pair[0].receive()


def test_the_other_end_is_gone(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    theirs.send(Stop())
    theirs.close()
    theirs.close()
    assert ours.receive() == (Stop(), [])
    for wait in (False, True):
        with pytest.raises(ChannelClosed):
            ours.receive(wait=wait)


@pytest.mark.parametrize("message", [Stop(), LARGE])
def test_nobody_is_left_to_send_to(pair: tuple[Channel, Channel], message: Any) -> None:
    ours, theirs = pair
    theirs.close()
    with pytest.raises(BrokenPipeError):
        ours.send(message)


@pytest.mark.parametrize("message", [Answer(1, body=bytes(90_000)), LARGE])
def test_a_full_channel_takes_a_message_whole_or_not_at_all(
    pair: tuple[Channel, Channel], message: Answer
) -> None:
    ours, theirs = pair
    ours.socket.setblocking(False)
    sent = 0
    try:
        while True:
            ours.send(message)
            sent += 1
    except BlockingIOError:
        pass
    assert sent >= 1
    for _ in range(sent):
        assert theirs.receive() == (message, [])
    with pytest.raises(BlockingIOError):
        theirs.receive()


def test_what_cannot_be_pickled_is_not_sent(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    with pytest.raises((pickle.PicklingError, AttributeError)):
        ours.send(Call(1, "predict", "", {"f": lambda: None}))
    with pytest.raises(BlockingIOError):
        theirs.receive()


def test_a_sender_that_is_killed_leaves_no_half_message(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    before = open_fds()
    sender = subprocess.Popen([sys.executable, "-c", SENDER], stdin=theirs.fileno())
    theirs.close()
    received = 0
    try:
        while True:
            if received == 50:
                sender.send_signal(signal.SIGKILL)
                sender.wait()
            message, fds = ours.receive(wait=True)
            received += 1
            size = received % 3 * 90_000 + 5
            assert message == Answer(received, body=bytes([received % 251]) * size)
            assert fds == []
    except (ChannelClosed, ConnectionResetError):
        pass
    assert received >= 50
    assert sender.wait() == -signal.SIGKILL
    assert open_fds() == before - 1  # theirs


@pytest.mark.parametrize(
    "message",
    [
        StartProcess(1, ["/bin/true"], {"A": "b"}, "mark"),
        StopProcess(1, 0.5),
        ProcessStarted(1, 42),
        ProcessEnded(1, -9),
        LoadModel(ModelSource("m", SourceKind.FILE, "/m.py"), warm=True),
        Loaded(ModelDescription("m", {"id": "0"})),
        LoadFailed("why", "where"),
        Stop(),
        Call(1, "predict", "r", {"a": 1}),
        Call(2, "predict", "r", None, CallInput(query=(("a", "1"),)), has_body_fd=True),
        Answer(1, "text/plain", b"x", "x.txt"),
        Answer(1, failure=Failure("E", "t", messages={"a": ["b"]}, origin="arguments")),
        Locked(),
        Busy(),
        Begin(["/bin/true"], {}, 1, 5.0, Training(True, 2), 100),
    ],
    ids=lambda message: type(message).__name__,
)
def test_every_message_arrives_as_it_was(pair: tuple[Channel, Channel], message: Any) -> None:
    ours, theirs = pair
    ours.send(message)
    received, fds = theirs.receive()
    assert received == message
    assert type(received) is type(message)
    assert fds == []


def test_messages_keep_their_order(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    for number in range(5):
        ours.send(LARGE._replace(call_id=number) if number % 2 else Answer(number))
    assert [theirs.receive()[0].call_id for _ in range(5)] == list(range(5))


class _Text(NamedTuple):
    text: bytes


def _of_size(size: int) -> _Text:
    """Return a message that is so large when pickled."""
    rest = len(pickle.dumps(_Text(bytes(size)), protocol=5)) - size
    return _Text(bytes(size - rest))


@pytest.mark.parametrize(
    ("size", "packet"),
    [(INLINE_BYTES - 1, INLINE_BYTES), (INLINE_BYTES, 1), (10 * INLINE_BYTES, 1)],
)
def test_a_message_larger_than_a_packet_travels_as_memory(
    pair: tuple[Channel, Channel], size: int, packet: int
) -> None:
    ours, theirs = pair
    message = _of_size(size)
    ours.send(message)
    assert len(theirs.socket.recv(2 * INLINE_BYTES)) == packet
    ours.send(message)
    assert theirs.receive() == (message, [])


@pytest.mark.parametrize("message", [Stop(), LARGE])
def test_descriptors_arrive_and_belong_to_the_receiver(
    pair: tuple[Channel, Channel], message: Any
) -> None:
    ours, theirs = pair
    before = open_fds()
    sent = [memory_file(b"one"), memory_file(b"two")]
    ours.send(message, sent)
    for fd in sent:
        os.close(fd)  # the message holds them
    received, fds = theirs.receive()
    assert received == message
    assert [os.pread(fd, 10, 0) for fd in fds] == [b"one", b"two"]
    assert all(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC for fd in fds)
    for fd in fds:
        os.close(fd)
    assert open_fds() == before


def test_descriptors_that_nobody_read_are_closed_with_the_channel() -> None:
    before = open_fds()
    ours, theirs = Channel.pair()
    fd = memory_file(b"x")
    ours.send(LARGE, [fd])
    os.close(fd)
    ours.close()
    theirs.close()
    assert open_fds() == before


def test_receiving_can_wait(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    sender = threading.Thread(target=ours.send, args=(LARGE,))
    sender.start()
    assert theirs.receive(wait=True) == (LARGE, [])
    sender.join()


def test_an_end_is_not_inherited(pair: tuple[Channel, Channel]) -> None:
    assert not any(os.get_inheritable(channel.fileno()) for channel in pair)


def test_a_memory_file_that_cannot_be_written_is_closed() -> None:
    before = open_fds()
    with pytest.raises(TypeError):
        memory_file(cast("Any", "text"))
    assert open_fds() == before


@pytest.mark.parametrize("data", [b"", b"x", bytes(3_000_000)])
def test_a_mapping_outlives_its_descriptor(data: bytes) -> None:
    fd = memory_file(memoryview(data))
    view = map_file(fd)
    os.close(fd)
    assert bytes(view) == data


def test_all_is_written_where_a_write_is_cut_short() -> None:
    """A pipe takes less than it is given while its reader is slow."""
    read, write = os.pipe()
    os.set_blocking(write, True)
    data = os.urandom(1_000_000)
    got = bytearray()

    def reader() -> None:
        while len(got) < len(data):
            got.extend(os.read(read, 4096))

    thread = threading.Thread(target=reader)
    thread.start()
    write_all(write, data)
    thread.join()
    os.close(read)
    os.close(write)
    assert got == data
