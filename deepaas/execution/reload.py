# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Load a model anew when its source files change, for who develops it."""

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping

from deepaas.errors import ModelLoadError
from deepaas.execution.pool import Pool
from deepaas.records import ModelDescription

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5

#: File to the time of its last change and its size; a file that is gone is not there.
_Stamps = Mapping[str, tuple[int, int]]


class SourceWatch:
    """Watches the files of the models whose pools it is given."""

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        self._pools = pools
        self._files: dict[str, tuple[str, ...]] = {}
        self._stamps: dict[str, _Stamps] = {}

    def follow(self, description: ModelDescription) -> None:
        """Take what was read to load a model."""
        files = description.source_files
        if self._files.get(description.name) != files:
            self._files[description.name] = files
            # As they are now: a change since they were read shows at the next look at the latest,
            # for an editor writes once more, or the author does.
            self._stamps[description.name] = _stamps(files)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for name, files in tuple(self._files.items()):
                stamps = await asyncio.to_thread(_stamps, files)
                if stamps != self._stamps[name]:
                    self._stamps[name] = stamps
                    await self._reload(name)

    async def _reload(self, name: str) -> None:
        pool = self._pools.get(name)
        if pool is None:
            return
        logger.info(
            "The source of model %s has changed; it is loaded anew.",
            name,
            extra={"action": "reload", "model": name},
        )
        await load_anew(pool)


def _stamps(files: Iterable[str]) -> _Stamps:
    stamps = {}
    for file in files:
        try:
            status = os.stat(file)
        except OSError:
            continue
        stamps[file] = (status.st_mtime_ns, status.st_size)
    return stamps


async def load_anew(pool: Pool) -> None:
    """Replace the workers of a model one by one; one that cannot be loaded stays as it was."""
    name = pool.source.name
    try:
        await pool.replace_workers()
    except ModelLoadError as exc:
        logger.error(
            "%s\n%sThe model stays as it was.",
            exc.message,
            exc.traceback,
            extra={"action": "reload_failed", "model": name},
        )
    else:
        logger.info("Model %s is loaded anew.", name, extra={"action": "reloaded", "model": name})


async def load_all_anew(pools: Iterable[object]) -> None:
    """Replace the workers of each model that has some, one model after the other."""
    for pool in tuple(pools):
        if isinstance(pool, Pool) and pool.ready_workers:
            await load_anew(pool)
