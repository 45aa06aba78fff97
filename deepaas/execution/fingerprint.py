# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Tell whether a folder has changed, without reading its files.

Standard library only, and cheap to import, since guards use it.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path


def fingerprint(folder: Path) -> str:
    """Return a text that differs once something below a folder was written, added or removed.

    It is made of names, sizes, inode numbers and times of change, which are compared for equality
    only: a clock that is put back does no harm.
    """
    total = 0
    for line in sorted(_entries(folder)):
        total = zlib.crc32(line.encode("utf-8", "surrogateescape"), total)
    return f"{total:08x}"


def _entries(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            try:
                found = os.lstat(path)
            except OSError:
                continue  # removed meanwhile, or not to be looked at
            yield f"{path} {found.st_size} {found.st_ino} {found.st_mtime_ns}\n"
