# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Answers with bytes, texts, files and what cannot be an answer."""

import os
import tempfile
from enum import Enum
from typing import Any

from marshmallow import validate
from webargs import fields


class Media(str, Enum):  # noqa: UP042 - as they are written
    """As authors name media types."""

    GIF = "image/gif"


class Accept(fields.Str):
    """Only a worker can parse it."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return Media.GIF if value == "image/gif" else value


def get_predict_args() -> dict[str, Any]:
    return {
        "how": fields.Str(load_default=""),
        "size": fields.Int(load_default=10),
        "text": fields.Str(load_default=""),
        "accept": Accept(validate=validate.OneOf(["application/json", "image/png", "image/gif"])),
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
            with open(path, "wb") as writer:
                writer.write(bytes(range(256)) * (size // 256))
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
