# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The access log: a line for each request, after it was answered or its client had left."""

import logging
from functools import cache
from time import perf_counter, time
from typing import Any, Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

#: Its own name, by which a configuration of logging sends it elsewhere.
LOGGER: Final = "deepaas.access"
#: When a request began, by :func:`time.perf_counter`.
STARTED = web.RequestKey("started", float)
#: Its address, as trusted proxies tell it.
CLIENT = web.RequestKey("client", str)
_IS_LOGGED = web.RequestKey("is_logged", bool)


class AccessLog(AbstractAccessLogger):
    """Writes the lines; aiohttp makes one for each connection.

    The query is left out: it may hold the value of a secret argument.
    """

    __slots__ = ()

    @property
    def enabled(self) -> bool:
        """Whether anything is written."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line of a request that was answered."""
        if _IS_LOGGED not in request:
            # The loop's own clock, by which aiohttp has measured, may count whole milliseconds.
            started_s = request.get(STARTED)
            seconds = time if started_s is None else perf_counter() - started_s
            _write(self.logger, request, response.status, response.body_length, seconds)


def log_gone(request: web.Request) -> None:
    """Write the line of a request whose client has left: there is no status."""
    request[_IS_LOGGED] = True
    seconds = perf_counter() - request[STARTED]
    _write(logging.getLogger(LOGGER), request, None, request.writer.output_size, seconds)


def _write(
    logger: logging.Logger,
    request: web.BaseRequest,
    status: int | None,
    sent_bytes: int,
    seconds: float,
) -> None:
    """Hand a record to the handlers."""
    client = request.get(CLIENT) or request.remote or "-"
    method, path = request.method, request.rel_url.raw_path
    shown = "gone" if status is None else status
    first, now_s = _first_record(), time()
    # By itself a record takes as long to make as the rest: it looks up processes, threads and
    # files, and Logger.info the line of code that has called it. Here they are always the same.
    record: logging.LogRecord = object.__new__(logging.LogRecord)
    vars(record).update(
        first,
        args=(client, method, path, shown, sent_bytes, seconds),
        created=now_s,
        msecs=now_s % 1 * 1000,
        relativeCreated=first["relativeCreated"] + (now_s - first["created"]) * 1000,
        client=client,
        method=method,
        path=path,
        status=status,
        bytes=sent_bytes,
        duration_s=round(seconds, 6),
    )
    logger.handle(record)


@cache
def _first_record() -> dict[str, Any]:
    """Return what all records have in common."""
    form = "%s %s %s %s, %d bytes in %.4f s"
    record = logging.LogRecord(LOGGER, logging.INFO, __file__, 0, form, (), None, "_write")
    return {**vars(record), "action": "request"}
