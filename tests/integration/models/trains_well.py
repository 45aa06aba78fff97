# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Trains as an author should: reports progress, keeps an artifact and a checkpoint, returns."""

import json
from typing import Any

import numpy as np
from marshmallow import validate
from webargs import fields

import deepaas


def get_train_args() -> dict[str, Any]:
    return {
        "epochs": fields.Int(load_default=3, validate=validate.Range(min=1)),
        "note": fields.Str(),
        "names": fields.List(fields.Str()),
    }


def train(epochs: int, **rest: Any) -> dict[str, Any]:
    rate: Any = np.float32(0.5)  # as authors pass it, who do not check types
    for epoch in range(epochs):
        print(f"epoch {epoch}")
        deepaas.progress(epoch + 1, epochs, loss=1 / (epoch + 1), rate=rate)
    (deepaas.artifact_dir() / "model.json").write_text(json.dumps({"epochs": epochs}))
    (deepaas.checkpoint_dir() / "last").write_text(str(epochs))
    return {"epochs": epochs, **rest}
