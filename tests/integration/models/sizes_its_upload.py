# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Answers how large its upload is, or its text, without reading the upload."""

import os
from typing import Any

from webargs import fields


def get_predict_args() -> dict[str, Any]:
    return {
        "data": fields.Raw(metadata={"type": "file", "location": "form"}),
        "text": fields.Str(load_default=""),
    }


def predict(text: str, data: Any = None) -> int:
    return len(text) if data is None else os.path.getsize(data.filename)
