# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is told where there is no answer: in a file beside the outputs, or in the answer's place."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepaas.errors import (
    ConfigurationError,
    DeepaasError,
    InvalidArguments,
    InvalidInput,
    ModelLoadError,
)
from deepaas.execution.failures import failure_of

ENDED = "The process of the model ended before it answered; the log of the function may say why."


def problem_of(exc: BaseException, label: str | None, hidden: Path) -> dict[str, Any]:
    """Return an exception as it is told to whoever sent the object: without traceback and paths.

    Args:
        exc: Of ours, or whatever the author's code raises.
        label: What the object is called; ``None`` for a call.
        hidden: Path of the folder with the copies of files, which a model may quote.
    """
    told: dict[str, Any] = {"status": "error"}
    if label is not None:
        told["object"] = label
    told["message"] = re.sub(rf"{re.escape(str(hidden))}(/tmp\w+)?/?", "", _message(exc))
    if isinstance(exc, InvalidArguments):
        told["arguments"] = exc.messages
    return told


def ended(label: str | None) -> dict[str, Any]:
    """Return what is told where the process of the model is gone."""
    told = {"status": "error", "message": ENDED}
    return told if label is None else {**told, "object": label}


def _lines(messages: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: {' '.join(map(str, found)) if isinstance(found, list) else found}"
        for name, found in messages.items()
    ]


def _message(exc: BaseException) -> str:
    match exc:
        case ConfigurationError():
            # It may name a path, and whoever sent the object can do nothing about it.
            return "The function is not set up as it must be; its log says what is wrong."
        case ModelLoadError():
            return "The model cannot be loaded; the log of the function says why."
        case InvalidArguments():
            return "; ".join(_lines(exc.messages))
        case InvalidInput():
            return exc.message
        case DeepaasError():
            return exc.public_message
    failure = failure_of(exc)
    return f"{failure.type_name}: {failure.text}" if failure.text else failure.type_name
