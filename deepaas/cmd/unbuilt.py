# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The image of a package that is not installed yet, as ``deepaas export docker`` makes it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from deepaas.errors import ConfigurationError
from deepaas.scaffold.writing import add_files


def image_files(
    name: str,
    files: Mapping[str, str],
    installed: Mapping[str, str],
    *,
    limit_s: float = 300,
) -> dict[str, str]:
    """Return the files that build the image of a package.

    The model is loaded in a process of its own, from a copy: a package that does not load is
    found before it is written.

    Args:
        name: The model's.
        files: The package, by path in its folder.
        installed: What its installation would leave beside it: folder ``*.dist-info``.
        limit_s: Loading a model takes a second; this only ends what hangs.

    Raises:
        ConfigurationError: It cannot be exported.
    """
    with tempfile.TemporaryDirectory(prefix="deepaas-init-") as folder:
        package, site, image = (Path(folder) / each for each in ("package", "site", "image"))
        image.mkdir()
        add_files(package, files)
        add_files(site, installed)
        paths = [str(package), str(site), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        command = ["export", "docker", name, "--output", str(image)]
        done = _deepaas(command, {"PYTHONPATH": os.pathsep.join(filter(None, paths))}, limit_s)
        if done.returncode != 0:
            raise ConfigurationError(f"The new package cannot be exported: {done.stderr.strip()}")
        return {each.name: each.read_text("utf-8") for each in sorted(image.iterdir())}


def _deepaas(
    arguments: Sequence[str], added: Mapping[str, str], limit_s: float
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [sys.executable, "-P", "-m", "deepaas.cmd.main", *arguments],
            env={**os.environ, **added},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ConfigurationError(
            f"The new package was not loaded within {exc.timeout:g} s; is this machine busy?"
        ) from exc
