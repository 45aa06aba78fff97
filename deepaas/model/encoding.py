# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a model returned to what a client gets."""

import io
import os
import re
from types import GeneratorType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from deepaas.errors import InvalidAnswer
from deepaas.model.foreign import image_bytes, is_image
from deepaas.model.jsonform import encode_json, json_or_repr, json_safe
from deepaas.records import ReturnedFile

if TYPE_CHECKING:
    from marshmallow import Schema

__all__ = ["EncodedAnswer", "encode_answer", "encode_json", "json_or_repr", "json_safe"]

JSON = "application/json"

# A media type as RFC 9110 section 8.3.1 writes it; nothing that could end a header line.
# A range such as image/* is none, but models declare it, and 2.6.0 sent it.
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/([\w!#$&^.+-]+|\*)(\s*;[\t\x20-\x7e]*)?", re.ASCII)


class EncodedAnswer(NamedTuple):
    """An answer ready to be sent; exactly one of ``body`` and ``file`` is there."""

    content_type: str
    body: bytes | None = None
    #: Open for reading at its beginning, with a descriptor; whoever gets it closes it.
    file: BinaryIO | None = None
    #: The name to save it under: ``Content-Disposition: attachment``.
    filename: str | None = None


_RAW = (str, bytes, bytearray, memoryview, io.BytesIO, io.StringIO)


def is_json(accept: str) -> bool:
    """Tell whether the agreed media type is JSON, or none in particular."""
    return accept.partition(";")[0].strip().lower() in (JSON, "*/*")


def media_type(accept: str) -> str:
    """Return the agreed media type if it is one: without choices declared it is a client's text."""
    return accept if _MEDIA_TYPE.fullmatch(accept) else "application/octet-stream"


def encode_answer(
    returned: Any,
    accept: str | None = None,
    schema: "Schema | type[Schema] | None" = None,
    *,
    wrap: bool = True,
) -> EncodedAnswer:
    """Encode what ``predict`` returned for the media type that was agreed.

    Args:
        returned: ``None``, bytes, ``str``, ``BytesIO``, ``StringIO``, an image of Pillow's, an open
            binary file or :class:`ReturnedFile`, or a generator of bytes and texts, where
            ``accept`` is a media type of its own; anything that can be JSON otherwise. A
            generator is used up.
        accept: The value of the argument ``accept``; ``None``, ``*/*`` and JSON mean JSON.
        schema: The model's response schema. The answer must fit, and is sent as it is.
        wrap: Whether JSON without a schema is put into the contract's object.

    Raises:
        InvalidAnswer: The answer fits neither the media type nor the schema; its ``detail`` says
            more than a client should see.
    """
    if isinstance(accept, str) and not is_json(accept):
        return _encode_raw(returned, accept)
    if isinstance(returned, GeneratorType):
        returned = list(returned)
    if schema is None:
        shown = {"status": "OK", "predictions": returned} if wrap else returned
        return EncodedAnswer(JSON, encode_json(shown))
    _check(returned, schema)
    return EncodedAnswer(JSON, encode_json(returned))


def _check(returned: Any, schema: "Schema | type[Schema]") -> None:
    """Validate without keeping what the schema makes of the answer."""
    try:
        (schema() if isinstance(schema, type) else schema).load(returned)
    except Exception as exc:
        # Not only ValidationError: validators and hooks of the author's own may raise anything.
        messages = getattr(exc, "messages", None)
        raise InvalidAnswer(
            detail=f"The model's answer does not fit its schema: {messages or repr(exc)}"
        ) from exc


def _encode_raw(returned: Any, accept: str) -> EncodedAnswer:
    content_type = media_type(accept)
    if returned is None:
        return EncodedAnswer(content_type, b"")  # what it made has gone elsewhere
    if isinstance(returned, _RAW):
        # Version 2 offered such a buffer for download, as aiohttp does.
        name = getattr(returned, "name", None)
        filename = os.path.basename(name) if isinstance(name, str) else ""
        return EncodedAnswer(content_type, raw_piece(returned), filename=filename or None)
    if isinstance(returned, GeneratorType):
        return EncodedAnswer(content_type, b"".join(map(raw_piece, returned)))
    if isinstance(returned, ReturnedFile):
        return _returned_file(returned, content_type)
    if is_image(returned):
        return EncodedAnswer(content_type, image_bytes(returned, content_type))
    # A named temporary file is a wrapper, whose end would close the file inside.
    if isinstance(
        getattr(returned, "file", returned), io.BufferedReader | io.BufferedRandom | io.FileIO
    ):
        return _open_file(returned, content_type)
    raise InvalidAnswer(
        f"The model returned {_an(type(returned).__name__)} where {accept} was asked for; return"
        " bytes, str, BytesIO, an image, a file open in binary mode or a ReturnedFile."
    )


def raw_piece(item: Any) -> bytes:
    """Return one of the values that are sent as they are, text as UTF-8.

    Raises:
        InvalidAnswer: It is something else.
    """
    if isinstance(item, io.StringIO):
        item = item.getvalue()
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bytes | bytearray | memoryview):
        return bytes(item)
    if isinstance(item, io.BytesIO):
        return item.getvalue()
    raise InvalidAnswer(
        f"The model yielded {_an(type(item).__name__)} where a media type other than JSON was"
        " asked for; yield bytes, str or BytesIO."
    )


def _returned_file(returned: ReturnedFile, content_type: str) -> EncodedAnswer:
    if returned.filename is None:
        raise InvalidAnswer("The model returned a ReturnedFile without a filename.")
    try:
        file = open(returned.filename, "rb")  # noqa: SIM115 - whoever gets the answer closes it
    except OSError as exc:
        raise InvalidAnswer(
            "The model returned a file that cannot be read.",
            detail=f"{returned.filename}: {exc}",
        ) from exc
    name = returned.original_filename or returned.filename
    return EncodedAnswer(content_type, file=file, filename=os.path.basename(name))


def _open_file(file: BinaryIO, content_type: str) -> EncodedAnswer:
    if file.closed:
        raise InvalidAnswer("The model returned a file that is closed already.")
    # As if it were opened again, as 2.6.0 did: a model may have read or written some of it. Going
    # back by way of the end moves the descriptor too, not only the place in the buffer.
    if file.seekable():
        file.seek(0, os.SEEK_END)
        file.seek(0)
    # A pipe or an unnamed file has a descriptor's number for a name.
    name = os.path.basename(file.name) if isinstance(file.name, str) else None
    return EncodedAnswer(content_type, file=file, filename=name or None)


def _an(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
