# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Forget a job that has ended, with its directory: the one way in which that is done."""

import asyncio
import errno
from typing import Final

from deepaas.errors import JobNotFound, StorageUnavailable
from deepaas.execution.apart import run_apart
from deepaas.execution.jobdir import NO_SPACE, JobDirectory
from deepaas.execution.removal import SetAside
from deepaas.execution.submission import storage_error
from deepaas.finishing import finished
from deepaas.service.versions import VersionService
from deepaas.store.base import JobStore

#: With these no directory can be renamed where this one cannot (rename(2)).
_OF_THE_FOLDER: Final = frozenset({*NO_SPACE, errno.EROFS, errno.EACCES})


async def remove_ended(
    directory: JobDirectory, *, server: str, store: JobStore, versions: VersionService
) -> bool:
    """Forget a job; a caller that goes away leaves all of it, or nothing.

    Args:
        directory: Of the job.
        server: Id of this server.
        store: Knows the job.
        versions: Tell whether its artifacts are needed.

    Returns:
        Whether it was there: false where another request or server was faster.

    Raises:
        Conflict: What it made is a version of the model.
        JobNotEnded: It is queued or running.
        StorageUnavailable: The store cannot be used, or no directory can be moved.
        OSError: This directory cannot be moved.
    """
    await versions.require_not_promoted(directory.path.name)
    removing = _remove(directory, server, store, versions)
    return await finished(asyncio.ensure_future(removing))


async def _remove(
    directory: JobDirectory, server: str, store: JobStore, versions: VersionService
) -> bool:
    job_id = directory.path.name
    aside = await _set_aside(directory, server)
    was_there = True
    try:
        # Again: a promotion says so before it looks for the files, which are aside now.
        await versions.require_not_promoted(job_id)
        await store.remove(job_id)
    except JobNotFound:
        was_there = False
    except BaseException:
        await asyncio.to_thread(aside.put_back)
        # After it: another server may have removed the record, and seen no directory.
        await _remove_if_forgotten(aside, job_id, store)
        raise
    await run_apart(aside.remove)
    return was_there


async def _set_aside(directory: JobDirectory, server: str) -> SetAside:
    try:
        return await asyncio.to_thread(SetAside, directory, server)
    except OSError as exc:
        if exc.errno not in _OF_THE_FOLDER:
            raise
        raise storage_error(exc, directory.path.parent) from exc


async def _remove_if_forgotten(aside: SetAside, job_id: str, store: JobStore) -> None:
    try:
        await store.get(job_id)
    except JobNotFound:
        await run_apart(aside.remove)
    except StorageUnavailable:
        pass  # it fails for this reason already
