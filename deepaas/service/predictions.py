# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Predict with a served model."""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from deepaas.errors import (
    CallFailed,
    DeepaasError,
    EndpointDisabled,
    InvalidAnswer,
    InvalidArguments,
    InvalidInput,
    MalformedBody,
    NotImplementedByModel,
    TimedOut,
    WorkerDied,
)
from deepaas.execution.base import ModelPool
from deepaas.execution.messages import Failure
from deepaas.execution.streams import AnswerStream
from deepaas.model.registry import ModelRegistry, RegisteredModel
from deepaas.service.fetching import UrlFetcher
from deepaas.service.incoming import Incoming

logger = logging.getLogger(__name__)


class Prediction(NamedTuple):
    """A model's answer, encoded."""

    content_type: str
    #: The body, or ``None`` where it is in ``fd``.
    body: bytes | None
    #: Descriptor of the body, read from its start; the receiver closes it.
    fd: int | None
    #: For a returned file: the name under which a client should save it.
    filename: str | None = None
    #: The body where it comes piece by piece; whoever reads it closes it.
    stream: AnswerStream | None = None
    #: Number of the version that answered.
    version: int = 0


class PredictionService:
    """Runs predictions on the pools of the served models."""

    def __init__(
        self,
        registry: ModelRegistry,
        pools: Mapping[str, ModelPool],
        *,
        is_enabled: bool,
        fetcher: UrlFetcher | None = None,
    ) -> None:
        self._registry = registry
        self._pools = pools
        self._is_enabled = is_enabled
        #: ``None``: nothing is fetched.
        self._fetcher = fetcher

    def require(self, model: str) -> RegisteredModel:
        """Return a model that predicts.

        Raises:
            EndpointDisabled, ModelNotFound, NotImplementedByModel: As :meth:`predict`.
        """
        if not self._is_enabled:
            raise EndpointDisabled
        registered = self._registry.get(model)
        if not registered.description.can_predict:
            raise NotImplementedByModel(model)
        return registered

    async def predict(
        self,
        model: str,
        incoming: Incoming,
        *,
        request_id: str,
        principal: str | None = None,
        stream: str = "",
    ) -> Prediction:
        """Call the model's ``predict`` and return its answer; releases ``incoming``.

        Args:
            model: Its name.
            incoming: What the client sent.
            request_id: For logs, and for the model.
            principal: Who calls, for the model.
            stream: The media type in which the client wants what a generator yields, piece by
                piece; empty: all at once.

        Raises:
            EndpointDisabled: Predictions are switched off.
            ModelNotFound: No such model.
            NotImplementedByModel: It does not predict.
            InvalidArguments, MalformedBody: The input is wrong, or cannot be fetched.
            StorageFull, StorageUnavailable: What is fetched cannot be written.
            CallFailed: The model raised.
            InvalidAnswer: What it returned cannot be sent.
            WorkerDied, Unavailable, QueueFull: Nothing could answer.
            TimedOut: It took longer than allowed.
        """
        try:
            registered = self.require(model)
            if registered.predict_fetched and self._fetcher is not None:
                await self._fetcher.fetch(
                    incoming, registered.predict_fetched, registered.predict_parser
                )
            arguments = None
            if registered.predict_parser is not None and incoming.is_small:
                arguments = registered.predict_parser.parse(incoming.given)
        except BaseException:
            incoming.release()
            raise
        answer, fd, pieces, version = await self._pools[model].call(
            "predict",
            request_id=request_id,
            arguments=arguments,
            given=incoming.given if arguments is None else None,
            body_fd=incoming.body_fd,
            release=incoming.release,
            stream=stream,
            principal=principal,
        )
        if answer.failure is not None:
            raise error_of(answer.failure, model)
        return Prediction(answer.content_type, answer.body, fd, answer.filename, pieces, version)


def error_of(failure: Failure, model: str) -> DeepaasError:
    """Return what happened in a worker as one of our errors; logs what the model raised."""
    _log(failure, model)
    return as_error(failure, model)


def as_error(failure: Failure, model: str) -> DeepaasError:
    """Return a failure as one of our errors; one that was kept is logged already."""
    match failure.origin:
        case "arguments":
            return InvalidArguments(failure.messages or {})
        case "body":
            kind = next(iter(failure.messages or {"json": []}))
            return MalformedBody(kind, failure.text)
        case "missing":
            return NotImplementedByModel(model)
        case "answer":
            return InvalidAnswer(failure.text)
        case "worker":
            return WorkerDied(failure.text)
        case "limit":
            return TimedOut(**failure.messages or {})
    if failure.status == 400 and failure.type_name == "InvalidInput":
        return InvalidInput(failure.text)
    return CallFailed(
        failure.type_name, failure.text, traceback=failure.traceback, status=failure.status
    )


def _log(failure: Failure, model: str) -> None:
    """Log an exception of the model with its traceback; a client's mistake is one line."""
    extra = {"action": "call_failed", "type": failure.type_name}
    if failure.status is not None and failure.status < 500:
        logger.info(
            "The model %s refused a call: %s (%d).",
            model,
            failure.type_name,
            failure.status,
            extra={**extra, "action": "call_refused"},
        )
        logger.debug("It raised:\n%s", failure.traceback.rstrip(), extra=extra)
    elif failure.traceback:
        logger.error("The model %s raised:\n%s", model, failure.traceback.rstrip(), extra=extra)
