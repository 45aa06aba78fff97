# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""JSON Schemas (2020-12) as data: allow ``null``, check a value, drop what makes no sense.

It looks at the keywords that a declaration of arguments can lead to, not at all there are.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})


def nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that may be ``null`` too."""
    made = dict(schema)
    if isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    if "enum" in made and None not in made["enum"]:
        made["enum"] = [*made["enum"], None]
    return made


def types_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the types that a schema names; none for any value."""
    types = schema.get("type", ())
    return frozenset([types] if isinstance(types, str) else types)


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Tell whether a JSON value is what the schema says, as far as it is known here."""
    types = types_of(schema)
    if types and not any(_IS_TYPE[each](value) for each in types):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        return _fits_text(value, schema)
    if isinstance(value, list):
        return _within(len(value), schema, "minItems", "maxItems") and all(
            fits(item, schema["items"])
            for item in value
            if isinstance(schema.get("items"), Mapping)
        )
    if _is_number(value):
        return (
            _within(value, schema, "minimum", "maximum")
            and value > schema.get("exclusiveMinimum", float("-inf"))
            and value < schema.get("exclusiveMaximum", float("inf"))
        )
    return True


def vetted(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema without the keywords whose values no schema may have.

    Metadata of a declaration ends up in its schema unchecked, and an author may have meant
    something else by a name. References are dropped: nothing here has a name to refer to.
    """
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _INNER_MAPS:
            if isinstance(value, Mapping):
                made[key] = {str(name): _vetted_inner(inner) for name, inner in value.items()}
        elif key in _INNER_LISTS:
            if isinstance(value, list) and value:
                made[key] = [_vetted_inner(inner) for inner in value]
        elif key in _INNER:
            if isinstance(value, Mapping | bool):
                made[key] = _vetted_inner(value)
        elif _MAKES_SENSE.get(key, _always)(value):
            made[key] = value
    return made


def _vetted_inner(schema: Any) -> Any:
    return vetted(schema) if isinstance(schema, Mapping) else schema is not False


def _always(value: Any) -> bool:
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_full_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _is_type(value: Any) -> bool:
    if isinstance(value, str):
        return value in TYPES
    return _is_full_list(value) and all(isinstance(each, str) and each in TYPES for each in value)


def _is_common_pattern(value: Any) -> bool:
    """Tell whether a pattern means the same in Python and in ECMA-262, which schemas speak."""
    if not isinstance(value, str) or re.search(r"\(\?[^:=!]|\\[AZ]|\(\?P", value):
        return False
    try:
        re.compile(value)
    except re.error:
        return False
    return True


def _within(value: float, schema: Mapping[str, Any], least: str, most: str) -> bool:
    return bool(schema.get(least, value) <= value <= schema.get(most, value))


def _fits_text(value: str, schema: Mapping[str, Any]) -> bool:
    pattern = schema.get("pattern")
    return _within(len(value), schema, "minLength", "maxLength") and (
        pattern is None or not _is_common_pattern(pattern) or bool(re.search(pattern, value))
    )


_IS_TYPE: Mapping[str, Callable[[Any], bool]] = {
    "string": _is_text,
    "number": _is_number,
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "boolean": _is_flag,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, Mapping),
    "null": lambda value: value is None,
}
_INNER_MAPS = frozenset({"properties"})
_INNER_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_INNER = frozenset({"items", "additionalProperties", "not"})
_MAKES_SENSE: Mapping[str, Callable[[Any], bool]] = {
    "$ref": lambda value: False,
    "type": _is_type,
    "pattern": _is_common_pattern,
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "enum": _is_full_list,
    "required": lambda value: _is_full_list(value) and all(map(_is_text, value)),
    "examples": lambda value: isinstance(value, list),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
        _is_count,
    ),
    **dict.fromkeys(("title", "format", "description"), _is_text),
    **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly"), _is_flag),
}
