# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The variables of the images of Alien4Cloud that DEEP made, checked as their manager did not."""

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from deepaas.cmd.settings.findings import ERROR, WARNING, Finding, hint_of, secret_findings
from deepaas.cmd.settings.variables import Variables, is_secret_name

PREFIX: Final = "A4C_"
_ROLES: Final = re.compile(r"'[^']+'(,'[^']+')*")


class Expected(NamedTuple):
    """A variable that the image reads."""

    name: str
    kind: str
    #: Of the image; ``None``: whoever starts it must set it.
    default: str | None


EXPECTED: Final = (
    Expected("A4C_RUNTIME_DIR", "folder", "/mnt/a4c_runtime_data"),
    Expected("A4C_INSTALL_PATH", "folder", "/opt"),
    Expected("A4C_INSTALL_DIR", "text", "a4c"),
    Expected("A4C_USER", "text", "a4c"),
    Expected("A4C_SH_NAME", "text", "alien4cloud.sh"),
    Expected("A4C_SPRING_OIDC_ISSUER", "url", "https://iam.deep-hybrid-datacloud.eu"),
    Expected("A4C_SPRING_OIDC_CLIENT_ID", "text", None),
    Expected("A4C_SPRING_OIDC_CLIENT_SECRET", "text", None),
    Expected("A4C_SPRING_OIDC_ROLES", "roles", None),
    Expected("A4C_ORCHESTRATOR_URL", "url", None),
    Expected("A4C_ORCHESTRATOR_ENABLE_KEYSTORE", "truth", "false"),
    Expected("A4C_ORCHESTRATOR_KEY_PASSWORD", "text", "default"),
    Expected("A4C_ORCHESTRATOR_KEYSTORE_PASSWORD", "text", "default"),
    Expected("A4C_ORCHESTRATOR_PEM_CERT_FILE", "text", "orchestrator_ca.pem"),
    Expected("A4C_ORCHESTRATOR_PEM_KEY_FILE", "text", "orchestrator_ca-key.pem"),
    Expected("A4C_PORT_HTTP", "port", "8088"),
    Expected("A4C_PORT_HTTPS", "port", "8443"),
    Expected("A4C_ADMIN_USERNAME", "text", "admin"),
    Expected("A4C_ADMIN_PASSWORD", "text", "admin"),
    Expected("A4C_ENABLE_SSL", "truth", "true"),
    Expected("A4C_CERTS_ROOT_PATH", "folder", "/certs"),
    Expected("A4C_PEM_CERT_FILE", "text", "ca.pem"),
    Expected("A4C_PEM_KEY_FILE", "text", "ca.key"),
    Expected("A4C_KEY_STORE_PASSWORD", "text", "default"),
    Expected("A4C_KEY_PASSWORD", "text", "default"),
    Expected("A4C_RESET_CONFIG", "truth", "false"),
    Expected("A4C_JAVA_XMX_MEMO", "memory", "4g"),
)
_NAMES: Final = {each.name for each in EXPECTED}
#: Names of files within the image, and no files of this machine with secrets.
_WITHIN: Final = {each.name for each in EXPECTED if each.name.endswith("_FILE")}
#: Read, and used for nothing: a default does no harm there.
_UNUSED: Final = {"A4C_ORCHESTRATOR_KEY_PASSWORD", "A4C_ORCHESTRATOR_KEYSTORE_PASSWORD"}


def is_masked(name: str) -> bool:
    """Tell whether a value is not shown: a secret's, or one whose name may be a mistyped one."""
    return is_secret_name(name) or name not in _NAMES


def effective(variables: Variables) -> Variables:
    """Return the variables with the defaults of the image."""
    defaults = {each.name: each.default for each in EXPECTED if each.default is not None}
    values = {**defaults, **variables.values}
    places = {name: "the image's default" for name in defaults if name not in variables.values}
    return Variables(values, {**places, **variables.places}, variables.file)


def alien_findings(variables: Variables) -> Iterator[Finding]:
    """Yield what is wrong with the variables for Alien4Cloud."""
    known = effective(variables)
    for each in EXPECTED:
        value = known.values.get(each.name)
        if not value or value == "<none>":
            where = str(variables.file or "the environment")
            yield Finding(ERROR, where, f"{each.name} is missing.")
        elif not _FITS[each.kind](value):
            text = f"{each.name} is {value!r}; it must be {_WORDS[each.kind]}."
            yield Finding(ERROR, known.place(each.name), text)
    for name in sorted(name for name in known.values if name.startswith(PREFIX)):
        if name in _NAMES:
            continue
        hint = hint_of(name, _NAMES)
        level = ERROR if variables.is_own(name) else WARNING
        yield Finding(level, known.place(name), f"{name} sets nothing of Alien4Cloud{hint}")
    yield from secret_findings(known, _NAMES & set(known.values) - _WITHIN - _UNUSED)


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


_FITS: Final[dict[str, Callable[[str], bool]]] = {
    "folder": lambda value: PurePosixPath(value).is_absolute(),
    "text": lambda value: True,
    "url": _is_url,
    "roles": lambda value: _ROLES.fullmatch(value) is not None,
    "truth": lambda value: value in ("true", "false"),
    "port": lambda value: value.isascii() and value.isdigit() and 0 < int(value[:6]) < 65536,
    "memory": lambda value: re.fullmatch(r"[1-9]\d*[kmgKMG]", value) is not None,
}
_WORDS: Final = {
    "folder": "an absolute path",
    "text": "a text",
    "url": "an address with http or https",
    "roles": "roles in single quotes, with commas between: 'ADMIN','APPLICATION MANAGER'",
    "truth": "true or false",
    "port": "a port, 1 to 65535",
    "memory": "a size as 4g",
}
