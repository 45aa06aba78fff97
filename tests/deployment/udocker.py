# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""udocker with Debian's runc (mode R1), and all that it keeps in one folder."""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.deployment.buildah import PATIENCE_S, Buildah

BIN = Path(__file__).parents[1] / "peers" / ".venv" / "bin"
#: The release of its engines that udocker 1.3.17 asks for. They come from a network, and mode R1
#: needs none of them.
_ENGINES = "1.2.11"


class Udocker:
    """The command, for root and for one image.

    Args:
        folder: Belongs to the caller; kept until the last container has ended.
    """

    def __init__(self, folder: Path) -> None:
        if not (BIN / "udocker").exists():
            pytest.skip("udocker is not installed; `make test` installs it with the other peers")
        runc = shutil.which("runc", path=f"{os.environ['PATH']}:/usr/sbin")
        if runc is None:
            pytest.skip("not installed: apt-get install --no-install-recommends runc")
        engines = folder / "engines"
        for name in ("bin", "lib", "doc"):
            (engines / name).mkdir(parents=True)
        (engines / "lib" / "VERSION").write_text(_ENGINES)
        with tarfile.open(folder / "engines.tar.gz", "w:gz") as archive:
            archive.add(engines, "udocker_dir")
        (folder / "tmp").mkdir()
        #: What scripts need to find it, and to use it as here.
        self.environment: Mapping[str, str] = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "UDOCKER_DIR": str(folder / "udocker"),
            "UDOCKER_TARBALL": str(folder / "engines.tar.gz"),
            "UDOCKER_USE_RUNC_EXECUTABLE": runc,
            "UDOCKER_EXECMODE": "R1",
        }
        self("install")

    def __call__(self, *arguments: str) -> str:
        """Run a command to its end and return what it printed.

        The exit status says nothing in mode R1 (see ``deepaas/export/slurm/container.sh``).
        """
        done = subprocess.run(
            ["udocker", "--allow-root", *arguments],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return done.stdout

    def load(self, buildah: Buildah, image: str, folder: Path) -> None:
        """Take an image from buildah, with its name and its tag.

        Args:
            buildah: Has it.
            image: Its name and tag.
            folder: Takes the archive for a while.
        """
        name, _, tag = image.rpartition(":")
        archive = folder / "image.tar"
        # In the other format, buildah names layers in a way that udocker does not know.
        buildah("push", image, f"oci-archive:{archive}:{tag}")
        self("load", "-i", str(archive), name)
        archive.unlink()
        assert image in self("images").split()
