# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Values that are plainly right, loaded without the detours that wrong ones need.

marshmallow's ``Schema.load`` is made for errors, hooks and partial loads; each field passes through
six functions. Here each field is asked once, texts and numbers without asking. Whatever is not
plainly right is left to marshmallow as a whole, so values and messages are its own.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from marshmallow import Schema, fields
from marshmallow.utils import missing

from deepaas.model.numberlists import METHODS

_Convert = Callable[[Any], Any]
#: Field, its name on the wire, the keyword, and how to convert without asking the field.
_Step = tuple[fields.Field, str, str, _Convert | None]


class Unclear(Exception):
    """A value that marshmallow has to judge."""


class PlainLoader:
    """Loads what a schema made by ``Schema.from_dict`` would load, if all is plainly right.

    Args:
        schema: Its fields are bound, and have no hooks around them.
    """

    def __init__(self, schema: Schema) -> None:
        self._steps: list[_Step] = []
        for name, field in schema.load_fields.items():
            wire_name = name if field.data_key is None else field.data_key
            self._steps.append((field, wire_name, field.attribute or name, _converter(field)))
        #: A dotted name makes an object in an object, which is marshmallow's to do.
        self.is_usable = not any("." in keyword for _, _, keyword, _ in self._steps)

    def load(self, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the keyword arguments, ``None`` where marshmallow is to say what is wrong."""
        loaded = {}
        try:
            for field, wire_name, keyword, convert in self._steps:
                value = data.get(wire_name, missing)
                if convert is None or value is missing or value is None:
                    value = field.deserialize(value, wire_name, data)
                else:
                    value = convert(value)
                if value is not missing:
                    loaded[keyword] = value
        except Exception:  # noqa: BLE001 - whatever it is, marshmallow meets it again and tells
            return None
        return loaded


def _converter(field: fields.Field) -> _Convert | None:
    """Return how to convert a value for a field that is of marshmallow's own, and only that."""
    if field.validators or METHODS & vars(field).keys():
        return None
    if type(field) is fields.String:
        return _to_text
    if type(field) is fields.Integer and not field.strict and field.num_type is int:
        return _to_int
    if type(field) is fields.Float and field.num_type is float:
        return _to_float
    return None


def _to_text(value: Any) -> str:
    if type(value) is str:
        return value
    raise Unclear


def _to_int(value: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is str and value.isascii() and value.isdigit():
        return int(value)
    raise Unclear


def _to_float(value: Any) -> float:
    if type(value) in (float, int, str):
        number = float(value)
        if isfinite(number):
            return number
    raise Unclear
