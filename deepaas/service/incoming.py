# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The input of a call together with the resources that it holds."""

import asyncio
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from deepaas.records import CallInput

logger = logging.getLogger(__name__)

#: A JSON body up to this size is parsed by the server, a larger one by the worker: validating some
#: 16 KiB of numbers takes a few milliseconds, in which no other request is served.
PARSE_HERE_BYTES = 16 * 1024
#: A file up to this size is removed in the event loop: the kernel frees 200 MB in some 20 ms.
_REMOVE_HERE_BYTES = 8 * 1024 * 1024
_NOTHING = CallInput()


@dataclass(slots=True)
class Incoming:
    """What a client sent; whoever is given one sees that it is released."""

    given: CallInput = _NOTHING
    #: A memory file with the JSON body, where that is too large for ``given``.
    body_fd: int | None = None
    #: Uploaded files, removed with the call unless somebody moved them away.
    paths: list[Path] = field(default_factory=list)

    @property
    def is_small(self) -> bool:
        """Whether it may be parsed here."""
        body = self.given.body
        return self.body_fd is None and (body is None or len(body) <= PARSE_HERE_BYTES)

    def release(self) -> None:
        """Remove the files and free the memory; may be called twice."""
        if self.body_fd is not None:
            os.close(self.body_fd)
            self.body_fd = None
        while self.paths:
            _remove_aside(self.paths.pop())
        self.given = _NOTHING


def _remove_aside(path: Path) -> None:
    """Remove a file, by a thread if it is large and an event loop would have to wait."""
    try:
        asyncio.get_running_loop()
        is_large = path.lstat().st_size > _REMOVE_HERE_BYTES
    except (RuntimeError, OSError):
        is_large = False
    if is_large:
        asyncio.get_running_loop().run_in_executor(None, _remove, path)
    else:
        _remove(path)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # The model put something else in its place; it goes with the folder of uploads.
        logger.warning(
            "The upload %s cannot be removed.",
            path,
            exc_info=True,
            extra={"action": "upload_left"},
        )
