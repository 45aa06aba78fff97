# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Values of a model's author to JSON, and JSON to values.

orjson does the work where it can. An answer that it refuses (integers over 64 bits, keys that are
no strings, half a surrogate pair …) is made plain piece by piece and written by the standard
library, as everything is on an installation without orjson.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from io import IOBase
from math import isfinite
from os import PathLike, fspath
from typing import Any
from uuid import UUID

from deepaas.errors import InvalidAnswer
from deepaas.model.foreign import array_of, is_missing, rows_of

try:
    import orjson

    _HAS_ORJSON = True
except ImportError:
    # Platforms without a wheel; the standard library is slower and otherwise the same.
    _HAS_ORJSON = False

#: A ``repr`` stands in for what cannot be JSON; the bytes of an image would fill a page.
MAX_REPR_CHARACTERS = 200
#: In a ``repr``, of an object in memory: another one in each process.
_ADDRESS = re.compile(r" at 0x[0-9a-f]+", re.IGNORECASE)
#: What orjson refuses and Python takes: numbers that are not finite, by name or by size.
_NOT_FINITE = re.compile(rb"NaN|Infinity|[eE]\+?[0-9]{3}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

#: What orjson makes of numpy's "not a time", by the unit; the slower way knows it from a date.
_NO_TIME, _NO_TIME_NS = b'"1970-01-01T00:00:00"', b'"1677-09-21T00:12:43.145224"'

#: Called with a value that cannot be JSON and with its path in the answer.
_OnUnknown = Callable[[Any, str], Any]


def encode_json(value: Any) -> bytes:
    """Encode what a model returned as JSON.

    Arrays, tensors and scalars of numpy and its like, tables (a dict for each row), sets, tuples,
    dates, UUIDs, decimals, enums, dataclasses, paths and generators are encoded as what they stand
    for; NaN and the infinities become ``null``; integers keep all their digits; keys become
    strings.

    Raises:
        InvalidAnswer: Something in it cannot be JSON; the message names its type and place.
    """
    encoded = _write_fast(value)
    return _write(to_plain(value)) if encoded is None else encoded


def json_or_repr(value: Any) -> bytes:
    """Encode as :func:`encode_json` does, with the ``repr`` of what cannot be JSON in its place."""
    encoded = _write_fast(value)
    return _write(json_safe(value)) if encoded is None else encoded


def json_safe(value: Any) -> Any:
    """Return ``value`` made of what JSON has, with the ``repr`` of everything else."""
    try:
        return to_plain(value, on_unknown=_short_repr)
    except InvalidAnswer:
        # Nested too deep, or containing itself.
        return _short_repr(value, "")


def in_order(values: Iterable[Any]) -> Iterable[Any]:
    """Return values as they are; those of a set, which Python shuffles anew, by what they say."""
    if isinstance(values, set | frozenset):
        return sorted(values, key=lambda each: _short_repr(each, ""))
    return values


def decode_json(body: bytes | memoryview, *, exact: bool = False) -> Any:
    """Decode UTF-8 JSON, and the numbers that Python writes though JSON lacks them.

    These are NaN and the infinities, which version 2 took; fields of numbers refuse them.

    Args:
        body: The text; read, never kept.
        exact: Keep integers over 64 bits exact, which takes several times as long; they come as
            floats otherwise.

    Raises:
        ValueError: It is not JSON, or has half a surrogate pair, which nothing can pass on.
    """
    if _HAS_ORJSON and not exact:
        try:
            return orjson.loads(body)
        except ValueError:
            if _NOT_FINITE.search(body) is None:
                raise
    text = bytes(body).decode()
    try:
        value = json.loads(text)
        if _SURROGATE.search(text) is not None:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as exc:
        raise ValueError("nested too deep") from exc
    return value


def _write_fast(value: Any) -> bytes | None:
    """Encode with orjson as it is; ``None`` where that is not possible."""
    if not _HAS_ORJSON:
        return None
    try:
        encoded = orjson.dumps(value, default=_one_level, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:
        return None
    return None if _NO_TIME in encoded or _NO_TIME_NS in encoded else encoded


def _one_level(value: Any) -> Any:
    """Turn a value that orjson does not know into one it may know better."""
    if isinstance(value, Iterator):
        raise TypeError("an iterator can be read once, and this attempt may fail")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | Set):
        return list(value)
    array = array_of(value)
    return _plain_leaf(value, "", _refuse) if array is None else array


def _write(plain: Any) -> bytes:
    if _HAS_ORJSON:
        try:
            return orjson.dumps(plain)
        except TypeError:
            pass
    # Escapes keep half a surrogate pair, which UTF-8 cannot.
    try:
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(plain, separators=(",", ":")).encode()


def to_plain(value: Any, *, on_unknown: _OnUnknown | None = None) -> Any:
    """Return ``value`` made of dict, list, str, int, float, bool and None only.

    Args:
        value: Anything; not changed, except that generators are used up.
        on_unknown: Makes a plain value of what cannot be JSON; without it such a value is an error.

    Raises:
        InvalidAnswer: A value cannot be JSON, or the nesting is endless.
    """
    try:
        return _plain(value, "", on_unknown or _refuse)
    except RecursionError as exc:
        raise InvalidAnswer(
            "The model's answer cannot be written as JSON: nested too deep, or containing itself."
        ) from exc


def _plain(value: Any, path: str, on_unknown: _OnUnknown) -> Any:
    """Make one value plain; the types in the order in which they are likely."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, path, on_unknown)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    if isinstance(value, Mapping):
        return {
            _key(key, path, on_unknown): _plain(item, f"{path}.{key}", on_unknown)
            for key, item in value.items()
        }
    # An open file is an iterator too, of its lines.
    if isinstance(value, list | tuple | Set | Iterator) and not isinstance(value, IOBase):
        # An answer is the model's own; what is shown of a declaration is to be the same each time.
        items = in_order(value) if on_unknown is _short_repr else value
        return [_plain(item, f"{path}[{i}]", on_unknown) for i, item in enumerate(items)]
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name), f"{path}.{field.name}", on_unknown)
            for field in fields(value)
            if not field.name.startswith("_")  # as orjson
        }
    return _plain_leaf(value, path, on_unknown)


def _plain_leaf(value: Any, path: str, on_unknown: _OnUnknown) -> Any:
    if is_missing(value):
        return None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return _plain(float(value), path, on_unknown) if value.is_finite() else None
    if isinstance(value, PathLike):
        return _plain(fspath(value), path, on_unknown)
    rows = rows_of(value)
    if rows is not None:
        return _plain(rows, path, on_unknown)
    # numpy, torch and pandas agree on these names; none of them is imported for it.
    if getattr(getattr(value, "dtype", None), "kind", "") == "M":
        value = value.astype("datetime64[us]")  # nanoseconds would come as integers
    for convert in ("tolist", "item"):
        if callable(method := getattr(value, convert, None)) and not isinstance(value, type):
            try:
                converted = method()
            except Exception:  # noqa: BLE001 - a foreign object that only looks like an array
                break
            if type(converted) is not type(value):
                return _plain(converted, path, on_unknown)
    array = array_of(value)
    if array is not None:
        return _plain(array, path, on_unknown)
    return on_unknown(value, path)


def _key(key: Any, path: str, on_unknown: _OnUnknown) -> str:
    """Spell a key as the standard library's encoder does, and more of them."""
    plain = _plain(key, f"{path}.{key}", on_unknown)
    if isinstance(plain, str):
        return plain
    if isinstance(plain, list | dict):
        return str(key)
    return json.dumps(plain)


def _refuse(value: Any, path: str) -> Any:
    hint = (
        "; encode it as base64 text, or declare an argument 'accept' with its media type"
        if isinstance(value, bytes | bytearray | memoryview)
        else ""
    )
    raise InvalidAnswer(
        f"The model's answer cannot be written as JSON: {type(value).__name__} at"
        f" '{path.lstrip('.') or 'the top'}'{hint}."
    )


def _short_repr(value: Any, path: str) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - the author's own __repr__
        text = object.__repr__(value)
    text = _ADDRESS.sub("", text)
    if len(text) <= MAX_REPR_CHARACTERS:
        return text
    return text[: MAX_REPR_CHARACTERS - 1] + "…"
