# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Connections that say nothing, or hardly anything, and those that are too many.

Nobody sets a timer for a request: one task looks at all connections once a second.
"""

import asyncio
import logging
import resource
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import LineTooLong

from deepaas.api.guards.headers import REFUSED_CHALLENGE, SERVER

logger = logging.getLogger(__name__)

#: What a client must send of a body on average, whatever the pauses; telephone lines were faster.
MIN_BYTES_PER_S: Final = 500
_SWEEP_S: Final = 1.0
_SWEEPS_PER_TIMEOUT: Final = 10
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How long a client may take, in seconds, 0 for as long as it likes; and how many may come."""

    #: For the head of a request.
    header_timeout_s: float = 0.0
    #: For one that has more bytes than ``head_max_bytes``; a crowd of them would fill the memory.
    long_header_timeout_s: float = 1.0
    #: 0: none is too long.
    head_max_bytes: int = 0
    #: Without a byte of the body.
    body_timeout_s: float = 0.0
    #: 0: as many as the descriptors of this process allow.
    max_connections: int = 0


class Connection(web.RequestHandler):
    """A client's connection, which knows what the client owes.

    Args:
        keeper: Looks at it from time to time.
        server: The server that answers.
        loop: The event loop.
        options: Those of :class:`aiohttp.web.RequestHandler`.
    """

    __slots__ = (
        "_body",
        "_counted",
        "_head_since",
        "_keeper",
        "_patience_s",
        "_task",
        "head_bytes",
        "was_used",
    )

    def __init__(
        self,
        keeper: "Connections",
        server: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        **options: Any,
    ) -> None:
        super().__init__(server, loop=loop, **options)
        self._keeper = keeper
        #: Of the request that is being served; it ends when the answer has been written.
        self._task: Callable[[], asyncio.Task[Any] | None] = _nothing
        self._body: StreamReader | None = None
        self._counted = 0
        self._patience_s = 0.0
        #: When the client began with the head that it has not ended yet, ``None`` if it has not.
        self._head_since: float | None = None
        #: How many bytes have come that belong to no request that is known yet.
        self.head_bytes = 0
        #: Whether a request has come since it was looked at last.
        self.was_used = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, unless there are too many."""
        self._head_since = self._loop.time()
        super().connection_made(transport)
        self._keeper.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the client."""
        self._keeper.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Note when a head begins, and how long it is, also while another request is served."""
        if data and self._has_whole_body():  # aiohttp has none where it goes on with what it has
            if self._head_since is None:
                self._head_since = self._loop.time()
            self.head_bytes += len(data)
        super().data_received(data)

    def begin(self, request: web.BaseRequest) -> None:
        """Note that a request has come, with its head at least, and is being served."""
        self.was_used = True
        if self._is_long() and request.content.is_eof():
            self.head_bytes -= _body_bytes(request)
        if self._is_long() and request.content.is_eof():
            self._head_since = self._loop.time()  # something else has come with this request
        else:
            self._head_since = None
            self.head_bytes = 0
        task = asyncio.current_task()
        self._task = _nothing if task is None else weakref.ref(task)
        self._body = request.content
        self._counted = 0
        self._patience_s = self._keeper.limits.body_timeout_s

    def is_busy(self) -> bool:
        """Whether a request is being served, or its answer written."""
        task = self._task()
        return task is not None and not task.done()

    def _has_whole_body(self) -> bool:
        return self._body is None or self._body.is_eof()

    @property
    def received(self) -> int:
        """How many bytes of the body have come that is being read."""
        return 0 if self._body is None else self._body.total_bytes

    def look(self, now: float, passed_s: float) -> None:
        """Tell off a client that owes something.

        Args:
            now: The time of the loop.
            passed_s: Since it was looked at last.
        """
        if self.is_busy():
            if self._head_since is not None:
                self._head_since = now  # who is ahead has time until it is its turn
            if self._body is not None and self._patience_s > 0 and not self._body.is_eof():
                self._look_at_body(self._body, passed_s)
            return
        if not self._has_whole_body():
            return  # it is answered already; aiohttp reads the rest for a while, and then closes
        self._body = None
        if self._head_since is not None and self._owes_head(now - self._head_since):
            logger.info(
                "A client is too slow; its connection is closed.",
                extra={"action": "head_too_slow"},
            )
            self.close_now()

    def _is_long(self) -> bool:
        return 0 < self._keeper.limits.head_max_bytes < self.head_bytes

    def _owes_head(self, waited_s: float) -> bool:
        limits = self._keeper.limits
        if self._is_long() and waited_s > limits.long_header_timeout_s:
            return True
        return bool(limits.header_timeout_s) and waited_s > limits.header_timeout_s

    def _look_at_body(self, body: StreamReader, passed_s: float) -> None:
        if self.transport is None or not self.transport.is_reading():
            return  # it is the service that is slow
        earned_s = (self.received - self._counted) / MIN_BYTES_PER_S
        self._counted = self.received
        limit_s = self._keeper.limits.body_timeout_s
        self._patience_s = min(limit_s, self._patience_s + earned_s) - passed_s
        if self._patience_s <= 0:
            # Whoever waits for the body is told; if nobody does, the connection ends after the
            # answer, since aiohttp takes this for a client that sends no more.
            body.set_exception(TimeoutError("The body of the request did not come in time."))

    def close_now(self) -> None:
        """Close the connection without an answer."""
        if self.transport is not None:
            self.transport.abort()

    def turn_away(self) -> None:
        """Close the connection with the answer that there are too many."""
        if self.transport is not None:
            self.transport.write(_BUSY)
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or not served for another reason before it is one of ours."""
        is_token = False
        if isinstance(exc, LineTooLong):
            status, message = 431, "A line of the head is too long; see --header-max-size."
            is_token = self._keeper.signs_in and _is_token(exc.args[0])
        if is_token:
            status, message = 401, "The token is too long."
        # Behind its first line, aiohttp shows what came.
        message = None if message is None else message.partition("\n")[0]
        response = super().handle_error(request, status, exc, message)
        response.headers["Server"] = SERVER
        if is_token:
            response.headers["WWW-Authenticate"] = REFUSED_CHALLENGE
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


class Connections:
    """All connections of a server; makes them, and holds their clients to limits.

    Args:
        server: Answers the requests.
        limits: What clients are held to.
        signs_in: Whether callers sign in: a token that is too long is then refused as one.
        options: Of each :class:`aiohttp.web.RequestHandler`.
    """

    def __init__(
        self,
        server: web.Server,
        limits: ConnectionLimits,
        *,
        signs_in: bool = False,
        **options: Any,
    ) -> None:
        self.limits = limits
        self.signs_in = signs_in
        self._server = server
        self._options = options
        self._loop = asyncio.get_running_loop()
        #: Those that have been idle longest come first.
        self._open: dict[Connection, None] = {}
        self._most = limits.max_connections or _most_by_descriptors()

    def __call__(self) -> Connection:
        """Make a connection for a client that has come."""
        return Connection(self, self._server, loop=self._loop, **self._options)

    @asynccontextmanager
    async def looked_after(self) -> AsyncIterator[Self]:
        """Look at them from time to time, until the block ends."""
        sweeping = asyncio.create_task(self._sweep(), name="connections")
        try:
            yield self
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        """Give those that are open, the one first that has been idle longest."""
        return iter(self._open)

    def add(self, connection: Connection) -> None:
        """Let a connection in; if they are too many, the one goes that is of least use."""
        if len(self._open) >= self._most:
            idle = next((each for each in self._open if not each.is_busy()), None)
            if idle is None:
                connection.turn_away()
                return
            idle.close_now()
            del self._open[idle]
        self._open[connection] = None

    def discard(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._open.pop(connection, None)

    def look(self, now: float, passed_s: float) -> None:
        """Look at all connections.

        Args:
            now: The time of the loop.
            passed_s: Since this was done last.
        """
        for connection in tuple(self._open):
            if connection.was_used or connection.is_busy():
                connection.was_used = False
                self._open[connection] = self._open.pop(connection)
            connection.look(now, passed_s)

    async def _sweep(self) -> None:
        """Look at all connections from time to time."""
        shortest_s = min(
            (
                limit
                for limit in (self.limits.header_timeout_s, self.limits.body_timeout_s)
                if limit
            ),
            default=_SWEEP_S * _SWEEPS_PER_TIMEOUT,
        )
        pause_s = min(_SWEEP_S, shortest_s / _SWEEPS_PER_TIMEOUT)
        before = self._loop.time()
        while True:
            await asyncio.sleep(pause_s)
            now = self._loop.time()
            # Longer than planned: this process was stopped, and could not have heard anybody.
            passed_s = min(now - before, 2 * pause_s)
            self.look(now, passed_s)
            before = now


def note_request(request: web.Request) -> None:
    """Tell the connection of a request that it is being served."""
    connection = request.protocol
    if isinstance(connection, Connection):
        connection.begin(request)


def _body_bytes(request: web.BaseRequest) -> int:
    """Return how long a body is that has come whole; what it was packed into, its length tells."""
    received, length = request.content.total_bytes, request.content_length
    return received if length is None else length


def _is_token(line: str | bytes) -> bool:
    """Tell whether the value of a header signs in; of a long one, only the beginning is told."""
    return isinstance(line, bytes) and line[:7].lower() == b"bearer "


def _most_by_descriptors() -> int:
    """Return how many leave a quarter of the descriptors for all else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft * 3 // 4 if soft != resource.RLIM_INFINITY else 2**31


def _nothing() -> None:
    """Stand for a task that there is not."""
