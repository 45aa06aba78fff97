# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Multipart forms (RFC 7578) taken apart as they come in, chunk by chunk.

``python_multipart`` finds the boundaries; what it leaves to its user is here: what stands before
the first boundary, the headers of a part, and how its content is encoded. Nothing here waits or
opens a file.
"""

import binascii
import logging
import re
import string
import warnings
from dataclasses import dataclass, field
from email.message import Message

from aiohttp import content_disposition_filename, parse_content_disposition
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError

from deepaas.api.charsets import codec_of
from deepaas.errors import MalformedBody

MAX_HEADERS = 128
MAX_HEADER_BYTES = 8190
#: RFC 2046, section 5.1.1.
_MAX_BOUNDARY_BYTES = 70
#: RFC 9110, section 5.5; a name with one of these could not be put into a header again.
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BASE64 = (string.ascii_letters + string.digits + "+/=").encode()
_NOT_BASE64 = bytes(byte for byte in range(256) if byte not in _BASE64)

#: The parser would log each malformed form, which is the client's matter, and answered. Made
#: directly: the library's own logger belongs to whoever configures logs.
_SILENT = logging.Logger("silent", logging.CRITICAL)  # noqa: LOG001


def malformed() -> MalformedBody:
    """Return the error for what is no multipart form."""
    return MalformedBody("form", "Invalid multipart body.")


@dataclass(frozen=True, slots=True)
class PartHead:
    """The beginning of a part: what its headers say."""

    name: str
    #: ``None`` for a text.
    filename: str | None
    content_type: str | None
    #: Of a text, ``None`` if it does not say.
    charset: str | None
    #: ``Content-Transfer-Encoding``, in lower case.
    encoding: str


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The end of a part."""


Event = PartHead | PartEnd | memoryview

_PART_END = PartEnd()


@dataclass(slots=True)
class _Header:
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)


class MultipartReader:
    """Turns the chunks of one form into the beginnings, contents and ends of its parts.

    Args:
        content_type: The header of the request.

    Raises:
        MalformedBody: It has no usable boundary; later, what came is no form.
    """

    def __init__(self, content_type: str) -> None:
        boundary = _boundary(content_type)
        # Lines before the first boundary are ignored, and the parser does not know them.
        self._first = b"\n--" + boundary
        self._preamble: bytes | None = b"\n"
        self._events: list[Event] = []
        self._header = _Header()
        self._headers: dict[str, str] = {}
        self._is_complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._add_to_name,
                "on_header_value": self._add_to_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._add_content,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )
        self._parser.logger = _SILENT

    def feed(self, data: bytes) -> list[Event]:
        """Return what a chunk holds; contents are views of the chunk, mostly."""
        if self._preamble is not None:
            data = self._skip_preamble(data)
        if data:
            try:
                self._parser.write(data)
            except FormParserError as exc:
                raise malformed() from exc
        events, self._events = self._events, []
        return events

    def finish(self) -> None:
        """Say that no more comes: the last boundary must have been there."""
        if not self._is_complete:
            raise malformed()

    def _skip_preamble(self, data: bytes) -> bytes:
        assert self._preamble is not None
        data = self._preamble + data
        at = data.find(self._first)
        if at >= 0:
            self._preamble = None
            return data[at + 1 :]
        # What may be the beginning of it.
        self._preamble = data[-len(self._first) + 1 :]
        return b""

    def _begin_part(self) -> None:
        self._headers = {}
        self._header = _Header()

    def _add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._header.name += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._header.value += data[start:end]

    def _end_header(self) -> None:
        name, value = self._header.name, self._header.value.strip(b" \t")
        self._header = _Header()
        if _CONTROL.search(value):
            raise malformed()
        # Of repeated headers the first counts; old clients do not encode names as UTF-8.
        text = value.decode("utf-8", "surrogateescape")
        self._headers.setdefault(name.decode("ascii").lower(), text)

    def _end_headers(self) -> None:
        disposition = disposition_of(self._headers.get("content-disposition", ""))
        name = content_disposition_filename(disposition, "name")
        content_type = self._headers.get("content-type")
        kind = _message(content_type or "")
        if name is None or kind.get_content_maintype() == "multipart":
            raise malformed()
        charset = kind.get_param("charset")
        self._events.append(
            PartHead(
                name,
                content_disposition_filename(disposition),
                content_type,
                charset if isinstance(charset, str) else None,
                self._headers.get("content-transfer-encoding", "binary").lower(),
            )
        )

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self._events.append(memoryview(data)[start:end])

    def _end_part(self) -> None:
        self._events.append(_PART_END)

    def _end(self) -> None:
        self._is_complete = True


class TransferDecoder:
    """Undoes a ``Content-Transfer-Encoding``, piece by piece.

    No browser sends one (RFC 7578, section 4.7); version 2 understood it.
    """

    def __init__(self, encoding: str) -> None:
        if encoding not in ("binary", "8bit", "7bit", "base64", "quoted-printable"):
            raise malformed()
        self._encoding = encoding
        self._rest = b""
        self._is_padded = False

    def decode(self, data: memoryview) -> bytes | memoryview:
        """Return what a piece stands for, as far as that is known yet."""
        if self._encoding == "base64":
            # Four characters stand for three bytes; line ends and the like for nothing.
            kept = self._rest + bytes(data).translate(None, _NOT_BASE64)
            if kept and self._is_padded:
                raise malformed()  # wherever it was cut
            whole = len(kept) - len(kept) % 4
            self._is_padded = kept.endswith(b"=", 0, whole)
            return self._split(kept, whole)
        if self._encoding == "quoted-printable":
            # A line may end in what joins it to the next.
            kept = self._rest + bytes(data)
            return self._split(kept, kept.rfind(b"\n") + 1)
        return data

    def finish(self) -> bytes:
        """Return what the rest stands for."""
        return self._undo(self._rest) if self._rest else b""

    def _split(self, data: bytes, at: int) -> bytes:
        self._rest = data[at:]
        if len(self._rest) > MAX_HEADER_BYTES:
            raise malformed()  # a line of quoted-printable has 76 characters
        return self._undo(data[:at])

    def _undo(self, data: bytes) -> bytes:
        if self._encoding == "quoted-printable":
            return binascii.a2b_qp(data)
        try:
            return binascii.a2b_base64(data, strict_mode=True)
        except binascii.Error as exc:
            raise malformed() from exc


def _message(content_type: str) -> Message:
    message = Message()
    message["Content-Type"] = content_type
    return message


def _boundary(content_type: str) -> bytes:
    found = _message(content_type).get_param("boundary")
    # Three values are a charset, a language and a text: nobody sends that.
    boundary = found.encode("utf-8", "surrogateescape") if isinstance(found, str) else b""
    if not 0 < len(boundary) <= _MAX_BOUNDARY_BYTES:
        raise malformed()
    return boundary


def _is_readable(parameter: str) -> bool:
    """Tell whether a parameter is plain, or names a character set that is known (RFC 8187).

    One in several pieces (RFC 2231) is not: nobody sends that over HTTP.
    """
    name, _, value = parameter.partition("=")
    _, star, piece = name.rstrip().partition("*")
    if not star:
        return True
    charset = value.strip().partition("'")[0] or "utf-8"
    return not piece and codec_of(charset) is not None


def disposition_of(header: str) -> dict[str, str]:
    """Return the parameters of a ``Content-Disposition``, none where it is malformed."""
    if "*" in header:
        header = ";".join(part for part in header.split(";") if _is_readable(part))
    with warnings.catch_warnings():
        # A header that is none is the client's mistake, and answered: no need to log it.
        warnings.simplefilter("ignore")
        return parse_content_disposition(header)[1]
