# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Declared fields to records and JSON Schema: the one source for every description of a model.

Both dialects of field declarations end in the same place: marshmallow puts the legacy keywords
(``description=``, ``enum=``, ``location=``, ``type=``) into ``field.metadata``, where the current
one writes them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from marshmallow import RAISE, Schema, fields, validate
from marshmallow import missing as marshmallow_missing

from deepaas.model.jsonform import in_order, json_safe
from deepaas.model.jsonschema import nullable
from deepaas.records import MISSING, Argument

# The names that a declaration may use, to ours.
_LOCATIONS = {
    "query": "query",
    "querystring": "query",
    "form": "form",
    "json": "json",
    "body": "json",
    "header": "headers",
    "headers": "headers",
    "cookie": "cookies",
    "cookies": "cookies",
    "file": "files",
    "files": "files",
}

# By class, searched along a field's bases; as apispec maps them.
_TYPES: dict[type, dict[str, str]] = {
    fields.Integer: {"type": "integer"},
    fields.Number: {"type": "number"},
    fields.Boolean: {"type": "boolean"},
    fields.UUID: {"type": "string", "format": "uuid"},
    fields.Email: {"type": "string", "format": "email"},
    fields.Url: {"type": "string", "format": "url"},
    fields.String: {"type": "string"},
    fields.TimeDelta: {"type": "number"},
    fields.IPv4: {"type": "string", "format": "ipv4"},
    fields.IPv6: {"type": "string", "format": "ipv6"},
    fields.IP: {"type": "string", "format": "ip"},
    fields.IPInterface: {"type": "string", "format": "ip-interface"},
    fields.List: {"type": "array"},
    fields.Tuple: {"type": "array"},
    fields.Mapping: {"type": "object"},
    fields.Nested: {"type": "object"},
}

# By name; in marshmallow, a date and a time are kinds of a moment.
_TIMES: dict[type, str] = {
    fields.Date: "date",
    fields.Time: "time",
    fields.DateTime: "date-time",
}

# What metadata may add to a JSON Schema; description, enum and default have places of their own.
_KEYWORDS = (  # noqa: SIM905 - a keyword a line would fill a page
    "format title multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength"
    " pattern maxItems minItems uniqueItems maxProperties minProperties items properties"
    " additionalProperties allOf anyOf oneOf not deprecated example examples readOnly writeOnly"
).split()
# What shows values, which of a secret nobody may see.
_VALUES = frozenset({"enum", "const", "default", "example", "examples"})
_JSON_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object"})


def describe_fields(declared: Mapping[str, fields.Field]) -> tuple[Argument, ...]:
    """Return a record for each declared argument, in order; output-only fields are none."""
    return tuple(
        describe_field(name, field) for name, field in declared.items() if not field.dump_only
    )


def describe_field(name: str, field: fields.Field) -> Argument:
    """Return what a declared field says, free of marshmallow and safe to send as JSON."""
    schema = json_schema(field)
    choices = schema.pop("enum", None)
    description = field.metadata.get("description")
    return Argument(
        name=name,
        wire_name=name if field.data_key is None else field.data_key,
        type_name=type(field).__name__,
        # marshmallow takes a dotted one for a path into a mapping.
        keyword=field.attribute.partition(".")[0] if field.attribute else None,
        location=location(field),
        required=field.required,
        default=_default(field),
        allow_none=field.allow_none,
        is_file=is_file(field),
        is_list=is_list(field),
        delimiter=None if is_list(field) else getattr(field, "delimiter", None),
        is_secret=is_secret(field),
        is_fetched=is_fetched(field),
        media_types=_media_types(field),
        description=None if description is None else str(description),
        choices=None if choices is None else tuple(choices),
        has_open_choices=choices is not None and not _binds_choices(field),
        schema=schema,
    )


def location(field: fields.Field) -> str | None:
    """Return where the value may come from, ``None`` for query, then form, then JSON.

    A place that does not exist is read as none said.
    """
    return _LOCATIONS.get(str(field.metadata.get("location")).lower())


def is_file(field: fields.Field) -> bool:
    """Tell whether an upload is declared; of a list, by the list or by what is in it."""
    if field.metadata.get("type") == "file" or location(field) == "files":
        return True
    return isinstance(field, fields.List) and is_file(field.inner)


def is_list(field: fields.Field) -> bool:
    """Tell whether repeated keys make one value; webargs' delimited fields say they do not."""
    says = getattr(field, "is_multiple", None)
    if says is not None:
        return bool(says)
    # Those of webargs 5 are lists, and have a delimiter.
    return isinstance(field, fields.List | fields.Tuple) and not hasattr(field, "delimiter")


def first_one_of(field: fields.Field) -> validate.OneOf | None:
    """Return the validator that lists the choices, if there is one."""
    for validator in _validators(field.validators):
        if isinstance(validator, validate.OneOf) and not isinstance(
            validator, validate.ContainsOnly
        ):
            return validator
    return None


def json_schema(field: fields.Field, inside: frozenset[type] = frozenset()) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a field's value; choices as ``enum``, of a secret none.

    Uploads are strings of format ``binary``. A delimited list is described as the array it means.

    Args:
        field: A field that is bound to a schema, so that nested ones can be looked up.
        inside: The nested schemas around it; one that contains itself is not followed.
    """
    if isinstance(field, fields.List):
        schema: dict[str, Any] = {"type": "array", "items": _inner_schema(field.inner, inside)}
    elif is_file(field):
        schema = {"type": "string", "format": "binary"}
    else:
        schema = _type_schema(field, inside)
    for validator in _validators(field.validators):
        _add_limits(schema, validator)
    choices = _choices(field)
    if choices is not None:
        schema["enum"] = json_safe(choices)
    for key, value in field.metadata.items():
        if key in _KEYWORDS or str(key).startswith("x-"):
            schema[str(key)] = json_safe(value)
        elif key == "type" and value in _JSON_TYPES:
            schema[key] = value
    if _says_secret(field):
        return _without_values(schema)  # type: ignore[no-any-return]
    if is_secret(field):
        return {key: value for key, value in schema.items() if key not in _VALUES}
    return schema


def _without_values(schema: Any) -> Any:
    """Return a schema, or several, without what tells a value or a part of one."""
    if isinstance(schema, list):
        return [_without_values(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: (
            {name: _without_values(each) for name, each in value.items()}
            if key == "properties"
            else _without_values(value)
        )
        for key, value in schema.items()
        if key not in _VALUES
    }


def response_schema(schema: Schema) -> dict[str, Any]:
    """Return the JSON Schema of a model's answers, titled with the schema's name.

    The title is the class's name without "Schema"; ``ModelPredictionResponse`` for a plain dict.
    """
    title = type(schema).__name__
    return {"title": title.removesuffix("Schema") or title, **_object_schema(schema, frozenset())}


def _inner_schema(field: fields.Field, inside: frozenset[type]) -> dict[str, Any]:
    """Return the schema of a value within another, where nothing else says that it may be null."""
    schema = json_schema(field, inside)
    return nullable(schema) if field.allow_none else schema


def _type_schema(field: fields.Field, inside: frozenset[type]) -> dict[str, Any]:
    """Return what the field's class says."""
    if isinstance(field, fields.Nested):
        nested = _object_schema(field.schema, inside, field.unknown)
        return {"type": "array", "items": nested} if field.many else nested
    if isinstance(field, fields.DateTime):
        return _time_schema(field)
    schema: dict[str, Any] = {}
    for cls in type(field).__mro__:
        if cls in _TYPES:
            schema.update(_TYPES[cls])
            break
    if isinstance(field, fields.TimeDelta):
        schema.update(_period_schema(field))
    if isinstance(field, fields.Mapping) and field.value_field is not None:
        schema["additionalProperties"] = _inner_schema(field.value_field, inside)
    elif isinstance(field, fields.Tuple):
        size = len(field.tuple_fields)
        schema["prefixItems"] = [_inner_schema(inner, inside) for inner in field.tuple_fields]
        schema["minItems"] = schema["maxItems"] = size
    return schema


def _time_schema(field: fields.DateTime) -> dict[str, Any]:
    """Return what a moment, date or time looks like; a format of the author's own has no name."""
    if (field.format or "iso") in ("timestamp", "timestamp_ms"):
        return {"type": "number"}
    if (field.format or "iso") not in ("iso", "iso8601"):
        return {"type": "string"}
    kind = next(_TIMES[cls] for cls in type(field).__mro__ if cls in _TIMES)
    return {"type": "string", "format": kind}


def _period_schema(field: fields.TimeDelta) -> dict[str, Any]:
    """Return the number that a period is, within what a timedelta holds and JSON tells exactly."""
    most = min(-timedelta.min // timedelta(**{field.precision: 1}), 2**63 - 1)
    kind = "integer" if field.serialization_type is int else "number"
    return {"type": kind, "minimum": -most, "maximum": most}


def _object_schema(
    schema: Schema, inside: frozenset[type], unknown: str | None = None
) -> dict[str, Any]:
    if type(schema) in inside:
        return {"type": "object"}
    inside |= {type(schema)}
    properties = {}
    required = []
    for name, field in schema.fields.items():
        key = name if field.data_key is None else field.data_key
        properties[key] = _inner_schema(field, inside)
        if field.metadata.get("description") is not None:
            properties[key]["description"] = str(field.metadata["description"])
        if field.required:
            required.append(key)
    made: dict[str, Any] = {"type": "object", "properties": properties}
    if (unknown or schema.unknown) == RAISE:
        made["additionalProperties"] = False
    return {**made, "required": required} if required else made


def _add_limits(schema: dict[str, Any], validator: Any) -> None:
    """Add what a range, length, pattern or choice of items demands."""
    is_array = schema.get("type") == "array"
    if isinstance(validator, validate.Range):
        # Limits of dates and the like have no keyword.
        if isinstance(validator.min, int | float):
            schema["minimum" if validator.min_inclusive else "exclusiveMinimum"] = validator.min
        if isinstance(validator.max, int | float):
            schema["maximum" if validator.max_inclusive else "exclusiveMaximum"] = validator.max
    elif isinstance(validator, validate.Length):
        least = validator.min if validator.equal is None else validator.equal
        most = validator.max if validator.equal is None else validator.equal
        if least is not None:
            schema["minItems" if is_array else "minLength"] = least
        if most is not None:
            schema["maxItems" if is_array else "maxLength"] = most
    elif isinstance(validator, validate.Regexp):
        pattern = validator.regex.pattern
        # Flags have no keyword.
        if isinstance(pattern, str) and validator.regex.flags == re.UNICODE:
            # Python matches at the start, JSON Schema anywhere; and its anchors are others.
            pattern = pattern.replace(r"\A", "^").replace(r"\Z", "$")
            schema["pattern"] = pattern if pattern.startswith("^") else f"^(?:{pattern})"
    elif isinstance(validator, validate.ContainsOnly) and is_array:
        schema["items"] = {
            **schema.get("items", {}),
            "enum": json_safe(list(in_order(validator.choices))),
        }


def _choices(field: fields.Field) -> list[Any] | None:
    """Return the allowed values, else the documented ones, else ``None``."""
    one_of = first_one_of(field)
    if one_of is not None:
        # A text in the place of a list is its letters, of which some come twice.
        return _distinct(in_order(one_of.choices))
    if isinstance(field, fields.Enum):
        return [each.value if field.by_value else each.name for each in field.enum]
    documented = field.metadata.get("enum")
    if isinstance(documented, Iterable) and not isinstance(documented, str | bytes):
        return list(in_order(documented))
    return None


def _distinct(values: Iterable[Any]) -> list[Any]:
    values = list(values)
    try:
        return list({(type(value), value): value for value in values}.values())
    except TypeError:  # lists, say
        return values


def _binds_choices(field: fields.Field) -> bool:
    return first_one_of(field) is not None or isinstance(field, fields.Enum)


def _validators(validators: Iterable[Any]) -> Iterator[Any]:
    """Yield validators, with those that ``And`` combines one by one."""
    for validator in validators:
        if isinstance(validator, validate.And):
            yield from _validators(validator.validators)
        else:
            yield validator


def _default(field: fields.Field) -> Any:
    if field.load_default is marshmallow_missing:
        return MISSING
    return None if callable(field.load_default) else json_safe(field.load_default)


def is_secret(field: fields.Field, inside: frozenset[type] = frozenset()) -> bool:
    """Tell whether a value is to be masked: the field says so, or one within it.

    Args:
        field: A field that is bound to a schema, so that nested ones can be looked up.
        inside: The nested schemas around it; one that contains itself is not followed.
    """
    if _says_secret(field):
        return True
    if isinstance(field, fields.Nested):
        if type(field.schema) in inside:
            return False
        inside |= {type(field.schema)}
    return any(is_secret(each, inside) for each in _within(field))


def _says_secret(field: fields.Field) -> bool:
    says = field.metadata
    return bool(says.get("secret")) or "password" in (says.get("format"), says.get("type"))


def _within(field: fields.Field) -> Iterator[fields.Field]:
    """Yield the fields of which a value is made."""
    if isinstance(field, fields.List):
        yield field.inner
    elif isinstance(field, fields.Tuple):
        yield from field.tuple_fields
    elif isinstance(field, fields.Mapping):
        yield from (each for each in (field.key_field, field.value_field) if each is not None)
    elif isinstance(field, fields.Nested):
        yield from field.schema.fields.values()


def is_fetched(field: fields.Field) -> bool:
    """Tell whether the model gets what an address leads to; of a list, what each of them does.

    Other fields than ``Url`` may use the word in their metadata for something else.
    """
    inner = field.inner if isinstance(field, fields.List) else field
    says = field.metadata.get("fetch") or inner.metadata.get("fetch")
    return isinstance(inner, fields.Url) and bool(says) and not is_file(field)


def _media_types(field: fields.Field) -> tuple[str, ...]:
    """Return what an address may lead to, as far as the declaration says."""
    if not is_fetched(field):
        return ()
    inner = field.inner if isinstance(field, fields.List) else field
    said = field.metadata.get("content_types") or inner.metadata.get("content_types") or ()
    return (said,) if isinstance(said, str) else tuple(map(str, said))
