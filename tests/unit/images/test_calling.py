# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Calls are made up from declarations, and say what was made up; what cannot be is named."""

import io
import math
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from PIL import Image

from deepaas.errors import ConfigurationError
from deepaas.images.calling import (
    MadeFile,
    given_file,
    made_file,
    made_value,
    make_call,
    parse_json,
)

PATH = "/v2/models/leaves/predict/"


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ({"type": "string"}, "test"),
        ({"type": "string", "example": "oak"}, "oak"),
        ({"type": "string", "enum": ["oak", "elm"]}, "oak"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "string", "minLength": 6}, "test" * 6),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "pattern": "^[ACGT]+$"}, "A"),
        ({"type": "string", "pattern": r"^\d+$"}, "1"),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "minimum": 5, "exclusiveMinimum": True}, 6),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1}, 0.5),
        ({"type": "number", "maximum": 10}, 1),
        ({"type": "number", "maximum": -1}, -1),
        ({"type": "boolean"}, "false"),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [1, 1, 1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": "3"}, [1]),
        ({"type": "string", "minLength": "6", "maxLength": None}, "test"),
        ({"type": "integer", "minimum": "low", "maximum": math.inf}, 1),
    ],
)
def test_a_value_fits_its_declaration(parameter: dict[str, Any], value: object) -> None:
    assert made_value({"name": "kind", **parameter}) == value


@pytest.mark.parametrize(
    "parameter",
    [
        {"type": "string", "pattern": "^[0-9]{4}-oak$"},
        {"type": "string", "pattern": "^(?<name>"},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "string", "minLength": 10**12},
        {"type": "array", "items": {"type": "integer"}, "minItems": 10**12},
        {"type": "array"},
        {"type": "object"},
        {},
    ],
)
def test_an_argument_that_nothing_fits_is_named(parameter: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="--input kind=VALUE"):
        made_value({"name": "kind", **parameter})


def test_files_are_real_ones() -> None:
    picture = made_file("data An image")
    with Image.open(io.BytesIO(picture.content)) as image:
        image.load()
        assert (image.format, image.size, image.mode) == ("PNG", (64, 64), "L")
        assert image.getextrema() == (0, 255)
    archive = made_file("images Zip file of images")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        assert opened.read("check.png") == picture.content
    assert made_file("data A CSV file").media_type == "text/plain"
    assert parse_json(made_file("data, JSON").content) == {}


def test_a_call_leaves_defaults_to_the_service() -> None:
    call = make_call(
        PATH,
        [
            {"name": "kind", "in": "query", "type": "string", "default": "oak", "required": True},
            {"name": "size", "in": "query", "type": "integer", "required": True},
            {"name": "boxes", "in": "query", "type": "array", "items": {"type": "integer"}},
            {"name": "accept", "in": "header", "type": "string", "default": "text/plain"},
        ],
        {"boxes": "3"},
    )
    assert parse_qsl(urlsplit(call.path).query) == [("size", "1"), ("boxes", "3")]
    assert call.made_up == ("size",)
    assert call.body == b""
    assert call.headers["Accept"] == "application/json, */*"


def test_forms_carry_files_and_hostile_names(tmp_path: Path) -> None:
    path = tmp_path / 'a";\r\n.png'
    path.write_bytes(b"pixels")
    call = make_call(
        PATH,
        [
            {"name": 'x"\r\n', "in": "formData", "type": "file"},
            {"name": "many", "in": "formData", "type": "array", "items": {"type": "integer"}},
            {"name": "token", "in": "header", "type": "string"},
            {
                "name": "list",
                "in": "query",
                "type": "array",
                "items": {"type": "boolean"},
                "required": True,
            },
        ],
        {'x"\r\n': given_file(path), "many": "1", "token": "abc"},
    )
    assert b'name="x%22%0D%0A"; filename="a%22;%0D%0A.png"\r\nContent-Type: image/png' in call.body
    assert b"\r\n\r\npixels\r\n" in call.body
    assert call.headers["token"] == "abc"
    assert call.path.endswith("?list=false")


def test_what_cannot_be_given_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no argument 'colour'"):
        make_call(PATH, [], {"colour": "red"})
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        given_file(tmp_path / "nothing")
    assert given_file(Path(__file__)).name == "test_calling.py"
    assert MadeFile("a", "b/c", b"d").content == b"d"


def test_answers_that_nest_too_deep_are_no_json() -> None:
    with pytest.raises(ValueError, match="too deep"):
        parse_json(b"[" * 100_000)
