# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The orchestrator of this machine, within the test's process, with programs of a few lines."""

import asyncio
import io
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from deepaas.orchestrator.local.deployer import Place
from deepaas.orchestrator.local.planning import Template
from deepaas.orchestrator.local.records import CannotDeploy, Program
from deepaas.orchestrator.local.serving import serving

#: No program here takes so long for anything; it only ends what hangs.
PATIENCE_S = 60.0

_SERVE = """
import http.server, signal, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if "{ready}" else 503)
        self.end_headers()
    def log_message(self, *given):
        pass
options = dict(word.split("=", 1) for word in sys.argv[1:])
if "{deaf}":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
place = options["--listen-ip"], int(options["--listen-port"])
server = http.server.HTTPServer(place, Ready)
print("listening", flush=True)
server.serve_forever()
"""
#: What the programs do, by the command that a template gives.
PROGRAMS = {
    "serve": _SERVE.format(ready="yes", deaf=""),
    "deaf": _SERVE.format(ready="yes", deaf="yes"),
    "unready": _SERVE.format(ready="", deaf=""),
    "end": "print('no luck'); raise SystemExit(3)",
    "quiet": "raise SystemExit(4)",
    "job": "print('worked')",
    "slow job": "import time; print('working', flush=True); time.sleep(600)",
    "bad job": "print('it broke'); raise SystemExit(5)",
}

TEMPLATE = """
tosca_definitions_version: tosca_simple_yaml_1_0
imports: [{indigo_custom_types: deepaas_indigo_types.yaml}]
topology_template:
  inputs:
    command: {type: string, default: serve}
    cpus: {type: float, required: false}
  node_templates:
    docker:
      type: tosca.nodes.indigo.Container.Runtime.Docker
      capabilities:
        host: {properties: {publish_ports: [{protocol: tcp, source: 5000}]}}
    app:
      type: tosca.nodes.indigo.Container.Application.Docker.Marathon
      properties: {command: {get_input: command}}
      requirements: [{host: docker}]
  outputs:
    url:
      value: {concat: ["http://", {get_attribute: [app, load_balancer_ips, 0]}, ":",
        {get_attribute: [docker, host, publish_ports, 0, target]}]}
"""
UPDATABLE = """
tosca_definitions_version: tosca_simple_yaml_1_0
imports: [{indigo_custom_types: deepaas_indigo_types.yaml}]
topology_template:
  inputs:
    command: {type: string, default: serve}
  node_templates:
    app:
      type: tosca.nodes.indigo.DEEPaaScont
      properties: {dockerhub_img: {get_input: command}}
      requirements: [{host: machine}]
    machine:
      type: tosca.nodes.indigo.Compute
"""


def plan(template: Template) -> tuple[Program, ...]:
    """Return a program of this module for the template's one application."""
    command = template.value("app", "properties", "command") or template.value(
        "app", "properties", "dockerhub_img"
    )
    if command not in PROGRAMS:
        raise CannotDeploy(f"there is no {command!r}")
    argv = (sys.executable, "-S", "-c", PROGRAMS[command])
    return (Program("app", command.endswith("job"), argv, {}, notes=("a note",)),)


class Paas:
    """A client that sees everything."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session
        #: Header of the last answer that had it.
        self.retry_after = ""

    async def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Return status and JSON, or text, of an answer; a text is sent as it is."""
        given = {"Authorization": "Bearer token", **(headers or {})}
        data = None
        if body is not None and not isinstance(body, str):
            given["Content-Type"] = "application/json"
            body = json.dumps(body)
        if body is not None:
            data = io.BytesIO(body.encode())
        async with self._session.request(
            method, f"{self.url}{path}", headers=given, data=data
        ) as response:
            self.retry_after = response.headers.get("Retry-After", self.retry_after)
            if response.content_type == "application/json":
                return response.status, await response.json()
            return response.status, await response.text()

    async def create(self, command: str = "serve", template: str = TEMPLATE, **more: Any) -> str:
        """Create a deployment and return its name."""
        body = {"template": template, "parameters": {"command": command}, **more}
        status, created = await self.ask("POST", "/deployments", body)
        assert status == 201, created
        return str(created["uuid"])

    async def wait(self, uuid: str, status: str) -> Any:
        """Return the deployment once it has a status."""

        async def has_it() -> Any:
            _, found = await self.ask("GET", f"/deployments/{uuid}")
            return found if found["status"] == status else None

        return await eventually(has_it)


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """Return the first true value that looking again and again gives."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := await look()):
        assert time.monotonic() < deadline, look
        await asyncio.sleep(0.02)
    return found


@asynccontextmanager
async def paas(
    folder: Path, *, token: str | None = None, grace_s: float = 30
) -> AsyncIterator[Paas]:
    """Serve until the block is left."""
    place = Place(folder, plan, grace_s)
    async with serving(place, token, "127.0.0.1", 0) as url, aiohttp.ClientSession() as session:
        yield Paas(url, session)
