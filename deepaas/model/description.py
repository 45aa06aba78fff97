# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the server must know of a model, made where the model is."""

import logging
from collections.abc import Mapping
from typing import Any

from deepaas.model.adapter import ModelAdapter
from deepaas.model.jsonform import json_safe
from deepaas.model.published import publish
from deepaas.model.sources import source_files
from deepaas.records import ModelDescription

logger = logging.getLogger(__name__)


def describe(model: ModelAdapter) -> ModelDescription:
    """Describe a loaded model; calls ``get_metadata``, and reads its metadata file."""
    published = publish(model.source)
    return ModelDescription(
        name=model.name,
        metadata=json_safe(_metadata(model)),
        predict_arguments=model.predict_parser.arguments,
        train_arguments=model.parsers["train"].arguments,
        evaluate_arguments=model.parsers["evaluate"].arguments,
        predict_fields=model.predict_parser.dump(),
        train_fields=model.parsers["train"].dump(),
        evaluate_fields=model.parsers["evaluate"].dump(),
        can_predict=model.has_predict,
        can_train=model.has("train"),
        can_evaluate=model.has("evaluate"),
        at_once=_at_once(model),
        is_async=model.is_async,
        training=model.training,
        describes_itself=model.describes_itself,
        predict_timeout_s=model.limits.predict_timeout_s,
        has_health=model.has_health,
        source_files=source_files(model.source),
        response_schema=_response_schema(model),
        document=published.document,
        document_problem=published.problem,
    )


def _at_once(model: ModelAdapter) -> int:
    if model.batch is not None:
        return model.batch.max_size
    return model.limits.concurrency if model.is_async else 1


def _metadata(model: ModelAdapter) -> Mapping[str, Any]:
    try:
        return model.metadata()
    except Exception:
        # In 2.6.0 such a model predicted all the same, and only its description was an error.
        logger.warning(
            "get_metadata of model %s failed",
            model.name,
            exc_info=True,
            extra={"action": "model_metadata_failed", "model": model.name},
        )
        return model.default_metadata()


def _response_schema(model: ModelAdapter) -> dict[str, Any] | None:
    if model.response_schema is None:
        return None
    from deepaas.model.schema import response_schema

    return response_schema(model.response_schema)
