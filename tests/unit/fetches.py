# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model whose arguments are addresses, and that answers what it was given in their places."""

from pathlib import Path
from typing import Any

from webargs import fields

from deepaas import UploadedFile


def url(**metadata: Any) -> fields.Url:
    return fields.Url(require_tld=False, metadata={"fetch": True, **metadata})


def _arguments() -> dict[str, fields.Field]:
    return {
        "image": url(),
        "typed": url(content_types=["image/*"]),
        "one_type": url(content_types="text/plain"),
        "many": fields.List(url()),
        "parted": fields.DelimitedList(url(), delimiter="|"),
        "wired": fields.Url(
            require_tld=False,
            allow_none=True,
            data_key="wired-url",
            metadata={"fetch": True, "location": "headers"},
        ),
        "plain": fields.Url(require_tld=False),
        "number": fields.Int(),
        "fetch": fields.Bool(metadata={"fetch": True}),
    }


def get_predict_args() -> dict[str, Any]:
    return _arguments()


def get_train_args() -> dict[str, Any]:
    return _arguments()


def get_evaluate_args() -> dict[str, Any]:
    return _arguments()


def _shown(value: Any) -> Any:
    if isinstance(value, UploadedFile):
        assert value.filename is not None
        path = Path(value.filename)
        return {
            "content": path.read_text(),
            "suffix": path.suffix,
            "name": value.name,
            "original": value.original_filename,
            "type": value.content_type,
        }
    return [_shown(item) for item in value] if isinstance(value, list) else value


def predict(**given: Any) -> Any:
    return {name: _shown(value) for name, value in given.items()}


train = evaluate = predict
