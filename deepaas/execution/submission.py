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
from deepaas.execution.jobdir import NO_SPACE, JobDirectory, sync_directory
from deepaas.records import JobState, UploadedFile

_MARK = ".submitting-"


def write(
    directory: JobDirectory,
    write_input: Callable[[JobDirectory], None],
    *,
    server: str,
    attempt: int,
) -> None:
    """Make a job's directory, durable on return.

    The mark is made first; :func:`forget` removes it.

    Args:
        directory: Not there yet.
        write_input: :func:`write_call` or :func:`write_again`.
        server: Id of the server that does so.
        attempt: The attempt that is to come.

    Raises:
        OSError: It cannot be written.
    """
    _mark(directory.path.parent, server, directory.path.name).touch(mode=0o600)
    write_input(directory)
    directory.note_state(JobState.QUEUED, attempt)
    _sync(directory)


def write_call(directory: JobDirectory, call: JobCall, body_fd: int | None) -> None:
    """Write the input of a new job into its directory.

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
    if given.body is not None:
        body_file(directory).touch(mode=0o600)  # it may hold secrets
    if body_fd is not None:
        with open(body_fd, "rb", closefd=False) as source, body_file(directory).open("wb") as copy:
            source.seek(0)
            shutil.copyfileobj(source, copy)
    elif given.body is not None:
        body_file(directory).write_bytes(given.body)
    directory.call.write_bytes(replace(call, input=replace(given, files=tuple(files))).dump())


def write_again(
    ended: JobDirectory, directory: JobDirectory, call: JobCall, *, keeps_checkpoints: bool
) -> None:
    """Write the input of a new job into its directory.

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
        _copy_below(ended.checkpoints, directory.checkpoints)


def _moved(file: UploadedFile, directory: JobDirectory) -> UploadedFile:
    return file._replace(filename=str(directory.inputs / Path(file.filename or "").name))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)  # the file system has no links, or no more of them


def _copy_below(source: Path, target: Path) -> None:
    """Copy what lies in a folder into another, durably.

    Raises:
        OSError: Of the file in question; ``shutil.copytree`` would not say which error it is.
    """
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        copy = target / entry.name
        if entry.is_symlink():
            copy.symlink_to(os.readlink(entry.path))
        elif entry.is_dir():
            copy.mkdir()
            _copy_below(Path(entry.path), copy)
            shutil.copystat(entry.path, copy)
        elif entry.is_file():
            shutil.copy2(entry.path, copy)
            _sync_file(copy)
    sync_directory(target)


def _sync(directory: JobDirectory) -> None:
    for path in (directory.call, *directory.inputs.iterdir()):
        _sync_file(path)
    for folder in (directory.inputs, directory.path):
        sync_directory(folder)


def _sync_file(path: Path) -> None:
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
