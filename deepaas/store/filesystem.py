# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Tell whether a path lies on a file system that other machines may use too.

SQLite's write-ahead log keeps its index in memory shared between processes; over a network that
memory is not shared and the database is damaged (https://www.sqlite.org/wal.html, "All processes
using a database must be on the same host computer").
"""

import os
import re
from pathlib import Path
from typing import Final

MOUNTINFO: Final = Path("/proc/self/mountinfo")

#: Types as the kernel names them; a trailing version (``nfs4``, ``smb3``) is cut off before.
_NETWORK: Final = frozenset(
    {
        *("nfs", "cifs", "smb", "smbfs", "ncpfs", "afs", "kafs", "coda", "davfs", "autofs"),
        *("ceph", "lustre", "glusterfs", "beegfs", "fhgfs", "gpfs", "mmfs", "panfs", "pvfs"),
        *("orangefs", "ocfs", "gfs", "quobyte", "weka", "wekafs", "dvs"),
        # Folders of a host machine, shown to a virtual one.
        *("9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs", "fakeowner"),
    }
)

#: A file system in user space may do anything; these only rearrange local folders.
_LOCAL_FUSE: Final = frozenset({"fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.gocryptfs"})

_OCTAL_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


def filesystem_type(path: str | os.PathLike[str], mountinfo: str) -> str | None:
    """Return the type of the file system that a path lies on.

    Args:
        path: Absolute, without symbolic links; need not exist.
        mountinfo: The content of ``/proc/self/mountinfo``, described in proc(5).

    Returns:
        The type as the kernel names it (``ext4``, ``nfs4``, ``fuse.sshfs``), ``None`` if no mount
        holds the path.
    """
    wanted = Path(path)
    best: tuple[int, str] | None = None
    for line in mountinfo.split("\n"):
        mount, separator, source = line.partition(" - ")
        fields = mount.split(" ")
        if not separator or len(fields) < 5:
            continue
        mount_point = Path(_OCTAL_ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        depth = len(mount_point.parts)
        # Of two mounts on one point, the later one hides the earlier.
        if wanted.is_relative_to(mount_point) and (best is None or depth >= best[0]):
            best = (depth, source.split(" ")[0])
    return best[1] if best else None


def is_network_type(type_name: str) -> bool:
    """Tell whether a type of file system may be shared with other machines."""
    if type_name == "fuse" or type_name.startswith("fuse."):
        return type_name not in _LOCAL_FUSE
    return type_name in _NETWORK or type_name.rstrip("0123456789") in _NETWORK


def may_be_shared(path: str | os.PathLike[str], mountinfo: str | None = None) -> bool:
    """Tell whether other machines may use the file system of a path at the same time.

    Args:
        path: Any path; symbolic links are followed as far as they exist.
        mountinfo: Stands in for ``/proc/self/mountinfo``.

    Returns:
        ``True`` also where it cannot be known: a wrong ``True`` costs a little speed, a wrong
        ``False`` the database.
    """
    if mountinfo is None:
        try:
            mountinfo = MOUNTINFO.read_text("utf-8", errors="surrogateescape")
        except OSError:
            return True
    type_name = filesystem_type(os.path.realpath(path), mountinfo)
    return type_name is None or is_network_type(type_name)
