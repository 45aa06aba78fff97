# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The input of a call together with the resources that it holds."""

import logging
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from deepaas.records import CallInput

logger = logging.getLogger(__name__)

#: A JSON body up to this size is parsed by the server, a larger one by the worker: validating some
#: 16 KiB of numbers takes a few milliseconds, in which no other request is served.
PARSE_HERE_BYTES = 16 * 1024


@dataclass(slots=True)
class Incoming:
    """What a client sent; whoever is given one sees that it is released."""

    given: CallInput = field(default_factory=CallInput)
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
            path = self.paths.pop()
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
        if self.given.body is not None:
            self.given = replace(self.given, body=None)
