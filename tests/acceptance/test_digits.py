# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The digits example, served: what its README and the quickstart promise."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import Server, serve, wait_for

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/digits"
PREDICT = "/v2/models/digits/predict/"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve("digits", tmp_path_factory.mktemp("digits")) as running:
        yield running


@pytest.mark.parametrize("digit", range(10))
def test_every_sample_is_read_right(server: Server, digit: int) -> None:
    sample = (EXAMPLE / f"samples/{digit}.png").read_bytes()
    answer = server.upload(PREDICT, [("data", f"{digit}.png", sample)])
    assert answer.json["predictions"]["digit"] == digit


def test_a_jpeg_is_read(server: Server) -> None:
    scan = (EXAMPLE / "samples/scan.jpg").read_bytes()
    answer = server.upload(PREDICT, [("data", "scan.jpg", scan)])
    assert answer.json["predictions"]["digit"] == 4


def test_what_is_no_image_is_the_clients_mistake(server: Server) -> None:
    answer = server.upload(PREDICT, [("data", "7.png", b"not an image")])
    assert answer.status == 400
    assert "image" in answer.text


def test_an_annotated_png_is_given_by_accept(server: Server) -> None:
    sample = (EXAMPLE / "samples/7.png").read_bytes()
    answer = server.upload(PREDICT, [("data", "7.png", sample)], headers={"Accept": "image/png"})
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.body.startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize(
    "parameters",
    [{}, {"epochs": 7, "learning_rate": 0.01, "hidden_units": 24, "seed": 3, "test_fraction": 0.3}],
)
def test_training_over_rest_equals_a_plain_script(
    server: Server, parameters: dict[str, float]
) -> None:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in parameters.items()]
    script = EXAMPLE / "tests/plain_digits.py"
    plain = subprocess.run(
        [sys.executable, str(script), *options], capture_output=True, text=True, check=True
    )
    started = server.train("digits", **parameters)
    ended = server.wait_training("digits", started["uuid"])
    assert ended["status"] == "done", ended
    result = ended["result"]["output"]
    assert result["accuracy"] == float(plain.stdout)
    assert ended["progress"]["done"] == ended["progress"]["total"] == result["epochs"]
    assert ended["progress"]["metrics"]["accuracy"] == result["accuracy"]


def test_the_trained_model_is_kept_served_and_evaluated(server: Server) -> None:
    """The evaluation finds out what the training had measured."""
    model = "/v2/models/digits"
    state = Path(server.folder) / "state/jobs"
    uuid = server.train("digits", epochs=1)["uuid"]
    trained = server.wait_training("digits", uuid)
    assert trained["status"] == "done", trained
    assert [file.name for file in (state / uuid / "artifacts").iterdir()] == ["digits.joblib"]
    assert server.request("POST", f"{model}/jobs/{uuid}/promote").status == 200
    assert server.request("POST", f"{model}/evaluate/").status == 202
    wait_for(lambda: server.get(f"{model}/versions/").json["versions"][0]["evaluation"])
    newest = server.get(f"{model}/versions/").json["versions"][0]
    found, output = newest["evaluation"]["metrics"], trained["result"]["output"]
    assert newest["version"] == 1
    assert (found["accuracy"], found["n_test"]) == (output["accuracy"], output["n_test"])
