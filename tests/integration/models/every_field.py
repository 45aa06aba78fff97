# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Declares an argument of every kind, in both dialects and every place, and answers what it got.

``predict`` takes a form, ``train`` a JSON body: a request has one of them.
"""

import enum
import io
import warnings
from typing import Any, cast

from marshmallow import Schema
from marshmallow.warnings import ChangedInMarshmallow4Warning, RemovedInMarshmallow4Warning
from webargs import fields, validate

from deepaas import UploadedFile

FILE = {"type": "file", "location": "form"}


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(Schema):
    x = fields.Float(required=True)
    y = fields.Float(allow_none=True)
    label = fields.Str(validate=validate.Length(max=10))


schema = {
    "given": fields.Dict(required=True, metadata={"description": "What was given."}),
    "labels": fields.List(fields.Str()),
    "probabilities": fields.List(fields.Float(allow_none=True)),
    "nothing": fields.Str(allow_none=True),
    "point": fields.Nested(Point),
}


def get_metadata() -> dict[str, Any]:
    return {"name": "Every field", "description": "Takes everything.", "licence": None}


def _legacy() -> dict[str, Any]:
    """Return arguments as packages of version 2 declare them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RemovedInMarshmallow4Warning)
        warnings.simplefilter("ignore", ChangedInMarshmallow4Warning)
        return {
            "legacy-int": fields.Int(
                missing=3, description="An integer.", validate=validate.Range(1, 10)
            ),
            "legacy_choice": fields.Str(missing="a", enum=["a", "b"], description="Free."),
            "legacy_header": fields.Str(location="headers"),
            "legacy_form": fields.Str(location="form"),
            "legacy_file": fields.Field(type="file", location="form", description="An image."),
            "legacy_list": fields.List(fields.Str(), missing=["q"]),
        }


def get_predict_args() -> dict[str, Any]:
    return {
        "accept": fields.Str(
            load_default="image/png",
            validate=validate.OneOf(["application/json", "image/png", "text/plain"]),
            metadata={"location": "headers", "description": "Media type of the answer."},
        ),
        **_legacy(),
        "text": fields.Str(required=True, validate=validate.Length(1, 30)),
        "pattern": fields.Str(validate=validate.Regexp("^[a-z]{2,8}[0-9]*\\Z")),
        "choice": fields.Str(load_default="x", validate=validate.OneOf(["x", "y"])),
        "integer": fields.Int(validate=validate.Range(0, 100, max_inclusive=False)),
        "numeral": fields.Int(load_default=2, validate=validate.OneOf([1, 2, 3])),
        "number": fields.Float(
            load_default=0.5, validate=validate.Range(0, 1, min_inclusive=False)
        ),
        "decimal": fields.Decimal(),
        "flag": fields.Bool(load_default=False),
        "colour": fields.Enum(Colour, by_value=True),
        "moment": fields.DateTime(),
        "day": fields.Date(),
        "clock": fields.Time(),
        "delta": fields.TimeDelta(),
        "mail": fields.Email(),
        "url": fields.Url(),
        "id": fields.UUID(),
        "address": cast("Any", fields.IP)(),
        "raw": fields.Raw(),
        "list": fields.List(fields.Int(), validate=validate.Length(1, 4)),
        "tuple": fields.Tuple((fields.Float(), fields.Float())),
        "delimited": fields.DelimitedList(fields.Float(), load_default=[1.0]),
        "piped": fields.DelimitedList(fields.Int(), delimiter="|"),
        "bbox(N,W,S,E)": fields.DelimitedTuple([fields.Float()] * 4),
        "nothing": fields.Str(load_default=None, allow_none=True),
        "password": fields.Str(load_default="hidden", metadata={"format": "password"}),
        "renamed": fields.Str(data_key="wire-name"),
        "header": fields.Int(data_key="X-Number", metadata={"location": "headers"}),
        "header_list": fields.List(fields.Int(), metadata={"location": "headers"}),
        "cookie": fields.Str(validate=validate.Length(max=9), metadata={"location": "cookies"}),
        "form_int": fields.Int(metadata={"location": "form"}),
        "form_list": fields.List(fields.Str(), metadata={"location": "form"}),
        "data": fields.Raw(metadata={**FILE, "description": "A file."}),
        "more": fields.List(fields.Raw(), metadata=FILE),
        "odd": fields.Str(metadata={"minimum": "low", "format": 7, "pattern": "(?P<a>.)"}),
    }


def predict(accept: str, **given: Any) -> Any:
    if accept == "text/plain":
        return io.BytesIO(b"text")
    if accept == "image/png":
        return b"\x89PNG"
    shown = {name: repr(value) for name, value in given.items()}
    uploads = [value for value in given.values() if isinstance(value, UploadedFile)]
    return {"given": shown, "labels": [str(each.name) for each in uploads], "nothing": None}


def get_train_args() -> dict[str, Any]:
    return {
        "epochs": fields.Int(load_default=1, validate=validate.Range(1, 3)),
        "settings": fields.Dict(required=True),
        "weights": fields.Dict(fields.Str(), fields.Float(), load_default={}),
        "point": fields.Nested(Point),
        "points": fields.List(fields.Nested(Point)),
        "matrix": fields.List(fields.List(fields.Float())),
        "values": fields.List(fields.Float(), metadata={"location": "json"}),
        "strict": fields.Int(strict=True, metadata={"location": "json"}),
        "switch": fields.Bool(metadata={"location": "json"}),
        "note": fields.Str(allow_none=True, load_default=None, metadata={"location": "json"}),
        "token": fields.Str(metadata={"secret": True, "location": "json"}),
    }


def train(**given: Any) -> Any:
    return {name: repr(value) for name, value in given.items()}
