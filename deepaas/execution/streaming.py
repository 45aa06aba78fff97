# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Send what a generator yields, piece by piece: in which form, and how fast.

Every item is on its way before the next one is computed. A model that is faster than its client
waits once :data:`WINDOW_BYTES` are under way.
"""

import logging
import os
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from deepaas.execution.intake import Intake
from deepaas.execution.messages import Call, Failure, StreamEnd, StreamStart
from deepaas.execution.outbox import Outbox
from deepaas.execution.page import CallPage
from deepaas.model.encoding import encode_json, is_json, media_type, raw_piece

logger = logging.getLogger(__name__)

EVENT_STREAM = "text/event-stream"
NDJSON = "application/x-ndjson"

#: How much of a stream may be on its way to the client.
WINDOW_BYTES = 256 * 1024
#: The server says when it has passed something on; this is for a word that got lost.
LOOK_AGAIN_S = 0.25


class StreamForm(NamedTuple):
    """How items become bytes; of a failure in the middle the server tells, in the same form."""

    content_type: str
    encode: Callable[[Any], bytes]


def form_of(wanted: str, accept: Any) -> StreamForm | None:
    """Choose the form of a generator's items.

    Args:
        wanted: What the server found that the client wants: ``text/event-stream``,
            ``application/x-ndjson`` or nothing.
        accept: The model's own argument; a media type other than JSON comes first.

    Returns:
        ``None`` where the items are to be collected.
    """
    if isinstance(accept, str) and not is_json(accept):
        content_type = media_type(accept)
        own = _FORMS.get(content_type.partition(";")[0].strip().lower())
        if own is None:
            return StreamForm(content_type, raw_piece)
        # The model writes the format itself where it yields bytes or text.
        return StreamForm(content_type, _raw_or(own.encode))
    return _FORMS.get(wanted)


def _event(item: Any) -> bytes:
    return b"data: %b\n\n" % encode_json(item)


def _line(item: Any) -> bytes:
    return encode_json(item) + b"\n"


def _raw_or(encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    def chosen(item: Any) -> bytes:
        is_raw = isinstance(item, str | bytes | bytearray | memoryview)
        return raw_piece(item) if is_raw else encode(item)

    return chosen


_FORMS = {
    EVENT_STREAM: StreamForm(EVENT_STREAM, _event),
    NDJSON: StreamForm(NDJSON, _line),
}


def note_resisting(exc: BaseException) -> None:
    """Log what a generator raised when it was closed; it is left to itself then."""
    logger.warning(
        "A generator of the model failed when it was closed.",
        exc_info=exc,
        extra={"action": "generator_close_failed"},
    )


class StreamSender:
    """Sends the stream of one call at a time; the worker does nothing else meanwhile."""

    def __init__(
        self,
        intake: Intake,
        outbox: Outbox,
        page: CallPage,
        failure_of: Callable[[BaseException], Failure],
    ) -> None:
        self._intake = intake
        self._outbox = outbox
        self._page = page
        self._failure_of = failure_of
        self._pid = os.getpid()

    def send(self, call: Call, items: Generator[Any], form: StreamForm) -> None:
        """Send what a generator yields, then close it.

        Raises:
            BaseException: What the generator raised before its first item, or why that cannot be
                encoded; the call has no answer yet.
        """
        try:
            first = next((form.encode(item) for item in items), b"")
            self._leave_fork()
            self._page.set_passed_on(0, 0)
            self._outbox.stream(StreamStart(call.id, form.content_type, 0))
            if first:
                self._outbox.data(call.id, first)
            self._outbox.flush()
            # A server on the same core would else wait until this process has used up its slice
            # of time, some milliseconds, and the client with it (sched_yield(2)).
            os.sched_yield()
            failure = self._send_rest(call.id, items, form, len(first))
        finally:
            self._close(items)
        self._outbox.stream(StreamEnd(call.id, failure))

    def _send_rest(
        self, call_id: int, items: Generator[Any], form: StreamForm, sent: int
    ) -> Failure | None:
        """Send items until there are no more or nobody wants them; return why it broke off."""
        page, encode, send = self._page, form.encode, self._outbox.data
        passed_on = 0
        while not page.is_cancelled(0, call_id):
            if sent - passed_on >= WINDOW_BYTES:
                passed_on = self._wait(call_id, sent)
                continue
            try:
                data = encode(next(items))
            except StopIteration:
                self._leave_fork()
                break
            except SystemExit:
                raise
            except BaseException as exc:  # noqa: BLE001 - the border of the author's code
                self._leave_fork()
                return self._failure_of(exc)
            self._leave_fork()
            send(call_id, data)
            sent += len(data)
        return None

    def _wait(self, call_id: int, sent: int) -> int:
        """Wait until less than a window is under way, or the call is cancelled."""
        while True:
            passed_on = self._page.passed_on(0)
            if sent - passed_on < WINDOW_BYTES or self._page.is_cancelled(0, call_id):
                return passed_on
            self._outbox.flush()
            self._intake.wait_for_word(LOOK_AGAIN_S)

    def _close(self, items: Generator[Any]) -> None:
        try:
            items.close()
        except SystemExit:
            raise
        except BaseException as exc:  # noqa: BLE001 - the border of the author's code
            note_resisting(exc)
        self._leave_fork()

    def _leave_fork(self) -> None:
        if os.getpid() != self._pid:
            os._exit(0)  # a fork of the model's that came back from its generator
