# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The orchestrator of this machine as a process, an agent for tokens, and templates."""

import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from deepaas.orchestrator.local.processes import MARK
from tests.integration.harness import MODELS, NO_AUTHORITIES, PATIENCE_S, wait_for

TOKEN = "a-token-of-the-agent"
IMAGE = "example/model"
COMMAND = (sys.executable, "-m", "deepaas.cmd.main", "orchestrator")

SERVICE = f"""
tosca_definitions_version: tosca_simple_yaml_1_0
imports:
  - indigo_custom_types: https://raw.githubusercontent.com/indigo-dc/tosca-types/master/custom_types.yaml
topology_template:
  inputs:
    docker_image: {{type: string, default: "{IMAGE}:cpu"}}
    num_cpus: {{type: float, default: 1.0}}
    command: {{type: string, default: "deepaas-run --listen-ip=0.0.0.0 --listen-port=5000"}}
  node_templates:
    docker:
      type: tosca.nodes.indigo.Container.Runtime.Docker
      capabilities:
        host:
          properties:
            num_cpus: {{get_input: num_cpus}}
            publish_ports: [{{protocol: tcp, source: 6006}}, {{protocol: tcp, source: 5000}}]
    service:
      type: tosca.nodes.indigo.Container.Application.Docker.Marathon
      properties: {{command: {{get_input: command}}}}
      artifacts:
        image:
          file: {{get_input: docker_image}}
          type: tosca.artifacts.Deployment.Image.Container.Docker
      requirements: [{{host: docker}}]
  outputs:
    deepaas_endpoint:
      value: {{concat: ["http://", {{get_attribute: [service, load_balancer_ips, 0]}}, ":",
        {{get_attribute: [docker, host, publish_ports, 1, target]}}]}}
    monitor_endpoint:
      value: {{concat: ["http://", {{get_attribute: [docker, host, publish_ports, 0, target]}}]}}
"""
JOB = SERVICE.replace("Docker.Marathon", "Docker.Chronos").partition("  outputs:")[0]
MACHINE = f"""
tosca_definitions_version: tosca_simple_yaml_1_0
imports:
  - indigo_custom_types: https://raw.githubusercontent.com/indigo-dc/tosca-types/master/custom_types.yaml
topology_template:
  node_templates:
    app:
      type: tosca.nodes.indigo.DEEPaaScont
      properties: {{dockerhub_img: "{IMAGE}"}}
      requirements: [{{host: machine}}]
    machine:
      type: tosca.nodes.indigo.Compute
      capabilities:
        endpoint: {{properties: {{ports: {{deepaas: {{protocol: tcp, source: 5000}}}}}}}}
  outputs:
    deepaas_url:
      value: {{concat: ["http://", {{get_attribute: [machine, public_address, 0]}}, ":5000"]}}
"""


class Orchestrator:
    """``deepaas orchestrator serve-local`` as a process."""

    def __init__(self, folder: Path, model: str) -> None:
        self.state_dir = folder / "state"
        self._folder = folder
        self._model = MODELS / f"{model}.py"
        self._process: subprocess.Popen[str]
        self.url = ""

    def start(self) -> None:
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(*COMMAND, "serve-local", f"--image={IMAGE}={self._model}"),
                    *("--listen-port=0", f"--state-dir={self.state_dir}", "--grace=20"),
                ],
                env={**os.environ, **NO_AUTHORITIES},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split(" ")[0]
        assert self.url, (self._folder / "log").read_text()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self._process.send_signal(number)
        status = self._process.wait(PATIENCE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status

    def ask(self, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        """Run ``deepaas orchestrator`` against it."""
        return self.run([*COMMAND, *map(str, argv)])

    def run(self, command: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a client, in an environment that leads here."""
        return subprocess.run(
            command,
            cwd=self._folder,
            env={
                **os.environ,
                **NO_AUTHORITIES,
                "ORCHESTRATOR_URL": self.url,
                "ORCHESTRATOR_TOKEN": TOKEN,
                "XDG_STATE_HOME": str(self._folder / "kept"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def told(self, *argv: str | Path) -> Any:
        """Run ``deepaas orchestrator``, which must succeed, and return its JSON."""
        done = self.ask(*argv, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@contextmanager
def orchestrating(folder: Path, model: str) -> Iterator[Orchestrator]:
    """Run an orchestrator whose image stands for a model, until the block ends."""
    orchestrator = Orchestrator(folder, model)
    orchestrator.start()
    try:
        yield orchestrator
    finally:
        orchestrator.end()


def processes_of(uuid: str) -> list[psutil.Process]:
    """Return what runs for a deployment."""
    entry = f"{MARK}={uuid}".encode()
    found = []
    for pid in psutil.pids():
        try:
            if entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(psutil.Process(pid))
        except (OSError, psutil.Error):
            continue  # gone meanwhile, or another user's
    return found


def wait_none(uuid: str) -> None:
    wait_for(lambda: not processes_of(uuid))


def predict(endpoint: str, model: str, query: str = "", *, key: str = "") -> Any:
    """Predict at an endpoint, and return the answer."""
    url = f"{endpoint.rstrip('/')}/v2/models/{model}/predict/{query}"
    request = urllib.request.Request(url, method="POST", headers={"X-API-Key": key} if key else {})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        return json.load(response)


class _Agent(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        """Answer as oidc-agent does: one JSON each way, and then the end."""
        asked = json.loads(self.request.recv(65536))
        answer: dict[str, Any] = {"status": "failure", "error": "No account loaded"}
        if (asked["request"], asked["account"]) == ("access_token", "egi"):
            answer = {"status": "success", "access_token": TOKEN, "expires_at": 2**40}
        self.request.sendall(json.dumps(answer).encode())


@contextmanager
def agent(path: Path) -> Iterator[None]:
    """Be an oidc-agent with the account ``egi``, at a socket, until the block ends."""
    with socketserver.UnixStreamServer(str(path), _Agent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
