# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A machine of one's own, made by the Infrastructure Manager, with the container on it.

The playbooks that the types name start the container, and hand it neither keys nor a command. So
the machine's firewall says who may call it.
"""

from typing import Any, Final

from deepaas.export.deployment import Deployment
from deepaas.export.tosca.inputs import Inputs, declare, get, host_inputs, host_properties
from deepaas.project import API_PORT

_MACHINE: Final = "simple_node"
_PLAYBOOK: Final = "https://raw.githubusercontent.com/grycap/tosca/main/artifacts/ai4eosc.yml"
_ROLE: Final = {"file": "grycap.docker", "type": "tosca.artifacts.AnsibleGalaxy.role"}
_ALLOWED: Final = declare(
    "string",
    "Network that may call the service, such as 192.0.2.0/24. By default only the machine itself:"
    " then use a tunnel, ssh -L.",
    "127.0.0.1/32",
)


def vm(deployment: Deployment) -> dict[str, Any]:
    """Return the topology with INDIGO's type for DEEPaaS."""
    names = {"cpus": "cpus", "memory": "mem"}
    inputs = {
        "dockerhub_img": declare("string", "Image of the module.", deployment.image),
        **host_inputs(deployment, are_cpus_float=False, **names),
        "allowed_network": _ALLOWED,
        "rclone_url": declare("string", "WebDAV address of the remote storage; empty: none.", ""),
        "rclone_user": declare("string", "User of the remote storage.", ""),
        "rclone_password": declare(
            "string", "Password of that user, OBSCURED: what `rclone obscure` prints.", ""
        ),
    }
    application = {
        "type": "tosca.nodes.indigo.DEEPaaScont",
        "properties": {
            "dockerhub_img": get("dockerhub_img"),
            "rclone_conf": "/srv/.rclone/rclone.conf",
            **{name: get(name) for name in ("rclone_url", "rclone_user", "rclone_password")},
        },
        "requirements": [{"host": _MACHINE}],
    }
    machine = _machine(
        inputs, names, {"deepaas": _port(API_PORT, remote_cidr=get("allowed_network"))}
    )
    return _topology(inputs, {"deepaas": application}, machine, "http://", f":{API_PORT}/")


def im(deployment: Deployment) -> dict[str, Any]:
    """Return the topology as AI4EOSC deploys modules on a cloud of one's own: behind HTTPS."""
    names = {"cpus": "num_cpus", "memory": "mem_size"}
    inputs = {
        "ai4eosc_model_image": declare("string", "Image of the module.", deployment.image),
        "ai4eosc_gpu_support": declare(
            "boolean", "Let the container use GPUs.", deployment.resources.gpus > 0
        ),
        **host_inputs(deployment, are_cpus_float=False, **names),
        "allowed_network": _ALLOWED,
    }
    https = {"https": _port(443, remote_cidr=get("allowed_network"))}
    application = {
        "type": "tosca.nodes.ec3.Application",
        "artifacts": {"docker_role": _ROLE},
        "capabilities": {"endpoint": {"properties": {"ports": https}}},
        "interfaces": {
            "Standard": {
                "configure": {
                    "implementation": _PLAYBOOK,
                    "inputs": {
                        "ai4eosc_model_image": get("ai4eosc_model_image"),
                        "docker_nvidia_support": get("ai4eosc_gpu_support"),
                    },
                }
            }
        },
        "requirements": [{"host": _MACHINE}],
    }
    machine = _machine(inputs, names, {"ssh": _port(22)})
    return _topology(inputs, {"ai4eosc_model": application}, machine, "https://", "/ui")


def _topology(
    inputs: Inputs, nodes: dict[str, Any], machine: dict[str, Any], scheme: str, path: str
) -> dict[str, Any]:
    address = {"concat": [scheme, {"get_attribute": [_MACHINE, "public_address", 0]}, path]}
    return {
        "inputs": inputs,
        "node_templates": {**nodes, _MACHINE: machine},
        "outputs": {"deepaas_endpoint": {"description": "Address of the API.", "value": address}},
    }


def _machine(inputs: Inputs, names: dict[str, str], ports: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "tosca.nodes.indigo.Compute",
        "capabilities": {
            "endpoint": {"properties": {"network_name": "PUBLIC", "ports": ports}},
            "host": {"properties": host_properties(inputs, **names)},
            "os": {"properties": {"type": "linux", "distribution": "ubuntu", "version": "22.04"}},
        },
    }


def _port(number: int, **properties: Any) -> dict[str, Any]:
    return {"protocol": "tcp", "source": number, **properties}
