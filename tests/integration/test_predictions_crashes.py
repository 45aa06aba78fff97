# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Workers that die again and again under load take down what they had begun, and nothing else."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.integration.harness import Answer, Server, serve, wait_for
from tests.integration.signals import Signals, serve_signalling

MODEL = "does_what_is_asked"
#: The promise is 2 s; the rest is for a busy machine.
SOON_S = 10.0
CLIENTS, DEATHS = 64, 20
#: Between two calls of a client, so that the machine has time to start workers.
PAUSE_S = 0.2


def test_twenty_deaths_under_load_cost_the_calls_that_had_begun_and_no_more(
    tmp_path: Path,
) -> None:
    with serve_signalling(MODEL, tmp_path, "--workers=2") as (server, signals):
        answers: dict[str, Answer] = {}
        is_over = threading.Event()

        def client(number: int) -> None:
            count = 0
            while not is_over.is_set():
                call = f"{number}-{count}"
                answers[call] = server.predict(MODEL, call=call)
                count += 1
                time.sleep(PAUSE_S)

        threads = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(DEATHS):
                kill_one(server, signals)
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        assert {answer.status for answer in answers.values()} <= {200, 503}
        failed = {call for call, answer in answers.items() if answer.status == 503}
        begun = signals.notes("begins")
        # Nothing ran twice; a page holds one call at most, so each death costs at most one.
        assert len(begun) == len(set(begun))
        assert len(failed) <= DEATHS
        assert all(
            answer.json["predictions"] == call
            for call, answer in answers.items()
            if answer.status == 200
        )
        assert max(answer.took_s for answer in answers.values()) < SOON_S
        assert len(answers) > CLIENTS
        wait_for(lambda: server.get("/v2/health/ready").json["models"][0]["workers"] == 2)


def kill_one(server: Server, signals: Signals) -> None:
    """Kill a worker once the model has run again, and wait until another one is there."""
    begun = len(signals.notes("begins"))
    signals.wait_note("begins", count=begun + 20)
    victim = wait_for(lambda: server.running("worker predict"))[0]
    os.kill(victim.pid, signal.SIGKILL)
    wait_for(lambda: server.get("/v2/health/ready").json["models"][0]["workers"] == 2)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("unpicklable", "Unpicklable"),
        ("runs out of memory", "MemoryError"),
    ],
)
def test_what_cannot_be_answered_is_a_clear_500_and_the_worker_goes_on(
    how: str, words: str, tmp_path: Path
) -> None:
    with serve_signalling(MODEL, tmp_path) as (server, _):
        [before] = server.running("worker predict")
        answer = server.predict(MODEL, how=how)
        assert answer.status == 500
        assert words in answer.text
        assert server.predict(MODEL, call="next").json["predictions"] == "next"
        assert [process.pid for process in server.running("worker predict")] == [before.pid]


@pytest.mark.parametrize("how", ["sigkill", "segfault", "os._exit", "sys.exit"])
def test_a_call_that_ends_its_process_is_503_and_the_next_one_is_answered(
    how: str, tmp_path: Path
) -> None:
    with serve("killed_in_predict", tmp_path) as server:
        answer = server.predict("killed_in_predict", how=how)
        assert answer.status == 503
        assert answer.took_s < SOON_S
        assert server.predict("killed_in_predict").status == 200


def test_the_id_of_a_request_and_who_made_it_reach_the_model(tmp_path: Path) -> None:
    with serve_signalling(MODEL, tmp_path) as (server, _):
        answer = server.request(
            "POST", f"/v2/models/{MODEL}/predict/?how=who", headers={"X-Request-ID": "mine-1"}
        )
        assert answer.headers["X-Request-ID"] == "mine-1"
        assert answer.json["predictions"] == ["mine-1", None]
        answer = server.predict(MODEL, how="who")
        assert answer.json["predictions"][0] == answer.headers["X-Request-ID"]
        started = server.request(
            "POST", f"/v2/models/{MODEL}/train/", headers={"X-Request-ID": "mine-2"}
        )
        ended = server.wait_training(MODEL, started.json["uuid"])
        assert ended["result"]["output"] == ["mine-2", None]
