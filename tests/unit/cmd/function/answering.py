# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model for functions: answers with what it is given, or as it is told."""

import io
import os
from typing import Any

from marshmallow import fields, validate

import deepaas
from deepaas import InvalidInput, ReturnedFile, UploadedFile

warmed: list[int] = []


def warm() -> None:
    if os.environ.get("COLD"):
        raise RuntimeError("too cold")
    warmed.append(1)


def get_predict_args() -> dict[str, Any]:
    return {
        "n": fields.Int(load_default=1, validate=validate.Range(min=1)),
        "how": fields.Str(load_default=""),
        "data": fields.Raw(metadata={"type": "file", "location": "form"}),
        "accept": fields.Str(
            load_default="application/json",
            validate=validate.OneOf(["application/json", "image/png", "text/plain"]),
        ),
    }


def predict(n: int, how: str, accept: str, data: UploadedFile | None = None) -> Any:
    if how == "raise":
        raise ValueError("no such thing")
    if how == "invalid":
        raise InvalidInput("Not like this.")
    if how == "end":
        os._exit(3)
    if how == "cannot open":
        assert data is not None
        raise OSError(f"cannot open {data.filename}")
    if accept == "image/png":
        return io.BytesIO(b"\x89PNG")
    if accept == "text/plain":
        assert data is not None
        return ReturnedFile(filename=data.filename)
    return {"n": n, "data": None if data is None else data.original_filename, "warmed": len(warmed)}


def get_train_args() -> dict[str, Any]:
    return {"epochs": fields.Int(load_default=1), "data": get_predict_args()["data"]}


def train(epochs: int, data: UploadedFile | None = None) -> Any:
    for epoch in range(epochs):
        deepaas.progress(epoch + 1, epochs)
    (deepaas.artifact_dir() / "weights").write_text("w")
    return {"epochs": epochs, "has_data": data is not None}
