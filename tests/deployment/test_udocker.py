# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""udocker runs the image that is built from the exported Dockerfile, in mode R1."""

import json
from pathlib import Path

import pytest

from tests.deployment.udocker import Udocker

SAMPLES = Path(__file__).parents[2] / "examples" / "digits" / "samples"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def test_the_image_predicts_in_mode_r1(udocker: Udocker, image: str, tmp_path: Path) -> None:
    container = udocker("create", image).split()[-1]
    udocker("setup", "--execmode=R1", container)
    said = udocker(
        "run",
        *("--nobanner", f"--volume={tmp_path}:/state", f"--volume={SAMPLES}:/samples"),
        container,
        *("deepaas-cli", "--model-name=digits", "--deepaas_method_output", "/state/answer"),
        *("predict", "--data", "/samples/7.png"),
    )
    assert (tmp_path / "answer").exists(), said
    assert json.loads((tmp_path / "answer").read_text())["digit"] == 7
