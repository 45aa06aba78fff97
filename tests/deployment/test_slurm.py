# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Slurm runs the exported batch scripts, and in them udocker the image that was built."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepaas.cmd.main import main
from tests.deployment.cluster import Cluster, require_slurm, slurm
from tests.deployment.udocker import Udocker
from tests.integration.harness import wait_for
from tests.service import free_port

require_slurm()

SAMPLES = Path(__file__).parents[2] / "examples" / "digits" / "samples"
#: For one job, on a machine that does other things.
_JOB_S = 600.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def cluster(udocker: Udocker, image: str) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="dps-") as name:
        folder = Path(name)
        for flavour in ("train", "predict", "serve"):
            export = ["export", "slurm", "digits", "--flavour", flavour, "--image", image]
            assert main([*export, "--output", name]) == 0
        with slurm(folder, udocker.environment) as cluster:
            yield cluster


def ended(cluster: Cluster, job: int) -> tuple[str, Path, str]:
    """Wait for a job; return its state, the folder of what it made, and all that was printed."""
    state = cluster.wait_until(job, "COMPLETED", "CANCELLED", limit_s=_JOB_S)
    made = cluster.folder / f"digits-{job}"
    logs = (cluster.folder / f"digits-{job}.log", made / "log")
    return state, made, "\n".join(log.read_text() for log in logs if log.exists())


def ask(port: int, path: str, *options: str) -> str:
    """Return what the service answers; nothing while it does not."""
    url = f"http://127.0.0.1:{port}/v2/{path}"
    done = subprocess.run(
        ["curl", "--silent", *options, url], capture_output=True, text=True, check=False
    )
    return done.stdout


def test_a_training_leaves_what_it_made(cluster: Cluster) -> None:
    state, made, said = ended(cluster, cluster.submit("slurm-train.sh", "--epochs=2"))
    assert state == "COMPLETED", said
    assert json.loads((made / "result.json").read_text())["result"]["output"]["epochs"] == 2
    assert [each.name for each in (made / "artifacts").iterdir()] == ["digits.joblib"]


def test_a_training_that_fails_is_a_job_that_failed(cluster: Cluster) -> None:
    state, _, said = ended(cluster, cluster.submit("slurm-train.sh", "--epochs=many"))
    assert state == "FAILED"
    assert "epochs: Not a valid integer." in said


def test_each_file_of_a_folder_is_predicted(cluster: Cluster) -> None:
    inputs = cluster.folder / "to be predicted"
    inputs.mkdir()
    shutil.copy(SAMPLES / "7.png", inputs / "a sévèn.v2.png")
    shutil.copy(SAMPLES / "3.png", inputs)
    state, made, said = ended(cluster, cluster.submit("slurm-predict.sh", str(inputs)))
    assert state == "COMPLETED", said
    found = {
        each.name: json.loads(each.read_text())["digit"]
        for each in (made / "predictions").iterdir()
    }
    assert found == {"a sévèn.v2.json": 7, "3.json": 3}


def test_what_is_to_be_predicted_has_to_be_there(cluster: Cluster) -> None:
    state, _, said = ended(cluster, cluster.submit("slurm-predict.sh", "nothing"))
    assert state == "FAILED"
    assert "nothing: No such file" in said


def test_a_service_answers_who_has_a_key_until_the_job_is_cancelled(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    (cluster.folder / "keys").mkdir()
    file = cluster.folder / "keys" / "keys"
    assert main(["keys", "create", "--name=ada", "--role=predict", f"--file={file}"]) == 0
    key = capsys.readouterr().out.strip()
    port = free_port()
    job = cluster.submit(
        "slurm-serve.sh", DEEPAAS_API_KEYS_FILE="keys/keys", DEEPAAS_PORT=str(port)
    )
    wait_for(lambda: '"ready"' in ask(port, "health/ready"), limit_s=_JOB_S)
    predict = ("models/digits/predict/", "--form", f"data=@{SAMPLES / '7.png'}")
    assert ask(port, *predict) == "401: Sign in first."
    answer = json.loads(ask(port, *predict, "--header", f"X-API-Key: {key}"))
    assert answer["predictions"]["digit"] == 7
    cluster.run("scancel", str(job))
    state, made, said = ended(cluster, job)
    assert state == "CANCELLED"
    # In order, and not by SIGKILL.
    assert "Stopping." in said
    assert (made / "status").read_text() == "0\n"


def test_a_service_without_keys_does_not_begin(cluster: Cluster) -> None:
    state, _, said = ended(cluster, cluster.submit("slurm-serve.sh"))
    assert state == "FAILED"
    assert "DEEPAAS_API_KEYS_FILE has to name" in said
