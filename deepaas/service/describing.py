# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the models say of themselves now: the checkpoints that they have, for one."""

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from deepaas.errors import DeepaasError
from deepaas.execution.base import ModelPool, Result
from deepaas.execution.messages import map_file
from deepaas.model.jsonform import decode_json
from deepaas.model.registry import ModelRegistry

logger = logging.getLogger(__name__)

#: Who looks at a model waits no longer for its ``get_metadata``, and sees what it said last.
_ANSWERS_S: Final = 0.5


class Descriptions:
    """Asks the models anew whenever somebody looks, as version 2 did.

    There the server called ``get_metadata`` itself, whatever ran. Here a model lives in its workers
    only: while none of them is free, or where it takes long, what it said last is shown. Of each
    model one worker at a time is asked.
    """

    def __init__(self, registry: ModelRegistry, pools: Mapping[str, ModelPool]) -> None:
        """Ask nothing yet.

        Args:
            registry: Keeps what they say.
            pools: What runs them, by name.
        """
        self._registry = registry
        self._pools = pools
        self._asking: dict[str, asyncio.Task[None]] = {}
        #: What was wrong with the last answer, by model, so that it is logged once.
        self._problems: dict[str, str] = {}

    async def refresh(self, names: Iterable[str]) -> None:
        """Have the registry show what these models say now, as far as they can be asked."""
        asked = [self._ask(name) for name in names]
        if tasks := {task for task in asked if task is not None}:
            await asyncio.wait(tasks, timeout=_ANSWERS_S)

    def _ask(self, name: str) -> "asyncio.Task[None] | None":
        """Begin to ask a model, unless that has begun, or it would have to wait for a worker."""
        if (asking := self._asking.get(name)) is not None:
            return asking
        pool = self._pools.get(name)
        if pool is None or name not in self._registry:
            return None
        if not self._registry.get(name).description.describes_itself:
            return None
        load = pool.load
        if load.is_refusing or load.calls >= load.capacity:
            return None
        task = asyncio.create_task(self._hear(name, pool), name=f"metadata of {name}")
        self._asking[name] = task
        task.add_done_callback(lambda _: self._asking.pop(name))
        return task

    async def _hear(self, name: str, pool: ModelPool) -> None:
        problem = ""
        try:
            result = await pool.call("metadata", request_id="")
        except DeepaasError as exc:
            problem = exc.public_message
        else:
            failure = result.answer.failure
            if failure is None:
                self._registry.update_metadata(name, _metadata(result))
            else:
                problem = failure.traceback.rstrip() or f"{failure.type_name}: {failure.text}"
        if problem and problem != self._problems.get(name):
            logger.warning(
                "get_metadata of model %s failed; what it said before is shown.\n%s",
                name,
                problem,
                extra={"action": "model_metadata_failed", "model": name},
            )
        self._problems[name] = problem


def _metadata(result: Result) -> Any:
    """Return what was said; one that is large comes in a file of memory."""
    answer, fd = result.answer, result.fd
    if fd is None:
        return decode_json(answer.body or b"{}", exact=True)
    try:
        with map_file(fd) as view:
            return decode_json(bytes(view), exact=True)
    finally:
        os.close(fd)
