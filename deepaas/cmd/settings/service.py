# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The settings of ``deepaas-run``: what they come to, and what is wrong with them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from oslo_config import cfg

from deepaas.auth.keys import read_keys
from deepaas.cmd.settings.findings import (
    ERROR,
    WARNING,
    Finding,
    file_findings,
    hint_of,
    open_to_all,
    secret_findings,
    weakness,
)
from deepaas.cmd.settings.variables import Variables, applied, is_secret_name, shown
from deepaas.config import Settings, list_opts, load_settings
from deepaas.config.client import SIGN_IN_FILE_VARIABLE, SIGN_IN_VARIABLE, URL_VARIABLE
from deepaas.config.guards import UNLOCKING_FILE_VARIABLE, UNLOCKING_VARIABLE
from deepaas.config.obsolete import LOG_FLAGS, OBSOLETE
from deepaas.config.oidc import is_loopback
from deepaas.config.options import FILE_OPTIONS
from deepaas.config.reading import ENVIRONMENT, Reading, read_options
from deepaas.config.sign_in import KEYS_FILE_VARIABLE, KEYS_VARIABLE
from deepaas.errors import ConfigurationError

PREFIX: Final = "DEEPAAS_"
_VARIABLES: Final = (
    *(KEYS_VARIABLE, KEYS_FILE_VARIABLE, UNLOCKING_VARIABLE, UNLOCKING_FILE_VARIABLE),
    *(SIGN_IN_VARIABLE, SIGN_IN_FILE_VARIABLE, URL_VARIABLE, "DEEPAAS_V2_MODEL"),
)
#: Set by existing images and templates, and read by what runs beside the service.
_FAMILIAR: Final = ("jupyterPASSWORD", "RCLONE_CONFIG_RSHARE_PASS")
_OPTIONS: Final[Sequence[cfg.Opt]] = tuple(list_opts()[0][1])


class Effective(NamedTuple):
    """A setting as it holds."""

    name: str
    #: Masked if it is a secret.
    value: str
    origin: str


def variable_of(option: str) -> str:
    """Return the variable that sets an option."""
    return f"{ENVIRONMENT}{option.upper().replace('-', '_')}"


def _read(argv: Sequence[str]) -> Reading:
    return read_options(
        _OPTIONS, argv, prog="deepaas-run", in_files=FILE_OPTIONS, without_meaning=LOG_FLAGS
    )


def effective_settings(variables: Variables, argv: Sequence[str]) -> list[Effective]:
    """Return every option of ``deepaas-run``, and the variables that it reads besides.

    Raises:
        ConfigurationError: A value cannot be used, so that none would hold.
    """
    with applied(variables):
        load_settings(argv)
        reading = _read(argv)
    rows = []
    for option in sorted(_OPTIONS, key=lambda each: str(each.name)):
        origin = reading.origins.get(option.dest, "default")
        if origin.startswith(ENVIRONMENT):
            origin = variables.place(origin)
        value = "" if reading.values[option.dest] is None else str(reading.values[option.dest])
        rows.append(Effective(option.name, shown(value, is_secret=option.secret), origin))
    for name in _VARIABLES:
        if name in variables.values:
            value = shown(variables.values[name], is_secret=is_secret_name(name))
            rows.append(Effective(name, value, variables.place(name)))
    return rows


def service_findings(variables: Variables, argv: Sequence[str]) -> Iterator[Finding]:
    """Yield what is wrong with the settings of a service."""
    yield from _unknown(variables)
    yield from secret_findings(variables, _watched(variables))
    try:
        with applied(variables):
            settings = load_settings(argv)
            reading = _read(argv)
    except ConfigurationError as exc:
        yield Finding(ERROR, "settings", exc.message)
        return
    for text in settings.warnings:
        # Those are named already, with their place.
        if not text.startswith("The environment variable "):
            yield Finding(WARNING, "settings", text)
    yield from _sign_in(settings)
    yield from _keys(settings)
    if variables.file is not None and variables.is_own(KEYS_VARIABLE):
        yield from open_to_all(variables.file, str(variables.file), "has keys", WARNING)
    yield from _secret_options(
        reading.values["auth_client_secret"], reading.origins.get("auth_client_secret", "")
    )
    if settings.oidc.client_secret_file is not None:
        file = settings.oidc.client_secret_file
        yield from file_findings(file, "auth-client-secret-file", "auth-client-secret-file")
    if settings.guards.tls is not None:
        yield from file_findings(settings.guards.tls.key, "tls-key", "tls-key")


def _unknown(variables: Variables) -> Iterator[Finding]:
    """Yield names that nothing reads, and those that are nearly one that is read."""
    options = {variable_of(option.dest) for option in FILE_OPTIONS}
    older = (old.name for option in FILE_OPTIONS for old in option.deprecated_opts if old.name)
    options |= {variable_of(name) for name in older}
    obsolete = {variable_of(name) for name in OBSOLETE}
    known = {*options, *_VARIABLES}
    for name in sorted(variables.values):
        is_ours = name.startswith((ENVIRONMENT, PREFIX))
        if name in known or not (is_ours or variables.is_own(name)):
            continue
        place = variables.place(name)
        hint = hint_of(name, known)
        if name in obsolete:
            yield Finding(WARNING, place, f"{name} has no meaning any more.")
        elif variables.is_own(name) and is_ours:
            yield Finding(ERROR, place, f"{name} sets nothing of DEEPaaS{hint}")
        elif hint != "." or name.startswith(ENVIRONMENT):
            # Other programs may have the prefix too.
            yield Finding(WARNING, place, f"{name} sets nothing of DEEPaaS{hint}")


def _watched(variables: Variables) -> Iterator[str]:
    """Yield the variables whose secrets are looked at: ours, and all that the file sets."""
    secret = {variable_of(option.dest) for option in _OPTIONS if option.secret}
    for name in variables.values:
        if name.startswith(ENVIRONMENT):
            is_watched = name in secret
        else:
            is_watched = name.startswith(PREFIX) or name in _FAMILIAR or variables.is_own(name)
        # Lines of keys have a check of their own.
        if is_watched and name not in (KEYS_VARIABLE, KEYS_FILE_VARIABLE):
            yield name


def _sign_in(settings: Settings) -> Iterator[Finding]:
    given = settings.sign_in
    signs_in = given.keys_file is not None or given.keys != "" or bool(settings.oidc.issuers)
    if not signs_in and given.allow:
        names = ", ".join(f"allow-{right}" for right in given.allow)
        yield Finding(ERROR, names, "Nobody can sign in, so that it holds for nobody.")
    elif not signs_in and not is_loopback(settings.listen_ip):
        text = (
            f"Nobody signs in, and {settings.listen_ip} is reached from elsewhere: name a file of"
            f" keys with auth-keys-file or {KEYS_FILE_VARIABLE}, or an issuer with auth-issuer."
        )
        yield Finding(ERROR, "listen-ip", text)
    if settings.oidc.issuers and not settings.oidc.audiences:
        text = "Tokens that the issuer made for any other service are accepted too."
        yield Finding(WARNING, "auth-audience", text)


def _keys(settings: Settings) -> Iterator[Finding]:
    """Yield what is wrong with the API keys, which must be readable before a service starts."""
    if settings.sign_in.keys:
        yield from _key_findings(settings.sign_in.keys, KEYS_VARIABLE)
    file = settings.sign_in.keys_file
    if file is not None:
        # The file has hashes as a rule, which let nobody in; they still say who may.
        found = list(file_findings(file, "auth-keys-file", "auth-keys-file", WARNING))
        yield from found
        if not any(each.level == ERROR for each in found):
            yield from _key_findings(_text(file), str(file))


def _text(file: Path) -> str:
    return file.read_text("utf-8", "replace")


def _key_findings(text: str, where: str) -> Iterator[Finding]:
    try:
        records = read_keys(text, where)
    except ConfigurationError as exc:
        yield Finding(ERROR, where, exc.message)
        return
    if not records:
        yield Finding(ERROR, where, "It has no key, so that nobody can sign in with one.")
    now = datetime.now(UTC)
    for record in records:
        if record.is_expired(now):
            yield Finding(WARNING, where, f"The key of {record.name!r} has expired.")


def _secret_options(secret: str, place: str) -> Iterator[Finding]:
    """Yield what is wrong with the secret of a client that stands in an option itself."""
    if not secret or place.startswith(ENVIRONMENT):
        return
    for each in secret.split(","):
        if each and (why := weakness(each)):
            yield Finding(ERROR, place, f"auth-client-secret {why}.")
    file = Path(place.rpartition(": ")[0])
    if place.startswith("--"):
        text = "Everybody on this machine can read arguments; take auth-client-secret-file."
        yield Finding(ERROR, place, text)
    else:
        yield from open_to_all(file, place, "has a secret")
