# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Parts of files that are on their way, and files listed without leaving their folder."""

import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import filterfalse
from pathlib import Path
from typing import Final, NamedTuple

from deepaas.whole import part_name

_PART: Final = re.compile(r"\.deepaas-[0-9a-f]{16}\.part")

_LEFT_S: Final = 24 * 60 * 60


def part_of(path: str) -> str:
    """Return where in the same folder of a share a file is written before it is moved.

    It is the file's own where that has a question mark or a semicolon: WsgiDAV 4.4, for one, cuts
    the destination of a MOVE there, and would leave the file in another place.
    """
    folder, slash, _ = path.rpartition("/")
    return path if {"?", ";"} & set(path) else f"{folder}{slash}{part_name()}"


def is_part(path: str) -> bool:
    """Whether a path is that of a file that is, or was, being written."""
    return _PART.fullmatch(path.rpartition("/")[2]) is not None


def remove_left_parts(folder: Path) -> None:
    """Remove parts below a folder that nobody has changed for a day: who wrote them was killed."""
    oldest = time.time() - _LEFT_S
    for place, _, names in os.walk(folder):
        for part in (os.path.join(place, name) for name in names if is_part(name)):
            with suppress(FileNotFoundError, PermissionError):
                # Not the other time, which a file gets from its remote.
                if os.lstat(part).st_ctime < oldest:
                    os.unlink(part)


class Below(NamedTuple):
    """What lies below a folder: relative paths, in order."""

    #: Regular files, and links to some that stay in the folder.
    files: list[str]
    #: Links out of the folder, to folders and to nothing; pipes, sockets and devices.
    others: list[str]


def look_below(folder: Path) -> Below:
    """Return what lies below a folder, and enter no link.

    Raises:
        OSError: The folder, or one in it, cannot be read.
    """
    top = os.path.realpath(folder, strict=True)

    def refuse(exc: OSError) -> None:
        raise exc

    below = Below([], [])
    for place, folders, names in os.walk(top, onerror=refuse):
        below.others.extend(path for path in _paths(top, place, folders) if _is_link(top, path))
        for path in _paths(top, place, filterfalse(is_part, names)):
            with suppress(FileNotFoundError):  # removed meanwhile
                (below.files if _is_file_within(top, path) else below.others).append(path)
    return Below(sorted(below.files), sorted(below.others))


def _paths(top: str, place: str, names: Iterable[str]) -> Iterator[str]:
    return (os.path.relpath(os.path.join(place, name), top) for name in names)


def _is_link(top: str, path: str) -> bool:
    return os.path.islink(os.path.join(top, path))


def _is_file_within(top: str, path: str) -> bool:
    place = os.path.join(top, path)
    status = os.lstat(place)
    if stat.S_ISLNK(status.st_mode):
        if not os.path.realpath(place).startswith(f"{top}/"):
            return False
        return os.path.isfile(place)
    return stat.S_ISREG(status.st_mode)
