# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is asked of an orchestrator: a template and its parameters, kept so that it can be repeated.

An orchestrator gives back the template of a deployment, and not its parameters.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from deepaas.errors import ConfigurationError, InvalidDocument, InvalidInputs
from deepaas.tosca.documents import parse_document, read_document
from deepaas.tosca.inputs import check_inputs, declared_inputs, unknown_inputs
from deepaas.whole import written_whole

_FILE_NAME: Final = re.compile(r"[\w.-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class Asked:
    """A deployment as it was asked for."""

    #: YAML.
    template: str
    #: Values of inputs, by name, as they were given: texts perhaps.
    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: Files that hold values, by the names of inputs: a secret is kept nowhere else.
    parameter_files: Mapping[str, str] = field(default_factory=dict)
    #: Further members of the request, as the contract names them.
    options: Mapping[str, Any] = field(default_factory=dict)

    def changed(self, other: "Asked") -> Self:
        """Return this with what another one says beside its template: new values win."""
        taken = {*other.parameters, *other.parameter_files}
        return replace(
            self,
            parameters=_without(self.parameters, taken) | dict(other.parameters),
            parameter_files=_without(self.parameter_files, taken) | dict(other.parameter_files),
            options={**self.options, **other.options},
        )

    def body(self) -> dict[str, Any]:
        """Return the body of the request: values in the types that the template declares.

        Raises:
            ConfigurationError: A value is missing, wrong, or for no input; or a file is not there.
            InvalidDocument: The template is none.
        """
        declared = declared_inputs(parse_document(self.template, "template"))
        kinds = {each.name: each.type for each in declared}
        given = {**self.parameters, **{name: _read(name, path) for name, path in self._files()}}
        if unknown := unknown_inputs(declared, given):
            known = ", ".join(sorted(kinds)) or "none"
            raise ConfigurationError(
                f"The template has no input {', '.join(map(repr, unknown))}; it has: {known}."
            )
        given = {name: _structured(name, kinds[name], value) for name, value in given.items()}
        try:
            values = check_inputs(declared, given)
        except InvalidInputs as exc:
            raise ConfigurationError(f"{exc.message}.") from exc
        parameters = {name: values[name] for name in given if name in values}
        return {"template": self.template, "parameters": parameters, **self.options}

    def _files(self) -> list[tuple[str, str]]:
        return list(self.parameter_files.items())

    def keep(self, path: Path) -> None:
        """Write it to a file that is its owner's alone, whole or not at all.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with written_whole(path, mode=0o600) as temporary:
                temporary.write_text(json.dumps(asdict(self), indent=2), "utf-8")
        except OSError as exc:
            raise ConfigurationError(f"{path} cannot be written: {exc.strerror}.") from exc


def load_asked(path: Path) -> Asked:
    """Read what :meth:`Asked.keep` wrote.

    Raises:
        ConfigurationError: It cannot be read, or is something else.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise ConfigurationError(f"{path} cannot be read: {exc.strerror}.") from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f"{path} is no request that was kept: {exc}.") from exc
    match content:
        case {
            "template": str(template),
            "parameters": dict(parameters),
            "parameter_files": dict(files),
            "options": dict(options),
        }:
            return Asked(template, parameters, files, options)
    raise ConfigurationError(f"{path} is no request that was kept.")


def kept_place(uuid: str) -> Path:
    """Return the file in which what was asked for a deployment is kept.

    Raises:
        ConfigurationError: The name is none of a deployment.
    """
    if not _FILE_NAME.fullmatch(uuid) or uuid.startswith("."):
        raise ConfigurationError(f"{uuid!r} is no name of a deployment.")
    home = os.environ.get("XDG_STATE_HOME", "")
    base = Path(home) if os.path.isabs(home) else Path.home() / ".local/state"
    return base / "deepaas/asked" / f"{uuid}.json"


def read_parameters(path: Path) -> dict[str, Any]:
    """Return the values of inputs that a file of YAML or JSON maps by name.

    Raises:
        InvalidDocument: It is no such file.
    """
    return {str(name): value for name, value in read_document(path).table().items()}


def _without(values: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _read(name: str, path: str) -> str:
    """Return the value that a file holds; the end of its last line is no part of it."""
    try:
        return Path(path).expanduser().read_text("utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise ConfigurationError(f"--parameter-file {name}: {path!r}: {reason}.") from exc


def _structured(name: str, kind: str, value: Any) -> Any:
    """Return a text for a list or a map as what it says."""
    if kind not in ("list", "map") or not isinstance(value, str):
        return value
    try:
        return parse_document(value, f"the parameter {name}").data
    except InvalidDocument as exc:
        raise ConfigurationError(exc.message) from exc
