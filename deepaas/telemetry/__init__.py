# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Logs, counts, and the names of what is being served."""

from deepaas.telemetry.histogram import Histogram
from deepaas.telemetry.ids import current_ids, job, model, principal, request_id
from deepaas.telemetry.logs import (
    JournalHandler,
    JsonFormatter,
    TextFormatter,
    Transcript,
    configure_logging,
)
from deepaas.telemetry.modellog import configure_model_logging

__all__ = [
    "Histogram",
    "JournalHandler",
    "JsonFormatter",
    "TextFormatter",
    "Transcript",
    "configure_logging",
    "configure_model_logging",
    "current_ids",
    "job",
    "model",
    "principal",
    "request_id",
]
