# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Target ``compose``: one service for Docker Compose or Podman."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from deepaas.errors import ConfigurationError
from deepaas.export.checking import run_checker
from deepaas.export.deployment import (
    KEYS_FILE,
    STOP_GRACE_S,
    VOLUME,
    Deployment,
    View,
    probe,
    resource_name,
)
from deepaas.export.quantities import COMPOSE, megabytes, processors
from deepaas.export.target import Target
from deepaas.export.yamltext import comment, dump, every_text, load
from deepaas.project import API_PORT, Resources

FILE: Final = "compose.yaml"
_SECRET: Final = Path(KEYS_FILE).name
_MB: Final = 1_000_000
_HEAD: Final = """
Made by `deepaas export compose`; with `--check` it compares it with the module.

Callers sign in with keys. Make one, and start:

    deepaas keys create --name ada --role predict --file keys > ada.key
    chmod a+r keys
    docker compose up --detach

The file of keys has hashes only, and user 10001 of the container has to read it. The service \
answers on this machine, http://127.0.0.1:5000; for others put a proxy with TLS in front of it. \
State, trainings and caches are in the volume `state`.
"""


def write(deployment: Deployment) -> dict[str, str]:
    """Return the one file. In all its texts a dollar is doubled: Compose replaces variables."""
    document = {
        "services": {resource_name(deployment): _service(deployment)},
        "volumes": {"state": {}},
        "secrets": {_SECRET: {"file": "./keys"}},
    }
    escaped = every_text(document, lambda text: text.replace("$", "$$"))
    return {FILE: comment(_HEAD) + dump(escaped)}


def _service(deployment: Deployment) -> dict[str, Any]:
    api, *others = deployment.ports
    return {
        "image": deployment.image,
        "command": list(deployment.command),
        "environment": dict(deployment.environment),
        "ports": [{"target": api, "published": str(api), "host_ip": "127.0.0.1"}],
        "expose": [str(port) for port in others],
        # /tmp is on disk: uploads of clients are there, and may be larger than the memory.
        "volumes": [f"state:{VOLUME}", "/tmp"],  # noqa: S108 - of the container
        "secrets": [_SECRET],
        "healthcheck": {
            "test": ["CMD", "python3", "-c", probe(API_PORT)],
            "interval": "15s",
            "timeout": "5s",
            "retries": 4,
            "start_period": "10m",
        },
        "init": True,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped",
        "stop_grace_period": f"{STOP_GRACE_S}s",
        "deploy": {"resources": _resources(deployment.resources)},
        "x-deepaas": {
            "model": deployment.module.name,
            "storage_mb": deployment.resources.storage_mb,
            "arguments": deployment.arguments,
        },
    }


def _resources(wanted: Resources) -> dict[str, Any]:
    # In bytes: Compose's M are 2**20.
    limits = {"cpus": str(wanted.cpus), "memory": str(wanted.memory_mb * _MB)}
    if not wanted.gpus:
        return {"limits": limits}
    gpus = {"driver": "nvidia", "count": wanted.gpus, "capabilities": ["gpu"]}
    return {"limits": limits, "reservations": {"devices": [gpus]}}


def read(files: Mapping[str, str]) -> View:
    """Return what the file says of its one service."""
    try:
        [document] = load(files[FILE], FILE)
        services = every_text(document["services"], lambda text: text.replace("$$", "$"))
        # Others may be there: a proxy, a database.
        [service] = (each for each in services.values() if "x-deepaas" in each)
        said = service["x-deepaas"] or {}
        ports = [int(each["target"]) for each in service["ports"]]
        return View(
            image=service["image"],
            ports=(*ports, *map(int, service.get("expose", ()))),
            environment=_environment_of(service.get("environment") or {}),
            resources=_resources_of(service["deploy"]["resources"], said.get("storage_mb")),
            command=tuple(service["command"]),
            arguments=said.get("arguments", {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ConfigurationError(
            f"'{FILE}' is not built as it was exported: {type(exc).__name__}: {exc}"
        ) from exc


def _environment_of(said: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """Return the variables of a mapping or, as people like to write it, of a list."""
    if isinstance(said, Mapping):
        return dict(said)
    return {name: value for name, _, value in (each.partition("=") for each in said)}


def _resources_of(said: Mapping[str, Any], storage_mb: int | None) -> Resources:
    devices = said.get("reservations", {}).get("devices", [])
    return Resources(
        cpus=processors(said["limits"]["cpus"]),
        gpus=sum(int(each["count"]) for each in devices),
        memory_mb=megabytes(said["limits"]["memory"], COMPOSE),
        storage_mb=storage_mb,
    )


def judge(paths: Mapping[str, Path]) -> Sequence[str]:
    """Compare the file with the schema of Compose."""
    return run_checker(
        "check-jsonschema",
        ["--builtin-schema", "vendor.compose-spec", str(paths[FILE])],
        package="check-jsonschema",
    )


TARGET: Final = Target("compose", "a service for Docker Compose", write, read, judge)
