# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Server-sent events (WHATWG HTML, section 9.2), as a client reads them, also after a break."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import Final, NamedTuple

from deepaas.cmd.jobs.client import JobsClient
from deepaas.errors import RequestFailed

#: Longer than any event of ours; what has no end is no event.
_LONGEST_BYTES: Final = 8 * 1024 * 1024
#: How long a service that was there may be gone.
_GONE_S: Final = 600.0
_AGAIN_S: Final = 2.0
#: What a service may make a client wait: no longer, and not so briefly that it would be asked
#: without a pause.
_LONGEST_AGAIN_S: Final = 60.0
_SHORTEST_AGAIN_S: Final = 0.5
#: What was open for so long is a service that is there, though it had nothing to tell.
_HELD_S: Final = 10.0


class Event(NamedTuple):
    """One event."""

    #: Its kind; ``message`` unless it says another.
    name: str
    data: str


class EventReader:
    """Makes events of what comes over the wire."""

    def __init__(self) -> None:
        #: The id of the newest event, for who goes on later.
        self.last_id: str | None = None
        #: How long the service wants a client to wait before it comes again.
        self.again_s = _AGAIN_S
        self.begin()

    def begin(self) -> None:
        """Forget what came by half: another connection begins at a line of its own."""
        self._unread = b""
        self._bytes = 0
        self._name = ""
        self._data: list[str] = []
        self._id = self.last_id

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield the events that are complete.

        Raises:
            RequestFailed: What comes has no end.
        """
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            self._measure(line)
            text = line.removesuffix(b"\r").decode("utf-8", "replace")
            if text:
                self._take(text)
            elif (event := self._complete()) is not None:
                yield event
        self._measure(self._unread)

    def _measure(self, line: bytes) -> None:
        """Refuse what an event cannot have; a line that is not whole is only looked at."""
        if self._bytes + len(line) > _LONGEST_BYTES:
            raise RequestFailed("What the service sends are no events.", status=200)

    def _take(self, line: str) -> None:
        self._bytes += len(line)
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id" if value.isascii() and value.isprintable():  # it becomes a header
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                asked_s = min(int(value[:9]) / 1000, _LONGEST_AGAIN_S)
                self.again_s = max(asked_s, _SHORTEST_AGAIN_S)

    def _complete(self) -> Event | None:
        self.last_id = self._id
        event = Event(self._name or "message", "\n".join(self._data)) if self._data else None
        self._name, self._data, self._bytes = "", [], 0
        return event


async def follow(
    client: JobsClient,
    path: str,
    *,
    params: Mapping[str, str | list[str]],
    on_break: Callable[[RequestFailed], object],
    gone_s: float = _GONE_S,
) -> AsyncGenerator[Event, None]:
    """Yield events until the service says that no more will come.

    Whoever reads stops at the event that is the last one by its meaning, and has asked the service
    for something before: it is taken for one that is there, or comes again.

    Args:
        client: Reaches the service.
        path: Of what is followed.
        params: The query of the first request.
        on_break: Called once for each break that another try may mend.
        gone_s: How long to try again.

    Raises:
        RequestFailed: The service refuses, or stays gone.
    """
    reader = EventReader()
    gone_since: float | None = None
    while True:
        headers = {"Accept": "text/event-stream"}
        if reader.last_id is not None:
            headers["Last-Event-ID"] = reader.last_id
        reader.begin()
        try:
            async with client.open(path, params=params, headers=headers) as response:
                if response.status == 204:
                    return
                opened = time.monotonic()
                async for data in response.content.iter_any():
                    # A connection that ends at once, again and again, does not show that it is.
                    if time.monotonic() - opened > _HELD_S:
                        gone_since = None
                    for event in reader.feed(data):
                        gone_since = None
                        yield event
            # It was closed in order, since the service stops, and no last event came.
            failure = RequestFailed(f"{client.url} has ended the connection.")
        except RequestFailed as exc:
            if not exc.may_pass:
                raise
            failure = exc
        now = time.monotonic()
        if gone_since is None:
            gone_since = now
            on_break(failure)
        elif now - gone_since > gone_s:
            raise failure
        await asyncio.sleep(reader.again_s)
