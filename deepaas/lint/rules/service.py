# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How the service is started, and who may use it."""

import re
from collections.abc import Iterator
from typing import Any, Final

from deepaas.lint.documents import inner, strings
from deepaas.lint.findings import Fault, rule
from deepaas.lint.project import Project, Source

_SWITCH: Final = "DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER"
_SWITCHED: Final = re.compile(
    rf"\b{_SWITCH}\b[\"']?(?:\s*[=:]\s*|\s*,?\s*value:\s*|[ \t]+)[\"']?(?:yes|true|1|on)\b", re.I
)
#: In one word, in two, or in two items of a list.
_PORT: Final = re.compile(
    r"--listen-port(?:[= \t]|[\"'],|[\"']?[ \t]*\n[ \t]*-[ \t])[ \t]*"
    r"[\"']?(?P<value>[^\s\"',;\\`]+)"
)
#: Decimal digits, or what the place is filled with later.
_A_PORT: Final = re.compile(r"\d{1,5}|[$<{%].*|[A-Z_]+[\])]?")
_START: Final = re.compile(r"\bdeep-start\b(?P<options>(?:[\s\"',]+-{1,2}[\w-]+)+)")
_OPTIONS: Final = {
    *("-c", "--cpu", "-g", "--gpu", "-d", "--deepaas", "-i", "--install", "-j", "--jupyter"),
    *("-o", "--opencode", "--onedata", "-r", "--rclone", "-s", "--vscode", "-v", "--version", "-h"),
    "--help",
}
_LEAST_CHARACTERS: Final = 9
_SHORT: Final = re.compile(
    r"\b(?:jupyterPASSWORD|jupyter_password)\b[\"']?[ \t]*[=:][ \t]*"
    r"[\"']?(?P<value>[^\s\"',;}$<{]+)"
)
_SEEN: Final = {".py", ".md", ".rst"}


@rule("SRV01", "remove it, and sign in with keys or tokens")
def open_to_all(project: Project) -> Iterator[Fault]:
    """Everybody may use the service."""
    for source in project.sources:
        if source.suffix in _SEEN:
            continue
        for match in _SWITCHED.finditer(source.text):
            line = source.line_at(match.start())
            if not source.lines[line - 1].lstrip().startswith(("#", "//")):
                yield Fault(source.name, line, f"{_SWITCH} is on")
        yield from _by_default(source)


@rule("SRV02", "write --listen-ip for the address and --listen-port for the port")
def no_port(project: Project) -> Iterator[Fault]:
    """The port of the service is none."""
    for source in project.sources:
        for match in _PORT.finditer(source.text) if source.suffix != ".py" else ():
            if not _A_PORT.fullmatch(match["value"]):
                line = source.line_at(match.start())
                yield Fault(source.name, line, f"--listen-port is {match['value']!r}")


@rule("SRV03", "it starts one service: --deepaas, --jupyter or --vscode")
def odd_start(project: Project) -> Iterator[Fault]:
    """The options of deep-start are not what they seem."""
    for source in project.sources:
        for match in _START.finditer(source.text) if source.suffix not in _SEEN else ():
            line = source.line_at(match.start())
            given = re.findall(r"-{1,2}[\w-]+", match["options"])
            for option in given:
                if option not in _OPTIONS:
                    yield Fault(source.name, line, f"deep-start has no option {option}")
            if {"-d", "--deepaas"} & set(given) and {"-j", "--jupyter"} & set(given):
                yield Fault(
                    source.name, line, "of --deepaas and --jupyter only --deepaas is started"
                )


@rule(
    "SRV04",
    f"deep-start takes {_LEAST_CHARACTERS} characters or more; give it when the service starts",
)
def short_password(project: Project) -> Iterator[Fault]:
    """The password of Jupyter is too short."""
    for source in project.sources:
        for match in _SHORT.finditer(source.text) if source.suffix not in _SEEN else ():
            if 0 < len(match["value"]) < _LEAST_CHARACTERS and match["value"] not in ("type:", "{"):
                line = source.line_at(match.start())
                if not source.lines[line - 1].lstrip().startswith(("#", "//")):
                    text = f"it has fewer than {_LEAST_CHARACTERS} characters"
                    yield Fault(source.name, line, text)


def _by_default(source: Source) -> Iterator[Fault]:
    """Find the inputs of templates that switch signing in off unless somebody says otherwise."""
    for document in source.tables if source.is_yaml else ():
        topology: Any = inner(document.data, "topology_template")
        for path, text in strings(topology, ("topology_template",)):
            if len(path) > 1 and path[-2:] == (_SWITCH, "get_input"):
                where = ("topology_template", "inputs", text, "default")
                if inner(document.data, *where) in ("yes", "true", True):
                    line = int(document.place(*where).rpartition(":")[2])
                    yield Fault(source.name, line, f"{_SWITCH} is on unless {text} says no")


RULES = (open_to_all, no_port, odd_start, short_password)
