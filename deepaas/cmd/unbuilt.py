# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The image of a package that is not installed yet, as ``deepaas export docker`` makes it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deepaas.errors import ConfigurationError
from deepaas.scaffold.writing import add_files

#: Loading a model takes a second; it only ends what hangs.
_LIMIT_S = 300


def image_files(
    name: str, files: Mapping[str, str], installed: Mapping[str, str]
) -> dict[str, str]:
    """Return the files that build the image of a package.

    The model is loaded in a process of its own, from a copy: a package that does not load is
    found before it is written.

    Args:
        name: The model's.
        files: The package, by path in its folder.
        installed: What its installation would leave beside it: folder ``*.dist-info``.

    Raises:
        ConfigurationError: It cannot be exported.
    """
    with tempfile.TemporaryDirectory(prefix="deepaas-init-") as folder:
        package, site, image = (Path(folder) / each for each in ("package", "site", "image"))
        image.mkdir()
        add_files(package, files)
        add_files(site, installed)
        paths = [str(package), str(site), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        done = subprocess.run(
            [
                *(sys.executable, "-P", "-m", "deepaas.cmd.main"),
                *("export", "docker", name, "--output", str(image)),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        if done.returncode != 0:
            raise ConfigurationError(f"The new package cannot be exported: {done.stderr.strip()}")
        return {each.name: each.read_text("utf-8") for each in sorted(image.iterdir())}
