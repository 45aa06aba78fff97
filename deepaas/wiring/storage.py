# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What comes from remotes before the models are loaded, and what goes there afterwards."""

import asyncio
import logging
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from deepaas.config import Settings
from deepaas.config.storage import StorageSettings
from deepaas.errors import ConfigurationError, RemoteFailed
from deepaas.execution.transfers import run_transfer
from deepaas.service import ArtifactPusher

logger = logging.getLogger(__name__)


async def pull_all(settings: StorageSettings) -> None:
    """Bring everything here that was asked for, one after the other.

    Raises:
        ConfigurationError: An option, or a variable that describes a remote, cannot be used.
        RemoteFailed: Something is missing, and all of it is required.
    """
    for pull in settings.pulls:
        facts = {"source": pull.source, "folder": str(pull.folder)}
        logger.info("Pulling %s.", pull.source, extra={"action": "pulling", **facts})
        end = await run_transfer("pull", pull.source, str(pull.folder))
        if end.is_done:
            logger.info(
                "%s is in %s: %d files came, %d bytes.",
                *(pull.source, pull.folder, end.files, end.bytes),
                extra={"action": "pulled", **facts},
            )
            continue
        problem = f"storage-pull, {pull.source}: {end.message}"
        if not end.may_pass:
            raise ConfigurationError(problem)
        if settings.is_pull_required:
            raise RemoteFailed(f"{problem} --nostorage-pull-required serves without it.")
        logger.warning("%s", problem, extra={"action": "pull_failed", **facts})


async def open_pusher(
    settings: Settings, stack: AsyncExitStack, folder: Path, force: asyncio.Event | None
) -> ArtifactPusher | None:
    """Go on with what was not pushed yet; ``None`` if nothing is to be."""
    if not settings.storage.push_artifacts:
        return None
    pusher = ArtifactPusher(folder, settings.storage.push_artifacts)
    await pusher.start()
    stack.push_async_callback(
        partial(pusher.close, grace_s=settings.shutdown_grace_s, force=force or asyncio.Event())
    )
    return pusher
