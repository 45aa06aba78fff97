# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Where the services of a deployment answer, and what its outputs can ask for."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp

from deepaas.orchestrator.local.planning import Template
from deepaas.orchestrator.local.records import Program, Running

#: The output that every deployment with a service has; templates that mean a proxy in front of it
#: declare an address that nothing here answers at.
ENDPOINT: Final = "deepaas_endpoint"
_POLL_S: Final = 0.1
_ANSWERS_S: Final = 10.0


def url_of(program: Program, running: Running) -> str:
    """Return the address of a service."""
    return f"http://{running.address}:{running.port}{program.base_path}"


async def wait_ready(url: str) -> None:
    """Wait until every model of a service can be called; the caller limits how long."""
    timeout = aiohttp.ClientTimeout(total=_ANSWERS_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            try:
                async with session.get(f"{url}/v2/health/ready") as response:
                    if response.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass  # it does not listen yet
            await asyncio.sleep(_POLL_S)


def outputs_of(
    template: Template, programs: Sequence[Program], running: Sequence[Running]
) -> dict[str, Any]:
    """Return the outputs of a deployment whose services answer.

    What nothing here stands for, such as the port of a monitor that does not run, is ``None``.
    """
    places = {each.node: each for each in running}
    services = [program for program in programs if not program.is_job]
    attributes: dict[str, dict[str, Any]] = {}
    for program in services:
        place = places[program.node]
        attributes[program.node] = {"load_balancer_ips": [place.address]}
        addresses = {"public_address": [place.address], "private_address": [place.address]}
        host = template.host_of(program.node)
        attributes[host] = {**addresses, "host": _host(template, host, program, place)}
    outputs = template.outputs(attributes)
    if services:
        first = services[0]
        outputs[ENDPOINT] = url_of(first, places[first.node])
    return outputs


def _host(template: Template, host: str, program: Program, place: Running) -> Mapping[str, Any]:
    """Return the ports of a container's host: behind the service's own stands the one here."""
    ports = template.value(host, "capabilities", "host", "properties", "publish_ports")
    return {
        "publish_ports": [
            {**port, "target": place.port if port.get("source") == program.port else None}
            for port in (ports if isinstance(ports, list) else [])
            if isinstance(port, dict)
        ]
    }
