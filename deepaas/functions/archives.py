# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A zip archive of objects: looked through before the first is taken out, and taken out one by one.

No name in it is ever used as the path of what is taken out.
"""

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from deepaas.errors import InvalidInput

_MAX_MEMBERS: Final = 10_000
_CHUNK_BYTES: Final = 1024 * 1024
#: What zipfile raises of an archive that is damaged, encrypted, or packed in an unusual way.
_FAULTS: Final = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError)
#: What operating systems put into archives by themselves.
_FOREIGN: Final = ("__MACOSX",)


def is_archive(path: Path, name: str) -> bool:
    """Tell whether a file is a zip archive; of what only looks like one inside, it is none."""
    return name.lower().endswith(".zip") and zipfile.is_zipfile(path)


class Archive:
    """A zip archive, from its opening to its end.

    Args:
        path: The file.
        name: What it is called in messages.
        max_bytes: Most that all members together may become, 0 for no limit.

    Raises:
        InvalidInput: It cannot be read, is too large, or has a member whose name leads out of it.
    """

    def __init__(self, path: Path, name: str, max_bytes: int) -> None:
        self._name = name
        self._max_bytes = max_bytes
        self._taken_bytes = 0
        try:
            self._file = zipfile.ZipFile(path)
        except (*_FAULTS, OSError, ValueError) as exc:
            raise InvalidInput(f"{name!r} is no zip archive that can be read: {exc}.") from exc
        try:
            self.names = tuple(self._members())
        except BaseException:
            self._file.close()
            raise

    def _members(self) -> Iterator[str]:
        found = [each for each in self._file.infolist() if not _is_passed_over(each)]
        if not found:
            raise InvalidInput(f"{self._name!r} holds no object.")
        if len(found) > _MAX_MEMBERS:
            raise InvalidInput(
                f"{self._name!r} holds {len(found)} objects; {_MAX_MEMBERS} is the most at once."
            )
        self._check_size(sum(each.file_size for each in found))
        seen: set[str] = set()
        for each in found:
            if _leads_out(each.filename) or each.filename in seen:
                what = "leads out of it" if _leads_out(each.filename) else "is there twice"
                raise InvalidInput(f"{self._name!r} has a member {each.filename!r}, which {what}.")
            seen.add(each.filename)
            yield each.filename

    def _check_size(self, size: int) -> None:
        if self._max_bytes and size > self._max_bytes:
            raise InvalidInput(
                f"{self._name!r} is more than {self._max_bytes} bytes when it is unpacked, the most"
                " that --max-unpacked allows."
            )

    @contextmanager
    def member(self, name: str, folder: Path) -> Iterator[Path]:
        """Give the content of a member in a file that is there until the block ends.

        Raises:
            InvalidInput: It cannot be unpacked, or is larger than the archive says.
        """
        path = folder / (os.urandom(8).hex() + PurePosixPath(name).suffix)
        try:
            self._unpack(name, path)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _unpack(self, name: str, path: Path) -> None:
        try:
            with self._file.open(name) as member, path.open("xb") as file:
                while chunk := member.read(_CHUNK_BYTES):
                    # Counted here too: what an archive says of its sizes may be a lie.
                    self._taken_bytes += len(chunk)
                    self._check_size(self._taken_bytes)
                    file.write(chunk)
        except _FAULTS as exc:
            raise InvalidInput(f"{name!r} cannot be unpacked: {exc}.") from exc

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _is_passed_over(member: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(member.filename).parts
    is_hidden = any(part.startswith(".") and part != ".." for part in parts)
    return member.is_dir() or is_hidden or any(part in _FOREIGN for part in parts)


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0]
