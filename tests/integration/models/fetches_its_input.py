# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Gets files by their addresses."""

from pathlib import Path
from typing import Any

from marshmallow import fields

from deepaas import UploadedFile


def get_predict_args() -> dict[str, Any]:
    return {"data": fields.Url(required=True, metadata={"fetch": True})}


get_train_args = get_predict_args


def predict(data: UploadedFile) -> dict[str, Any]:
    path = Path(data.filename or "")
    with path.open("rb") as file:
        begins = file.read(10)
    return {
        "size": path.stat().st_size,
        "begins": begins.decode("latin-1"),
        "name": data.original_filename,
        "type": data.content_type,
    }


train = predict
