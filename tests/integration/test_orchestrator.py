# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A template is deployed on this machine: it answers, is replaced, and leaves no process."""

import json
import os
import signal
import sys
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import wait_for
from tests.integration.orchestrators import (
    COMMAND,
    JOB,
    MACHINE,
    SERVICE,
    Orchestrator,
    agent,
    orchestrating,
    predict,
    processes_of,
    wait_none,
)

MODEL = "keeps_what_it_learns"
ORPY = Path(__file__).parents[1] / "peers/.venv/bin/orpy"


def answers(endpoint: str) -> bool:
    try:
        return bool(predict(endpoint, MODEL)["status"] == "OK")
    except OSError:
        return False


@pytest.fixture(scope="module")
def orchestrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchestrator]:
    folder = tmp_path_factory.mktemp("paas")
    for name, text in (("service", SERVICE), ("job", JOB), ("machine", MACHINE)):
        (folder / f"{name}.yml").write_text(text)
    with orchestrating(folder, MODEL) as running:
        yield running


def test_a_service_is_deployed_replaced_and_deleted(orchestrator: Orchestrator) -> None:
    """It predicts at its endpoint; Marathon's rule is kept; nothing runs behind its deletion."""
    created = orchestrator.told("create", "service.yml", "--parameter=num_cpus=2", "--wait")
    assert created["status"] == "CREATE_COMPLETE"
    outputs = created["outputs"]
    assert outputs["monitor_endpoint"] is None
    assert predict(outputs["deepaas_endpoint"], MODEL)["status"] == "OK"
    refused = orchestrator.ask("update", created["uuid"], "service.yml")
    assert refused.returncode == 1
    assert "MARATHON deployments cannot be updated. Use `deepaas orchestrator redeploy`" in (
        refused.stderr
    )
    again = orchestrator.told("redeploy", created["uuid"], "--wait")
    assert again["uuid"] != created["uuid"]
    assert processes_of(created["uuid"]) == []
    assert predict(again["outputs"]["deepaas_endpoint"], MODEL)["status"] == "OK"
    assert "Serving" in orchestrator.told("log", again["uuid"])["log"]
    assert orchestrator.ask("delete", again["uuid"], "--wait").returncode == 0
    assert processes_of(again["uuid"]) == []
    states = {one["uuid"]: one["status"] for one in orchestrator.told("list")}
    assert states[created["uuid"]] == states[again["uuid"]] == "DELETE_COMPLETE"


def test_a_job_runs_once_and_its_failure_is_one(orchestrator: Orchestrator) -> None:
    done = orchestrator.told(
        *("create", "job.yml", "--wait", "--parameter=command=deepaas-cli train --say=hello")
    )
    assert done["status"] == "CREATE_COMPLETE"
    assert processes_of(done["uuid"]) == []
    assert '"status":"done"' in orchestrator.told("log", done["uuid"])["log"]
    failed = orchestrator.ask(
        *("create", "job.yml", "--wait", "--json"),
        "--parameter=command=deepaas-cli train --nothing-of-that-name=1",
    )
    assert failed.returncode == 1
    assert "nothing-of-that-name" in json.loads(failed.stdout)["statusReason"]


def test_a_machine_has_its_port_and_is_updated(orchestrator: Orchestrator) -> None:
    """Its outputs name the port, so it gets an address of its own; a service that dies is back."""
    created = orchestrator.told("create", "machine.yml", "--wait")
    url = created["outputs"]["deepaas_url"]
    assert url.endswith(":5000")
    assert predict(url, MODEL)["status"] == "OK"
    leader = next(one for one in processes_of(created["uuid"]) if os.getsid(one.pid) == one.pid)
    leader.kill()
    leader.wait()
    wait_for(lambda: answers(url))
    assert "ended with status -9" in orchestrator.told("show", created["uuid"])["statusReason"]
    assert orchestrator.ask("update", created["uuid"], "machine.yml").returncode == 0
    updated = orchestrator.told("wait", created["uuid"])
    assert updated["status"] == "UPDATE_COMPLETE"
    assert orchestrator.ask("delete", created["uuid"], "--wait").returncode == 0


def test_what_is_exported_is_deployed(orchestrator: Orchestrator, tmp_path: Path) -> None:
    """With sign-in on, as the template asks for."""

    def run(*argv: str) -> str:
        done = orchestrator.run([sys.executable, "-m", "deepaas.cmd.main", *argv])
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("export", "tosca", "minimal", "--flavour=marathon", f"--output={tmp_path}")
    key = run("keys", "create", "--name=ada", "--role=predict", f"--file={tmp_path / 'keys'}")
    lines = (tmp_path / "keys").read_text().splitlines()
    (tmp_path / "line").write_text(";".join(line for line in lines if not line.startswith("#")))
    created = orchestrator.told(
        *("create", tmp_path / "tosca-marathon.yml", "--wait"),
        f"--parameter-file=deepaas_api_keys={tmp_path / 'line'}",
    )
    endpoint = created["outputs"]["deepaas_endpoint"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        predict(endpoint, "minimal", "?sequence=ACG")
    refused.value.close()
    assert refused.value.code == 401
    answer = predict(endpoint, "minimal", "?sequence=ACG", key=key.strip())
    assert answer["predictions"]["length"] == 3
    assert orchestrator.ask("delete", created["uuid"], "--wait").returncode == 0
    assert processes_of(created["uuid"]) == []


@pytest.mark.skipif(not ORPY.exists(), reason="orpy is not installed; `make test` does it")
def test_orpy_lists_and_creates(orchestrator: Orchestrator, tmp_path: Path) -> None:
    """It signs in through an agent, and writes its header without a blank."""
    socket = tmp_path / "agent"
    environment = {"OIDC_SOCK": str(socket), "OIDC_ACCOUNT": "egi"}
    with agent(socket):

        def orpy(*argv: str) -> str:
            done = orchestrator.run([str(ORPY), *argv], **environment)
            assert done.returncode == 0, done.stderr
            return done.stdout

        command = "command=deepaas-run; echo"
        created = json.loads(orpy(*["deployment", "create", "-f", "json", "service.yml"], command))
        uuid = created["uuid"]
        assert uuid in orpy("deployment", "list")
        # Our own client, with the same agent.
        shown = orchestrator.run(
            [*COMMAND, "wait", uuid, "--json"],
            ORCHESTRATOR_TOKEN="",
            **environment,
        )
        assert shown.returncode == 1, shown.stderr
        assert "needs a shell" in json.loads(shown.stdout)["statusReason"]
        assert "tosca_definitions_version" in orpy("deployment", "template", uuid)
        orpy("deployment", "delete", uuid)


def test_what_ran_is_found_again_and_stopped(tmp_path: Path) -> None:
    """Killed, an orchestrator finds its services again; stopped, it ends and starts them again."""
    (tmp_path / "service.yml").write_text(SERVICE)
    with orchestrating(tmp_path, MODEL) as one:
        uuid = one.told("create", "service.yml", "--wait")["uuid"]
        (first, *_) = processes_of(uuid)
        one.end(signal.SIGKILL)
        one.start()
        shown = one.told("show", uuid)
        assert shown["status"] == "CREATE_COMPLETE"
        assert first in processes_of(uuid)
        assert predict(shown["outputs"]["deepaas_endpoint"], MODEL)["status"] == "OK"
        assert one.end() == 0
        assert processes_of(uuid) == []
        one.start()

        wait_for(lambda: answers(one.told("show", uuid)["outputs"]["deepaas_endpoint"]))
    wait_none(uuid)
