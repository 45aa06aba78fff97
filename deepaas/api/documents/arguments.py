# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Where a document says that an argument goes, and what it says of its value.

An argument without a location may come in the query, a form or a JSON body. The documents name one
place for each, in which every value of it can be sent: the query, as those of version 2 did; a form
for files; the JSON body for objects and for lists of them, which text cannot carry.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from deepaas.model.jsonschema import fits, nullable, types_of, vetted
from deepaas.records import MISSING, Argument

#: The name of an extension: the values that are documented where others are accepted too.
OPEN_CHOICES = "x-extensible-enum"


class Place(StrEnum):
    """Where an argument stands in a request; the values are those of OpenAPI's ``in``."""

    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"
    #: A field of a form, files among them.
    FORM = "formData"
    #: A property of the object that is the JSON body.
    BODY = "body"


_PLACES = {
    "query": Place.QUERY,
    "form": Place.FORM,
    "files": Place.FORM,
    "json": Place.BODY,
    "headers": Place.HEADER,
    "cookies": Place.COOKIE,
}
_TYPES: Mapping[type, Mapping[str, str]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}
_COMPOUND = frozenset({"array", "object"})


def place_of(argument: Argument) -> Place:
    """Return the place that the documents name."""
    if argument.is_file:
        return Place.FORM
    if argument.location is not None:
        return _PLACES[argument.location]
    return Place.BODY if _needs_json(argument) else Place.QUERY


def by_place(arguments: Iterable[Argument]) -> Mapping[Place, list[Argument]]:
    """Return the arguments of each place, in their order."""
    places: dict[Place, list[Argument]] = {place: [] for place in Place}
    for argument in arguments:
        places[place_of(argument)].append(argument)
    return places


def _needs_json(argument: Argument) -> bool:
    if "object" in types_of(argument.schema):
        return True
    items = argument.schema.get("items")
    return isinstance(items, Mapping) and bool(types_of(items) & _COMPOUND)


def value_schema(argument: Argument) -> dict[str, Any]:
    """Return the JSON Schema of the argument's value, with what is known of it.

    Choices that bind are its ``enum``, others stand in :data:`OPEN_CHOICES`. A default that is no
    such value is left out, and so are the default, choices and examples of a secret.
    """
    schema = vetted(argument.schema)
    schema.pop("description", None)
    place = place_of(argument)
    if place in (Place.HEADER, Place.COOKIE) and argument.is_list:
        # Each line of a header is an item, and a document can show only one.
        schema = _item(schema)
    if argument.is_file and "array" in types_of(schema):
        schema["items"] = {"type": "string", "format": "binary"}
    if argument.is_secret and types_of(schema) == {"string"}:
        schema.setdefault("format", "password")
    if argument.choices:
        _add_choices(schema, argument)
    if argument.allow_none and place is Place.BODY:
        schema = nullable(schema)
    default = _shown_default(argument, schema)
    if not argument.is_secret and default is not MISSING:
        schema["default"] = default
    if argument.description is not None:
        schema["description"] = argument.description
    return schema


def _shown_default(argument: Argument, schema: Mapping[str, Any]) -> Any:
    """Return the default to show, ``MISSING`` for none; ``null`` can be sent as JSON only."""
    default = argument.default
    if argument.name == "accept" and default is MISSING and argument.choices:
        default = argument.choices[0]  # also where a client must say it
    if default is MISSING or argument.is_file:
        return MISSING
    if default is None and place_of(argument) is not Place.BODY:
        return MISSING
    if fits(default, schema):
        return default
    # A number as the default of a text is how old models say "0.8".
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    text = str(default)
    return text if is_number and fits(text, schema) else MISSING


def _item(schema: Mapping[str, Any]) -> dict[str, Any]:
    items = schema.get("items")
    return dict(items) if isinstance(items, Mapping) else {}


def _add_choices(schema: dict[str, Any], argument: Argument) -> None:
    choices = list(argument.choices or ())
    if argument.has_open_choices:
        schema[OPEN_CHOICES] = choices
    elif "array" not in types_of(schema):
        schema["enum"] = choices
        if "type" not in schema and all(type(choice) is type(choices[0]) for choice in choices):
            schema.update(_TYPES.get(type(choices[0]), {}))
