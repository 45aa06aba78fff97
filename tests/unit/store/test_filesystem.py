# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Which file system a path lies on, and whether other machines may use it."""

from pathlib import Path

import pytest

from deepaas.store import filesystem
from deepaas.store.filesystem import filesystem_type, is_network_type, may_be_shared

MOUNTINFO = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
31 27 0:40 / /data rw,relatime shared:3 - nfs4 nas:/export rw,vers=4.2
32 31 0:41 / /data/scratch rw - xfs /dev/sdb1 rw
33 27 0:42 / /my\040data rw - cifs //nas/share rw
34 27 0:43 / /tab\011new\012line\134back rw - ceph 10.0.0.1:/ rw
35 27 0:44 / /home rw - autofs auto.home rw
36 35 0:45 / /home/ada rw - fuse.sshfs ada@host: rw
37 27 0:46 / /twice rw - ext4 /dev/sdc1 rw
38 37 0:47 / /twice rw - lustre mgs@tcp:/scratch rw
a line that is cut off
39 27 0:48
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/lib/deepaas/jobs.sqlite", "ext4"),
        ("/", "ext4"),
        ("/data/jobs.sqlite", "nfs4"),
        ("/data", "nfs4"),
        ("/database/jobs.sqlite", "ext4"),
        ("/data/scratch/jobs.sqlite", "xfs"),
        ("/my data/jobs.sqlite", "cifs"),
        ("/tab\tnew\nline\\back/jobs.sqlite", "ceph"),
        ("/home/grace/jobs.sqlite", "autofs"),
        ("/home/ada/jobs.sqlite", "fuse.sshfs"),
        ("/twice/jobs.sqlite", "lustre"),
    ],
)
def test_the_deepest_and_latest_mount_holds_the_path(path: str, expected: str) -> None:
    assert filesystem_type(path, MOUNTINFO) == expected


def test_no_mount_holds_the_path() -> None:
    assert filesystem_type("/x", "35 27 0:44 / /home rw - ext4 /dev/sda1 rw\n") is None


@pytest.mark.parametrize(
    "name",
    [
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "lustre", "glusterfs", "ceph", "beegfs"),
        *("gpfs", "afs", "davfs", "autofs", "virtiofs", "ocfs2", "gfs2"),
        *("fuse", "fuse.sshfs", "fuse.glusterfs", "fuse.rclone"),
    ],
)
def test_network_types(name: str) -> None:
    assert is_network_type(name)


@pytest.mark.parametrize(
    "name", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk", "fuse.fuse-overlayfs"]
)
def test_local_types(name: str) -> None:
    assert not is_network_type(name)


def test_symbolic_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    mounts = f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {tmp_path}/real rw - nfs x rw\n"
    assert may_be_shared(tmp_path / "link" / "missing" / "jobs.sqlite", mounts)
    assert not may_be_shared(tmp_path / "jobs.sqlite", mounts)


def test_unknown_counts_as_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert may_be_shared(tmp_path, "")
    monkeypatch.setattr(filesystem, "MOUNTINFO", tmp_path / "missing")
    assert may_be_shared(tmp_path)


def test_the_running_system_is_read(tmp_path: Path) -> None:
    mounts = filesystem.MOUNTINFO.read_text("utf-8", errors="surrogateescape")
    assert may_be_shared(tmp_path) == may_be_shared(tmp_path, mounts)
