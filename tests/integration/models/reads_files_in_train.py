# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Reads its uploaded file in the training, once the request is long over."""

import os
import time
from pathlib import Path
from typing import Any

from webargs import fields

from deepaas.model.v2.wrapper import UploadedFile


def get_train_args() -> dict[str, Any]:
    return {
        "data": fields.Field(required=True, metadata={"type": "file", "location": "form"}),
        "gate": fields.Str(load_default=os.devnull),
        "label": fields.Str(load_default=""),
    }


def train(data: UploadedFile, gate: str, label: str) -> dict[str, str]:
    assert data.filename is not None
    while not Path(gate).exists():
        time.sleep(0.01)
    return {"path": data.filename, "content": Path(data.filename).read_text(), "label": label}
