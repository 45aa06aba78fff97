# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Answers with bytes, texts, files and what cannot be an answer."""

import os
import tempfile
from typing import Any

from marshmallow import validate
from webargs import fields


def get_predict_args() -> dict[str, Any]:
    return {
        "how": fields.Str(load_default=""),
        "size": fields.Int(load_default=10),
        "text": fields.Str(load_default=""),
        "accept": fields.Str(validate=validate.OneOf(["application/json", "image/png"])),
    }


def predict(how: str, size: int, text: str, accept: str) -> Any:
    match how:
        case "bytes":
            return bytes(range(256)) * (size // 256)
        case "str":
            return "ä" * size
        case "file":
            folder = tempfile.mkdtemp()
            path = os.path.join(folder, "map é.png")
            with open(path, "wb") as file:
                file.write(bytes(range(256)) * (size // 256))
            file = open(path, "rb")  # noqa: SIM115 - as models do
            file.read(1)
            os.remove(path)
            os.rmdir(folder)
            return file
        case "object":
            return {"a": [object()]}
        case "list":
            return list(range(size))
    return text
