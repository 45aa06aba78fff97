# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Takes uploads, and tells all about them."""

import os
from pathlib import Path
from typing import Any

from marshmallow import fields

from deepaas.model.v2.wrapper import UploadedFile

FILE = {"type": "file", "location": "form"}


def get_predict_args() -> dict[str, Any]:
    return {
        "raw": fields.Raw(metadata=FILE),
        "field": fields.Field(metadata=FILE),  # as models wrote it
        "many": fields.List(fields.Raw(), metadata=FILE),
        "files": fields.Raw(metadata={"location": "files"}),
        "remove": fields.Bool(load_default=False),
    }


def told(value: Any) -> Any:
    if not isinstance(value, UploadedFile):
        return value
    assert value.filename is not None
    return {**value._asdict(), "content": Path(value.filename).read_text()}


def predict(remove: bool, **given: Any) -> Any:
    answer = {
        name: [told(each) for each in value] if name == "many" else told(value)
        for name, value in given.items()
    }
    if remove:
        os.remove(given["raw"].filename)
    return answer
