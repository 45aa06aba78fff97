# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Run one call of a model: input to arguments, the author's function, answer to bytes.

Used by the prediction workers; what a call raises becomes data here.
"""

import logging
from collections.abc import Callable, Generator, Mapping
from types import GeneratorType
from typing import Any, BinaryIO

from deepaas.execution.failures import failure_of
from deepaas.execution.lost_device import lost_device
from deepaas.execution.messages import Answer, Call, Failure
from deepaas.execution.streaming import StreamForm, form_of
from deepaas.model.adapter import ModelAdapter
from deepaas.model.arguments import display, display_briefly
from deepaas.model.encoding import (
    EncodedAnswer,
    encode_answer,
    encode_json,
    json_or_repr,
    json_safe,
)
from deepaas.records import PROCESS_KINDS, CallInput
from deepaas.telemetry import job, principal, request_id

logger = logging.getLogger(__name__)

JSON = "application/json"
_CANCELLED = Failure("Cancelled", "The call was cancelled.", origin="cancelled")

#: An answer, and the open file that is its body if the model returned one.
Answered = tuple[Answer, BinaryIO | None]
#: Sends what a generator yields, piece by piece. What comes before the first item is raised.
Stream = Callable[[Call, Generator[Any], StreamForm], None]


class CallRunner:
    """Runs calls on one loaded model."""

    def __init__(
        self, adapter: ModelAdapter, *, on_lost_device: Callable[[str], object] = lambda text: None
    ) -> None:
        """Prepare.

        Args:
            adapter: The model.
            on_lost_device: Called with what shows that this process can use its GPU no more.
        """
        self._adapter = adapter
        self._on_lost_device = on_lost_device
        self._parsers = {
            "predict": adapter.predict_parser,
            "check-predict": adapter.predict_parser,
            **{f"check-{kind}": adapter.parsers[kind] for kind in PROCESS_KINDS},
        }

    def run(self, call: Call, body: memoryview | None) -> Answered:
        """Run the call; whatever the model does but end the process, there is an answer.

        What a generator yields is collected. May be called in any thread, by one at a time.

        Args:
            call: What to run.
            body: The JSON body where it came in memory of its own.

        Raises:
            SystemExit: The model wants its process to end.
        """
        answered = self.serve(call, body, None)
        assert answered is not None
        return answered

    def serve(self, call: Call, body: memoryview | None, stream: Stream | None) -> Answered | None:
        """Do as :meth:`run` does, but hand a generator whose items go out one by one to ``stream``.

        Returns:
            ``None`` if ``stream`` has sent the answer.

        Raises:
            SystemExit: The model wants its process to end.
        """
        self.enter(call)
        try:
            if call.function != "predict":
                return self.answer_of(call, self.other(call, body))
            arguments = self.arguments(call, body)
            returned = self._adapter.predict(**arguments)
            if isinstance(returned, GeneratorType) and stream is not None:
                form = form_of(call.stream, arguments.get("accept"))
                if form is not None:
                    stream(call, returned, form)
                    return None
            return self.encode(call, arguments, returned)
        except SystemExit:
            raise
        except BaseException as exc:  # noqa: BLE001 - the border of the author's code
            return self.failed(call, exc)

    @staticmethod
    def enter(call: Call) -> None:
        """Let what follows, the log say, know which request it is about."""
        request_id.set(call.request_id)
        principal.set(call.principal)
        job.set(call.job)

    def parsed(self, call: Call, body: memoryview | None) -> Mapping[str, Any] | Answered:
        """Return the keyword arguments of a call, or its answer if they are wrong."""
        self.enter(call)
        try:
            return self.arguments(call, body)
        except SystemExit:
            raise
        except BaseException as exc:  # noqa: BLE001 - the border of the author's code
            return self.failed(call, exc)

    def encoded(self, call: Call, arguments: Mapping[str, Any], returned: Any) -> Answered:
        """Return the answer with what ``predict`` returned, or one that says what is wrong."""
        try:
            return self.encode(call, arguments, returned)
        except SystemExit:
            raise
        except BaseException as exc:  # noqa: BLE001 - the border of the author's code
            return self.failed(call, exc)

    def arguments(self, call: Call, body: memoryview | None) -> Mapping[str, Any]:
        """Return the keyword arguments of a call.

        Raises:
            Exception: They are wrong, or a validator of the author's fails.
        """
        if call.arguments is not None:
            return call.arguments
        given = call.input or CallInput()
        if body is not None:
            given = CallInput(
                given.query, given.form, given.files, body, given.headers, given.cookies
            )
        return self._parsers[call.function].parse(given)

    def encode(self, call: Call, arguments: Mapping[str, Any], returned: Any) -> Answered:
        """Encode what ``predict`` returned.

        Raises:
            Exception: It cannot be encoded, or code of the author's in it fails.
        """
        schema = self._adapter.response_schema
        return self.answer_of(call, encode_answer(returned, arguments.get("accept"), schema))

    def failed(self, call: Call, exc: BaseException) -> Answered:
        """Return the answer to a call that raised."""
        return Answer(call.id, failure=self.failure(exc)), None

    def failure(self, exc: BaseException) -> Failure:
        """Return what the model raised as data, and see whether the process can go on."""
        failure = failure_of(exc)
        # What is the client's fault may quote what the client sent.
        if failure.origin == "model" and failure.status is None and (lost := lost_device(exc)):
            self._on_lost_device(lost)
        return failure

    @staticmethod
    def answer_of(call: Call, encoded: EncodedAnswer) -> Answered:
        """Return the answer with this content."""
        # A media type may be a member of an enumeration of the author's, which is a str too.
        content_type = str.__str__(encoded.content_type)
        return Answer(call.id, content_type, encoded.body, encoded.filename), encoded.file

    def other(self, call: Call, body: memoryview | None) -> EncodedAnswer:
        """Run a call of another function than ``predict``.

        Raises:
            Exception: The arguments are wrong, or code of the author's fails.
        """
        if call.function == "health":
            try:
                return encode_health(self._adapter.health())
            except Exception as exc:  # noqa: BLE001 - the author's health()
                return failed_health(exc)
        if call.function == "metadata":
            return encode_metadata(self._adapter.metadata())
        arguments = self.arguments(call, body)
        show = display_briefly if call.function == "check-predict" else display
        shown = show(self._parsers[call.function].arguments, arguments)
        return EncodedAnswer(JSON, encode_json(shown), None, None)


def cancelled(call: Call) -> Answer:
    """Return the answer to a call that was cancelled; only the bookkeeping reads it."""
    return Answer(call.id, failure=_CANCELLED)


def encode_health(said: Any) -> EncodedAnswer:
    """Return what ``health()`` said as ``{"ok": …, "detail": …}``."""
    detail = None if said is None or isinstance(said, bool) else json_safe(said)
    return EncodedAnswer(JSON, encode_json({"ok": said is not False, "detail": detail}))


def encode_metadata(said: Mapping[str, Any]) -> EncodedAnswer:
    """Return what ``get_metadata()`` said, as far as it can be JSON."""
    return EncodedAnswer(JSON, json_or_repr(said))


def failed_health(exc: Exception) -> EncodedAnswer:
    """Return what ``health()`` said by raising; why, in detail, is only in the log."""
    failure = failure_of(exc)
    logger.warning(
        "The model's health() failed.\n%s",
        failure.traceback.rstrip(),
        extra={"action": "health_failed", "type": failure.type_name},
    )
    detail = f"{failure.type_name}: {failure.text}" if failure.text else failure.type_name
    return EncodedAnswer(JSON, encode_json({"ok": False, "detail": detail}))
