# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Tells where its uploads lie, and does with them what is asked for."""

import os
from typing import Any

from webargs import fields

from tests.integration.signals import of_the_test

signals = of_the_test()


def get_predict_args() -> dict[str, Any]:
    return {
        "data": fields.Raw(required=True, metadata={"type": "file", "location": "form"}),
        "then": fields.Str(load_default=""),
    }


def predict(data: Any, then: str) -> dict[str, Any]:
    signals.note(data.filename)
    with open(data.filename, "rb") as file:
        content = file.read()
    match then:
        case "remove":
            os.remove(data.filename)
        case "replace by a folder":
            os.remove(data.filename)
            os.mkdir(data.filename)
        case "raise":
            raise ValueError("no")
        case "die":
            os._exit(1)
        case "wait":
            signals.wait_until("never")
    return {
        "path": data.filename,
        "name": data.original_filename,
        "type": data.content_type,
        "size": len(content),
        "sum": sum(content),
    }
