# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The options of remotes: what is pulled before the models load, and where artifacts are pushed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oslo_config import cfg

from deepaas.errors import ConfigurationError

STORAGE_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.MultiStrOpt(
        "storage-pull",
        metavar="REMOTE:PATH=FOLDER",
        default=[],
        help="Bring a folder or a file of a remote into a folder here before the models are loaded;"
        " may be given several times, in the environment one a line. Remotes are named by"
        " RCLONE_CONFIG_* variables, see `deepaas storage`.",
    ),
    cfg.BoolOpt(
        "storage-pull-required",
        default=True,
        help="Do not serve, and exit with status 4, if that fails; otherwise the log says so.",
    ),
    cfg.StrOpt(
        "storage-push-artifacts",
        metavar="REMOTE:PATH",
        default="",
        help="Bring what a training has left to a remote, to PATH/MODEL/JOB, once it has ended.",
    ),
)


@dataclass(frozen=True, slots=True)
class Pull:
    """One thing to bring here."""

    #: ``REMOTE:PATH``.
    source: str
    #: Absolute.
    folder: Path


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """What is pulled and pushed; what signs in to a remote is in the environment only."""

    pulls: tuple[Pull, ...] = ()
    is_pull_required: bool = True
    #: ``REMOTE:PATH``, empty if artifacts stay here.
    push_artifacts: str = ""


def storage_settings(values: Mapping[str, Any]) -> StorageSettings:
    """Return the settings, from the values of the options.

    Raises:
        ConfigurationError: One of them cannot be used; the message names it and the value.
    """
    push = values["storage_push_artifacts"].strip()
    if push:
        _require_remote("storage-push-artifacts", push, push)
    return StorageSettings(
        pulls=tuple(_pull(text) for text in _texts(values["storage_pull"])),
        is_pull_required=values["storage_pull_required"],
        push_artifacts=push,
    )


def _texts(values: list[str]) -> list[str]:
    """Return what was given; a variable of the environment holds one a line.

    oslo.config takes its text for a list already, that of its characters.
    """
    if any(len(value) > 1 for value in values):
        return values
    return [line for line in "".join(values).splitlines() if line.strip()]


def _pull(text: str) -> Pull:
    # The last one: a path of the remote may have some too.
    source, sign, folder = text.rpartition("=")
    if not (sign and folder.strip()):
        raise ConfigurationError(f"storage-pull is {text!r}; it must be REMOTE:PATH=FOLDER.")
    _require_remote("storage-pull", source, text)
    try:
        return Pull(source, Path(folder).expanduser().absolute())
    except RuntimeError as exc:
        raise ConfigurationError(
            f"storage-pull is {text!r}, and the home directory is not known; give an absolute path."
        ) from exc


def _require_remote(option: str, location: str, text: str) -> None:
    name, colon, _ = location.partition(":")
    if not (name and colon) or name.startswith("-"):
        raise ConfigurationError(
            f"{option} is {text!r}; a remote is written as REMOTE:PATH, such as rshare:models."
        )
