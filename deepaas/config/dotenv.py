# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files of variables (``.env``): ``NAME=value``, with quotes, comments and ``export``.

What Docker Compose and shells agree on is read; nothing is replaced or executed, and what they
read differently is refused.
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

from deepaas.errors import ConfigurationError

_MAX_BYTES: Final = 1024**2
_START: Final = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*", re.A)
_BLANK: Final = re.compile(r"[ \t]*(#[^\n]*)?(\n|$)")
_SINGLE: Final = re.compile(r"'([^']*)'")
_DOUBLE: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_PLAIN: Final = re.compile(r"[^\n]*")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "\n": ""}


class Variable(NamedTuple):
    """A variable that a file sets."""

    name: str
    value: str
    #: ``file:line``.
    place: str


def read_variables(path: Path) -> tuple[Variable, ...]:
    """Return what a file sets, in its order.

    Raises:
        ConfigurationError: It cannot be read, or a line of it; the message names it and shows no
            value.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        text = content.decode("utf-8")
    except OSError as exc:
        raise ConfigurationError(f"{path}: {exc.strerror or exc}.") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{path} cannot be decoded as UTF-8.") from exc
    if len(content) > _MAX_BYTES:
        raise ConfigurationError(f"{path} has more than {_MAX_BYTES} bytes.")
    if "\0" in text:
        raise ConfigurationError(f"{path} has a zero byte, which no variable can hold.")
    return parse_variables(text.replace("\r\n", "\n"), str(path))


def parse_variables(text: str, name: str) -> tuple[Variable, ...]:
    """Parse a text; as :func:`read_variables`."""
    found: dict[str, Variable] = {}
    position = 0
    while position < len(text):
        place = f"{name}:{text.count(chr(10), 0, position) + 1}"
        if blank := _BLANK.match(text, position):
            position = blank.end()
            continue
        start = _START.match(text, position)
        if start is None:
            raise ConfigurationError(f"{place}: this is no NAME=value.")
        value, position = _value(text, start.end(), place)
        if start[1] in found:
            raise ConfigurationError(f"{place}: {start[1]} is set at {found[start[1]].place} too.")
        found[start[1]] = Variable(start[1], value, place)
    return tuple(found.values())


def _value(text: str, position: int, place: str) -> tuple[str, int]:
    """Return the value that begins there, and where the next line does."""
    quote = text[position : position + 1]
    if quote not in ("'", '"') or not quote:
        plain = _PLAIN.match(text, position)
        said = plain[0] if plain else ""
        # A comment begins behind a blank: passwords have the character too.
        return re.split(r"(?:^|[ \t])#", said)[0].strip(), position + len(said) + 1
    quoted = (_SINGLE if quote == "'" else _DOUBLE).match(text, position)
    if quoted is None:
        raise ConfigurationError(f"{place}: the quote {quote} does not end.")
    rest = _BLANK.match(text, quoted.end())
    if rest is None:
        raise ConfigurationError(f"{place}: something stands behind the closing quote.")
    if quote == "'":
        return quoted[1], rest.end()
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), quoted[1]), rest.end()
