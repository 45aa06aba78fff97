# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The access log: a line for each request, after it was answered or its client had left."""

import logging
from time import perf_counter
from typing import Final

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
    """Hand a record to the handlers.

    Made here, for :meth:`logging.Logger.info` looks for the line of code that has called it, which
    takes as long as the rest.
    """
    client, method, path = (
        request.get(CLIENT) or request.remote or "-",
        request.method,
        request.rel_url.raw_path,
    )
    shown = "gone" if status is None else status
    record = logging.LogRecord(
        logger.name,
        logging.INFO,
        __file__,
        0,
        "%s %s %s %s, %d bytes in %.4f s",
        (client, method, path, shown, sent_bytes, seconds),
        None,
        "_write",
    )
    vars(record).update(
        action="request",
        client=client,
        method=method,
        path=path,
        status=status,
        bytes=sent_bytes,
        duration_s=round(seconds, 6),
    )
    logger.handle(record)
