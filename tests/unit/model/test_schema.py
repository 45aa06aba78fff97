# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Declared fields to records and JSON Schema."""

import re
from datetime import date
from enum import Enum
from typing import Any, cast

import pytest
from marshmallow import Schema, ValidationError, fields, validate
from marshmallow.warnings import ChangedInMarshmallow4Warning, RemovedInMarshmallow4Warning
from webargs import fields as webargs_fields

from deepaas.model.schema import describe_field, describe_fields, json_schema, response_schema
from deepaas.records import MISSING, Argument


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Node(Schema):
    label = fields.Str(required=True, data_key="Label", metadata={"description": "What it is"})
    next = fields.Nested(lambda: Node())


class Upper(fields.Str):
    """A field of an author's own."""


class Odd(fields.Field):
    """One of which nothing is known."""


def bound(field: fields.Field) -> fields.Field:
    return Schema.from_dict({"x": field})().fields["x"]


def schema_of(field: fields.Field) -> dict[str, Any]:
    return json_schema(bound(field))


def only_even(value: int) -> None:
    if value % 2:
        raise ValidationError("odd")


def legacy_dialect() -> fields.Field:
    with pytest.warns(RemovedInMarshmallow4Warning):
        return fields.Str(
            missing="a", description="Text", enum=["a", "b"], location="form", type="password"
        )


def current_dialect() -> fields.Field:
    return fields.Str(
        load_default="a",
        metadata={
            "description": "Text",
            "enum": ["a", "b"],
            "location": "form",
            "type": "password",
        },
    )


@pytest.mark.parametrize("declare", [legacy_dialect, current_dialect])
def test_both_dialects_say_the_same(declare: Any) -> None:
    assert describe_field("x", bound(declare())) == Argument(
        name="x",
        wire_name="x",
        type_name="String",
        location="form",
        default="a",
        is_secret=True,
        description="Text",
        schema={"type": "string"},
    )


def test_a_legacy_upload() -> None:
    with pytest.warns((RemovedInMarshmallow4Warning, ChangedInMarshmallow4Warning)):
        field = fields.Field(required=True, type="file", location="form")

    argument = describe_field("data", field)

    assert argument.is_file
    assert argument.required
    assert argument.location == "form"
    assert argument.default is MISSING
    assert argument.schema == {"type": "string", "format": "binary"}


@pytest.mark.parametrize(
    ("says", "means"),
    [
        (None, None),
        ("nowhere", None),
        (["form"], None),
        ("querystring", "query"),
        ("header", "headers"),
        ("Headers", "headers"),
        ("cookie", "cookies"),
        ("files", "files"),
        ("body", "json"),
    ],
)
def test_locations(says: Any, means: str | None) -> None:
    assert describe_field("x", fields.Str(metadata={"location": says})).location == means


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        (fields.Raw(), {}),
        (Odd(), {}),
        (Upper(), {"type": "string"}),
        (fields.Int(), {"type": "integer"}),
        (fields.Float(), {"type": "number"}),
        (fields.Bool(), {"type": "boolean"}),
        (fields.Email(), {"type": "string", "format": "email"}),
        (fields.Date(), {"type": "string", "format": "date"}),
        (fields.DateTime(), {"type": "string", "format": "date-time"}),
        (cast("Any", fields.IPv4)(), {"type": "string", "format": "ipv4"}),
        (fields.Dict(), {"type": "object"}),
        (
            fields.Dict(values=fields.Int()),
            {"type": "object", "additionalProperties": {"type": "integer"}},
        ),
        (fields.List(fields.Int()), {"type": "array", "items": {"type": "integer"}}),
        (
            webargs_fields.DelimitedList(fields.Float(validate=validate.Range(0))),
            {"type": "array", "items": {"type": "number", "minimum": 0}},
        ),
        (
            fields.Tuple((fields.Int(), fields.Str())),
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        (
            webargs_fields.Nested({"a": fields.Int()}, many=True),
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"a": {"type": "integer"}},
                    "additionalProperties": False,
                },
            },
        ),
        (
            webargs_fields.Nested({"a": fields.Int(allow_none=True)}, unknown="include"),
            {"type": "object", "properties": {"a": {"type": ["integer", "null"]}}},
        ),
        (
            fields.List(fields.Enum(Size, allow_none=True)),
            {"type": "array", "items": {"enum": ["SMALL", "LARGE", None]}},
        ),
        (fields.Time(), {"type": "string", "format": "time"}),
        (fields.DateTime(format="timestamp"), {"type": "number"}),
        (fields.DateTime(format="%Y"), {"type": "string"}),
        (
            fields.TimeDelta("days"),
            {"type": "integer", "minimum": -999_999_999, "maximum": 999_999_999},
        ),
        (
            fields.TimeDelta("microseconds", serialization_type=float),
            {"type": "number", "minimum": 1 - 2**63, "maximum": 2**63 - 1},
        ),
        (fields.Enum(Size), {"enum": ["SMALL", "LARGE"]}),
        (fields.Str(validate=validate.OneOf("abba")), {"type": "string", "enum": ["a", "b"]}),
        (
            fields.List(fields.Int(), validate=validate.OneOf([[1], [1, 2]])),
            {"type": "array", "items": {"type": "integer"}, "enum": [[1], [1, 2]]},
        ),
        (fields.Enum(Size, by_value=True), {"enum": [1, 2]}),
        (
            fields.List(fields.Raw(metadata={"type": "file"})),
            {"type": "array", "items": {"type": "string", "format": "binary"}},
        ),
    ],
)
def test_types(field: fields.Field, schema: dict[str, Any]) -> None:
    assert schema_of(field) == schema


@pytest.mark.parametrize(
    ("field", "limits"),
    [
        (fields.Int(validate=validate.Range(1, 5)), {"minimum": 1, "maximum": 5}),
        (
            fields.Int(validate=validate.Range(1, 5, min_inclusive=False, max_inclusive=False)),
            {"exclusiveMinimum": 1, "exclusiveMaximum": 5},
        ),
        (fields.Date(validate=validate.Range(min=date(2026, 1, 1))), {"format": "date"}),
        (fields.Str(validate=validate.Length(2, 3)), {"minLength": 2, "maxLength": 3}),
        (fields.Str(validate=validate.Length(equal=2)), {"minLength": 2, "maxLength": 2}),
        (fields.Str(validate=validate.Length(max=2)), {"maxLength": 2}),
        (
            fields.List(fields.Int(), validate=validate.Length(min=1)),
            {"items": {"type": "integer"}, "minItems": 1},
        ),
        (fields.Str(validate=validate.Regexp("a+")), {"pattern": "^(?:a+)"}),
        (fields.Str(validate=validate.Regexp("^a$")), {"pattern": "^a$"}),
        (fields.Str(validate=validate.Regexp(r"\Aa\Z")), {"pattern": "^a$"}),
        (fields.Str(validate=validate.Regexp("^a$", re.IGNORECASE)), {}),
        (fields.Raw(validate=validate.Regexp(re.compile(b"a"))), {}),
        (fields.Int(validate=[validate.And(validate.Range(min=1), only_even)]), {"minimum": 1}),
        (
            fields.List(fields.Str(), validate=validate.ContainsOnly(["a", "b"])),
            {"items": {"type": "string", "enum": ["a", "b"]}},
        ),
        (fields.Str(validate=validate.ContainsOnly("ab")), {}),
        (
            fields.Int(metadata={"minimum": 3, "x-unit": "px", "enum": "ab", "type": "integer"}),
            {"minimum": 3, "x-unit": "px"},
        ),
        (fields.Int(metadata={"example": {1}, 5: "y", "type": "odd"}), {"example": [1]}),
    ],
)
def test_limits_and_metadata(field: fields.Field, limits: dict[str, Any]) -> None:
    schema = schema_of(field)

    assert {key: value for key, value in schema.items() if key != "type"} == limits


def test_a_schema_within_itself_is_not_followed_for_ever() -> None:
    properties = schema_of(fields.Nested(Node))["properties"]

    assert properties == {
        "Label": {"type": "string", "description": "What it is"},
        "next": {"type": "object"},
    }


def test_defaults_and_choices_are_safe_as_json() -> None:
    field = fields.Raw(load_default=date(2026, 1, 1), validate=validate.OneOf({date(2026, 1, 1)}))

    argument = describe_field("x", field)

    assert argument.default == "2026-01-01"
    assert argument.choices == ("2026-01-01",)


@pytest.mark.parametrize(
    "options",
    [
        {"validate": validate.OneOf({f"word {number}" for number in range(20)})},
        {"metadata": {"enum": frozenset(f"word {number}" for number in range(20))}},
    ],
)
def test_choices_of_a_set_have_one_order(options: dict[str, Any]) -> None:
    choices = describe_field("x", fields.Str(**options)).choices
    assert choices == tuple(sorted(f"word {number}" for number in range(20)))


def test_a_default_that_is_made_is_not_shown() -> None:
    assert describe_field("x", fields.List(fields.Int(), load_default=list)).default is None


def test_a_validated_choice_goes_before_a_documented_one() -> None:
    field = fields.Str(validate=validate.OneOf(["a"]), metadata={"enum": ["a", "b"]})

    assert describe_field("x", field).choices == ("a",)


def test_lists_on_the_wire() -> None:
    assert describe_field("x", fields.List(fields.Int())).is_list
    assert describe_field("x", fields.Tuple((fields.Int(),))).is_list
    assert not describe_field("x", webargs_fields.DelimitedList(fields.Int())).is_list
    assert not describe_field("x", fields.Str()).is_list


def test_output_only_fields_are_no_arguments() -> None:
    declared = {"a": fields.Str(data_key="A"), "b": fields.Str(dump_only=True)}

    (argument,) = describe_fields(declared)

    assert (argument.name, argument.wire_name) == ("a", "A")


@pytest.mark.parametrize(
    "metadata", [{"secret": True}, {"format": "password"}, {"type": "password"}]
)
def test_secrets(metadata: dict[str, Any]) -> None:
    assert describe_field("x", fields.Str(metadata=metadata)).is_secret
    assert not describe_field("x", fields.Str()).is_secret


class Login(Schema):
    """Holds a secret, and itself."""

    user = fields.Str()
    password = fields.Str(validate=validate.OneOf(["a"]), metadata={"secret": True, "example": "a"})
    other = fields.Nested(lambda: Login())


class Person(Schema):
    """Holds itself, and no secret."""

    name = fields.Str()
    friend = fields.Nested(lambda: Person())


@pytest.mark.parametrize(
    ("field", "is_secret"),
    [
        (fields.Nested(Login), True),
        (fields.List(fields.Nested(Login)), True),
        (fields.List(fields.Str(metadata={"secret": True})), True),
        (fields.Tuple((fields.Int(), fields.Str(metadata={"secret": True}))), True),
        (fields.Dict(fields.Str(), fields.Str(metadata={"secret": True})), True),
        (fields.Dict(), False),
        (fields.Nested(Person), False),
    ],
)
def test_a_value_that_holds_a_secret_is_one(field: Any, is_secret: bool) -> None:
    assert describe_field("x", field).is_secret is is_secret


def test_what_a_secret_within_may_be_is_not_described() -> None:
    schema = describe_field("x", fields.Nested(Login)).schema
    assert schema["properties"]["password"] == {"type": "string"}


SECRET = {"secret": True}
CHOSEN = fields.Str(validate=validate.OneOf(["s3cret"]), metadata={"examples": ["s3cret"]})


@pytest.mark.parametrize(
    "field",
    [
        fields.List(CHOSEN, metadata=SECRET),
        fields.List(fields.Str(), validate=validate.ContainsOnly(["s3cret"]), metadata=SECRET),
        fields.Tuple((CHOSEN,), metadata=SECRET),
        fields.Dict(values=CHOSEN, metadata=SECRET),
        fields.Nested(Schema.from_dict({"enum": CHOSEN}), metadata=SECRET),
        fields.Str(metadata={**SECRET, "anyOf": [{"const": "s3cret"}, {"default": "s3cret"}]}),
        fields.Nested(Login, metadata={"enum": [{"password": "s3cret"}]}),
    ],
    ids=lambda field: type(field).__name__,
)
def test_what_a_part_of_a_secret_may_be_is_not_described(field: Any) -> None:
    assert "s3cret" not in repr(describe_field("x", bound(field)))


def test_a_part_of_a_secret_may_have_any_name() -> None:
    schema = describe_field("x", fields.Nested({"enum": CHOSEN}, metadata=SECRET)).schema
    assert schema["properties"] == {"enum": {"type": "string"}}


def test_a_response_schema_has_its_name_and_demands() -> None:
    class CatSchema(Schema):
        name = fields.Str(required=True)

    assert response_schema(CatSchema()) == {
        "title": "Cat",
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "additionalProperties": False,
        "required": ["name"],
    }
    made = Schema.from_dict({}, name="ModelPredictionResponse")()
    assert response_schema(made)["title"] == "ModelPredictionResponse"
