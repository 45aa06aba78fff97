# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is deployed, whatever the format."""

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from deepaas.config.sign_in import KEYS_FILE_VARIABLE
from deepaas.errors import ConfigurationError
from deepaas.export.arguments import declared
from deepaas.project import API_PORT, IDE_PORT, MONITOR_PORT, Module, Resources, image_of
from deepaas.records import SourceKind

#: Where a target mounts the file of keys.
KEYS_FILE: Final = "/run/secrets/deepaas_keys"
#: Where the volume is mounted. It is the home of who serves, too: what models keep in caches stays.
VOLUME: Final = "/state"
STATE_DIR: Final = f"{VOLUME}/deepaas"
#: Who serves, in the image; a fixed number, so that files of a volume keep their owner.
USER_ID: Final = 10001
#: Calls and trainings that run end within this, or are ended.
STOP_GRACE_S: Final = 60
READY_PATH: Final = "/v2/health/ready"
LIVE_PATH: Final = "/v2/health/live"

#: As the existing platforms expect it, and where the keys are: nobody gets in without one.
_ENVIRONMENT: Final = {
    "LANG": "C.UTF-8",
    "RCLONE_CONFIG": "/srv/.rclone/rclone.conf",
    KEYS_FILE_VARIABLE: KEYS_FILE,
}
# What must not stand in a file that others read; a path to it (_FILE) may.
_SECRET = re.compile(
    r"((^|_)(PASS|PASSWD|PWD|TOKEN|API_?KEYS?|(ACCESS|AUTH|ENCRYPTION|PRIVATE|SECRET|SIGNING)_?KEY)"
    r"|PASSPHRASE|PASSWORD|SECRET)$",
    re.IGNORECASE,
)
_PASSWORD_IN_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]{0,15}://[^\s/:@]*:[^\s/@]+@", re.IGNORECASE)


@dataclass(frozen=True)
class ExportOptions:
    """What is asked for beside the module."""

    #: One GPU at least, also where the module asks for none.
    gpu: bool = False
    #: Reference of the image, in the place of the module's.
    image: str | None = None
    flavour: str | None = None
    #: What templates of TOSCA import: a file beside them, or an address; ``None``: the public one.
    types: str | None = None


@dataclass(frozen=True)
class View:
    """What files say, in words that all formats share; ``None``: the format does not say it."""

    image: str | None = None
    ports: tuple[int, ...] | None = None
    environment: Mapping[str, str] | None = None
    resources: Resources | None = None
    command: tuple[str, ...] | None = None
    arguments: Mapping[str, Any] | None = None
    #: The image that this one begins from.
    base: str | None = None
    #: Packages that are installed in it; more of them are no fault.
    installs: frozenset[str] | None = None


@dataclass(frozen=True)
class Deployment:
    """One service to deploy."""

    module: Module
    image: str
    ports: tuple[int, ...]
    #: Nothing in it is secret.
    environment: Mapping[str, str]
    resources: Resources
    command: tuple[str, ...]
    #: What :func:`deepaas.export.arguments.declared` makes of the declared arguments.
    arguments: Mapping[str, Any]
    flavour: str | None = None
    types: str | None = None

    @property
    def view(self) -> View:
        """All of it, as a format would say it that leaves nothing out."""
        return View(
            self.image,
            self.ports,
            self.environment,
            self.resources,
            self.command,
            self.arguments,
        )


def plan(module: Module, options: ExportOptions = ExportOptions()) -> Deployment:
    """Return what to deploy of a module.

    Raises:
        ConfigurationError: The model is a single file, which no image has; the given image is no
            reference; the environment has what should be secret.
    """
    resources = module.resources
    if options.gpu:
        resources = dataclasses.replace(resources, gpus=max(1, resources.gpus))
    return Deployment(
        module=module,
        image=_image(module, options.image),
        ports=(API_PORT, MONITOR_PORT, IDE_PORT),
        environment=_environment(module),
        resources=resources,
        command=_command(module),
        arguments=declared(module.description),
        flavour=options.flavour,
        types=options.types,
    )


def _image(module: Module, given: str | None) -> str:
    if given is None:
        return module.image
    settings = dataclasses.replace(module.settings, image=given)
    return image_of(module.name, module.package.version, module.metadata, settings)


def _environment(module: Module) -> dict[str, str]:
    own = module.settings.environment
    for name, value in own.items():
        if _SECRET.search(name) or holds_password(value):
            raise ConfigurationError(
                f"The environment of [tool.deepaas] sets {name!r}, which looks like a secret, and"
                " would stand in files that others read. Leave it out, and give it to the running"
                " service; one that names a file (…_FILE) may stand there."
            )
    return {**_ENVIRONMENT, **own}


def holds_password(text: str) -> bool:
    """Tell whether there is an address with a password in a text."""
    return _PASSWORD_IN_ADDRESS.search(text) is not None


def _command(module: Module) -> tuple[str, ...]:
    return (
        "deepaas-run",
        *("--listen-ip", "0.0.0.0", "--listen-port", str(API_PORT)),  # noqa: S104 - in a container
        *("--state-dir", STATE_DIR),
        *_choice(module),
    )


def _choice(module: Module) -> tuple[str, ...]:
    """Return the option that names the model."""
    source = module.source
    if source.kind is SourceKind.FILE:
        raise ConfigurationError(
            f"{source.label} is no package that an image could have: 'deepaas init --adopt' makes"
            " one of it."
        )
    name = source.name if source.kind is SourceKind.ENTRY_POINT else source.value
    # The option is a list with commas. Where it cannot say the name, all that the image has is
    # served.
    return (f"--model-name={name}",) if name == name.strip() and "," not in name else ()


def without_keys_file(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for where nothing mounts the file of keys that the image names."""
    return {**environment, KEYS_FILE_VARIABLE: os.devnull}


def resource_name(deployment: Deployment) -> str:
    """Return the model's name in the alphabet of host names (RFC 1035), 40 characters at most."""
    name = re.sub(r"[^a-z0-9]+", "-", deployment.module.name.lower())[:40].strip("-")
    return name if name[:1].isalpha() else f"model-{name}".rstrip("-")


def probe(port: int) -> str:
    """Return a program that fails while the service is not ready, with nothing but Python."""
    address = f"http://127.0.0.1:{port}{READY_PATH}"
    return f"import urllib.request as r; r.urlopen({json.dumps(address)}, timeout=4)"
