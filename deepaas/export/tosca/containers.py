# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Containers on Mesos through the INDIGO PaaS orchestrator: services and jobs."""

import shlex
from typing import Any, Final

from deepaas.export.deployment import Deployment
from deepaas.export.tosca.inputs import (
    Inputs,
    container_environment,
    container_inputs,
    declare,
    get,
    host_properties,
)
from deepaas.export.training import training_command
from deepaas.project import API_PORT, IDE_PORT, MONITOR_PORT

_NODES: Final = "tosca.nodes.indigo.Container"
_RUNTIME: Final = "docker_runtime"
#: Becomes the id of an application: lower-case letters, digits and dashes. Alien4Cloud, in turn,
#: allows no dash.
_SERVICE: Final = "marathon"
#: By the output's name, in the order in which the ports are published.
_ENDPOINTS: Final = {
    "deepaas_endpoint": API_PORT,
    "monitor_endpoint": MONITOR_PORT,
    "jupyter_endpoint": IDE_PORT,
}


def marathon(deployment: Deployment) -> dict[str, Any]:
    """Return the topology of a service that runs until it is deleted."""
    inputs = container_inputs(
        deployment,
        shlex.join(deployment.command),
        "What the container runs; further options of deepaas-run may follow.",
    )
    inputs["deepaas_api_keys"] = declare(
        "string",
        "Who may sign in: lines that `deepaas keys create` wrote into its file, which has hashes of"
        " the keys only, with semicolons between them.",
    )
    inputs["flaat_disable"] = declare(
        "string",
        "For images of version 2: yes lets everybody call the service.",
        "no",
        constraints=[{"valid_values": ["no", "yes"]}],
    )
    ports = [{"protocol": "tcp", "source": port} for port in _ENDPOINTS.values()]
    environment = {
        **container_environment(deployment),
        "DEEPAAS_API_KEYS": get("deepaas_api_keys"),
        "DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER": get("flaat_disable"),
    }
    runtime = _runtime(inputs, publish_all=False, publish_ports=ports)
    numbers = dict.fromkeys(("min_instances", "max_instances", "default_instances"), 1)
    runtime["capabilities"]["scalable"] = {"properties": numbers}
    service = {
        "force_pull_image": True,
        "enable_https": False,
        "labels": {"HAPROXY_GROUP": "external"},
    }
    return {
        "inputs": inputs,
        "node_templates": {
            _RUNTIME: runtime,
            _SERVICE: _application("Marathon", environment, **service),
        },
        "outputs": {
            name: {"description": f"Address of port {port}.", "value": _address(index)}
            for index, (name, port) in enumerate(_ENDPOINTS.items())
        },
    }


def chronos(deployment: Deployment) -> dict[str, Any]:
    """Return the topology of one training.

    Raises:
        ConfigurationError: The model does not train.
    """
    inputs = container_inputs(
        deployment,
        shlex.join(training_command(deployment)),
        "What the container runs; arguments of the training may follow.",
    )
    job = {"schedule": "R0/2015-12-25T17:22:00Z/PT1M", "retries": 0, "force_pull_image": True}
    return {
        "inputs": inputs,
        "node_templates": {
            _RUNTIME: _runtime(inputs),
            "chronos": _application("Chronos", container_environment(deployment), **job),
        },
    }


def _runtime(inputs: Inputs, **properties: Any) -> dict[str, Any]:
    host = {
        **host_properties(inputs, cpus="num_cpus", memory="mem_size"),
        **properties,
        "volumes": [get("state_volume")],
    }
    return {
        "type": f"{_NODES}.Runtime.Docker",
        "capabilities": {"host": {"properties": host}},
    }


def _application(kind: str, environment: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {
        "type": f"{_NODES}.Application.Docker.{kind}",
        "properties": {
            "command": get("run_command"),
            "privileged": get("docker_privileged"),
            **properties,
            "environment_variables": environment,
        },
        "artifacts": {
            "image": {
                "file": get("docker_image"),
                "type": "tosca.artifacts.Deployment.Image.Container.Docker",
            }
        },
        "requirements": [{"host": _RUNTIME}],
    }


def _address(index: int) -> dict[str, Any]:
    """Return the address of one of the published ports, which the platform chooses."""
    host = {"get_attribute": [_SERVICE, "load_balancer_ips", 0]}
    port = {"get_attribute": [_RUNTIME, "host", "publish_ports", index, "target"]}
    return {"concat": ["http://", host, ":", port]}
