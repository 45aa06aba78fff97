# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Both documents are valid, say the same, and say what is so."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from marshmallow import Schema
from marshmallow.fields import Field
from openapi_spec_validator import validate
from webargs import fields
from webargs import validate as check

from deepaas.api.app import ROUTES
from deepaas.api.documents.cache import Dialect, Documents, make_document
from deepaas.api.documents.openapi import BINARY
from deepaas.auth import Policy
from deepaas.model.arguments import ArgumentParser
from deepaas.model.encoding import encode_json
from deepaas.model.registry import ModelRegistry
from deepaas.model.schema import response_schema
from deepaas.records import ModelDescription
from tests.integration.models import every_field

FILE = {"type": "file", "location": "form"}


def model(
    predict: Mapping[str, Field] | None = None, name: str = "m", **more: Any
) -> ModelDescription:
    arguments = ArgumentParser(predict or {}).arguments
    return ModelDescription(name, {}, predict_arguments=arguments, **more)


def every() -> ModelDescription:
    return model(
        every_field.get_predict_args(),
        "every_field",
        train_arguments=ArgumentParser(every_field.get_train_args()).arguments,
        response_schema=response_schema(
            Schema.from_dict(every_field.schema, name="ModelPredictionResponse")()
        ),
    )


def document(dialect: Dialect, *models: ModelDescription, base_path: str = "") -> Any:
    """Return a document as a client gets it, valid."""
    made = json.loads(encode_json(make_document(dialect, ROUTES, models, base_path)))
    validate(made)
    return made


def swagger(*models: ModelDescription, **more: Any) -> Any:
    return document(Dialect.SWAGGER, *models, **more)


def openapi(*models: ModelDescription, **more: Any) -> Any:
    return document(Dialect.OPENAPI, *models, **more)


#: Of every prediction, behind what the model declares.
PREFERENCES = ["Prefer"]


def predict_of(document: Any, name: str = "m") -> Any:
    """Return what a document says of a prediction, with the model's own parameters only."""
    shown = document["paths"][f"/v2/models/{name}/predict/"]["post"]
    parameters = [each for each in shown["parameters"] if each["name"] not in PREFERENCES]
    return {**shown, "parameters": parameters}


def test_how_to_queue_a_prediction_is_in_both_documents() -> None:
    """In that of version 2 in words: its front end makes an input of each parameter."""
    field = {"n": fields.Int()}
    for made in (openapi(model(field)), swagger(model(field))):
        shown = made["paths"]["/v2/models/m/predict/"]["post"]
        names = [each["name"] for each in shown["parameters"]]
        assert names == ["n", *(PREFERENCES if "openapi" in made else ())]
        assert "Prefer: respond-async" in shown["description"]
        assert "Location" in shown["responses"]["202"]["description"]


def parameter(field: Field, name: str = "x") -> Any:
    """Return what Swagger 2.0 says of an argument, without what is the same for all."""
    (shown,) = predict_of(swagger(model({name: field})))["parameters"]
    assert shown.pop("name") == name
    assert shown.pop("required") is field.required
    return shown


def parameter_3(field: Field) -> Any:
    (shown,) = predict_of(openapi(model({"x": field})))["parameters"]
    return shown


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("base_path", ["", "/x"])
def test_every_route_is_described_with_its_base_path(dialect: Dialect, base_path: str) -> None:
    made = document(dialect, every(), model(), base_path=base_path)
    wanted = {
        (
            base_path + route.path.replace("{model}", name).replace("{path:(?s:.+)}", "{path}"),
            route.method.lower(),
        )
        for route in ROUTES
        for name in ("every_field", "m")
    }
    if base_path:
        wanted = {(base_path if path == f"{base_path}/" else path, how) for path, how in wanted}
    assert {(path, how) for path in made["paths"] for how in made["paths"][path]} == wanted
    ids = [op["operationId"] for path in made["paths"].values() for op in path.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("dialect", Dialect)
def test_errors_are_described(dialect: Dialect) -> None:
    made = document(dialect, model())
    body = {"400", "408", "413", "422", "431", "507"}
    errors = {"402", "403", "404", "429", "500", "501", "503", *body}
    assert set(predict_of(made)["responses"]) == {"200", "202", *errors}
    train = made["paths"]["/v2/models/m/train/"]["post"]
    assert set(train["responses"]) == {"200", *errors}
    show = made["paths"]["/v2/models/m/train/{uuid}"]["get"]
    assert set(show["responses"]) == {"200", "402", "403", "404", "500", "503"}
    assert set(made["paths"]["/v2/health/ready"]["get"]["responses"]) == {"200", "500", "503"}


def test_errors_of_new_routes_are_problems() -> None:
    paths = openapi(model())["paths"]
    new = paths["/v2/health/live"]["get"]["responses"]["500"]["content"]
    old = paths["/v2/models/"]["get"]["responses"]["500"]["content"]
    assert list(new) == ["application/problem+json"]
    assert list(old) == ["text/plain"]


def test_the_document_has_the_title_and_version_of_the_service() -> None:
    from deepaas import __version__

    for made in (swagger(), openapi()):
        assert made["info"] == {"title": "DEEP as a Service API endpoint", "version": __version__}
    assert swagger()["swagger"] == "2.0"
    assert openapi()["openapi"] == "3.1.0"


@pytest.mark.parametrize(
    ("field", "says"),
    [
        (fields.Str(), {"in": "query", "type": "string"}),
        (fields.Raw(), {"in": "query", "type": "string"}),
        (fields.Bool(load_default=False), {"in": "query", "type": "boolean", "default": False}),
        (
            fields.Int(load_default=3, validate=check.Range(1, 10), metadata={"description": "D"}),
            {
                "in": "query",
                "type": "integer",
                "description": "D",
                "minimum": 1,
                "maximum": 10,
                "default": 3,
            },
        ),
        (
            fields.Float(
                load_default=0.5,
                validate=check.Range(0, 1, min_inclusive=False, max_inclusive=False),
            ),
            {
                "in": "query",
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 0.5,
                "exclusiveMinimum": True,
                "exclusiveMaximum": True,
            },
        ),
        (
            fields.Str(load_default="a", validate=check.OneOf(["a", "b"])),
            {"in": "query", "type": "string", "enum": ["a", "b"], "default": "a"},
        ),
        (fields.Str(load_default=0.8), {"in": "query", "type": "string", "default": "0.8"}),
        (fields.Str(load_default=True), {"in": "query", "type": "string"}),
        (
            fields.Str(load_default="c", validate=check.OneOf(["c", "d"])),
            {"in": "query", "type": "string", "enum": ["c", "d"], "default": "c"},
        ),
        (
            fields.Str(metadata={"enum": ["a", "b"]}),
            {
                "in": "query",
                "type": "string",
                "enum": ["a", "b"],
                "x-extensible-enum": ["a", "b"],
            },
        ),
        (
            fields.Enum(every_field.Colour, by_value=True),
            {"in": "query", "type": "string", "enum": ["red", "blue"]},
        ),
        (
            fields.List(fields.Int(), load_default=[1], validate=check.Length(1)),
            {
                "in": "query",
                "type": "array",
                "items": {"type": "integer"},
                "minItems": 1,
                "collectionFormat": "multi",
                "default": [1],
            },
        ),
        (
            fields.DelimitedList(fields.Int()),
            {
                "in": "query",
                "type": "array",
                "items": {"type": "integer"},
                "collectionFormat": "csv",
            },
        ),
        (
            fields.DelimitedList(fields.Int(), delimiter="|"),
            {
                "in": "query",
                "type": "array",
                "items": {"type": "integer"},
                "collectionFormat": "pipes",
            },
        ),
        (
            fields.DelimitedList(fields.Int(), delimiter=";", load_default=[1]),
            {"in": "query", "type": "string"},
        ),
        (
            fields.Tuple((fields.Int(), fields.Str())),
            {
                "in": "query",
                "type": "array",
                "items": {"type": "string"},
                "minItems": 2,
                "maxItems": 2,
                "collectionFormat": "multi",
            },
        ),
        (fields.Raw(metadata=FILE), {"in": "formData", "type": "file"}),
        (fields.Raw(load_default=None, metadata=FILE), {"in": "formData", "type": "file"}),
        (fields.List(fields.Raw(), metadata=FILE), {"in": "formData", "type": "file"}),
        (fields.Raw(metadata={"location": "files"}), {"in": "formData", "type": "file"}),
        (fields.Str(metadata={"location": "form"}), {"in": "formData", "type": "string"}),
        (fields.Str(metadata={"location": "headers"}), {"in": "header", "type": "string"}),
        (
            fields.List(fields.Int(), metadata={"location": "headers"}),
            {"in": "header", "type": "integer"},
        ),
        (fields.Str(load_default=None, allow_none=True), {"in": "query", "type": "string"}),
        # A default that the declaration itself would refuse, and metadata that is no schema.
        (fields.Int(load_default="many"), {"in": "query", "type": "integer"}),
        (
            fields.Str(metadata={"minimum": "low", "format": 7, "pattern": "("}),
            {"in": "query", "type": "string"},
        ),
        # Nothing shows a secret.
        (
            fields.Str(
                load_default="s3cret",
                validate=check.OneOf(["s3cret"]),
                metadata={"secret": True, "example": "s3cret"},
            ),
            {"in": "query", "type": "string", "format": "password"},
        ),
    ],
)
def test_swagger_parameters(field: Field, says: Any) -> None:
    assert parameter(field) == says


@pytest.mark.filterwarnings("ignore::marshmallow.warnings.RemovedInMarshmallow4Warning")
@pytest.mark.filterwarnings("ignore::marshmallow.warnings.ChangedInMarshmallow4Warning")
def test_both_dialects_of_declarations_are_described_alike() -> None:
    legacy = fields.Int(missing=1, description="D", enum=[1, 2], location="form")
    current = fields.Int(
        load_default=1, metadata={"description": "D", "enum": [1, 2], "location": "form"}
    )
    assert parameter(legacy) == parameter(current)
    file = fields.Field(required=True, type="file", location="form", description="An image")
    assert parameter(file) == {"in": "formData", "type": "file", "description": "An image"}


def test_objects_are_the_json_body_in_swagger() -> None:
    made = predict_of(
        swagger(
            model(
                {
                    "options": fields.Dict(load_default={}),
                    "n": fields.Int(required=True, metadata={"location": "json"}),
                    "note": fields.Str(allow_none=True, metadata={"location": "json"}),
                    "points": fields.List(fields.Nested({"x": fields.Float()})),
                }
            )
        )
    )
    (body,) = made["parameters"]
    assert (body["name"], body["in"], body["required"]) == ("body", "body", True)
    properties = body["schema"]["properties"]
    assert properties["options"] == {"type": "object", "default": {}}
    assert properties["note"] == {"type": "string", "x-nullable": True}
    assert properties["points"]["items"]["properties"] == {"x": {"type": "number"}}
    assert body["schema"]["required"] == ["n"]
    assert made["consumes"] == ["application/json"]


def test_a_form_and_a_json_body_exclude_each_other() -> None:
    both = {"data": fields.Raw(required=True, metadata=FILE), "options": fields.Dict()}
    old, new = predict_of(swagger(model(both))), predict_of(openapi(model(both)))
    assert [each["name"] for each in old["parameters"]] == ["data"]
    assert old["consumes"] == ["multipart/form-data"]
    assert list(new["requestBody"]["content"]) == ["multipart/form-data", BINARY]
    optional = {"data": fields.Raw(metadata=FILE), "options": fields.Dict()}
    body = predict_of(openapi(model(optional)))["requestBody"]
    assert set(body["content"]) == {"multipart/form-data", "application/json", BINARY}
    assert not body["required"]


@pytest.mark.parametrize("kind", [fields.Raw, lambda **more: fields.List(fields.Raw(), **more)])
def test_a_sole_file_may_be_the_body(kind: Callable[..., Field]) -> None:
    file = {"data": kind(required=True, metadata=FILE), "n": fields.Int(required=True)}
    old, new = predict_of(swagger(model(file))), predict_of(openapi(model(file)))
    assert old["consumes"] == ["multipart/form-data"]
    assert new["requestBody"]["content"][BINARY] == {
        "schema": {"type": "string", "format": "binary", "minLength": 1}
    }
    assert new["requestBody"]["required"]


@pytest.mark.parametrize(
    "more",
    [
        {"other": fields.Raw(metadata=FILE)},
        {"text": fields.Str(required=True, metadata={"location": "form"})},
        {"point": fields.Dict(required=True)},
    ],
)
def test_beside_other_files_and_what_only_a_body_can_carry_it_may_not(
    more: Mapping[str, Field],
) -> None:
    declared = {"data": fields.Raw(metadata=FILE), **more}
    assert BINARY not in predict_of(openapi(model(declared)))["requestBody"]["content"]


def test_cookies_stand_in_openapi_only() -> None:
    cookie = {"c": fields.Str(metadata={"location": "cookies"})}
    assert predict_of(swagger(model(cookie)))["parameters"] == []
    (shown,) = predict_of(openapi(model(cookie)))["parameters"]
    assert (shown["name"], shown["in"]) == ("c", "cookie")


@pytest.mark.parametrize(
    ("field", "says"),
    [
        (
            fields.Int(required=True, validate=check.Range(0, min_inclusive=False)),
            {
                "name": "x",
                "in": "query",
                "required": True,
                "schema": {"type": "integer", "exclusiveMinimum": 0},
            },
        ),
        (
            fields.DelimitedList(fields.Int(), delimiter="|", metadata={"description": "D"}),
            {
                "name": "x",
                "in": "query",
                "required": False,
                "description": "D",
                "style": "pipeDelimited",
                "explode": False,
                "schema": {"type": "array", "items": {"type": "integer"}},
            },
        ),
        (
            fields.Str(metadata={"enum": ["a"]}),
            {
                "name": "x",
                "in": "query",
                "required": False,
                "schema": {"type": "string", "x-extensible-enum": ["a"], "examples": ["a"]},
            },
        ),
    ],
)
def test_openapi_parameters(field: Field, says: Any) -> None:
    assert parameter_3(field) == says


def test_files_are_binary_in_openapi() -> None:
    body = predict_of(
        openapi(
            model(
                {
                    "data": fields.Raw(required=True, metadata=FILE),
                    "more": fields.List(fields.Raw(), metadata=FILE),
                    "box": fields.DelimitedList(fields.Int(), metadata={"location": "form"}),
                }
            )
        )
    )["requestBody"]
    assert body["required"]
    assert body["content"]["multipart/form-data"] == {
        "schema": {
            "type": "object",
            "properties": {
                "data": {"type": "string", "format": "binary"},
                "more": {"type": "array", "items": {"type": "string", "format": "binary"}},
                "box": {"type": "array", "items": {"type": "integer"}},
            },
            "required": ["data"],
        },
        "encoding": {"box": {"style": "form", "explode": False}},
    }


def accepting(*types: str, **metadata: Any) -> ModelDescription:
    choices = check.OneOf(types) if types else None
    accept = fields.Str(
        load_default="text/plain", validate=choices, metadata={"location": "headers", **metadata}
    )
    return model({"accept": accept, "n": fields.Int()})


def test_the_media_types_of_answers_are_those_of_accept() -> None:
    choices = accepting("application/json", "image/png")
    old, new = predict_of(swagger(choices)), predict_of(openapi(choices))
    assert old["produces"] == ["application/json", "image/png", "*/*"]
    # The front end of version 2 counts parameters, and does not count this one.
    assert [each["name"] for each in old["parameters"]] == ["n", "accept"]
    accept = old["parameters"][-1]
    assert accept["in"] == "header"
    assert accept["enum"] == ["application/json", "image/png", "*/*"]
    assert accept["default"] == "application/json"
    assert list(new["responses"]["200"]["content"]) == ["application/json", "image/png"]
    # OpenAPI 3.1: a header parameter of this name shall be ignored.
    assert [each["name"] for each in new["parameters"]] == ["n"]


def test_without_choices_of_accept_any_media_type_may_come() -> None:
    assert "produces" not in predict_of(swagger(accepting()))
    content = predict_of(openapi(accepting()))["responses"]["200"]["content"]
    assert list(content) == ["application/json", "*/*"]
    assert predict_of(swagger(model()))["produces"] == ["application/json", "*/*"]


def test_the_answer_is_defined_by_the_response_schema() -> None:
    made = swagger(every())
    shown = predict_of(made, "every_field")["responses"]["200"]["schema"]
    assert shown == {"$ref": "#/definitions/ModelPredictionResponse"}
    definition = made["definitions"]["ModelPredictionResponse"]
    assert definition["properties"]["given"] == {"type": "object", "description": "What was given."}
    assert definition["properties"]["nothing"] == {"type": "string", "x-nullable": True}
    new = openapi(every())["components"]["schemas"]["ModelPredictionResponse"]
    assert new["properties"]["nothing"] == {"type": ["string", "null"]}


def test_schemas_of_one_name_are_told_apart() -> None:
    cats = {"title": "Training", "type": "object", "properties": {"a": {"type": "string"}}}
    dogs = {**cats, "properties": {}}
    made = swagger(
        model(name="cats", response_schema=cats),
        model(name="more", response_schema=cats),
        model(name="dogs", response_schema=dogs),
    )
    refs = [
        predict_of(made, name)["responses"]["200"]["schema"]["$ref"]
        for name in ("cats", "more", "dogs")
    ]
    assert refs == ["#/definitions/Training1", "#/definitions/Training1", "#/definitions/Training2"]
    assert "uuid" in made["definitions"]["Training"]["properties"]


def test_names_that_are_no_names_of_components_are_made_ones() -> None:
    odd = {"title": "Größe [x]", "type": "object"}
    assert "Gr__e__x_" in swagger(model(response_schema=odd))["definitions"]


def test_names_on_the_wire_are_as_declared() -> None:
    shown = predict_of(swagger(every()), "every_field")["parameters"]
    names = {each["name"] for each in shown}
    assert {"legacy-int", "bbox(N,W,S,E)", "wire-name", "X-Number"} <= names


async def test_a_document_is_kept_until_the_models_change() -> None:
    registry = ModelRegistry()
    documents = Documents(ROUTES, registry, "")
    empty = await documents.get(Dialect.SWAGGER)
    registry.put(model())
    one = await documents.get(Dialect.SWAGGER)
    assert one.tag != empty.tag
    registry.put(model())  # a worker was replaced
    assert await documents.get(Dialect.SWAGGER) is one
    assert (await documents.get(Dialect.OPENAPI)).tag != one.tag
    registry.put(replace(model(), metadata={"changed": True}))
    assert await documents.get(Dialect.SWAGGER) is not one
    registry.fail("m", "died")
    assert await documents.get(Dialect.SWAGGER) == empty


async def test_a_document_is_made_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    documents = Documents(ROUTES, ModelRegistry(), "")
    make = documents._make

    def noted(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return make(*arguments)

    monkeypatch.setattr(documents, "_make", noted)
    await documents.get(Dialect.OPENAPI)
    assert threads != [threading.main_thread()]


# Evaluations


def evaluate_of(document: Any) -> Any:
    return document["paths"]["/v2/models/m/evaluate/"]["post"]


@pytest.mark.parametrize("dialect", Dialect)
def test_an_evaluation_takes_the_models_arguments_and_a_version(dialect: Dialect) -> None:
    declared = ArgumentParser({"images": fields.Int(), "version": fields.Str()}).arguments
    made = evaluate_of(document(dialect, model(evaluate_arguments=declared)))
    found = {(each["in"], each["name"]) for each in made["parameters"]}
    assert found == {
        ("query", "images"),
        ("query", "version"),
        ("header", "X-Model-Version"),
        ("header", "Idempotency-Key"),
    }
    assert {"202", "404", "409", "501"} < set(made["responses"])
    assert "200" not in made["responses"]


@pytest.mark.parametrize("dialect", Dialect)
def test_a_header_that_route_and_model_read_is_described_once(dialect: Dialect) -> None:
    header = fields.Str(data_key="x-model-version", metadata={"location": "headers"})
    declared = ArgumentParser({"of": header}).arguments
    made = evaluate_of(document(dialect, model(evaluate_arguments=declared)))
    names = [each["name"].lower() for each in made["parameters"]]
    assert sorted(names) == ["idempotency-key", "x-model-version"]


@pytest.mark.parametrize("dialect", Dialect)
def test_how_to_sign_in_is_said_where_callers_do(dialect: Dialect) -> None:
    """Where nobody does, the documents are as they were."""
    openly = make_document(dialect, ROUTES, [], "")
    made = make_document(dialect, ROUTES, [], "", signs_in=True)
    is_swagger = dialect is Dialect.SWAGGER
    home = made if is_swagger else made["components"]
    schemes = home.pop("securityDefinitions" if is_swagger else "securitySchemes")
    assert schemes["key"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    assert schemes["bearer"]["type"] == ("apiKey" if is_swagger else "http")
    for route in ROUTES:
        if "{model}" in route.path:
            continue
        operation = made["paths"][route.path][route.method.lower()]
        if route.policy is Policy.PUBLIC:
            assert "security" not in operation
            assert "401" not in operation["responses"]
        else:
            assert operation.pop("security") == [{"bearer": []}, {"key": []}]
            del operation["responses"]["401"]
            if "produces" in operation:
                operation["produces"] = openly["paths"][route.path]["get"]["produces"]
    assert made == openly
    validate(make_document(dialect, ROUTES, [], "", signs_in=True))


async def test_documents_of_many_views_are_not_all_kept() -> None:
    registry = ModelRegistry()
    for number in range(40):
        registry.put(ModelDescription(f"m{number}", {}))
    documents = Documents(ROUTES[:1], registry, "")
    for number in range(40):
        await documents.get(Dialect.OPENAPI, f"m{number}".__eq__)
    assert len(documents._made) <= 32
