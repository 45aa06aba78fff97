# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Read answers in HTTP/1.1 as they arrive: just what a measuring client needs."""

from typing import Any

import orjson


class BadAnswer(Exception):
    """What came is not the answer that was expected."""


class AnswerReader:
    """Reads one answer; :meth:`feed` it until it :attr:`is_complete`."""

    def __init__(self, *, counted: bytes | None = None) -> None:
        """Begin.

        Args:
            counted: Count how often this byte stands in the body, and keep only the body's end.
        """
        self.status = 0
        self.is_complete = False
        #: How often the counted byte has come.
        self.count = 0
        self._counted = counted
        self._head = b""
        self._line = b""
        self._body: list[bytes] = []
        #: Bytes that remain of the body or of the chunk.
        self._remaining = 0
        self._is_chunked = False
        self._is_last_chunk = False
        self._until_close = False

    @property
    def body(self) -> bytes:
        """What has come of the body; of a counted one, the last pieces."""
        return b"".join(self._body)

    def feed(self, data: bytes) -> None:
        """Take what was received; nothing means that the other side has closed.

        Raises:
            BadAnswer: It closed too early, or this is no HTTP.
        """
        if not data:
            if not self._until_close:
                raise BadAnswer("the connection was closed before the answer had ended")
            self.is_complete = True
            return
        if not self.status:
            self._head += data
            head, separator, data = self._head.partition(b"\r\n\r\n")
            if not separator:
                return
            self._read_head(head)
            self._head = b""
        if self._is_chunked:
            self._feed_chunks(data)
        else:
            self._feed_plain(data)

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        try:
            self.status = int(first.split(b" ", 2)[1])
        except (IndexError, ValueError) as exc:
            raise BadAnswer(f"no HTTP: {first[:80]!r}") from exc
        fields = {}
        for line in lines:
            name, _, value = line.partition(b":")
            fields[name.strip().lower()] = value.strip()
        self._is_chunked = fields.get(b"transfer-encoding", b"").lower() == b"chunked"
        if not self._is_chunked and b"content-length" in fields:
            self._remaining = int(fields[b"content-length"])
        elif not self._is_chunked:
            self._until_close = True

    def _take(self, data: bytes) -> None:
        if self._counted is None:
            self._body.append(data)
            return
        self.count += data.count(self._counted)
        self._body = [*self._body[-1:], data]

    def _feed_plain(self, data: bytes) -> None:
        self._take(data)
        if not self._until_close:
            self._remaining -= len(data)
            self.is_complete = self._remaining <= 0

    def _feed_chunks(self, data: bytes) -> None:
        data = self._line + data
        position = 0
        while not self.is_complete:
            if self._remaining:
                piece = data[position : position + self._remaining]
                if not piece:
                    break
                self._take(piece)
                position += len(piece)
                self._remaining -= len(piece)
                continue
            # A line comes: the length of a chunk, the empty one behind a chunk, or a trailer.
            end = data.find(b"\r\n", position)
            if end < 0:
                break
            line = data[position:end]
            position = end + 2
            if not line:
                self.is_complete = self._is_last_chunk
            elif not self._is_last_chunk:
                self._remaining = int(line.partition(b";")[0], 16)
                self._is_last_chunk = self._remaining == 0
        self._line = data[position:]


def decoded(body: bytes) -> Any:
    """Decode an answer: JSON, or the last line of several.

    Raises:
        BadAnswer: It is neither.
    """
    lines = body.decode(errors="replace").strip().rpartition("\n")
    for text in (body, lines[2]):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
    raise BadAnswer(f"no JSON: {body[:80]!r}")
