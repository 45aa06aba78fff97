# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The artifacts of a job that is promoted: noted as they are then, and compared later.

``promoted.json`` in the job's directory names the files below ``artifacts/`` with their sizes and
checksums. It is written once, when the job is first promoted. Everything here blocks.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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
    return next(_paths(directory), None) is not None


def seal(directory: JobDirectory) -> None:
    """Note the files, durably, unless that was done before; and take the right to write them.

    Raises:
        OSError: They cannot be read, or the note cannot be written.
    """
    manifest = _manifest(directory)
    if manifest.exists():
        return
    files = [_file(directory, path) for path in _paths(directory)]
    for file in files:
        path = directory.artifacts / file.path
        path.chmod(path.stat().st_mode & _READ_ONLY)
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
    size = (directory.artifacts / file.path).stat().st_size
    if size != file.bytes:
        return f"has {size} bytes instead of {file.bytes}"
    if with_checksums and _file(directory, file.path).sha256 != file.sha256:
        return "has another checksum than when it was promoted"
    return None


def _file(directory: JobDirectory, path: str) -> ModelFile:
    with (directory.artifacts / path).open("rb") as content:
        checksum = hashlib.file_digest(content, "sha256").hexdigest()
        return ModelFile(path, os.fstat(content.fileno()).st_size, checksum)


def _paths(directory: JobDirectory) -> Iterator[str]:
    """Yield the regular files, relative to the folder, in order."""
    for folder, folders, names in os.walk(directory.artifacts):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file():
                yield str(path.relative_to(directory.artifacts))


def _manifest(directory: JobDirectory) -> Path:
    return directory.path / "promoted.json"
