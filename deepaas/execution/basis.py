# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The version that a job is about: what a training may tune further, what an evaluation measures.

``version.json`` in the job's directory names it. A training takes what is served when its first
attempt starts, an evaluation was told when it was accepted. Everything here blocks.
"""

import json
import os
from pathlib import Path

from deepaas.errors import Conflict
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.modelfiles import fault_of
from deepaas.records import ServedVersion


def require_whole(version: ServedVersion) -> None:
    """Check that the files of a version are there, with the sizes that they had.

    Raises:
        Conflict: They are not.
    """
    if version.model_dir is None:
        return
    folder = Path(version.model_dir)
    fault = "its files are gone"
    if folder.is_dir():
        fault = fault_of(JobDirectory(folder.parent), with_checksums=False) or ""
    if fault:
        raise Conflict(f"Version {version.number} cannot be evaluated: {fault}.")


def note_basis(directory: JobDirectory, served: ServedVersion) -> None:
    """Note the version that is served, unless one is noted already.

    Raises:
        OSError: It cannot be written.
    """
    path = _note(directory)
    if path.exists():
        return
    temporary = path.with_suffix(".tmp")
    with temporary.open("w") as note:
        json.dump({"version": served.number, "job": served.job}, note)
        note.flush()
        os.fsync(note.fileno())
    temporary.rename(path)


def basis_of(directory: JobDirectory) -> ServedVersion:
    """Return the version that was noted; without a note, the package as installed."""
    try:
        content = json.loads(_note(directory).read_bytes())
    except FileNotFoundError:
        return ServedVersion()
    return version_in(directory.path.parent, content["version"], content["job"])


def version_in(folder: Path, number: int, job: str | None) -> ServedVersion:
    """Return a version as processes know it; its files lie among the directories of the jobs."""
    if job is None:
        return ServedVersion(number)
    return ServedVersion(number, job, str(JobDirectory(folder / job).artifacts))


def _note(directory: JobDirectory) -> Path:
    return directory.path / "version.json"
