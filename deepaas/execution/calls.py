# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Run one call of a model: input to arguments, the author's function, answer to bytes.

Used by the prediction workers; what a call raises becomes data here.
"""

import sys
import traceback
from collections.abc import Mapping
from typing import Any, BinaryIO

from deepaas.errors import (
    InvalidAnswer,
    InvalidArguments,
    InvalidInput,
    MalformedBody,
    NotImplementedByModel,
)
from deepaas.execution.messages import Answer, Call, Failure
from deepaas.model.adapter import ModelAdapter
from deepaas.model.arguments import display
from deepaas.model.encoding import EncodedAnswer, encode_answer, encode_json, json_safe
from deepaas.records import CallInput
from deepaas.telemetry import principal, request_id

JSON = "application/json"


class CallRunner:
    """Runs calls on one loaded model."""

    def __init__(self, adapter: ModelAdapter) -> None:
        self._adapter = adapter
        self._parsers = {
            "predict": adapter.predict_parser,
            "check-train": adapter.train_parser,
        }

    def run(self, call: Call, body: memoryview | None) -> tuple[Answer, BinaryIO | None]:
        """Run the call; whatever the model does but end the process, there is an answer.

        Args:
            call: What to run.
            body: The JSON body where it came in memory of its own.

        Returns:
            The answer, and the open file that is its body if the model returned one.

        Raises:
            SystemExit: The model wants its process to end.
        """
        request_id.set(call.request_id)
        principal.set(call.principal)
        try:
            encoded = self._call(call, body)
        except SystemExit:
            raise
        except BaseException as exc:  # noqa: BLE001 - the border of the author's code
            return Answer(call.id, failure=failure_of(exc)), None
        # A media type may be a member of an enumeration of the author's, which is a str too.
        content_type = str.__str__(encoded.content_type)
        return Answer(call.id, content_type, encoded.body, encoded.filename), encoded.file

    def _call(self, call: Call, body: memoryview | None) -> EncodedAnswer:
        arguments = self._arguments(call, body)
        if call.function == "check-train":
            shown = display(self._parsers[call.function].arguments, arguments)
            return EncodedAnswer(JSON, encode_json(shown), None, None)
        returned = self._adapter.predict(**arguments)
        return encode_answer(returned, arguments.get("accept"), self._adapter.response_schema)

    def _arguments(self, call: Call, body: memoryview | None) -> Mapping[str, Any]:
        if call.arguments is not None:
            return call.arguments
        given = call.input or CallInput()
        if body is not None:
            given = CallInput(
                given.query, given.form, given.files, body, given.headers, given.cookies
            )
        return self._parsers[call.function].parse(given)


def _text(value: object) -> str:
    """Return ``str(value)`` as a text that can be sent.

    Making it may raise, and may give an instance of the author's own class, whose pickle the server
    could not read, or half a surrogate pair.
    """
    try:
        return str.encode(str(value), "utf-8", "backslashreplace").decode()
    except Exception as broken:  # noqa: BLE001 - the author's __str__
        return f"(its text cannot be made: {type(broken).__name__})"


def failure_of(exc: BaseException) -> Failure:
    """Return an exception as data: nothing in it is of the author's classes."""
    text = _text(exc)
    name = type(exc).__name__
    match exc:
        case InvalidArguments():
            return Failure(name, text, messages=json_safe(exc.messages), origin="arguments")
        case MalformedBody():
            return Failure(name, text, messages={exc.kind: [text]}, origin="body")
        case NotImplementedByModel():
            return Failure(name, text, origin="missing")
    try:
        trace = "".join(traceback.format_exception(exc))
    except Exception:  # noqa: BLE001 - the author's __str__
        trace = "".join(traceback.format_tb(exc.__traceback__))
    if isinstance(exc, InvalidAnswer):
        return Failure(name, text, f"{trace}{exc.detail}", origin="answer")
    if isinstance(exc, InvalidInput):
        return Failure(name, text, trace, status=400)
    status, text = _chosen_status(exc, text)
    return Failure(name, text, trace, status=status)


def _chosen_status(exc: BaseException, text: str) -> tuple[int | None, str]:
    """Return status and reason of aiohttp's exceptions, which models raise as documented in 2.x.

    The reason may be any object there: ``HTTPBadRequest(reason=exc)`` is in the old documentation.
    """
    module = sys.modules.get("aiohttp.web_exceptions")
    if module is None:
        return None, text
    if isinstance(exc, module.HTTPException):
        return exc.status, _text(exc.reason)
    return _refused_by_aiohttp(exc, module.HTTPException) or (None, text)


def _refused_by_aiohttp(exc: BaseException, base: type) -> tuple[int, str] | None:
    """Return status and reason of an exception that aiohttp refused to make.

    aiohttp 3.14 fails with objects, several lines, and half a surrogate pair.
    """
    code = base.__init__.__code__  # type: ignore[misc]
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        if frame.f_code is code:
            return frame.f_locals["self"].status_code, _text(frame.f_locals["reason"])
    return None
