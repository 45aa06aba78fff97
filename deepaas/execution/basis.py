# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The version that was served when a training started, which it may tune further.

``version.json`` in the job's directory names it; an attempt after the first keeps it. Everything
here blocks.
"""

import json
import os
from pathlib import Path

from deepaas.execution.jobdir import JobDirectory
from deepaas.records import ServedVersion


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
