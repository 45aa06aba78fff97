# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The inputs of the templates, by the names that platforms and dashboards fill in.

What differs between deployments is an input, and what is secret is one without a value: no
template holds it.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from deepaas.export.deployment import VOLUME, Deployment, resource_name, without_keys_file

Inputs = dict[str, dict[str, Any]]


class _Variable(NamedTuple):
    """An environment variable of the container that an input fills."""

    input: str
    default: str
    description: str


_VARIABLES: Final[Mapping[str, _Variable]] = {
    "RCLONE_CONFIG": _Variable(
        "rclone_conf", "/srv/.rclone/rclone.conf", "Path of rclone's own file in the container."
    ),
    "RCLONE_CONFIG_RSHARE_URL": _Variable(
        "rclone_url", "", "WebDAV address of the remote storage; empty: none."
    ),
    "RCLONE_CONFIG_RSHARE_VENDOR": _Variable(
        "rclone_vendor", "nextcloud", "Kind of the remote storage, by rclone's name for it."
    ),
    "RCLONE_CONFIG_RSHARE_USER": _Variable(
        "rclone_user", "", "User of the remote storage, often that of an app password."
    ),
    "RCLONE_CONFIG_RSHARE_PASS": _Variable(
        "rclone_password",
        "",
        "Password of that user, OBSCURED: what `rclone obscure` prints, not the password itself.",
    ),
    "jupyterPASSWORD": _Variable(
        "jupyter_password",
        "",
        "Password of notebooks, 9 characters or more; for images whose run_command starts them.",
    ),
}


def declare(kind: str, description: str, default: Any = None, **rules: Any) -> dict[str, Any]:
    """Return the declaration of an input; without a default it has to be filled in."""
    given = {} if default is None else {"default": default}
    return {
        "type": kind,
        "description": description,
        "required": default is None,
        **given,
        **rules,
    }


def get(name: str) -> dict[str, str]:
    """Return what stands for an input's value."""
    return {"get_input": name}


def size(megabytes: int) -> str:
    """Return a size as TOSCA writes it, whose MB are 10⁶ bytes too."""
    return f"{megabytes} MB"


def host_inputs(deployment: Deployment, *, cpus: str, memory: str, are_cpus_float: bool) -> Inputs:
    """Declare what the host needs; the defaults are the deployment's.

    Args:
        deployment: Says how much.
        cpus: The name that the platform has for the number of processors.
        memory: And for the memory.
        are_cpus_float: Mesos counts parts of processors, and takes no other literal then.
    """
    needs = deployment.resources
    processors = declare("float", "Processors, parts allowed.", float(needs.cpus))
    if not are_cpus_float:
        processors = declare("integer", "Processors.", needs.cpus)
    inputs = {
        cpus: processors,
        "num_gpus": declare("integer", "GPUs.", needs.gpus),
        memory: declare("scalar-unit.size", "Memory.", size(needs.memory_mb)),
    }
    if needs.storage_mb:
        inputs["disk_size"] = declare("scalar-unit.size", "Disk.", size(needs.storage_mb))
    return inputs


def host_properties(inputs: Inputs, *, cpus: str, memory: str) -> dict[str, Any]:
    """Return the properties of the host that those inputs fill."""
    names = {"num_cpus": cpus, "num_gpus": "num_gpus", "mem_size": memory, "disk_size": "disk_size"}
    return {name: get(filled) for name, filled in names.items() if filled in inputs}


def container_inputs(deployment: Deployment, command: str, what: str) -> Inputs:
    """Declare what a container of Mesos is started with.

    Args:
        deployment: What it is part of.
        command: What it runs.
        what: A sentence about the command.
    """
    said = deployment.environment
    return {
        "docker_image": declare("string", "Image of the module.", deployment.image),
        "run_command": declare("string", what, command),
        **host_inputs(deployment, cpus="num_cpus", memory="mem_size", are_cpus_float=True),
        "docker_privileged": declare("boolean", "Run the container privileged.", False),
        "state_volume": declare(
            "string",
            "What keeps trainings: a volume, as name:path:mode:provider:driver, or a folder of the"
            " host, as path:path:mode.",
            f"deepaas-{resource_name(deployment)}:{VOLUME}:rw:dvdi:rexray",
        ),
        **{
            each.input: declare("string", each.description, said.get(variable, each.default))
            for variable, each in _VARIABLES.items()
        },
    }


def container_environment(deployment: Deployment) -> dict[str, Any]:
    """Return the variables of such a container: the module's own, and those that inputs fill."""
    return {
        "RCLONE_CONFIG_RSHARE_TYPE": "webdav",
        **without_keys_file(deployment.environment),
        **{variable: get(each.input) for variable, each in _VARIABLES.items()},
    }
