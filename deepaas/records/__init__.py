# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The frozen records and states that cross the borders between the parts.

Nothing here imports another part of the project, or anything outside the standard library.
"""

from deepaas.records.declarations import MAX_AT_ONCE, Batch, Limits, Training
from deepaas.records.files import ReturnedFile, UploadedFile
from deepaas.records.jobs import (
    FINAL_STATES,
    PROCESS_KINDS,
    IdempotencyKey,
    Job,
    JobEnd,
    JobPlace,
    JobState,
)
from deepaas.records.logs import LogSettings
from deepaas.records.models import (
    MISSING,
    PACKAGE_VERSION,
    Argument,
    CallInput,
    ModelDescription,
    ModelSource,
    ServedVersion,
    SourceKind,
)

__all__ = [
    "Argument",
    "Batch",
    "CallInput",
    "FINAL_STATES",
    "IdempotencyKey",
    "Job",
    "JobEnd",
    "JobPlace",
    "JobState",
    "Limits",
    "LogSettings",
    "MAX_AT_ONCE",
    "MISSING",
    "ModelDescription",
    "ModelSource",
    "PACKAGE_VERSION",
    "PROCESS_KINDS",
    "ReturnedFile",
    "ServedVersion",
    "SourceKind",
    "Training",
    "UploadedFile",
]
