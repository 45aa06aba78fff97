# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A prediction made up from what a service says of its arguments (Swagger 2.0)."""

import io
import json
import math
import re
import uuid
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from deepaas.errors import ConfigurationError

_TEXTS: Final = re.compile(r"\b(?:text|txt|csv|json|xml|fasta)\b", re.I)
_ARCHIVES: Final = re.compile(r"\b(?:zip|archive)\b", re.I)
#: Pixels of a side; a dark stroke on white has something in it for most that look at pictures.
_SIDE: Final = 64
_STROKE: Final = range(28, 36)
_HIGH: Final = range(10, 54)
#: Texts that patterns often have in mind.
_SIMPLE: Final = ("a", "A", "1", "aA1", "0,0,1,1", "2026-01-31")
#: Longer texts and lists are for their authors to give.
_MOST_CHARACTERS: Final = 65_536
_MOST_ITEMS: Final = 1_000
#: Values for texts of a format.
_FORMATS: Final = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "nobody@example.org",
}


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file to send."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Call:
    """A prediction to ask for."""

    #: With its query.
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    #: Names of arguments whose values nobody gave.
    made_up: tuple[str, ...] = ()


def make_call(
    path: str, parameters: Sequence[Mapping[str, Any]], given: Mapping[str, str | MadeFile]
) -> Call:
    """Return a call with the defaults of the service, and with values for what has none.

    Args:
        path: Of the route that predicts.
        parameters: Of its description.
        given: Values that somebody chose, by argument.

    Raises:
        ConfigurationError: A required argument can only be given; the message names it. Or there
            is no argument of a name that is given.
    """
    if unknown := set(given).difference(str(each.get("name")) for each in parameters):
        raise ConfigurationError(f"The model has no argument {min(unknown)!r}.")
    query: list[tuple[str, str]] = []
    headers = {"Accept": "application/json, */*"}
    form: list[tuple[str, str | MadeFile]] = []
    made_up = []
    for each in parameters:
        name = str(each.get("name"))
        if name in given:
            value: Any = given[name]
        elif each.get("required") is True and "default" not in each:
            value = made_value(each)
            made_up.append(name)
        else:
            # The service has its own default, and sending it would be another test.
            continue
        if each.get("in") == "header":
            headers[name] = str(value)
        elif each.get("in") == "formData":
            form += [(name, part) for part in (value if isinstance(value, list) else [value])]
        else:
            query += [(name, str(part)) for part in (value if isinstance(value, list) else [value])]
    body, kind = _multipart(form) if form else (b"", "application/x-www-form-urlencoded")
    target = f"{path}?{urlencode(query)}" if query else path
    return Call(target, {**headers, "Content-Type": kind}, body, tuple(made_up))


def made_value(parameter: Mapping[str, Any]) -> Any:
    """Return a value that a declaration allows: its example, a choice, or what its type has.

    Raises:
        ConfigurationError: Nothing can be made up.
    """
    name = parameter.get("name")
    if parameter.get("type") == "file":
        return made_file(f"{name} {parameter.get('description', '')}")
    for key in ("example", "x-example"):
        if key in parameter:
            return parameter[key]
    if isinstance(choices := parameter.get("enum"), list) and choices:
        return choices[0]
    match parameter.get("type"):
        case "integer" | "number":
            return _number(parameter)
        case "boolean":
            return "false"
        case "array" if isinstance(items := parameter.get("items"), dict):
            count = max(int(_limit(parameter, "minItems") or 1), 1)
            if count <= _MOST_ITEMS:
                return [made_value({**items, "name": name})] * count
        case "string" if (text := _text(parameter)) is not None:
            return text
    raise ConfigurationError(
        f"No value can be made up for the argument {name!r}; give one: --input {name}=VALUE."
    )


def made_file(about: str) -> MadeFile:
    """Return a small real file: a picture, unless these words speak of a text or an archive."""
    picture = MadeFile("check.png", "image/png", _picture())
    if _ARCHIVES.search(about):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(picture.name, picture.content)
        return MadeFile("check.zip", "application/zip", buffer.getvalue())
    if found := _TEXTS.search(about):
        if found[0].lower() == "json":
            return MadeFile("check.json", "application/json", b"{}")
        return MadeFile("check.txt", "text/plain", b"one,two\n1,2\n")
    return picture


def given_file(path: Path) -> MadeFile:
    """Return a file of the user's.

    Raises:
        ConfigurationError: It cannot be read.
    """
    import mimetypes

    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    try:
        return MadeFile(path.name, kind, path.read_bytes())
    except OSError as exc:
        raise ConfigurationError(f"The file '{path}' cannot be read: {exc.strerror}.") from exc


def _text(parameter: Mapping[str, Any]) -> str | None:
    """Return a text that fits, ``None`` where none of those that are tried does."""
    least, end = int(_limit(parameter, "minLength") or 0), _limit(parameter, "maxLength")
    most = None if end is None else int(end)
    if least > _MOST_CHARACTERS:
        return None
    for text in (_FORMATS.get(str(parameter.get("format")), "test"), *_SIMPLE):
        text = (text * (least or 1) if len(text) < least else text)[:most]
        try:
            if len(text) >= least and re.search(str(parameter.get("pattern", "")), text):
                return text
        except re.error:
            # One of JavaScript's, perhaps.
            return None
    return None


def _number(parameter: Mapping[str, Any]) -> Any:
    """Return a number, whole where the limits are."""
    low, high = _limit(parameter, "minimum"), _limit(parameter, "maximum")
    if low is None:
        return 1 if high is None or high >= 1 else high
    if not parameter.get("exclusiveMinimum"):
        return low
    return low + 1 if high is None else (low + high) / 2


def _limit(parameter: Mapping[str, Any], key: str) -> int | float | None:
    """Return a limit of a declaration; what is no number is none."""
    value = parameter.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def _picture() -> bytes:
    """Return a PNG (W3C, 2003) with a vertical stroke, 8 bits of grey."""
    rows = bytearray()
    for y in range(_SIDE):
        rows.append(0)
        rows += bytes(0 if x in _STROKE and y in _HIGH else 255 for x in range(_SIDE))
    header = _SIDE.to_bytes(4) * 2 + bytes((8, 0, 0, 0, 0))
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)
        for kind, data in chunks
    )


def _multipart(form: Sequence[tuple[str, str | MadeFile]]) -> tuple[bytes, str]:
    boundary = uuid.uuid4().hex
    parts = []
    for name, value in form:
        # RFC 7578, section 2: what would end the name is percent-encoded.
        head = f'Content-Disposition: form-data; name="{_quoted(name)}"'
        if isinstance(value, MadeFile):
            head += f'; filename="{_quoted(value.name)}"\r\nContent-Type: {value.media_type}'
        data = value.content if isinstance(value, MadeFile) else str(value).encode()
        parts.append(f"--{boundary}\r\n{head}\r\n\r\n".encode() + data + b"\r\n")
    return b"".join(
        parts
    ) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _quoted(text: str) -> str:
    return re.sub(r"[\x00-\x1f\"\x7f]", lambda found: quote(found[0]), text)


def parse_json(data: bytes) -> Any:
    """Parse an answer.

    Raises:
        ValueError: It is no JSON, or nests too deep.
    """
    try:
        return json.loads(data)
    except RecursionError as exc:
        raise ValueError("it nests too deep") from exc
