# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Overrides what the server would say of it."""

from typing import Any

import deepaas.model.v2.wrapper as v2_wrapper
from deepaas.model.v2 import wrapper
from deepaas.model.v2.base import BaseModel
from deepaas.model.v2.wrapper import ReturnedFile, UploadedFile


def get_metadata() -> dict[str, Any]:
    return {"id": "own", "name": "Own name", "links": [], "license": "MIT", "author": ["A", "B"]}


def predict() -> Any:
    assert v2_wrapper is wrapper
    return [BaseModel.__name__, list(UploadedFile()), list(ReturnedFile())]
