# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Steps that are done again and again, and what fails of them."""

import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)


class Steps:
    """Does the steps of one who goes round; of a step that fails is told once, until it succeeds.

    Args:
        what: Who or what is held up then, as a subject: "The job runner is".
    """

    def __init__(self, what: str) -> None:
        self._what = what
        #: Names of the steps that failed the last time.
        self._held_up: set[str] = set()

    async def attempt(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do one step; what it cannot do now, it does in a later round."""
        name = step.__name__
        try:
            await step()
        except Exception:
            if name not in self._held_up:
                logger.exception("%s held up.", self._what, extra={"action": "jobs_held_up"})
            self._held_up.add(name)
        else:
            self._held_up.discard(name)
