# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Accept a job: write its directory, durable, then add it to the store."""

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from deepaas.errors import StorageFull, StorageUnavailable
from deepaas.execution.jobcall import JobCall, body_file
from deepaas.execution.jobdir import NO_SPACE, JobDirectory
from deepaas.records import IdempotencyKey, Job, UploadedFile
from deepaas.store.base import JobStore


async def accept(
    store: JobStore,
    directory: JobDirectory,
    job: Job,
    write: Callable[[JobDirectory], None],
    *,
    key: IdempotencyKey | None = None,
) -> Job:
    """Accept a job; it is durable when this returns, and nothing is left of it if this raises.

    Args:
        store: Keeps the job.
        directory: Of the job, not there yet.
        job: In state queued.
        write: Makes the directory; runs in a thread.
        key: The client's name for the request.

    Returns:
        The job, or the one that was accepted with the key before.

    Raises:
        KeyReused: The key came with another input before.
        StorageFull: No space is left.
        StorageUnavailable: The state directory cannot be written.
    """
    kept: Job | None = None
    try:
        await asyncio.to_thread(write, directory)
        kept = await store.add(job, key)
    except OSError as exc:
        raise storage_error(exc, directory.path.parent) from exc
    finally:
        if kept is None or kept.id != job.id:
            await asyncio.to_thread(shutil.rmtree, directory.path, ignore_errors=True)
    return kept


def storage_error(exc: OSError, folder: Path) -> StorageUnavailable:
    """Return what a failure to write below a folder means."""
    if exc.errno in NO_SPACE:
        return StorageFull(f"No space is left in {folder}.")
    return StorageUnavailable(f"{folder} cannot be written: {exc.strerror}.")


def write_call(directory: JobDirectory, call: JobCall, body_fd: int | None) -> None:
    """Write the directory of a new job, durable on return; blocks.

    Args:
        directory: Of the job, not there yet.
        call: Uploaded files are moved into the directory.
        body_fd: A memory file with the JSON body, where it is not in ``call``.

    Raises:
        OSError: No space, or no permission.
    """
    given = call.input
    if body_fd is not None and given.body is None:
        given = replace(given, body=b"")  # noted as present; its text is copied below
    directory.create(b"")
    files = []
    for number, (name, file) in enumerate(given.files):
        target = directory.inputs / f"{number}{Path(file.filename or '').suffix}"
        shutil.move(file.filename or "", target)
        files.append((name, UploadedFile(file.name, str(target), *file[2:])))
    if body_fd is not None:
        with open(body_fd, "rb", closefd=False) as source, body_file(directory).open("wb") as copy:
            source.seek(0)
            shutil.copyfileobj(source, copy)
    elif given.body is not None:
        body_file(directory).write_bytes(given.body)
    directory.call.write_bytes(replace(call, input=replace(given, files=tuple(files))).dump())
    _sync(directory)


def write_again(
    ended: JobDirectory, directory: JobDirectory, call: JobCall, *, keeps_checkpoints: bool
) -> None:
    """Write the directory of a new job, durable on return; blocks.

    Args:
        ended: Of the job whose input is used; nothing in it changes.
        directory: Of the new job, not there yet.
        call: The new job's call; its input is replaced.
        keeps_checkpoints: Whether the new job goes on from where the other one came to.

    Raises:
        FileNotFoundError: The other job's input is gone.
        OSError: No space, or no permission.
    """
    given = JobCall.read(ended, with_body=False).input
    directory.create(b"")
    for source in ended.inputs.iterdir():
        _link(source, directory.inputs / source.name)
    files = tuple((name, _moved(file, directory)) for name, file in given.files)
    directory.call.write_bytes(replace(call, input=replace(given, files=files)).dump())
    if keeps_checkpoints:
        # Copied, for the new job writes on in them.
        shutil.copytree(ended.checkpoints, directory.checkpoints, symlinks=True, dirs_exist_ok=True)
    _sync(directory)


def _moved(file: UploadedFile, directory: JobDirectory) -> UploadedFile:
    return file._replace(filename=str(directory.inputs / Path(file.filename or "").name))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)  # the file system has no links, or no more of them


def _sync(directory: JobDirectory) -> None:
    for path in (directory.call, *directory.inputs.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
