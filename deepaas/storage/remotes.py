# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Which remotes there are: ``RCLONE_CONFIG_*`` in the environment, and rclone's own file.

The names are those of rclone, so that one environment serves both. Two endings are ours, for what
rclone has no name for, and the name alone decides how a value is read:

``…_PASS``
    Obscured, as ``rclone obscure`` prints it.
``…_PASS_PLAIN``
    The password as it is.
``…_FILE``
    Behind either, and behind the other secrets: path of the file that holds the value.
"""

import configparser
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deepaas.errors import ConfigurationError
from deepaas.storage.obscure import reveal

#: What may stand in a file of its own.
_SECRETS: Final = (
    *("pass", "pass_plain", "bearer_token"),
    *("access_key_id", "secret_access_key", "session_token"),
)
_LOCATION: Final = re.compile(r"(?P<remote>[\w.+@ -]+):(?P<path>.*)", re.DOTALL)
_TYPE: Final = re.compile(r"RCLONE_CONFIG_(?P<name>.+)_TYPE")
_ENCRYPTED: Final = "RCLONE_ENCRYPT_V"


@dataclass(frozen=True, slots=True)
class Remote:
    """Where files are kept, and how to sign in there."""

    #: As it was asked for.
    name: str
    #: rclone's: ``webdav``, ``s3``, ``local`` and so on.
    type: str
    #: By rclone's names, lower case, without the password.
    options: Mapping[str, str] = field(repr=False)
    #: Plain; ``None`` if there is none.
    password: str | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """What messages call it: name, type, address and user."""
        place = self.options.get("url") or self.options.get("endpoint")
        user = self.options.get("user")
        return (
            f"{self.name} ({self.type}"
            + (f" at {place}" if place else "")
            + (f" as {user!r}" if user else "")
            + ")"
        )

    def variable(self, option: str) -> str:
        """Return the name of the variable that sets an option."""
        return _prefix(self.name) + option.upper()

    def required(self, option: str) -> str:
        """Return an option that the type cannot do without.

        Raises:
            ConfigurationError: It is not set.
        """
        if text := self.options.get(option):
            return text
        raise ConfigurationError(
            f"the remote {self.name!r} of type {self.type} lacks {option!r}: set"
            f" {self.variable(option)}."
        )


@dataclass(frozen=True, slots=True)
class Location:
    """A folder or file of a remote."""

    remote: str
    #: Without a slash at either end.
    path: str


def parse_location(text: str) -> Location:
    """Read ``REMOTE:PATH``.

    Raises:
        ConfigurationError: It is none, or leads out of the remote.
    """
    found = _LOCATION.fullmatch(text)
    if found is None:
        raise ConfigurationError(f"{text!r} is no REMOTE:PATH, such as rshare:models/cats.")
    parts = [part for part in found["path"].split("/") if part]
    if {".", ".."} & set(parts) or "\0" in text:
        raise ConfigurationError(f"{text!r} has a part '.' or '..', which no path of a remote has.")
    return Location(found["remote"], "/".join(parts))


def read_remote(name: str, environ: Mapping[str, str]) -> Remote:
    """Return the remote of a name; variables win over rclone's file.

    Raises:
        ConfigurationError: There is none, or a value cannot be used; no message holds a secret.
    """
    given = _given(name, environ)
    file = _config_file(environ)
    sections = _sections(file, is_needed="type" not in given)
    section = next((each for each in sections if each.upper() == name.upper()), None)
    kept = {} if section is None else dict(sections[section])
    where = {option: f"{file}: {option!r} of [{section}]" for option in kept}
    if "pass" in given or "pass_plain" in given:
        kept.pop("pass", None)
    where |= {option: _prefix(name) + option.upper() for option in given}
    options = {**kept, **given}
    password = _password(name, options, where)
    kind = options.pop("type", "")
    if not kind:
        known = sorted({*_names(environ), *sections}, key=str.lower)
        raise ConfigurationError(
            f"there is no remote {name!r}: set {_prefix(name)}TYPE, _URL, _USER and _PASS, or put"
            f" it into {file}; there {'are ' + ', '.join(known) if known else 'is none'}."
        )
    _refuse_credentials(options, where)
    return Remote(name, kind, options, password)


def _prefix(name: str) -> str:
    return f"RCLONE_CONFIG_{name.upper()}_"


def _names(environ: Mapping[str, str]) -> list[str]:
    found = (_TYPE.fullmatch(variable) for variable, text in environ.items() if text)
    return [match["name"].lower() for match in found if match]


def _given(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the variables set, those that name files read; an empty one sets nothing."""
    prefix = _prefix(name)
    given = {
        variable.removeprefix(prefix).lower(): text
        for variable, text in environ.items()
        if variable.startswith(prefix) and text
    }
    for secret in _SECRETS:
        path = given.pop(f"{secret}_file", None)
        if path is None:
            continue
        variable = f"{prefix}{secret.upper()}"
        if secret in given:
            raise ConfigurationError(f"{variable} and {variable}_FILE are both set; unset one.")
        given[secret] = _read_secret(f"{variable}_FILE", path)
    return given


def _read_secret(variable: str, path: str) -> str:
    try:
        text = Path(path).read_text("utf-8").rstrip("\r\n")
    except OSError as exc:
        raise ConfigurationError(f"{variable} is {path!r}: {exc.strerror}.") from exc
    except UnicodeDecodeError:
        raise ConfigurationError(f"{variable} is {path!r}, which is no text.") from None
    if not text:
        raise ConfigurationError(f"{variable} is {path!r}, which is empty.")
    return text


def _password(name: str, options: dict[str, str], where: Mapping[str, str]) -> str | None:
    """Take the password out of the options, and return it plain."""
    plain, obscured = options.pop("pass_plain", None), options.pop("pass", None)
    variable = f"{_prefix(name)}PASS"
    if plain is not None and obscured is not None:
        raise ConfigurationError(
            f"{variable} (obscured) and {variable}_PLAIN are both set; unset one."
        )
    if obscured is None:
        return plain
    try:
        return reveal(obscured)
    except ValueError as exc:
        raise ConfigurationError(
            f"{where['pass']} cannot be revealed: {exc}. It must be what `rclone obscure` prints;"
            f" a password as it is belongs in {variable}_PLAIN, or in a file that"
            f" {variable}_PLAIN_FILE names."
        ) from None


def _refuse_credentials(options: Mapping[str, str], where: Mapping[str, str]) -> None:
    """Refuse a password within an address: addresses are shown."""
    for option in ("url", "endpoint"):
        try:
            has_credentials = "@" in urlsplit(options.get(option, "")).netloc
        except ValueError:
            raise ConfigurationError(f"{where[option]} is no address.") from None
        if has_credentials:
            raise ConfigurationError(
                f"{where[option]} holds a user or a password; they have options of their own."
            )


def _config_file(environ: Mapping[str, str]) -> Path:
    """Return where rclone keeps its configuration (rclone's documentation of --config)."""
    if named := environ.get("RCLONE_CONFIG"):
        return Path(named)
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME", "/"), ".config")
    return Path(home) / "rclone" / "rclone.conf"


def _sections(file: Path, *, is_needed: bool) -> dict[str, Mapping[str, str]]:
    """Return what rclone's file holds; nothing if it is missing, or can be done without."""
    parser = configparser.RawConfigParser(default_section="", delimiters=("=",), strict=False)
    try:
        text = file.read_text("utf-8")
        if _ENCRYPTED in text:
            raise ConfigurationError(
                f"{file} is encrypted, and only rclone reads it; use RCLONE_CONFIG_* variables."
            )
        parser.read_string(text)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error, ConfigurationError) as exc:
        if not is_needed:
            return {}
        if isinstance(exc, ConfigurationError):
            raise
        # What a parser says quotes lines, and they hold secrets.
        why = exc.strerror if isinstance(exc, OSError) else "it is not written as rclone does"
        raise ConfigurationError(f"{file} cannot be read: {why}.") from None
    return {name: dict(parser.items(name)) for name in parser.sections()}
