# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Work that is done to its end, whoever waits for it."""

import asyncio
import logging
from typing import Any, TypeVar

from deepaas.errors import DeepaasError

logger = logging.getLogger(__name__)

T = TypeVar("T")


async def finished(doing: "asyncio.Future[T]") -> T:
    """Return what is being done once it is; it goes on if the caller is cancelled.

    An error of ours is an answer, and dropped where nobody waits for it any more; any other is a
    fault, and logged.
    """
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        doing.add_done_callback(_note_fault)
        raise


def _note_fault(done: "asyncio.Future[Any]") -> None:
    exc = None if done.cancelled() else done.exception()
    if exc is not None and not isinstance(exc, DeepaasError):
        logger.error(
            "Work failed that nobody waited for any more.",
            exc_info=exc,
            extra={"action": "left_work_failed"},
        )
