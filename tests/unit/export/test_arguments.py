# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Declared arguments as one document."""

import json

from jsonschema import Draft202012Validator

from deepaas.export.arguments import declared
from tests.unit.export.every_field import HOSTILE
from tests.unit.export.modules import hostile, small


def test_every_function_has_a_schema() -> None:
    document = declared(hostile().description)
    assert list(document) == ["predict", "train"]
    assert document["train"]["properties"] == {"epochs": {"type": "integer", "default": 2}}
    for schema in document.values():
        Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(document)) == document


def test_an_argument_says_what_is_declared() -> None:
    document = declared(hostile().description)["predict"]
    said = document["properties"]
    assert document["required"] == ["picture"]
    assert said["picture"] == {"type": "string", "format": "binary", "x-in": "form"}
    assert said["count"] == {"type": "integer", "minimum": 1, "maximum": 9, "default": 3}
    assert said["rate"]["x-nullable"]
    assert said["choice"]["enum"] == list(HOSTILE)
    assert said["hint"]["x-choices"] == ["a", "b"]
    assert said["Crumb!"]["x-in"] == "cookies"
    assert "default" not in said["password"]
    for text in filter(None, HOSTILE):
        assert said[text] == {"type": "string", "description": text, "default": text}


def test_a_model_without_arguments_has_empty_schemas() -> None:
    assert declared(small().description)["predict"] == {"type": "object", "properties": {}}
