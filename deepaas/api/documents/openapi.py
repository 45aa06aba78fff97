# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""OpenAPI 3.1: JSON Schema as it is, bodies of several media types, cookies."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from apispec import APISpec

from deepaas.api.documents.about import JSON, Answer
from deepaas.api.documents.arguments import OPEN_CHOICES, Place, by_place, value_schema
from deepaas.api.documents.operations import Api, Operation, refer
from deepaas.api.documents.shapes import MODEL_VERSION, PATH_SHAPES, REQUEST_ID, UUID
from deepaas.model.arguments import sole_upload
from deepaas.model.jsonschema import types_of
from deepaas.records import Argument

VERSION = "3.1.0"
MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
BINARY = "application/octet-stream"

_PREFIX = "#/components/schemas/"
#: How callers sign in, where they do: in one of these ways.
SCHEMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token."},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
)
#: OpenAPI ignores parameters of these names: the media types of body and answers say it.
_IMPLIED_HEADERS = frozenset({"accept", "content-type", "authorization"})


def write_openapi(api: Api, title: str, version: str) -> dict[str, Any]:
    """Return the document."""
    spec = APISpec(title, version, VERSION)
    for name, shape in api.shapes.items():
        spec.components.schema(name, refer(shape, _PREFIX))
    spec.components.header("RequestId", REQUEST_ID)
    spec.components.header("ModelVersion", MODEL_VERSION)
    if api.signs_in:
        for name, scheme in SCHEMES.items():
            spec.components.security_scheme(name, dict(scheme))
    for operation in api.operations:
        spec.path(operation.path, operations={operation.method: _operation(operation)})
    return spec.to_dict()


def _operation(operation: Operation) -> dict[str, Any]:
    about = operation.about
    places = by_place((*operation.arguments, *operation.preferences))
    made: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [about.tag],
        "summary": about.summary,
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": dict(PATH_SHAPES.get(name, UUID)),
            }
            for name in operation.path_parameters
        ],
        "responses": {
            str(status): _response(answer) for status, answer in operation.answers.items()
        },
    }
    if about.description is not None:
        made["description"] = about.description
    if operation.is_guarded:
        made["security"] = [{name: []} for name in SCHEMES]
    for place in (Place.QUERY, Place.HEADER, Place.COOKIE):
        for argument in places[place]:
            if place is Place.HEADER and argument.wire_name.lower() in _IMPLIED_HEADERS:
                continue
            made["parameters"].append(_parameter(argument, place))
    body = _request_body(places[Place.FORM], places[Place.BODY])
    if body is not None:
        made["requestBody"] = body
    return made


def _parameter(argument: Argument, place: Place) -> dict[str, Any]:
    schema = _schema(argument)
    made = {"name": argument.wire_name, "in": place.value, "required": argument.required}
    if argument.description is not None:
        made["description"] = schema.pop("description")
    if place is not Place.HEADER and "array" in types_of(schema) and not argument.is_list:
        made.update(_delimited(argument))
    return {**made, "schema": schema}


def _delimited(argument: Argument) -> dict[str, Any]:
    styles = {",": "form", " ": "spaceDelimited", "|": "pipeDelimited"}
    return {"style": styles.get(argument.delimiter or ",", "form"), "explode": False}


def _schema(argument: Argument) -> dict[str, Any]:
    """Return the value's schema; what is documented but does not bind are examples."""
    schema = value_schema(argument)
    if OPEN_CHOICES in schema:
        schema.setdefault("examples", schema[OPEN_CHOICES])
    return schema


def _request_body(form: Sequence[Argument], json: Sequence[Argument]) -> dict[str, Any] | None:
    """Describe the body; a media type that cannot carry what is required is left out."""
    content: dict[str, Any] = {}
    needs_form, needs_json = (any(each.required for each in group) for group in (form, json))
    if json and not (needs_form and not needs_json):
        content[JSON] = {"schema": _object(json)}
    if form and not (needs_json and not needs_form):
        kinds = [MULTIPART] if any(each.is_file for each in form) else [URLENCODED, MULTIPART]
        for kind in kinds:
            content[kind] = {"schema": _object(form)}
            encoding = {
                each.wire_name: _delimited(each)
                for each in form
                if each.delimiter is not None and "array" in types_of(each.schema)
            }
            if encoding:
                content[kind]["encoding"] = encoding
    file = sole_upload(form)
    if file is not None and not any(each.required for each in (*form, *json) if each != file):
        # It stands for every media type but those of JSON and forms, which */* would include.
        content[BINARY] = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
    if not content:
        return None
    return {"content": content, "required": needs_form or needs_json}


def _object(arguments: Iterable[Argument]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "object",
        "properties": {each.wire_name: _schema(each) for each in arguments},
    }
    required = [each.wire_name for each in arguments if each.required]
    return {**made, "required": required} if required else made


def _response(answer: Answer) -> dict[str, Any]:
    made: dict[str, Any] = {
        "description": answer.description,
        "headers": {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}},
    }
    if answer.has_version:
        made["headers"]["X-Model-Version"] = {"$ref": "#/components/headers/ModelVersion"}
    if answer.content:
        made["content"] = {
            kind: {} if name is None else {"schema": _reference(name)}
            for kind, name in answer.content.items()
        }
    return made


def _reference(name: str) -> Mapping[str, str]:
    return {"$ref": _PREFIX + name}
