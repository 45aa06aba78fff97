# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Which files of code a loaded model was made of, for who watches them for changes."""

import os
import sys
import sysconfig
from pathlib import Path

from deepaas.records import ModelSource, SourceKind

_OURS = str(Path(__file__).parents[1])
_INSTALLED = {"site-packages", "dist-packages"}


def source_files(source: ModelSource) -> tuple[str, ...]:
    """Return the absolute paths of the author's Python files that this process has imported.

    These are all modules but those of the standard library, of installed packages and of DEEPaaS;
    the module that the model is named by always counts.
    """
    paths = sysconfig.get_paths()
    foreign = tuple(
        os.path.join(folder, "") for folder in (paths["stdlib"], paths["platstdlib"], _OURS)
    )
    files = {
        file
        for module in tuple(sys.modules.values())
        if (file := _file_of(module)) is not None
        and not file.startswith(foreign)
        and not _INSTALLED.intersection(file.split(os.sep))
    }
    own = _own_file(source)
    if own is not None:
        files.add(own)
    return tuple(sorted(files))


def _file_of(module: object) -> str | None:
    """Return the path of a module's Python file; there are modules that answer with anything."""
    try:
        file = getattr(module, "__file__", None)
    except Exception:  # noqa: BLE001 - a lazy module of somebody's
        return None
    if not isinstance(file, str) or not file.endswith(".py"):
        return None
    return os.path.abspath(file)


def _own_file(source: ModelSource) -> str | None:
    if source.kind is SourceKind.FILE:
        return source.value
    name = source.value.partition("[")[0].partition(":")[0].strip()
    return _file_of(sys.modules.get(name))
