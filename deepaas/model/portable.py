# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Declared fields as bytes, so that the server can check calls without the author's code.

Not pickle: the bytes come from a process that runs foreign code, and a pickle can change what it
names even where it may name only harmless things. Here a field or validator is its class, from a
fixed list, and its attributes, which are data. What is not on the list cannot be carried, and the
worker checks those calls: the author's own classes and functions; nested schemas; regular
expressions, which could keep the server's event loop busy for ever.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from marshmallow import fields, missing, validate

_FIELDS = (  # noqa: SIM905 - a name a line would fill a page
    "AwareDateTime Boolean Constant Date DateTime Decimal Dict Email Field Float IP IPInterface"
    " IPv4 IPv4Interface IPv6 IPv6Interface Integer List Mapping NaiveDateTime Number Raw String"
    " Time TimeDelta Tuple UUID Url"
).split()
_VALIDATORS = (
    "And",
    "ContainsNoneOf",
    "ContainsOnly",
    "Email",
    "Equal",
    "Length",
    "NoneOf",
    "OneOf",
    "Range",
    "URL",
)
_DELIMITED = ("DelimitedList", "DelimitedTuple")

_CLASSES: dict[str, type] = {
    **{f"fields.{name}": getattr(fields, name) for name in _FIELDS},
    **{f"validate.{name}": getattr(validate, name) for name in _VALIDATORS},
}

# Makers of defaults: load_default=dict.
_CALLABLES: dict[str, Callable[..., Any]] = {
    **{kind.__name__: kind for kind in (bool, dict, float, frozenset, int, list, set, str, tuple)},
    "uuid4": uuid4,
}

# Of a field: ties to the schema it was bound to, the form in which validators were given, output.
_UNBOUND = {"parent": None, "name": None, "root": None, "validate": None, "dump_default": missing}

# A format string may read attributes and ask for any width; an error message needs neither.
_FORMAT_TRICK = re.compile(r"\{[^{}]*[.\[!:]")


class NotPortable(Exception):
    """Something in a declaration cannot be carried to another process."""


def pack(declared: Mapping[str, fields.Field]) -> bytes:
    """Write fields as bytes, unbound from any schema.

    Raises:
        NotPortable: One of them is not of marshmallow's own classes, or holds what cannot be
            carried.
    """
    return json.dumps({name: _pack(field) for name, field in declared.items()}).encode()


def unpack(data: bytes) -> dict[str, fields.Field]:
    """Make the fields again. Safe on any bytes: runs no code but of the classes listed here.

    Raises:
        NotPortable: These are no bytes that :func:`pack` writes.
    """
    try:
        made = {str(name): _unpack(item) for name, item in json.loads(data).items()}
    except NotPortable:
        raise
    except (
        AttributeError,
        ArithmeticError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ) as exc:
        raise NotPortable(f"these bytes are no packed fields: {exc!r}") from exc
    if not all(isinstance(field, fields.Field) for field in made.values()):
        raise NotPortable("these bytes hold something else than fields")
    return made


def _pack(value: Any) -> Any:
    """Make JSON of a value: itself, a list, or ``{"kind": …, "value": …}``."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is list:
        return [_pack(item) for item in value]
    if value is missing:
        return {"kind": "missing", "value": None}
    if kind in (tuple, set, frozenset):
        return {"kind": kind.__name__, "value": [_pack(item) for item in value]}
    if kind is dict:
        return {"kind": "dict", "value": [[_pack(k), _pack(v)] for k, v in value.items()]}
    if kind in _TO_TEXT:
        if getattr(value, "tzinfo", None) is not None and type(value.tzinfo) is not timezone:
            raise NotPortable(f"the time zone {value.tzinfo!r} would lose its rules")
        return {"kind": kind.__name__, "value": _TO_TEXT[kind](value)}
    for name, known in _CALLABLES.items():
        if value is known:
            return {"kind": "callable", "value": name}
    return _pack_object(value)


def _pack_object(value: Any) -> dict[str, Any]:
    kind = type(value)
    module = {"marshmallow.fields": "fields", "marshmallow.validate": "validate"}.get(
        kind.__module__, "webargs" if kind.__module__ == "webargs.fields" else ""
    )
    name = f"{module}.{kind.__name__}"
    if _find_class(name) is not kind:
        raise NotPortable(f"{kind.__module__}.{kind.__qualname__} cannot be carried")
    state = dict(vars(value))
    if isinstance(value, fields.Field):
        state |= {key: item for key, item in _UNBOUND.items() if key in state}
        state["metadata"] = _packable_part(value.metadata)
    return {"kind": name, "value": {key: _pack(item) for key, item in state.items()}}


def _packable_part(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what cannot be carried: metadata describes and, ``location`` aside, decides nothing."""
    kept = {}
    for key, item in metadata.items():
        try:
            _pack(key), _pack(item)
        except NotPortable:
            continue
        kept[key] = item
    return kept


def _unpack(item: Any) -> Any:
    if isinstance(item, list):
        return [_unpack(each) for each in item]
    if not isinstance(item, dict):
        return item
    kind, value = item["kind"], item["value"]
    if kind in _FROM_JSON:
        return _FROM_JSON[kind](value)
    return _unpack_object(kind, value)


def _unpack_object(kind: str, value: Mapping[str, Any]) -> Any:
    cls = _find_class(kind)
    if cls is None:
        raise NotPortable(f"{kind!r} cannot be carried")
    state = {key: _unpack(item) for key, item in value.items()}
    for key, item in state.items():
        # An attribute must not take a method's place.
        if key.startswith("_") or callable(getattr(cls, key, None)):
            raise NotPortable(f"{kind!r} has no attribute {key!r}")
        for text in item.values() if isinstance(item, dict) else (item,):
            if key.startswith(("error", "message")) and _FORMAT_TRICK.search(str(text)):
                raise NotPortable(f"{text!r} is no plain error message")
    made: Any = object.__new__(cls)
    vars(made).update(state)
    return made


def _find_class(name: str) -> type | None:
    module, _, short = name.partition(".")
    if module == "webargs" and short in _DELIMITED:
        # Imported where a model uses it, for it takes a while.
        import webargs.fields

        return getattr(webargs.fields, short)  # type: ignore[no-any-return]
    return _CLASSES.get(name)


_TO_TEXT: dict[type, Callable[[Any], Any]] = {
    range: lambda value: [value.start, value.stop, value.step],
    Decimal: str,
    UUID: str,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: lambda value: [value.days, value.seconds, value.microseconds],
}

_FROM_JSON: dict[str, Callable[[Any], Any]] = {
    "missing": lambda value: missing,
    "callable": lambda value: _CALLABLES[value],
    "tuple": lambda value: tuple(_unpack(value)),
    "set": lambda value: set(_unpack(value)),
    "frozenset": lambda value: frozenset(_unpack(value)),
    "dict": lambda value: {_unpack(key): _unpack(item) for key, item in value},
    "range": lambda value: range(*value),
    "Decimal": Decimal,
    "UUID": UUID,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda value: timedelta(*value),
}
