# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Images built by buildah, without a daemon and without isolation that needs rights."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: For one command: packages come over a network, to a machine that does other things.
PATIENCE_S = 1200


class Buildah:
    """``buildah`` with all that it keeps in one folder.

    Args:
        folder: Belongs to the caller, who removes it. Its path has to be short: there are sockets.
    """

    def __init__(self, folder: Path) -> None:
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        places = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]
        self.command = ["buildah", *places, "--storage-driver", "vfs"]
        #: Without the variables of this run: what is built must not depend on them.
        self.environment = {"PATH": os.environ["PATH"], "TMPDIR": str(self._temporary)}

    def __call__(self, *arguments: str) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}:\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def build(self, name: str, context: Path, arguments: Mapping[str, str]) -> None:
        """Build the Dockerfile of a folder; HEALTHCHECK is of Docker's format alone."""
        given = [f"--build-arg={key}={value}" for key, value in arguments.items()]
        self(
            "bud",
            *("--format", "docker", "--isolation", "chroot", "--network", "host"),
            *("--volume", "/etc/ssl/certs:/etc/ssl/certs:ro", "--tag", name, *given, str(context)),
        )

    def import_root(self, name: str, root: Path) -> None:
        """Make an image of a folder that holds a system."""
        container = self("from", "scratch")
        self("add", "--quiet", container, str(root), "/")
        self("commit", "--quiet", "--rm", container, name)

    def configuration(self, name: str) -> Any:
        """Return how an image is run: ``Cmd``, ``Env``, ``Labels`` and more."""
        return json.loads(self("inspect", "--type", "image", name))["Docker"]["config"]

    def in_container(self, container: str, command: Sequence[str], *options: str) -> list[str]:
        """Return the command that runs another one in a container."""
        return [*self.command, "run", "--isolation", "chroot", *options, container, "--", *command]
