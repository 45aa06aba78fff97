# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every target of ``deepaas export``."""

from deepaas.errors import ConfigurationError
from deepaas.export import compose, docker, kubernetes, oscar, slurm, tosca
from deepaas.export.target import Target

TARGETS: tuple[Target, ...] = (
    docker.TARGET,
    compose.TARGET,
    kubernetes.TARGET,
    tosca.TARGET,
    oscar.TARGET,
    slurm.TARGET,
)


def find_target(name: str, flavour: str | None = None) -> tuple[Target, str | None]:
    """Return a target, and the flavour that is meant.

    Raises:
        ConfigurationError: There is no such target or flavour.
    """
    target = next((each for each in TARGETS if each.name == name), None)
    if target is None:
        known = ", ".join(each.name for each in TARGETS)
        raise ConfigurationError(f"{name!r} is no target; there are {known}.")
    if flavour is None:
        return target, target.flavours[0] if target.flavours else None
    if flavour not in target.flavours:
        known = ", ".join(target.flavours) or "none"
        raise ConfigurationError(f"{name} has no flavour {flavour!r}; it has {known}.")
    return target, flavour
