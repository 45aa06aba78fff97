# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a job made: the files below ``artifacts/``, with their checksums in ``artifacts.json``.

The training's own process seals them when its function has returned. Where it could not, or where
something was still written afterwards, they are sealed when they are first asked for. Everything
here blocks.
"""

import errno
import hashlib
import json
import logging
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from io import BufferedReader
from pathlib import Path

from deepaas.execution.jobdir import JobDirectory

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file that a job made."""

    #: Relative to the folder, with ``/`` between its parts.
    path: str
    bytes: int
    #: When it was last changed, nanoseconds since 1970: a checksum holds as long as this does.
    modified_ns: int
    #: Hexadecimal; ``None`` while the job may still write.
    sha256: str | None = None


def seal(directory: JobDirectory) -> tuple[Artifact, ...]:
    """Note the checksums of all files, durably, and return them.

    What is noted already and has not changed is not read again. That it cannot be noted, since the
    disk is full perhaps, is no error: it will be tried again when somebody asks.
    """
    known = {file.path: file for file in _noted(directory)}
    sealed = tuple(_sealed(directory, known))
    try:
        _note(directory, sealed)
    except OSError as exc:
        logger.warning(
            "The checksums of job %s could not be kept: %s.", directory.path.name, exc.strerror
        )
    return sealed


def list_artifacts(
    directory: JobDirectory, *, is_final: bool, seals: bool = True
) -> tuple[Artifact, ...]:
    """Return the files that a job made, in the order of their paths.

    Args:
        directory: Of the job; it may be gone.
        is_final: Whether the job has ended; before that, files have no checksums.
        seals: Whether to seal the files of a job that has ended where they are not, which reads
            them all; otherwise they have no checksums then.
    """
    found = tuple(_files(directory.artifacts))
    if not is_final:
        return found
    noted = _noted(directory)
    if tuple(replace(file, sha256=None) for file in noted) == found:
        return noted
    return seal(directory) if seals else found


def open_artifact(
    directory: JobDirectory, path: str, *, is_final: bool, seals: bool = True
) -> tuple[int, Artifact]:
    """Open a file for reading; return its descriptor, which the caller closes, and what it is.

    Links are followed within the folder only, and nobody can put one in the way meanwhile.

    Args:
        directory: Of the job; it may be gone.
        path: Relative to the folder.
        is_final: Whether the job has ended; before that, the file has no checksum.
        seals: See :func:`list_artifacts`.

    Raises:
        FileNotFoundError: There is no regular file of that path in the folder.
    """
    fd = _open(directory, path)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        found = Artifact(path, status.st_size, status.st_mtime_ns)
        if is_final:
            for files in (_noted, seal) if seals else (_noted,):
                for file in files(directory):
                    if replace(file, sha256=None) == found:
                        return fd, file
        return fd, found
    except BaseException:
        os.close(fd)
        raise


def _open(directory: JobDirectory, path: str) -> int:
    top = os.path.realpath(directory.artifacts)
    # A file has one path by which it is known.
    is_path = "\0" not in path and os.path.normpath(path) == path
    inside = _inside(top, os.path.join(top, path)) if is_path else None
    if inside is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    try:
        return _open_below(top, inside.split("/"))
    except OSError as exc:
        raise FileNotFoundError(exc.errno, exc.strerror, path) from exc


def _open_below(top: str, parts: list[str]) -> int:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    folder = os.open(top, flags | os.O_DIRECTORY)
    for part in parts[:-1]:
        try:
            below = os.open(part, flags | os.O_DIRECTORY, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    try:
        # A pipe would wait for its other end.
        return os.open(parts[-1], flags | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)


def _inside(top: str, path: str) -> str | None:
    """Return where a path leads, relative to the folder, ``None`` if not to a place within."""
    real = os.path.realpath(path)
    return real[len(top) + 1 :] if real.startswith(top + "/") else None


def _files(top: Path) -> Iterator[Artifact]:
    """Yield the regular files below a folder, and links to some of them, in order of path."""
    real_top = os.path.realpath(top)
    found: list[Artifact] = []
    for folder, _, names in os.walk(real_top):
        for name in names:
            path = os.path.join(folder, name)
            if _inside(real_top, path) is None:
                continue
            try:
                status = os.stat(path)
            except OSError:
                continue  # removed meanwhile
            if stat.S_ISREG(status.st_mode):
                relative = path[len(real_top) + 1 :]
                found.append(Artifact(relative, status.st_size, status.st_mtime_ns))
    yield from sorted(found, key=lambda file: file.path)


def _sealed(directory: JobDirectory, known: dict[str, Artifact]) -> Iterator[Artifact]:
    for file in _files(directory.artifacts):
        noted = known.get(file.path)
        if noted is not None and replace(noted, sha256=None) == file:
            yield noted
            continue
        try:
            fd = _open(directory, file.path)
        except FileNotFoundError:
            continue  # removed meanwhile, or not to be read by us
        with open(fd, "rb") as content:
            yield replace(file, sha256=checksum_of(content))


def checksum_of(content: BufferedReader) -> str:
    """Return the checksum of what is read to the end, as :class:`Artifact` has it."""
    return hashlib.file_digest(content, "sha256").hexdigest()


def _noted(directory: JobDirectory) -> tuple[Artifact, ...]:
    try:
        content = json.loads(_manifest(directory).read_bytes())
        return tuple(Artifact(**file) for file in content["files"])
    except (OSError, ValueError, TypeError, KeyError):
        return ()  # not there yet, or not ours: it is made anew


def _note(directory: JobDirectory, files: Iterable[Artifact]) -> None:
    content = json.dumps({"files": [asdict(file) for file in files]}, indent=1)
    temporary = directory.path / f"artifacts.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        with temporary.open("w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(_manifest(directory))
    finally:
        temporary.unlink(missing_ok=True)


def _manifest(directory: JobDirectory) -> Path:
    return directory.path / "artifacts.json"
