# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Templates of TOSCA for the INDIGO PaaS orchestrator and the Infrastructure Manager."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from deepaas.export.deployment import Deployment, View, resource_name
from deepaas.export.target import Target
from deepaas.export.tosca.containers import chronos, marathon
from deepaas.export.tosca.machines import im, vm
from deepaas.export.tosca.view import read_template
from deepaas.tosca.documents import write_document
from deepaas.tosca.imports import IM_TYPES_URL, INDIGO_TYPES_URL
from deepaas.tosca.validation import validate_file


class _Flavour(NamedTuple):
    topology: Callable[[Deployment], dict[str, Any]]
    #: The name that templates give to the types, and where orchestrators fetch them.
    types: str
    address: str
    what: str


_INDIGO: Final = ("indigo_custom_types", INDIGO_TYPES_URL)
_FLAVOURS: Final = {
    "marathon": _Flavour(marathon, *_INDIGO, "A service on Mesos (Marathon)."),
    "chronos": _Flavour(chronos, *_INDIGO, "One training on Mesos (Chronos)."),
    "vm": _Flavour(vm, *_INDIGO, "A virtual machine with the container on it."),
    "im": _Flavour(
        im, "grycap_custom_types", IM_TYPES_URL, "A machine on a cloud of one's own, with HTTPS."
    ),
}
# The versions that Alien4Cloud takes.
_RELEASE: Final = re.compile(r"\d+(\.\d+){0,2}")


def _write(deployment: Deployment) -> dict[str, str]:
    name = deployment.flavour or next(iter(_FLAVOURS))
    flavour = _FLAVOURS[name]
    template = {
        "tosca_definitions_version": "tosca_simple_yaml_1_0",
        "imports": [{flavour.types: deployment.types or flavour.address}],
        "description": deployment.module.summary or deployment.module.title,
        "metadata": _metadata(deployment, name),
        "topology_template": flavour.topology(deployment),
    }
    comment = (
        f"{flavour.what}\n\n"
        f"Made by `deepaas export tosca --flavour {name}`; with `--check` it is compared with the\n"
        "module. What differs between deployments is an input; nothing secret stands here."
    )
    return {f"tosca-{name}.yml": write_document(template, comment)}


def _metadata(deployment: Deployment, flavour: str) -> dict[str, str]:
    """Return what catalogues show, and what an archive (CSAR) must have."""
    module = deployment.module
    release = _RELEASE.match(module.package.version)
    return {
        "template_name": f"deepaas-{resource_name(deployment)}-{flavour}",
        "template_version": release[0] if release else "0",
        "template_author": ", ".join(module.package.authors) or "unknown",
        "display_name": module.title,
        "tag": "GPU" if deployment.resources.gpus else "CPU",
    }


def _read(texts: Mapping[str, str]) -> View:
    [(name, text)] = texts.items()
    return read_template(name, text)


def _judge(paths: Mapping[str, Path]) -> Sequence[str]:
    return [str(fault) for path in paths.values() for fault in validate_file(path)]


TARGET: Final = Target(
    name="tosca",
    help="templates for the INDIGO PaaS orchestrator and the Infrastructure Manager",
    write=_write,
    read=_read,
    judge=_judge,
    flavours=tuple(_FLAVOURS),
)
