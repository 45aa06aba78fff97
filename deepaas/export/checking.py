# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Look again at exported files: are they still right, and do they still fit the module?"""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepaas.errors import CheckerMissing, ConfigurationError
from deepaas.export.deployment import Deployment, View
from deepaas.export.target import Target
from deepaas.project import Resources

_PATIENCE_S = 120


@dataclass(frozen=True)
class Verdict:
    """What is wrong, and what could not be looked at."""

    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()


def check(target: Target, deployment: Deployment, folder: Path) -> Verdict:
    """Compare the files of a folder with their format and with the module.

    What people have added stays their matter, as long as the format knows it.

    Raises:
        ConfigurationError: The deployment cannot be written in this format at all.
    """
    wanted = target.write(deployment)
    paths = {name: folder / name for name in wanted}
    faults, texts = [], {}
    for name, path in paths.items():
        try:
            # As it is: in a script, an end of line of another system is a fault.
            texts[name] = path.read_bytes().decode()
        except (OSError, ValueError) as exc:
            faults.append(f"'{path}' cannot be read: {exc}")
    if faults:
        return Verdict(tuple(faults))
    notes = []
    try:
        faults += target.judge(paths)
    except CheckerMissing as exc:
        notes.append(exc.message)
    try:
        found, meant = target.read(texts), target.read(wanted)
    except ConfigurationError as exc:
        return Verdict((*faults, exc.message), tuple(notes))
    added = sorted(_variables(found) - _variables(meant), key=str)
    notes += [
        f"{_place('environment', name)}: the files say it, the module does not" for name in added
    ]
    if deployment.resources.storage_mb is None:
        found, meant = _without_storage(found), _without_storage(meant)
    return Verdict((*faults, *differences(_without(found, added), meant)), tuple(notes))


def _variables(view: View) -> set[str]:
    return {*view.environment} if isinstance(view.environment, Mapping) else set()


def _without(view: View, names: Sequence[str]) -> View:
    """Return a view without variables that people have added: where data is, how loud the log."""
    if not names or view.environment is None:
        return view
    kept = {name: each for name, each in view.environment.items() if name not in names}
    return dataclasses.replace(view, environment=kept)


def _without_storage(view: View) -> View:
    """Return a view without the size of the disk, which a module without one leaves to people."""
    if view.resources is None:
        return view
    return dataclasses.replace(view, resources=dataclasses.replace(view.resources, storage_mb=None))


def differences(found: View, wanted: View) -> list[str]:
    """Say where two views differ, one line each."""
    lines = []
    for field in dataclasses.fields(View):
        there, module = getattr(found, field.name), getattr(wanted, field.name)
        if _is_mapping(module) and _is_mapping(there):
            lines += _by_key(field.name, _plain(there), _plain(module))
        elif isinstance(module, frozenset) and isinstance(there, frozenset):
            lines += [_line(field.name, None, each) for each in sorted(module - there)]
        elif there != module:
            lines.append(_line(field.name, there, module))
    return lines


def _by_key(name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Compare the members of mappings; of the arguments, as far down as both have some."""
    lines = []
    for key in sorted({*found, *wanted}, key=str):
        there, module = found.get(key), wanted.get(key)
        if there == module:
            continue
        place = _place(name, key)
        if name.startswith("arguments") and isinstance(there, dict) and isinstance(module, dict):
            lines += _by_key(place, there, module)
        else:
            lines.append(_line(place, there, module))
    return lines


def _place(name: str, key: object) -> str:
    # Keys in files are anything, and lines go to a terminal.
    return f"{name}.{key if str(key).isidentifier() else json.dumps(key, default=str)}"


def _line(name: str, found: object, wanted: object) -> str:
    return f"{name}: the files say {_shown(found)}, the module {_shown(wanted)}"


def _shown(value: object) -> str:
    return "nothing" if value is None else json.dumps(value, default=str)


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping | Resources)


def _plain(value: Any) -> Mapping[str, Any]:
    return dataclasses.asdict(value) if isinstance(value, Resources) else value


def run_checker(program: str, arguments: Sequence[str], *, package: str) -> list[str]:
    """Run the checker of a format and return what it says, a line each; empty: nothing is wrong.

    Args:
        program: Its name, on PATH or beside this Python.
        arguments: Those that make it fail where something is wrong.
        package: What pip installs it from.

    Raises:
        CheckerMissing: It is not installed.
        ConfigurationError: It does not end.
    """
    path = shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))
    if path is None:
        raise CheckerMissing(
            f"Not checked by {program}, which is not installed: pip install {package}"
        )
    try:
        done = subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ConfigurationError(f"{program} did not end within {_PATIENCE_S} s.") from exc
    if done.returncode == 0:
        return []
    lines = done.stdout.decode(errors="replace").splitlines()
    return [f"{program}: {line}" for line in lines if line.strip()] or [
        f"{program} ended with {done.returncode}"
    ]
