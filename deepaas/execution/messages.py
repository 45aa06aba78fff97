# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The whole protocol between server, guards and workers, and the channel it travels on.

Standard library only: guards import this module and must stay small. Every message is a small
named tuple of plain values; it is pickled, which is safe because both ends are processes of ours:
no byte that a client or a model sent is ever unpickled. Exceptions cross as :class:`Failure`.

    server → guard     StartProcess, StopProcess          (one channel)
    guard → server     ProcessStarted, ProcessEnded
    server → worker    LoadModel, Serve, Stop, Resume     (a control channel per worker)
    worker → server    Loaded, LoadFailed, Answer, Wake
    worker → server    Answer, Stream…                    (the ring in its page, told by Wake)
    server → workers   Call                               (one channel per model, read by all)
    server ↔ job guard Locked, Busy, Begin                (one channel per training, until Begin)
"""

import array
import mmap
import os
import pickle
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from deepaas.records import (
        CallInput,
        LogSettings,
        ModelDescription,
        ModelSource,
        Training,
    )

#: A message up to this size travels in the packet itself, a larger one by memfd. Half of the
#: smallest usual socket buffer (212,992 bytes), so that a packet always fits.
INLINE_BYTES = 100 * 1024
#: Room for more descriptors than any message has, and for that of a message that travels by memfd.
_ANCILLARY_BYTES = socket.CMSG_SPACE(8 * array.array("i").itemsize)


#: Of recvmsg(2); as numbers, for members of an enumeration take longer to put together than to use.
_WAIT = int(socket.MSG_CMSG_CLOEXEC)
_DO_NOT_WAIT = int(socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT)
_NO_SIGNAL = int(socket.MSG_NOSIGNAL)


class Failure(NamedTuple):
    """An exception, as data."""

    type_name: str
    text: str
    traceback: str = ""
    #: HTTP status that the model chose, ``None`` if it chose none.
    status: int | None = None
    #: Validation messages by argument; only where arguments were invalid.
    messages: Mapping[str, Any] | None = None
    #: ``model``: raised in the author's code; ``arguments``, ``body``, ``answer``: found by ours.
    origin: str = "model"


class StartProcess(NamedTuple):
    """Start a child; attached descriptors become 3, 4, 5 … in it."""

    key: int
    argv: Sequence[str]
    #: Added to the guard's own environment.
    environment: Mapping[str, str]
    #: Marks the child and all it starts, so that they can be found again.
    marker: str


class StopProcess(NamedTuple):
    """Kill the child after the grace unless it has ended by then; 0 kills at once."""

    key: int
    grace_s: float


class ProcessStarted(NamedTuple):
    """The child runs."""

    key: int
    pid: int


class ProcessEnded(NamedTuple):
    """The child and all it had started are gone."""

    key: int
    #: Exit status, or the negative number of the signal that ended it.
    status: int


class LoadModel(NamedTuple):
    """The first message to a worker: what it serves."""

    source: "ModelSource"
    warm: bool
    #: Where the worker's log goes; ``None`` leaves it to whoever runs the worker.
    log: "LogSettings | None" = None
    #: Folder with the artifacts of the version to serve, ``None``: the package as installed.
    model_dir: str | None = None
    #: Whether it takes no call before :class:`Serve`.
    waits: bool = False


class Loaded(NamedTuple):
    """The model is loaded and warm; the worker begins to take calls, unless it waits."""

    description: "ModelDescription"


class LoadFailed(NamedTuple):
    """The model cannot be served; the worker ends."""

    reason: str
    traceback: str
    #: Whether it ran out of memory.
    lacks_memory: bool = False


class Serve(NamedTuple):
    """Begin to take calls; for a worker that waits."""


class Stop(NamedTuple):
    """Take no more calls and end."""


class Closing(NamedTuple):
    """The worker takes no more calls, because its process cannot: it is to be replaced now."""

    reason: str


class Resume(NamedTuple):
    """Look into the page: more of a stream was passed on, or a call is cancelled."""


class Wake(NamedTuple):
    """Look into the ring."""


class Call(NamedTuple):
    """One call of a model's function.

    With ``arguments`` the input was parsed by the server; else ``input`` is parsed in the worker.
    A JSON body larger than a packet is attached as a memfd (``has_body_fd``).
    """

    id: int
    #: ``predict``; ``check-predict``, ``check-train``, ``check-evaluate``: parse the arguments of
    #: such a job and answer them as shown; ``health``: what the model says of its own health;
    #: ``metadata``: what it says of itself.
    function: str
    request_id: str
    arguments: Mapping[str, Any] | None = None
    input: "CallInput | None" = None
    has_body_fd: bool = False
    #: How a client wants what a generator yields: ``text/event-stream``,
    #: ``application/x-ndjson``; empty: collected, unless the model's own media type says otherwise.
    stream: str = ""
    #: Name of who calls, ``None`` for anonymous.
    principal: str | None = None
    #: Id of the job that it is, empty for a call that a client waits for.
    job: str = ""
    #: When the server accepted it, ``time.monotonic()``.
    accepted_s: float = 0.0


class Answer(NamedTuple):
    """What a call gave: a body inline or attached as a descriptor, or a failure."""

    call_id: int
    content_type: str = ""
    body: bytes | None = None
    #: Base name of a returned file, for ``Content-Disposition``.
    filename: str | None = None
    failure: Failure | None = None


class StreamStart(NamedTuple):
    """A call answers piece by piece."""

    call_id: int
    content_type: str
    #: Of the call in the worker's page, for what the server writes there.
    slot: int


class StreamData(NamedTuple):
    """Some bytes of a stream, in order; the server passes them on as they are."""

    call_id: int
    data: bytes


class StreamEnd(NamedTuple):
    """A stream is over; with a failure, it broke off and the client is to see that."""

    call_id: int
    failure: Failure | None = None


class Locked(NamedTuple):
    """The job guard holds the job's lock and waits for :class:`Begin`."""


class Busy(NamedTuple):
    """Another guard or a recovering server holds the job's lock; this guard ends."""


class Begin(NamedTuple):
    """The job is claimed: run it."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    attempt: int
    #: Seconds between SIGTERM and SIGKILL.
    grace_s: float
    #: What becomes of it if it fails or is interrupted.
    training: "Training"
    #: Cap of the log, 0 for none.
    max_log_bytes: int = 0
    #: Of the job: the name of the model's function.
    kind: str = "train"


#: What is sent for every call: its kind and its fields, for to look up a class takes long.
_FREQUENT: tuple[type[NamedTuple], ...] = (Call, Answer, StreamStart, StreamData, StreamEnd)
_KIND_OF = {kind: bytes((number,)) for number, kind in enumerate(_FREQUENT)}
_STREAM_DATA = _FREQUENT.index(StreamData)
#: Of a message with a stream's bytes: its kind and the call's id; the bytes follow as they are.
_DATA_HEAD = struct.Struct("<BQ")


#: What has no content is a word of one letter: one is said for every call that comes alone.
_WORDS: dict[type[NamedTuple], bytes] = {Wake: b"w", Resume: b"r"}
_SAID: dict[bytes, NamedTuple] = {b"w": Wake(), b"r": Resume()}


def pack(message: NamedTuple) -> bytes:
    """Return one of the frequent messages as bytes."""
    if isinstance(message, StreamData):
        return pack_data(*message)
    return _KIND_OF[type(message)] + pickle.dumps(tuple(message), protocol=5)


def pack_data(call_id: int, data: bytes) -> bytes:
    """Return what :func:`pack` makes of a :class:`StreamData`, of which there may be thousands."""
    return _DATA_HEAD.pack(_STREAM_DATA, call_id) + data


def unpack(data: bytes) -> Any:
    """Return the message that :func:`pack` was given."""
    if data[0] == _STREAM_DATA:
        return StreamData(_DATA_HEAD.unpack_from(data)[1], data[_DATA_HEAD.size :])
    return _FREQUENT[data[0]]._make(pickle.loads(memoryview(data)[1:]))  # noqa: S301


class ChannelClosed(EOFError):
    """The other end is closed and everything it sent has been read."""


class Channel:
    """One end of a ``SOCK_SEQPACKET`` pair: whole messages with descriptors, or nothing.

    The other end never sees half a message, even when this process is killed while it writes.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock

    @classmethod
    def pair(cls) -> tuple["Channel", "Channel"]:
        """Open two connected ends, both blocking and closed on exec."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    def fileno(self) -> int:
        """Return the descriptor, for polling."""
        return self.socket.fileno()

    def close(self) -> None:
        """Close this end; may be called twice."""
        self.socket.close()

    def send(self, message: NamedTuple, fds: Sequence[int] = ()) -> None:
        """Send one message; the descriptors are duplicated, and stay open here.

        Raises:
            BlockingIOError: The socket is non-blocking and full; nothing was sent.
            BrokenPipeError: The other end is closed.
        """
        if (word := _WORDS.get(type(message))) is not None:
            _send_packet(self.socket, word, fds)
            return
        if type(message) is Call:
            data = pack(message)
            if len(data) < INLINE_BYTES:
                _send_packet(self.socket, b"c" + data, fds)
                return
        data = pickle.dumps(message, protocol=5)
        if len(data) < INLINE_BYTES:
            _send_packet(self.socket, b"i" + data, fds)
            return
        spilled = memory_file(data)
        try:
            _send_packet(self.socket, b"s", (spilled, *fds))
        finally:
            os.close(spilled)

    def receive(self, *, wait: bool = False) -> tuple[Any, list[int]]:
        """Return the next message and the descriptors that came with it, now owned by the caller.

        Raises:
            BlockingIOError: Nothing is there, and ``wait`` is false.
            ChannelClosed: The other end is gone.
        """
        flags = _WAIT if wait else _DO_NOT_WAIT
        try:
            data, ancillary, _, _ = self.socket.recvmsg(INLINE_BYTES + 1, _ANCILLARY_BYTES, flags)
        except ConnectionResetError:
            # The other end left without reading all we sent. The kernel says so first, once, and
            # then gives what that end had sent before.
            data, ancillary, _, _ = self.socket.recvmsg(INLINE_BYTES + 1, _ANCILLARY_BYTES, flags)
        fds = _descriptors(ancillary) if ancillary else []
        if not data:
            raise ChannelClosed
        if data[0] == ord("c"):
            return unpack(data[1:]), fds
        if len(data) == 1 and (said := _SAID.get(data)) is not None:
            return said, fds
        if data[0] == ord("i"):
            return pickle.loads(memoryview(data)[1:]), fds  # noqa: S301 - see the module
        with map_file(fds[0]) as view:
            message = pickle.loads(view)  # noqa: S301 - see the module
        os.close(fds.pop(0))
        return message, fds


def _send_packet(sock: socket.socket, data: bytes, fds: Sequence[int]) -> None:
    if fds:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
        sock.sendmsg([data], [rights], _NO_SIGNAL)
    else:
        sock.send(data, _NO_SIGNAL)


def _descriptors(ancillary: Sequence[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


def memory_file(data: bytes | memoryview = b"") -> int:
    """Return a descriptor of anonymous memory that holds ``data``; nothing of it has a name."""
    fd = os.memfd_create("deepaas", os.MFD_CLOEXEC)
    try:
        write_all(fd, data)
    except BaseException:
        os.close(fd)
        raise
    return fd


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of ``data``: one ``write`` moves 2 GiB at most, and may be cut short."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def map_file(fd: int) -> "mmap.mmap | memoryview":
    """Map a memory file for reading; the descriptor may be closed afterwards."""
    size = os.fstat(fd).st_size
    return mmap.mmap(fd, size, access=mmap.ACCESS_READ) if size else memoryview(b"")
