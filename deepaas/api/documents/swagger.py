# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Swagger 2.0, as clients of version 2 read it.

The format knows neither cookies nor lists of files: those arguments are left out, or shown as one
file. It has one list of media types for all answers of an operation, those of errors too.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from apispec import APISpec

from deepaas.api.documents.about import ANYTHING, JSON, Answer
from deepaas.api.documents.arguments import OPEN_CHOICES, Place, place_of, value_schema
from deepaas.api.documents.openapi import MULTIPART, URLENCODED
from deepaas.api.documents.operations import Api, Operation, refer
from deepaas.api.documents.shapes import MODEL_VERSION, PATH_SHAPES, REQUEST_ID, UUID
from deepaas.model.jsonschema import fits, types_of
from deepaas.records import Argument

VERSION = "2.0"

_PREFIX = "#/definitions/"
#: How callers sign in; the format has no word for bearer tokens.
SCHEMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "bearer": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "Bearer, a space, and a key or a token.",
        },
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
)
_COLLECTIONS = {",": "csv", " ": "ssv", "\t": "tsv", "|": "pipes"}
_LIMITS = frozenset(
    {
        *("format", "multipleOf", "pattern", "minLength", "maxLength"),
        *("minItems", "maxItems", "uniqueItems", "enum"),
    }
)
_OF_SCHEMAS = frozenset(
    {"$ref", "title", "description", "default", "example", "readOnly", "required"}
    | {"minProperties", "maxProperties"}
)
_SCALARS = frozenset({"string", "number", "integer", "boolean"})


def write_swagger(api: Api, title: str, version: str) -> dict[str, Any]:
    """Return the document."""
    spec = APISpec(title, version, VERSION)
    for name, shape in api.shapes.items():
        spec.components.schema(name, definition(refer(shape, _PREFIX)))
    if api.signs_in:
        for name, scheme in SCHEMES.items():
            spec.components.security_scheme(name, dict(scheme))
    for operation in api.operations:
        spec.path(operation.path, operations={operation.method: _operation(operation)})
    return spec.to_dict()


def _operation(operation: Operation) -> dict[str, Any]:
    about = operation.about
    parameters = [
        {"name": name, "in": "path", "required": True, **_simple(PATH_SHAPES.get(name, UUID))}
        for name in operation.path_parameters
    ] + _parameters(operation.arguments)
    made: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [about.tag],
        "summary": about.summary,
        "parameters": parameters,
        "responses": {
            str(status): _response(answer) for status, answer in operation.answers.items()
        },
    }
    if about.description is not None:
        made["description"] = about.description
    if operation.is_guarded:
        made["security"] = [{name: []} for name in SCHEMES]
    consumes = _consumes(parameters)
    if consumes:
        made["consumes"] = consumes
    produces = _produces(operation)
    if produces:
        made["produces"] = produces
    return made


def _produces(operation: Operation) -> list[str]:
    """Return the media types; a prediction's are those of successes, errors are ``*/*``.

    Clients offer a choice of the types that they find at a prediction.
    """
    success = operation.answers[operation.about.status].content
    if operation.about.function == "predict":
        return [] if ANYTHING in success else [*success, ANYTHING]
    if not all(answer.content for answer in operation.answers.values()):
        return []  # an answer without a body has no type, and the format has no way to say so
    return list(
        dict.fromkeys(kind for answer in operation.answers.values() for kind in answer.content)
    )


def _consumes(parameters: Sequence[Mapping[str, Any]]) -> list[str]:
    places = {each["in"] for each in parameters}
    if Place.FORM in places:
        has_files = any(each.get("type") == "file" for each in parameters)
        return [MULTIPART] if has_files else [URLENCODED, MULTIPART]
    return [JSON] if Place.BODY in places else []


def _parameters(arguments: Sequence[Argument]) -> list[dict[str, Any]]:
    """Describe the arguments in their order; all of the JSON body are one parameter."""
    made: list[dict[str, Any]] = []
    has_form = any(place_of(each) is Place.FORM for each in arguments)
    body: list[Argument] = []
    for argument in arguments:
        place = place_of(argument)
        if place is Place.COOKIE:
            continue
        if place is Place.BODY:
            # A request has one body only.
            if not has_form and not body:
                made.append({"name": "body", "in": place.value})
            body.append(argument)
        else:
            made.append(_parameter(argument, place))
    for parameter in made:
        if parameter["in"] == Place.BODY:
            parameter.update(_body(body))
    return made


def _body(arguments: Sequence[Argument]) -> dict[str, Any]:
    required = [each.wire_name for each in arguments if each.required]
    properties = {each.wire_name: value_schema(each) for each in arguments}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return {"required": bool(required), "schema": definition(schema)}


def _parameter(argument: Argument, place: Place) -> dict[str, Any]:
    schema = value_schema(argument)
    made = {"name": argument.wire_name, "in": place.value, "required": argument.required}
    if argument.description is not None:
        made["description"] = argument.description
    if argument.is_file:
        return {**made, "type": "file"}
    if OPEN_CHOICES in schema:
        made["enum"] = schema[OPEN_CHOICES]
    simple = _simple(schema)
    if "array" in types_of(simple):
        if argument.is_list:
            simple["collectionFormat"] = "multi"
        elif argument.delimiter in _COLLECTIONS:
            simple["collectionFormat"] = _COLLECTIONS[argument.delimiter]
        else:
            simple = {"type": "string"}
    made = {**made, **simple}
    # It fits the argument's own schema; this one has less, and may have another type.
    said: dict[str, Any] = {key: made[key] for key in ("type", "enum") if key in made}
    if "default" in schema and fits(schema["default"], said):
        made["default"] = schema["default"]
    return made


def _simple(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may stand beside a parameter's name: one type, and its limits."""
    kinds = types_of(schema)
    kind = next((each for each in kinds if each in _SCALARS or each == "array"), "string")
    made: dict[str, Any] = {"type": kind}
    if kind == "array":
        items = schema.get("items")
        made["items"] = _simple(items if isinstance(items, Mapping) else _common_item(schema))
    made.update({key: value for key, value in schema.items() if key in _LIMITS})
    made.update({key: value for key, value in schema.items() if key.startswith("x-")})
    return {**made, **_range(schema)}


def _common_item(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a tuple's items where they are all alike, else that of any text."""
    first, *others = schema.get("prefixItems") or [{}]
    return first if isinstance(first, Mapping) and all(each == first for each in others) else {}


def definition(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema (2020-12) as Swagger 2.0 has it: less, and ``null`` by an extension."""
    made: dict[str, Any] = {
        key: value
        for key, value in schema.items()
        if key in _LIMITS or key in _OF_SCHEMAS or key.startswith("x-")
    }
    kinds = types_of(schema)
    kind = min(kinds - {"null"}, default=None)
    if "null" in kinds:
        made["x-nullable"] = True
        if made.get("default", "") is None:
            del made["default"]
        if "enum" in made:
            made["enum"] = [each for each in made["enum"] if each is not None]
    if kind is not None and len(kinds - {"null"}) == 1:
        made["type"] = kind
    if kind == "array":
        items = schema.get("items")
        item = items if isinstance(items, Mapping) else _common_item(schema)
        made["items"] = definition(item)
    if isinstance(schema.get("properties"), Mapping):
        made["properties"] = {
            name: definition(inner) if isinstance(inner, Mapping) else {}
            for name, inner in schema["properties"].items()
        }
    additional = schema.get("additionalProperties")
    if additional is not None:
        made["additionalProperties"] = (
            definition(additional) if isinstance(additional, Mapping) else additional
        )
    if "example" not in made and schema.get("examples"):
        made["example"] = schema["examples"][0]
    return {**made, **_range(schema)}


def _range(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of a number; an exclusive one is the limit and a flag."""
    made: dict[str, Any] = {}
    for limit, exclusive, tighter in (
        ("minimum", "exclusiveMinimum", max),
        ("maximum", "exclusiveMaximum", min),
    ):
        bounds = [schema[key] for key in (limit, exclusive) if key in schema]
        if bounds:
            made[limit] = tighter(bounds)
            if schema.get(exclusive) == made[limit]:
                made[exclusive] = True
    return made


def _response(answer: Answer) -> dict[str, Any]:
    """Describe an answer, by its schema if it has one only."""
    made: dict[str, Any] = {
        "description": answer.description,
        "headers": {"X-Request-ID": {"description": REQUEST_ID["description"], "type": "string"}},
    }
    if answer.has_version:
        made["headers"]["X-Model-Version"] = {
            "description": MODEL_VERSION["description"],
            "type": "integer",
        }
    names = {name for name in answer.content.values() if name is not None}
    if len(names) == 1:
        made["schema"] = {"$ref": _PREFIX + names.pop()}
    return made
