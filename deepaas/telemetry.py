# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Logging, and the id of the request that is being served."""

import logging
import sys
from contextvars import ContextVar

#: Id of the request in this context, empty outside one.
request_id: ContextVar[str] = ContextVar("request_id", default="")

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(request)s%(message)s"


class _RequestFilter(logging.Filter):
    """Adds the request's id to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        current = request_id.get()
        record.request = f"[{current}] " if current else ""
        return True


def configure_logging(*, debug: bool) -> None:
    """Log to standard error; called once, by a command."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_FORMAT))
    handler.addFilter(_RequestFilter())
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[handler])
    if not debug:
        logging.getLogger("asyncio").setLevel(logging.WARNING)
