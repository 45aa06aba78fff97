# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The image of the digits example, built once for all tests of this folder."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepaas.cmd.main import main
from tests.deployment.buildah import PATIENCE_S, Buildah
from tests.deployment.udocker import Udocker

ROOT = Path(__file__).parents[2]
PROGRAMS = ("buildah", "debootstrap")
#: A folder with a system made by the same command, for those who run these tests again and again.
PREPARED = "DEEPAAS_TEST_ROOTFS"
IMAGE = "localhost/digits:1.0.0"


@pytest.fixture(scope="session")
def buildah() -> Iterator[Buildah]:
    missing = [each for each in PROGRAMS if shutil.which(each) is None]
    if missing:
        names = " ".join(missing)
        pytest.skip(f"not installed: apt-get install --no-install-recommends {names}")
    if os.geteuid() != 0:
        pytest.skip("a system is made and entered by root alone")
    with tempfile.TemporaryDirectory(prefix="dpb-") as folder:
        yield Buildah(Path(folder))


@pytest.fixture(scope="session")
def base(buildah: Buildah) -> str:
    """Return an image that stands in for one with Python, as platforms have them."""
    name = "localhost/python:bookworm"
    prepared = os.environ.get(PREPARED)
    if prepared:
        buildah.import_root(name, Path(prepared))
        return name
    with tempfile.TemporaryDirectory(prefix="dpr-") as folder:
        # Made by debootstrap, and so open to every user of the system.
        root = Path(folder, "root")
        included = "python3,python3-venv,python3-pip,ca-certificates"
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={included}", "bookworm", str(root)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=PATIENCE_S,
            check=True,
        )
        # A third of it; every stage of a build copies the whole.
        for rest in ("var/cache/apt", "var/lib/apt/lists"):
            shutil.rmtree(root / rest)
        buildah.import_root(name, root)
    return name


@pytest.fixture(scope="session")
def image(buildah: Buildah, base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build what ``deepaas export docker`` writes, with the DEEPaaS of this checkout."""
    folder = tmp_path_factory.mktemp("context")
    context, source = folder / "digits", folder / "source"
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
    shutil.copytree(ROOT / "examples" / "digits", context, ignore=unwanted)
    assert main(["export", "docker", "digits", "--output", str(context)]) == 0
    # A copy of the source: setuptools leaves folders where it builds.
    shutil.copytree(ROOT / "deepaas", source / "deepaas", ignore=unwanted)
    for file in filter(Path.is_file, ROOT.iterdir()):
        shutil.copy(file, source)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
            *("--wheel-dir", str(context / "vendor"), str(source)),
        ],
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        check=True,
    )
    buildah.build(IMAGE, context, {"base": base})
    return IMAGE


@pytest.fixture(scope="session")
def udocker(buildah: Buildah, image: str) -> Iterator[Udocker]:
    """Give udocker the image."""
    with tempfile.TemporaryDirectory(prefix="dpu-") as folder:
        udocker = Udocker(Path(folder))
        udocker.load(buildah, image, Path(folder))
        yield udocker
