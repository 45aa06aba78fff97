# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The options of signing in: where keys are, and who may do what."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from oslo_config import cfg

from deepaas.errors import ConfigurationError

KEYS_VARIABLE: Final = "DEEPAAS_API_KEYS"
KEYS_FILE_VARIABLE: Final = "DEEPAAS_API_KEYS_FILE"

_SUBJECTS: Final = (
    " Comma-separated: anonymous, signed-in, role:NAME, group:NAME, entitlement:URN, key:NAME,"
    " subject:SUB@ISSUER; with MODEL= before it for one model, in the place of what holds for all."
)
#: What each right is for, by the end of its option's name.
_RIGHTS: Final = {
    "read": "see what is served, and their own jobs",
    "predict": "predict, and cancel and remove their own predictions",
    "train": "train and evaluate, and cancel and remove their own trainings",
    "manage": "choose what is served, and deal with the jobs of others",
    "jobs": "see the jobs of others",
}

SIGN_IN_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "auth-keys-file",
        metavar="PATH",
        default="",
        help="File of the API keys that sign in; read again when it changes. `deepaas keys` writes"
        " it. Empty: what the environment variable DEEPAAS_API_KEYS_FILE says.",
    ),
    *(
        cfg.StrOpt(
            f"allow-{right}",
            metavar="SUBJECTS",
            default="",
            help=f"Who may {what}, besides those whose key has a role for it.{_SUBJECTS}",
        )
        for right, what in _RIGHTS.items()
    ),
)


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """Where keys are, and who may do what."""

    #: Absolute path of the file of keys, ``None`` if there is none.
    keys_file: Path | None = None
    #: The keys that the environment holds, as written; never shown.
    keys: str = field(default="", repr=False)
    #: By the name of a right, such as ``read``: the subjects that have it, as written.
    allow: Mapping[str, str] = field(default_factory=dict)


def read_sign_in(values: Mapping[str, Any]) -> SignInSettings:
    """Return the settings of the options, and of the variables that hold keys.

    Raises:
        ConfigurationError: The path of the file of keys cannot be used, or a variable is empty.
    """
    allow = {right: values[f"allow_{right}"].strip() for right in _RIGHTS}
    return SignInSettings(
        keys_file=keys_file(values["auth_keys_file"], "auth-keys-file"),
        keys=_variable(KEYS_VARIABLE),
        allow={right: text for right, text in allow.items() if text},
    )


def keys_file(given: str, option: str) -> Path | None:
    """Return the absolute path of the file of keys, ``None`` if neither way names one.

    ``/dev/null`` is none.

    Args:
        given: The option's value, empty for what the environment says.
        option: Its name, for messages.

    Raises:
        ConfigurationError: It names a home that is not known, or the variable is empty.
    """
    text, where = given, option
    if not text:
        text, where = _variable(KEYS_FILE_VARIABLE), KEYS_FILE_VARIABLE
    if text == os.devnull:
        # Images name a file, and not every platform mounts one; a variable cannot be taken away.
        return None
    try:
        return Path(text).expanduser().absolute() if text else None
    except RuntimeError as exc:
        raise ConfigurationError(
            f"{where} is {text!r}, and the home directory is not known; give an absolute path."
        ) from exc


def _variable(name: str) -> str:
    """Return the value of a variable, empty if there is none.

    Raises:
        ConfigurationError: It is there and empty: a secret that was not passed on to a container
            must not open the service to everybody.
    """
    text = os.environ.get(name)
    if text is not None and not text.strip():
        raise ConfigurationError(
            f"{name} is set and empty; unset it if nobody is to sign in, or let it say what it is"
            " for."
        )
    return text or ""
