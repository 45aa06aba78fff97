# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Secrets in files; nothing here ever shows one."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from deepaas.lint.findings import Fault, rule
from deepaas.lint.project import Project, Source

_PRIVATE_KEY: Final = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\s*\S{16}")
#: By their makers' own prefixes, so that chance has no part in it.
_TOKENS: Final = {
    "a token of GitHub": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{60,})"),
    "a token of GitLab": re.compile(r"\bglpat-[\w-]{20,}"),
    "a key of AWS": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a token of Slack": re.compile(r"\bxox[abposr]-[\w-]{20,}"),
    "a token of Hugging Face": re.compile(r"\bhf_[A-Za-z0-9]{30,}"),
    "a token of PyPI": re.compile(r"\bpypi-[\w-]{50,}"),
    "a token of Docker Hub": re.compile(r"\bdckr_pat_[\w-]{20,}"),
    "a signed token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}"),
    "a password in an address": re.compile(
        r"\b[a-z][a-z0-9+]{0,15}://[^\s/:@'\"]{1,100}:(?P<value>[^\s/:@'\"]{1,200})@"
    ),
}
_NAMES: Final = (
    r"(?:[\w.-]*(?:password|passwd|secret|api[_-]?key|access[_-]?key|private[_-]?key|_token|-token)"
    r"|token|RCLONE_CONFIG_\w+_PASS|jupyterPASSWORD|idePASSWORD)"
)
_ASSIGNED: Final = re.compile(
    rf"(?<![\w$.-])[\"']?(?P<name>{_NAMES})[\"']?[ \t]*(?:=|:)[ \t]*"
    r"(?P<quote>[\"']?)(?P<value>[^\s\"',;}]+)",
    re.I,
)
#: ``ENV name value`` and ``{name: X, value: Y}``, in one line or in two.
_APART: Final = re.compile(
    rf"(?:^[ \t]*ENV\s+|\bname:\s*[\"']?)(?P<name>{_NAMES})[\"']?(?:[ \t]+|,?\s*value:\s*)"
    r"(?P<quote>[\"']?)(?P<value>[^\s\"',;}]+)",
    re.I | re.M,
)
_RCLONE_CONF: Final = re.compile(r"^[ \t]*pass\s*=\s*(?P<value>\S+)", re.M)
_RCLONE_NAME: Final = re.compile(r"RCLONE_CONFIG_\w+_PASS|rclone_password", re.I)
_PLACEHOLDER: Final = re.compile(
    r"[<${(\[%*].*|[A-Za-z_]+(?:\.[A-Za-z_]+)+|.*(?:\.\.\.|…).*|(.)\1*|(?:your|my|some|the|example|change|placeholder|dummy|fake|test"
    r"|passw|secret|todo|none|null|true|false|yes|no|str|string|type|required|default|get_input|file|/)"
    r"[\w/.<>!-]*",
    re.I,
)
_CONFIGURES: Final = {
    *(".yml", ".yaml", ".json", ".toml", ".ini", ".cfg", ".conf", ".env", ".sh", ".bash", ".tf"),
    *(".properties", ".hcl", ".nomad", ".groovy", ".ipynb"),
}
#: What people write in capitals stands for something: ``OBSCURED``.
_CAPITALS: Final = re.compile(r"[A-Z_]+")
#: The initial vector that rclone puts in front of what it obscures.
_VECTOR_BYTES: Final = 16


@rule("SEC01", "remove it, and make a new one: it is known now")
def private_key(project: Project) -> Iterator[Fault]:
    """A private key stands in a file."""
    for source in project.sources:
        for match in _PRIVATE_KEY.finditer(source.text):
            yield Fault(source.name, source.line_at(match.start()), "a private key stands here")


@rule("SEC02", "revoke it, and read it from the environment or from a file that is not kept here")
def token(project: Project) -> Iterator[Fault]:
    """A token stands in a file."""
    for source in project.sources:
        for kind, pattern in _TOKENS.items():
            for match in pattern.finditer(source.text):
                value = match.groupdict().get("value")
                if value is None or _is_secret(value):
                    yield Fault(source.name, source.line_at(match.start()), f"{kind} stands here")


@rule(
    "SEC03",
    "give it when the service starts: as a secret of the platform, or in a file named by *_FILE",
)
def password(project: Project) -> Iterator[Fault]:
    """A password stands in a file."""
    for source in project.sources:
        for line, name, value in sorted(set(_assigned(source))):
            if _is_secret(value):
                yield Fault(source.name, line, f"{name} has a value here, which is not shown")


@rule("SEC04", "write what `rclone obscure` makes of it, outside of the project")
def plain_rclone_password(project: Project) -> Iterator[Fault]:
    """A password of rclone is not obscured.

    rclone reads no other form, and says "input too short when revealing password".
    """
    for source in project.sources:
        for line, name, value in sorted(set(_assigned(source))):
            is_of_rclone = _RCLONE_NAME.fullmatch(name) or name == "pass"
            if is_of_rclone and _is_secret(value) and not _is_obscured(value):
                yield Fault(source.name, line, f"{name} is not in the form that rclone reads")


def _assigned(source: Source) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and value of what looks like a secret that is given."""
    if source.base == "rclone.conf":
        for match in _RCLONE_CONF.finditer(source.text):
            yield source.line_at(match.start("value")), "pass", match["value"]
    if not (source.is_dockerfile or source.suffix in _CONFIGURES or source.base.startswith(".env")):
        return
    for pattern in (_ASSIGNED, _APART):
        for match in pattern.finditer(source.text):
            line = source.line_at(match.start("value"))
            if not source.lines[line - 1].lstrip().startswith(("#", "//")):
                yield line, match["name"], match["value"]


def _is_secret(value: str) -> bool:
    """Whether this is a value, and not what stands for one, or is looked up elsewhere."""
    stands_for_one = _PLACEHOLDER.fullmatch(value) or _CAPITALS.fullmatch(value)
    return len(value) >= 4 and stands_for_one is None


def _is_obscured(value: str) -> bool:
    """Whether rclone could reveal this: base64url of a vector and at least a byte."""
    try:
        data = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(data) > _VECTOR_BYTES


RULES = (private_key, token, password, plain_rclone_password)
