# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How a training is run where no service is: as one command that ends."""

from deepaas.errors import ConfigurationError
from deepaas.export.deployment import VOLUME, Deployment


def model_options(deployment: Deployment) -> tuple[str, ...]:
    """Return the options that name the model, for any command."""
    return tuple(each for each in deployment.command if each.startswith("--model-name="))


def training_command(deployment: Deployment) -> tuple[str, ...]:
    """Return what trains and leaves all it makes on the volume; the model's arguments may follow.

    Raises:
        ConfigurationError: The model does not train.
    """
    if not deployment.module.description.can_train:
        raise ConfigurationError(
            f"The model {deployment.module.name!r} has no train(), and the flavour"
            f" {deployment.flavour!r} is for trainings; choose another one."
        )
    return (
        "deepaas-cli",
        *model_options(deployment),
        *("--deepaas_artifact_dir", f"{VOLUME}/artifacts"),
        *("--deepaas_method_output", f"{VOLUME}/result.json"),
        "train",
    )
