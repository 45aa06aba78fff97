# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a worker's process keeps between calls, and how it fares when it cannot start again."""

import os
import signal
from pathlib import Path

import pytest

from tests.integration.harness import MODELS, serve, wait_for
from tests.integration.signals import serve_signalling

SPOILS = "spoils_its_process"


@pytest.mark.row("C84")
def test_what_warm_and_predict_keep_in_an_instance_and_a_module_stays(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(MODELS)}
    with serve("keeps_state:counter", tmp_path, environment=environment) as server:
        answers = [server.predict("counter").json["predictions"] for _ in range(3)]
        assert answers == [{"warmed": 1, "calls": n} for n in (1, 2, 3)]


def test_without_warm_a_model_is_not_warmed(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(MODELS)}
    with serve("keeps_state:counter", tmp_path, "--nowarm", environment=environment) as server:
        assert server.predict("counter").json["predictions"] == {"warmed": 0, "calls": 1}


@pytest.mark.parametrize(
    "how", ["closes its output", "closes sys.stdout", "changes its folder", "prints a lot"]
)
def test_a_worker_whose_process_was_spoiled_by_the_model_goes_on(how: str, tmp_path: Path) -> None:
    with serve(SPOILS, tmp_path) as server:
        [before] = server.running("worker predict")
        assert server.predict(SPOILS, how=how).json["predictions"] == how
        # Small and large answers work as before.
        assert server.predict(SPOILS, how="answers much").status == 200
        assert server.predict(SPOILS, how="no").json["predictions"] == "no"
        assert [process.pid for process in server.running("worker predict")] == [before.pid]


def test_a_worker_that_can_answer_no_more_is_replaced(tmp_path: Path) -> None:
    with serve(SPOILS, tmp_path) as server:
        # This answer needs no descriptor; the worker's next step does.
        assert server.predict(SPOILS, how="closes every descriptor").status == 200
        assert server.predict(SPOILS, how="nothing").json["predictions"] == "nothing"


def test_what_a_model_prints_is_in_the_servers_output(tmp_path: Path) -> None:
    with serve(SPOILS, tmp_path) as server:
        server.predict(SPOILS, how="prints a lot")
        assert server.output().count("a line of what a chatty library prints") == 20_000


@pytest.mark.row("F02")
def test_a_model_that_cannot_warm_again_answers_503_until_it_can(tmp_path: Path) -> None:
    model = "warms_when_allowed"
    with serve_signalling(model, tmp_path) as (server, signals):
        pid = server.predict(model).json["predictions"]
        signals.allow("to fail")
        os.kill(pid, signal.SIGKILL)
        # Whoever comes while it is tried, and later, is told.
        refused = server.predict(model)
        assert refused.status == 503
        assert "'warms_when_allowed' cannot be loaded" in refused.text
        ready = server.get("/v2/health/ready")
        assert ready.status == 503
        assert "OSError: the weights are gone" in ready.json["models"][0]["reason"]
        assert "the weights are gone" in server.output()
        # It is tried again by itself, and not without a pause.
        signals.wait_note("fails", count=2)
        assert server.output().count("ended with exit status 1") <= len(signals.notes("fails"))
        signals.forbid("to fail")
        wait_for(lambda: server.get("/v2/health/ready").status == 200)
        assert server.predict(model).json["predictions"] != pid


def test_one_of_two_workers_that_cannot_warm_again_leaves_the_other_one_serving(
    tmp_path: Path,
) -> None:
    model = "warms_when_allowed"
    with serve_signalling(model, tmp_path, "--workers=2") as (server, signals):
        pid = server.predict(model).json["predictions"]
        signals.allow("to fail")
        os.kill(pid, signal.SIGKILL)
        signals.wait_note("fails")
        for _ in range(5):
            assert server.predict(model).status == 200
        assert server.get("/v2/health/ready").status == 200
        signals.forbid("to fail")
        wait_for(lambda: server.get("/v2/health/ready").json["models"][0]["workers"] == 2)
