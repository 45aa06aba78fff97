# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Write what was submitted into a job's directory, and remove what was submitted by half.

A job is accepted once the store has it, and by then its directory is complete. While a server
writes one it keeps a mark beside it, a file that names the server. So a directory whose server was
killed before it could add the job is told from one that an older copy of the store does not know,
which is kept. Blocking functions.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from deepaas.errors import StorageFull, StorageUnavailable
from deepaas.execution.jobcall import JobCall, body_file
from deepaas.execution.jobdir import NO_SPACE, JobDirectory
from deepaas.records import JobState, UploadedFile

_MARK = ".submitting-"


def submit(
    directory: JobDirectory, call: JobCall, body_fd: int | None, *, server: str, attempt: int
) -> None:
    """Make a job's directory with its input, durable on return; uploaded files are moved there.

    The mark is made first; :func:`forget` removes it.

    Raises:
        OSError: It cannot be written.
    """
    _mark(directory.path.parent, server, directory.path.name).touch(mode=0o600)
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
    directory.note_state(JobState.QUEUED, attempt)
    _sync(directory)


def _sync(directory: JobDirectory) -> None:
    for path in (directory.call, *directory.inputs.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())


def storage_error(exc: OSError, folder: Path) -> StorageUnavailable:
    """Return what a client is told of a folder that cannot be written."""
    if exc.errno in NO_SPACE:
        return StorageFull(f"No space is left in {folder}.")
    return StorageUnavailable(f"{folder} cannot be written: {exc.strerror}.")


def _mark(folder: Path, server: str, job_id: str) -> Path:
    return folder / f"{_MARK}{server}-{job_id}"


def abandoned(folder: Path, is_alive: Callable[[str], bool]) -> list[tuple[str, str]]:
    """Return servers that are gone, and the ids of the jobs that they were submitting."""
    found = []
    for mark in folder.glob(f"{_MARK}*"):
        server, _, job_id = mark.name.removeprefix(_MARK).partition("-")
        if not is_alive(server):
            found.append((server, job_id))
    return found


def forget(folder: Path, server: str, job_id: str, *, is_known: bool) -> None:
    """Remove the mark, and before it the directory of a job that the store does not know."""
    if not is_known:
        shutil.rmtree(folder / job_id, ignore_errors=True)
    _mark(folder, server, job_id).unlink(missing_ok=True)
