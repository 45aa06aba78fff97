# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Lists of numbers, nested to any depth, checked at the speed of C.

marshmallow calls several functions for each number: 1 MB of JSON takes it 60 times as long as
orjson. What is plainly right is found here by a few passes over all numbers at once. Everything
else is left to marshmallow, so values and messages are its own.
"""

from collections.abc import Iterable
from itertools import chain
from math import isfinite
from typing import Any

from marshmallow import fields

_INT, _NUMBERS, _LIST = frozenset({int}), frozenset({int, float}), frozenset({list})
#: An author may have put a function of his own into one of these places of a single field.
METHODS = frozenset({"deserialize", "_deserialize", "_validate", "_validate_all", "_validated"})


class NumberList(fields.List):
    """A list whose numbers are read at once where they are plainly right."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        depth, leaf = 1, self.inner
        while isinstance(leaf, fields.List):
            depth, leaf = depth + 1, leaf.inner
        read = _read(value, depth, is_float=isinstance(leaf, fields.Float))
        return super()._deserialize(value, attr, data, **kwargs) if read is None else read


def speed_up(bound: Iterable[fields.Field]) -> None:
    """Make those fields fast that are lists of numbers and nothing more.

    Args:
        bound: Fields that nobody else uses: they become of another class. A validator of the
            outermost list runs as before; those of the others must not exist.
    """
    for field in bound:
        if type(field) is fields.List and _is_plain(field) and _holds_numbers(field.inner):
            field.__class__ = NumberList


def _holds_numbers(field: fields.Field) -> bool:
    if field.validators or not _is_plain(field):
        return False
    if type(field) is fields.List:
        return _holds_numbers(field.inner)
    return type(field) in (fields.Float, fields.Integer)


def _is_plain(field: fields.Field) -> bool:
    return not METHODS & vars(field).keys()


def _read(value: Any, depth: int, *, is_float: bool) -> list[Any] | None:
    """Return what marshmallow would, ``None`` where that is for it to say."""
    if type(value) is not list:
        return None
    rows = [value]
    for _ in range(depth - 1):
        rows = list(chain.from_iterable(rows))
        if not set(map(type, rows)) <= _LIST:
            return None
    if not is_float:
        return value if set(map(type, chain.from_iterable(rows))) <= _INT else None
    try:
        # Refuses all but floats, which is faster than to look at the type of each.
        total = sum(map(float.conjugate, chain.from_iterable(rows)))
    except TypeError:
        return _read_mixed(value, rows, depth)
    # A sum with an infinity or NaN in it is never finite; one without may overflow.
    return value if isfinite(total) or _are_finite(rows) else None


def _read_mixed(value: list[Any], rows: list[list[Any]], depth: int) -> list[Any] | None:
    if not set(map(type, chain.from_iterable(rows))) <= _NUMBERS:
        return None
    try:
        return _to_floats(value, depth) if _are_finite(rows) else None
    except OverflowError:
        return None  # an integer that is larger than any float


def _are_finite(rows: list[list[Any]]) -> bool:
    return all(map(isfinite, chain.from_iterable(rows)))


def _to_floats(value: list[Any], depth: int) -> list[Any]:
    if depth == 1:
        return list(map(float, value))
    return [_to_floats(row, depth - 1) for row in value]
