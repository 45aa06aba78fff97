# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from deepaas.model.jsonschema import fits, nullable, types_of, vetted


@pytest.mark.parametrize(
    ("value", "schema", "fit"),
    [
        (1, {}, True),
        (1, {"type": "integer"}, True),
        (1.0, {"type": "integer"}, True),
        (1.5, {"type": "integer"}, False),
        (float("inf"), {"type": "integer"}, False),
        (True, {"type": "integer"}, False),
        ("1", {"type": "integer"}, False),
        (None, {"type": ["integer", "null"]}, True),
        (None, {"type": "integer"}, False),
        (1, {"enum": [1, 2]}, True),
        (3, {"enum": [1, 2]}, False),
        (0, {"minimum": 0}, True),
        (0, {"exclusiveMinimum": 0}, False),
        (5, {"exclusiveMaximum": 5}, False),
        (5, {"maximum": 4}, False),
        ("abc", {"maxLength": 2}, False),
        ("abc", {"pattern": "^a"}, True),
        ("abc", {"pattern": "^b"}, False),
        ("abc", {"pattern": "("}, True),
        ([1, "a"], {"type": "array", "items": {"type": "integer"}}, False),
        ([1], {"type": "array", "items": {"type": "integer"}, "minItems": 2}, False),
        ([1], {"type": "array"}, True),
        ({}, {"type": "object"}, True),
    ],
)
def test_a_value_fits_or_not(value: Any, schema: dict[str, Any], *, fit: bool) -> None:
    assert fits(value, schema) is fit


def test_null_is_one_more_type_and_choice() -> None:
    assert nullable({"type": "string", "enum": ["a"]}) == {
        "type": ["string", "null"],
        "enum": ["a", None],
    }
    assert nullable({}) == {}
    assert types_of(nullable({"type": "string"})) == {"string", "null"}


@pytest.mark.parametrize(
    "sound",
    [
        {"type": "integer", "minimum": 1, "multipleOf": 0.5, "x-own": object, "default": "any"},
        {"type": ["string", "null"], "pattern": "^(?:a|b)$", "format": "x", "enum": [None, "a"]},
        {"properties": {"a": {"type": "string"}, "b": True}, "required": ["a"]},
        {"anyOf": [{"type": "string"}], "items": {"not": {"type": "null"}}},
        {"additionalProperties": False, "deprecated": True, "examples": [], "maxItems": 0},
    ],
)
def test_what_is_a_schema_stays(sound: dict[str, Any]) -> None:
    assert vetted(sound) == sound


@pytest.mark.parametrize(
    "odd",
    [
        {"$ref": "#/nowhere"},
        {"type": "file"},
        {"type": []},
        {"minimum": "low"},
        {"minimum": True},
        {"maxLength": -1},
        {"maxLength": 1.5},
        {"multipleOf": 0},
        {"format": 7},
        {"pattern": "("},
        {"pattern": "(?P<name>a)"},
        {"pattern": r"a\Z"},
        {"enum": []},
        {"enum": "ab"},
        {"required": [1]},
        {"required": True},
        {"properties": ["a"]},
        {"anyOf": []},
        {"items": "string"},
        {"deprecated": "yes"},
        {"examples": "a"},
    ],
)
def test_what_is_none_is_dropped(odd: dict[str, Any]) -> None:
    assert vetted(odd) == {}


def test_schemas_within_are_vetted_too() -> None:
    assert vetted({"properties": {"a": {"minimum": "low"}}, "items": {"format": 1}}) == {
        "properties": {"a": {}},
        "items": {},
    }
    assert vetted({"anyOf": ["string"]}) == {"anyOf": [True]}
