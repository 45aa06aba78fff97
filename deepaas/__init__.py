# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""DEEP as a Service: serve, train and keep Python models.

Importing this package has no effect and costs next to nothing: the public names are looked up when
they are first used, because worker and guard processes import the package too.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepaas.errors import InvalidInput
    from deepaas.model.base import BaseModel
    from deepaas.model.context import (
        artifact_dir,
        checkpoint_dir,
        is_cancelled,
        model_dir,
        principal,
        progress,
        request_id,
    )
    from deepaas.records.declarations import Batch, Limits, Training
    from deepaas.records.files import ReturnedFile, UploadedFile

__version__ = "3.0.0.dev0"

_HOME_OF = {
    "BaseModel": "deepaas.model.base",
    "Batch": "deepaas.records.declarations",
    "InvalidInput": "deepaas.errors",
    "Limits": "deepaas.records.declarations",
    "ReturnedFile": "deepaas.records.files",
    "Training": "deepaas.records.declarations",
    "UploadedFile": "deepaas.records.files",
    "artifact_dir": "deepaas.model.context",
    "checkpoint_dir": "deepaas.model.context",
    "is_cancelled": "deepaas.model.context",
    "model_dir": "deepaas.model.context",
    "principal": "deepaas.model.context",
    "progress": "deepaas.model.context",
    "request_id": "deepaas.model.context",
}

__all__ = [
    "BaseModel",
    "Batch",
    "InvalidInput",
    "Limits",
    "ReturnedFile",
    "Training",
    "UploadedFile",
    "__version__",
    "artifact_dir",
    "checkpoint_dir",
    "is_cancelled",
    "model_dir",
    "principal",
    "progress",
    "request_id",
]


def __dir__() -> list[str]:
    """List the public names too that were not used yet."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'deepaas' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value
