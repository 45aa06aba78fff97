# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The artifacts of a job that is promoted: noted as they are then, and compared later.

``promoted.json`` in the job's directory names the files below ``artifacts/`` with their sizes and
checksums. It is written once, when the job is first promoted: ``artifacts.json`` follows the files
if they change, this does not. Both list the same files. Everything here blocks.
"""

import errno
import json
import os
import stat
from pathlib import Path
from typing import NamedTuple

from deepaas.execution import artifacts
from deepaas.execution.jobdir import JobDirectory, sync_directory

_READ_ONLY = ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)


class ModelFile(NamedTuple):
    """A file below ``artifacts/``."""

    #: Relative to that folder.
    path: str
    bytes: int
    #: Hexadecimal.
    sha256: str


def has_artifacts(directory: JobDirectory) -> bool:
    """Whether a job left any file in its folder of artifacts."""
    return bool(artifacts.list_artifacts(directory, is_final=False))


def seal(directory: JobDirectory) -> None:
    """Note the files, durably, unless that was done before; and take the right to write them.

    Raises:
        OSError: They cannot be read, or the note cannot be written.
    """
    manifest = _manifest(directory)
    if manifest.exists():
        return
    sealed = artifacts.seal(directory)
    _require_all(directory, sealed)
    for file in sealed:
        _take_right_to_write(directory, file.path)
    files = [ModelFile(file.path, file.bytes, str(file.sha256)) for file in sealed]
    temporary = directory.path / f"promoted.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        with temporary.open("w") as note:
            json.dump({"files": [file._asdict() for file in files]}, note, indent=1)
            note.flush()
            os.fsync(note.fileno())
        temporary.rename(manifest)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(directory.path)


def fault_of(directory: JobDirectory, *, with_checksums: bool) -> str | None:
    """Say what is wrong with the files of a promoted job, ``None`` if they are as they were.

    Args:
        directory: Of the job.
        with_checksums: Whether to read all of them; otherwise only their sizes are compared.
    """
    try:
        content = json.loads(_manifest(directory).read_bytes())
        files = [ModelFile(**file) for file in content["files"]]
    except (OSError, ValueError, TypeError, KeyError) as exc:
        return f"the list of its artifacts cannot be read: {type(exc).__name__}"
    for file in files:
        try:
            fault = _fault_of(directory, file, with_checksums=with_checksums)
        except OSError as exc:
            fault = f"cannot be read: {exc.strerror}"
        if fault is not None:
            return f"its artifact {file.path!r} {fault}"
    return None


def _fault_of(directory: JobDirectory, file: ModelFile, *, with_checksums: bool) -> str | None:
    fd, found = artifacts.open_artifact(directory, file.path, is_final=False)
    with open(fd, "rb") as content:
        if found.bytes != file.bytes:
            return f"has {found.bytes} bytes instead of {file.bytes}"
        if with_checksums and artifacts.checksum_of(content) != file.sha256:
            return "has another checksum than when it was promoted"
    return None


def _require_all(directory: JobDirectory, sealed: tuple[artifacts.Artifact, ...]) -> None:
    """Check that no file is missing among the sealed ones, since it cannot be read."""
    known = {file.path for file in sealed}
    for file in artifacts.list_artifacts(directory, is_final=False):
        if file.path not in known:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), file.path)


def _take_right_to_write(directory: JobDirectory, path: str) -> None:
    # Of the open file, which is in the folder wherever its name leads meanwhile.
    fd, _ = artifacts.open_artifact(directory, path, is_final=False)
    try:
        os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) & _READ_ONLY)
    finally:
        os.close(fd)


def _manifest(directory: JobDirectory) -> Path:
    return directory.path / "promoted.json"
