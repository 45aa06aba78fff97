# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Overrides what the server would say of it."""

from typing import Any

from webargs import fields

import deepaas.model.v2.wrapper as v2_wrapper
from deepaas.model.v2 import wrapper
from deepaas.model.v2.base import BaseModel
from deepaas.model.v2.wrapper import ReturnedFile, UploadedFile

said: list[str] = []


def get_metadata() -> dict[str, Any]:
    own = {"id": "own", "name": "Own name", "links": [], "license": "MIT", "author": ["A", "B"]}
    return {**own, "said": said} if said else own


def get_predict_args() -> dict[str, Any]:
    return {"say": fields.List(fields.Str())}


def predict(say: list[str] | None = None) -> Any:
    if say is not None:
        said[:] = filter(None, say)
    assert v2_wrapper is wrapper
    return [BaseModel.__name__, list(UploadedFile()), list(ReturnedFile())]
