# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Read server-sent events as a browser does, as they come."""

import http.client
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Self

from tests.integration.harness import PATIENCE_S, Server


class Event(NamedTuple):
    """What one event says (WHATWG HTML, section 9.2.6)."""

    name: str
    id: str
    data: str


class EventSource:
    """A connection on which events come."""

    def __init__(self, server: Server, path: str, last_id: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        headers = {"Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        self._connection.request("GET", path, headers=headers)
        self.response = self._connection.getresponse()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave, as a browser that is closed does."""
        self._connection.close()

    def __iter__(self) -> Iterator[Event]:
        name, last_id, data = "message", "", []
        while line := self.response.readline():
            field, _, value = line.decode().removesuffix("\n").partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "id":
                last_id = value
            elif field == "data":
                data.append(value)
            elif line == b"\n" and data:
                yield Event(name, last_id, "\n".join(data))
                name, data = "message", []

    def until(self, text: str) -> list[Event]:
        """Read up to the first event whose data hold the text."""
        found = []
        for event in self:
            found.append(event)
            if text in event.data:
                return found
        raise AssertionError(f"{text!r} is in none of {found}")
