# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The example in PyTorch, served and at the command line: what its README promises."""

import json
import signal
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.integration.harness import PATIENCE_S, serve, wait_for

pytestmark = pytest.mark.skipif(
    not (find_spec("torch") and find_spec("torch_cnn_model")),
    reason="PyTorch or the example is not installed: make test TORCH=torch",
)

SAMPLE = Path(__file__).parents[2] / "examples/digits/samples/7.png"


def test_it_predicts_and_trains_over_rest(tmp_path: Path) -> None:
    with serve("torch_cnn", tmp_path) as server:
        sent = [("data", "7.png", SAMPLE.read_bytes())]
        answer = server.upload("/v2/models/torch_cnn/predict/", sent)
        assert answer.json["predictions"]["digit"] == 7
        uuid = server.train("torch_cnn", epochs=3, seed=5)["uuid"]
        ended = server.wait_training("torch_cnn", uuid)
        result = ended["result"]["output"]
        assert result["accuracy"] == ended["progress"]["metrics"]["accuracy"]
        job = tmp_path / "state/jobs" / uuid
        assert [file.name for file in (job / "artifacts").iterdir()] == ["weights.pt"]
        record = json.loads((job / "record.json").read_text())
        assert record["seed"] == 5
        assert f"torch=={version('torch')}" in record["packages"]


def test_a_training_at_the_command_line_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "deepaas.cmd.cli", "--nowarm"),
        *("--deepaas_artifact_dir=out", "--model-name=torch_cnn", "train"),
    ]
    checkpoint = tmp_path / "out/checkpoints/last.pt"
    said = tmp_path / "said"
    with said.open("wb") as errors:
        process = subprocess.Popen(
            [*command, "--epochs=10000"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=errors
        )
        wait_for(checkpoint.exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 128 + signal.SIGINT
    assert "Cancelled." in said.read_text()
    epochs = said.read_text().count("epoch ")
    done = subprocess.run(
        [*command, f"--epochs={epochs + 2}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert f"Going on after epoch {epochs}." in done.stderr
    output = json.loads(done.stdout)["result"]["output"]
    assert (output["resumed_after"], output["epochs"]) == (epochs, epochs + 2)
    assert (tmp_path / "out/weights.pt").exists()
