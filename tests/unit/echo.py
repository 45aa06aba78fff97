# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model that answers what it was given, or fails in the way that is asked for."""

import io
import time
from pathlib import Path
from typing import Any

from aiohttp import web
from marshmallow import fields, validate

import deepaas
from deepaas import InvalidInput, ReturnedFile, UploadedFile

MEDIA_TYPES = ["application/json", "text/plain", "image/png", "application/zip"]


class Strange(Exception):
    """Its text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def get_metadata() -> dict[str, Any]:
    return {"description": "Answers what it was given.", "author": "somebody"}


def get_predict_args() -> dict[str, Any]:
    file = {"type": "file", "location": "form"}
    return {
        "text": fields.Str(),
        "number": fields.Int(validate=validate.Range(min=0)),
        "tags": fields.List(fields.Str()),
        "values": fields.List(fields.Float(), metadata={"location": "json"}),
        "data": fields.Raw(metadata=file),
        "more": fields.List(fields.Raw(), metadata=file),
        "how": fields.Str(),
        "accept": fields.Str(
            validate=validate.OneOf(MEDIA_TYPES), metadata={"location": "headers"}
        ),
    }


def _shown(value: Any) -> Any:
    if isinstance(value, UploadedFile):
        path = Path(value.filename or "")
        return {
            "content": path.read_bytes().decode("latin-1"),
            "path": str(path),
            "suffix": path.suffix,
            "name": value.name,
            "original": value.original_filename,
            "type": value.content_type,
        }
    return [_shown(item) for item in value] if isinstance(value, list) else value


def predict(how: str = "", accept: str = "", **given: Any) -> Any:
    match how:
        case "principal":
            return deepaas.principal()
        case "raise":
            raise ValueError("boom")
        case "invalid":
            raise InvalidInput("not a cat")
        case "strange":
            raise Strange
        case "missing":
            raise NotImplementedError
        case "conflict":
            raise web.HTTPConflict(reason="busy\twith another")
        case "empty":
            raise web.HTTPNoContent
    match accept:
        case "text/plain":
            return io.BytesIO(b"as text")
        case "image/png":
            return b"\x89PNG" + bytes(1024 * 1024)
        case "application/zip":
            return ReturnedFile(None, given["data"].filename, None, given.get("text"))
    return {name: _shown(value) for name, value in given.items()}


def get_evaluate_args() -> dict[str, Any]:
    return {
        "how": fields.Str(),
        "limit": fields.Int(),
        "data": fields.Raw(metadata={"type": "file", "location": "form"}),
        "token": fields.Str(metadata={"secret": True}),
    }


def evaluate(how: str = "", **given: Any) -> Any:
    if how == "wait":
        while not deepaas.is_cancelled():
            time.sleep(0.01)
    deepaas.progress(1, 2, loss=0.5)
    folder = deepaas.model_dir()
    size = 0 if folder is None else (folder / "model").stat().st_size
    return {"accuracy": 0.75, "bytes": size, "text": "fine"}


def get_train_args() -> dict[str, Any]:
    return {
        "epochs": fields.Int(load_default=1),
        "token": fields.Str(metadata={"secret": True}),
        "data": fields.Raw(metadata={"type": "file", "location": "form"}),
        "how": fields.Str(),
    }


def train(epochs: int, how: str = "", **given: Any) -> Any:
    for epoch in range(epochs):
        deepaas.progress(epoch + 1, epochs, loss=1 / (epoch + 1))
    match how:
        case "raise":
            raise ValueError("boom")
        case "wait":
            while not deepaas.is_cancelled():
                time.sleep(0.01)
    return {"epochs": epochs, **{name: _shown(value) for name, value in given.items()}}
