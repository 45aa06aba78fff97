# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Target ``kubernetes``: plain manifests of one service."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from deepaas.errors import ConfigurationError
from deepaas.export.checking import run_checker
from deepaas.export.deployment import (
    KEYS_FILE,
    LIVE_PATH,
    READY_PATH,
    STOP_GRACE_S,
    USER_ID,
    VOLUME,
    Deployment,
    View,
    resource_name,
)
from deepaas.export.quantities import KUBERNETES, megabytes, processors
from deepaas.export.target import Target
from deepaas.export.yamltext import comment, dump, load
from deepaas.project import Resources

FILE: Final = "kubernetes.yaml"
_PORT_NAMES: Final = ("api", "monitor", "ide")
_ARGUMENTS: Final = "deepaas/arguments"
_CONTAINER: Final = "deepaas"
_GPU: Final = "nvidia.com/gpu"
_DEFAULT_STORAGE_MB: Final = 10_000
_HEAD: Final = """
Made by `deepaas export kubernetes`; with `--check` it compares it with the module.

Callers sign in with keys, whose hashes are in a secret that is made beside this file:

    deepaas keys create --name ada --role predict --file keys > ada.key
    kubectl create secret generic {name}-keys --from-file=deepaas_keys=keys
    kubectl apply --filename kubernetes.yaml
    kubectl rollout status deployment/{name}
    kubectl port-forward service/{name} 5000:5000

State, trainings and caches are in the volume that the claim asks for. For callers from outside \
put an Ingress with TLS before the service.
"""


def write(deployment: Deployment) -> dict[str, str]:
    """Return the one file, which holds all objects."""
    name = resource_name(deployment)
    storage_mb = deployment.resources.storage_mb or _DEFAULT_STORAGE_MB
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{storage_mb}M"}},
    }
    ports = list(zip(_PORT_NAMES, deployment.ports, strict=True))
    service = {
        "selector": _labels(name),
        "ports": [{"name": each, "port": port, "targetPort": each} for each, port in ports],
    }
    return {
        FILE: comment(_HEAD.format(name=name))
        + dump(
            _object("v1", "PersistentVolumeClaim", name, claim),
            _object("apps/v1", "Deployment", name, _deployment(name, deployment)),
            _object("v1", "Service", name, service),
        )
    }


def _labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name}


def _object(version: str, kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "labels": _labels(name)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _deployment(name: str, deployment: Deployment) -> dict[str, Any]:
    return {
        "replicas": 1,
        # Two of them would write to one volume at the same time.
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": _labels(name)},
        "template": {
            "metadata": {
                "labels": _labels(name),
                "annotations": {_ARGUMENTS: json.dumps(deployment.arguments)},
            },
            "spec": {
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": STOP_GRACE_S,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": USER_ID,
                    "runAsGroup": USER_ID,
                    "fsGroup": USER_ID,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [_container(deployment)],
                "volumes": [
                    {"name": "state", "persistentVolumeClaim": {"claimName": name}},
                    # On disk: uploads of clients are there, and may be larger than the memory.
                    {"name": "tmp", "emptyDir": {}},
                    {
                        "name": "keys",
                        "secret": {"secretName": f"{name}-keys", "defaultMode": 0o440},
                    },
                ],
            },
        },
    }


def _container(deployment: Deployment) -> dict[str, Any]:
    wanted = deployment.resources
    limits = {"memory": f"{wanted.memory_mb}M"}
    if wanted.gpus:
        limits[_GPU] = str(wanted.gpus)
    environment = deployment.environment.items()
    return {
        "name": _CONTAINER,
        "image": deployment.image,
        "args": [_escaped(each) for each in deployment.command],
        "env": [{"name": name, "value": _escaped(value)} for name, value in environment],
        "ports": [
            {"name": name, "containerPort": port}
            for name, port in zip(_PORT_NAMES, deployment.ports, strict=True)
        ],
        # A model may take its time to load; it is alive meanwhile.
        "startupProbe": _probe(LIVE_PATH, failureThreshold=30),
        "livenessProbe": _probe(LIVE_PATH, failureThreshold=3),
        "readinessProbe": _probe(READY_PATH, failureThreshold=3),
        "resources": {
            "requests": {"cpu": str(wanted.cpus), "memory": limits["memory"]},
            "limits": limits,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "state", "mountPath": VOLUME},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - of the container
            {"name": "keys", "mountPath": str(Path(KEYS_FILE).parent), "readOnly": True},
        ],
    }


def _probe(path: str, **limits: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "api"},
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        **limits,
    }


# $(NAME) is replaced by a variable, and $$ means one dollar:
# https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Container
def _escaped(text: str) -> str:
    return text.replace("$", "$$")


def _plain(text: str) -> str:
    return text.replace("$$", "$")


def _said(variable: Mapping[str, str]) -> str:
    """Return the value; empty where it comes from elsewhere, such as a secret (valueFrom)."""
    return _plain(variable.get("value", ""))


def read(files: Mapping[str, str]) -> View:
    """Return what the file says of its Deployment and its claim."""
    try:
        # Others may be there: what people add, they add behind; and beside the container.
        written = [each for each in load(files[FILE], FILE) if each]
        objects = {each["kind"]: each.get("spec") for each in reversed(written)}
        template = objects["Deployment"]["template"]
        containers = {each["name"]: each for each in template["spec"]["containers"]}
        container = containers[_CONTAINER]
        claim = objects["PersistentVolumeClaim"]["resources"]["requests"]["storage"]
        return View(
            image=container["image"],
            ports=tuple(each["containerPort"] for each in container["ports"]),
            environment={each["name"]: _said(each) for each in container.get("env", ())},
            resources=_resources_of(container["resources"], claim),
            command=tuple(map(_plain, container["args"])),
            arguments=json.loads(template["metadata"]["annotations"][_ARGUMENTS]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ConfigurationError(
            f"'{FILE}' is not built as it was exported: {type(exc).__name__}: {exc}"
        ) from exc


def _resources_of(said: Mapping[str, Any], claim: str) -> Resources:
    return Resources(
        cpus=processors(said["requests"]["cpu"]),
        gpus=int(said["limits"].get(_GPU, 0)),
        memory_mb=megabytes(said["limits"]["memory"], KUBERNETES),
        storage_mb=megabytes(claim, KUBERNETES),
    )


def judge(paths: Mapping[str, Path]) -> Sequence[str]:
    """Compare the objects with the schemas of Kubernetes, unknown members included."""
    return run_checker(
        "kubernetes-validate", ["--strict", str(paths[FILE])], package="kubernetes-validate"
    )


TARGET: Final = Target("kubernetes", "manifests for Kubernetes", write, read, judge)
