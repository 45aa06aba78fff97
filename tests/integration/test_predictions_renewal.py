# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""SIGUSR1 replaces the workers one by one, and no call notices."""

import os
import signal
from pathlib import Path

from tests.integration.harness import Server, serve, wait_for


def workers(server: Server) -> set[int]:
    return {process.pid for process in server.running("worker predict")}


def test_every_worker_is_replaced_while_calls_go_on(tmp_path: Path) -> None:
    model = tmp_path / "reads.py"
    model.write_text("def predict():\n    return 'first'\n")
    with serve(model, tmp_path, "--workers=2") as server:
        before = workers(server)
        model.write_text("def predict():\n    return 'the second'\n")
        os.kill(server.pid, signal.SIGUSR1)

        def is_renewed() -> bool:
            assert server.predict("reads").status == 200
            return len(workers(server)) == 2 and not workers(server) & before

        wait_for(is_renewed)
        assert server.predict("reads").json["predictions"] == "the second"
        wait_for(lambda: "is loaded anew" in server.output())


def test_workers_stay_where_the_model_cannot_be_loaded_now(tmp_path: Path) -> None:
    model = tmp_path / "reads.py"
    model.write_text("def predict():\n    return 'first'\n")
    with serve(model, tmp_path) as server:
        before = workers(server)
        model.write_text("raise RuntimeError('not now')\n")
        os.kill(server.pid, signal.SIGUSR1)
        wait_for(lambda: "The model stays as it was." in server.output())
        assert "not now" in server.output()
        assert server.predict("reads").json["predictions"] == "first"
        wait_for(lambda: workers(server) == before)
        # Not before the end of the attempt, and then again.
        model.write_text("def predict():\n    return 'mended'\n")
        os.kill(server.pid, signal.SIGUSR1)
        wait_for(lambda: server.predict("reads").json["predictions"] == "mended")
