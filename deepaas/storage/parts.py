# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Parts of files that are on their way, and files listed without leaving their folder."""

import os
import re
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

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


def files_below(folder: Path) -> list[str]:
    """Return the regular files below a folder, relative, in order; links where they stay in it.

    Raises:
        OSError: The folder, or one in it, cannot be read.
    """
    top = os.path.realpath(folder, strict=True)

    def refuse(exc: OSError) -> None:
        raise exc

    found = []
    for place, _, names in os.walk(top, onerror=refuse):
        for name in names:
            path = os.path.join(place, name)
            if is_part(name) or not os.path.realpath(path).startswith(f"{top}/"):
                continue
            with suppress(FileNotFoundError):  # a link to nothing, or removed meanwhile
                if stat.S_ISREG(os.stat(path).st_mode):
                    found.append(os.path.relpath(path, top))
    return sorted(found)
