# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas image check`` reads what Debian's buildah writes, in each of its formats."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deepaas.images import check_image

pytestmark = pytest.mark.skipif(
    shutil.which("buildah") is None or os.getuid() != 0,
    reason="buildah is missing (apt-get install buildah), or its user is not root",
)
CONFIGURED = (
    *("--port=5000", "--port=6006", "--port=8888", "--user=10001", "--env=X=1"),
    *("--label=deepaas.arguments={}", "--healthcheck=CMD true"),
    '--cmd=["deepaas-run", "--listen-ip=0.0.0.0"]',
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an image without layers in three formats."""
    place = tmp_path_factory.mktemp("image")

    def buildah(*argv: str) -> str:
        storage = [f"--root={place / 'root'}", f"--runroot={place / 'run'}"]
        done = subprocess.run(
            ["buildah", *storage, "--storage-driver=vfs", *argv],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    container = buildah("from", "scratch")
    buildah("config", *CONFIGURED, container)
    buildah("commit", "--quiet", "--format=docker", container, "localhost/leaves:1.0")
    for kind, name in (("oci", "layout"), ("oci-archive", "oci.tar"), ("docker-archive", "d.tar")):
        buildah("push", "--quiet", "localhost/leaves:1.0", f"{kind}:{place / name}:leaves:1.0")
    return place


@pytest.mark.parametrize(
    ("reference", "faults"),
    [
        # The format of OCI has no health checks.
        ("oci:{}/layout:leaves:1.0", {"health"}),
        ("oci-archive:{}/oci.tar:leaves:1.0", {"health"}),
        ("docker-archive:{}/d.tar:leaves:1.0", set()),
        ("{}/d.tar", set()),
    ],
)
def test_an_image_of_buildah_is_read(reference: str, faults: set[str], folder: Path) -> None:
    verdicts = {each.check: each for each in check_image(reference.format(folder))}
    assert {name for name, each in verdicts.items() if not each.is_good} == faults
    assert verdicts["command"].text == "deepaas-run --listen-ip=0.0.0.0"
