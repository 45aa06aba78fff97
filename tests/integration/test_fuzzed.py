# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A fuzzer sends what the documents allow, and what they do not, and looks at every answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.harness import MODELS, Server, serve

HERE = Path(__file__).parent
EVERY = MODELS / "every_field.py"
#: Requests an operation, of some hundred operations; more of them find more, in minutes.
FEW = "12"
EXAMPLES = os.environ.get("DEEPAAS_TEST_EXAMPLES", FEW)
#: Only ends what hangs.
FUZZING_S = 1200 if EXAMPLES == FEW else 7200
HOLDS = "waits_in_train"
FUZZED = f"{EVERY},minimal,digits,legacy"


def ended_job(server: Server, model: str, given: object) -> str:
    """Train a model to the end, and return the job's id."""
    headers = {"Content-Type": "application/json"}
    path = f"/v2/models/{model}/train/"
    answer = server.request("POST", path, body=json.dumps(given).encode(), headers=headers)
    uuid = str(answer.json["uuid"])
    assert server.wait_training(model, uuid)["status"] == "done"
    return uuid


@pytest.mark.row("F14")
@pytest.mark.slow
@pytest.mark.timeout(FUZZING_S)
@pytest.mark.parametrize("document", ["openapi.json", "swagger.json"])
def test_a_fuzzer_finds_nothing_that_a_document_does_not_say(document: str, tmp_path: Path) -> None:
    with serve(f"{FUZZED},{MODELS / HOLDS}.py", tmp_path) as server:
        inputs = {"every_field": {"settings": {}}, "digits": {"epochs": 1}}
        ended = {model: [ended_job(server, model, inputs[model])] for model in inputs}
        # What the fuzzer asks for waits behind it: some thousand processes would only take time.
        server.train(HOLDS, gate=tmp_path / "never")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                f"--config-file={HERE / 'schemathesis.toml'}",
                *("run", f"http://127.0.0.1:{server.port}/{document}"),
                f"--exclude-path-regex=/{HOLDS}/",
                # A promotion loads the model anew: a busy machine is no finding.
                "--request-timeout=60",
                *("--checks=all", "--seed=1", f"--max-examples={EXAMPLES}", "--no-color"),
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.integration.fuzzing",
                "FUZZING_ENDED_JOBS": json.dumps(ended),
                "PYTHONPATH": str(HERE.parents[1]),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2_000:]
