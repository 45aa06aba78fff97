# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Find models without importing them, and import one when it is asked for.

Listing happens in the server, importing only in the process that runs the model. stevedore is
therefore imported by the listing alone.
"""

import importlib
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from deepaas.errors import ConfigurationError, ModelLoadError
from deepaas.records import ModelSource, SourceKind

#: The entry-point group of models.
GROUP = "deepaas.v2.model"

_OBJECT = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")

# Where the frames are that tell an author nothing.
_OURS = f"{Path(__file__).parents[1]}{os.sep}"
_MACHINERY = (_OURS, str(importlib.__file__), "<frozen importlib")


def list_sources() -> list[ModelSource]:
    """List the installed models by name, importing none of them.

    A name that two packages declare is listed twice; :func:`select_sources` refuses it.
    """
    from importlib.metadata import entry_points

    from stevedore.named import NamedExtensionManager

    # stevedore answers from its cache, which knows no distributions.
    found = {(point.name, point.value): point.dist for point in entry_points(group=GROUP)}
    # No names: a manager that loads nothing.
    manager: NamedExtensionManager[Any] = NamedExtensionManager(GROUP, names=[])
    sources = []
    for point in manager.list_entry_points():
        dist = found.get((point.name, point.value))
        sources.append(
            ModelSource(
                point.name,
                SourceKind.ENTRY_POINT,
                point.value,
                distribution=dist.name if dist else None,
                version=dist.version if dist else None,
            )
        )
    return sorted(sources, key=lambda source: (source.name, source.value))


def select_sources(names: Sequence[str]) -> list[ModelSource]:
    """Resolve the operator's choice of models, in its order; import nothing.

    Args:
        names: Each the name of an installed entry point, ``package.module:object`` (named after
            the object, or after the module's last part where the object is dotted), or a path to
            a ``.py`` file (named after its stem). None means all that are installed.

    Raises:
        ConfigurationError: Nothing is installed, a name is not known, or two models would have
            the same name.
    """
    installed = list_sources()
    wanted = [name.strip() for name in names if name.strip()]
    if wanted:
        # The same choice made twice is no conflict.
        chosen = list(
            dict.fromkeys(source for name in wanted for source in _resolve(name, installed))
        )
    else:
        chosen = installed
    if not chosen:
        raise ConfigurationError(
            f"No model is installed: no package has an entry point in the group '{GROUP}'."
            " Install a model's package, or name one as 'package.module:object' or as a path to"
            " a .py file."
        )
    _refuse_same_names(chosen)
    return chosen


def _resolve(name: str, installed: Sequence[ModelSource]) -> list[ModelSource]:
    """Find what ``name`` means; more than one source where several packages declare it."""
    if matching := [source for source in installed if source.name == name]:
        return matching
    if name.endswith(".py"):
        path = Path(name).expanduser().absolute()
        if not path.is_file():
            raise ConfigurationError(f"The model file '{path}' does not exist.")
        return [ModelSource(path.stem, SourceKind.FILE, str(path))]
    if _OBJECT.fullmatch(name):
        module, _, attribute = name.partition(":")
        short = module.rpartition(".")[2] if "." in attribute else attribute
        return [ModelSource(short, SourceKind.OBJECT, name)]
    known = ", ".join(sorted({repr(source.name) for source in installed})) or "none"
    raise ConfigurationError(
        f"No model named {name!r} is installed (installed: {known}). A model that is not"
        " installed is named as 'package.module:object' or as a path to a .py file."
    )


def _refuse_same_names(sources: Sequence[ModelSource]) -> None:
    first_of: dict[str, ModelSource] = {}
    for source in sources:
        first = first_of.setdefault(source.name, source)
        if first is not source:
            raise ConfigurationError(
                f"Two models are named {source.name!r}: {first.label} and {source.label}."
                " Uninstall one, or name the other as 'package.module:object'."
            )


def load_object(source: ModelSource) -> Any:
    """Import what ``source`` names into this process.

    The author's code runs here. For an object the current folder, for a file the file's folder
    goes to the front of ``sys.path`` and stays there.

    Raises:
        ModelLoadError: Whatever went wrong, ``sys.exit()`` included.
    """
    try:
        if source.kind is SourceKind.FILE:
            return _import_file(Path(source.value))
        if source.kind is SourceKind.OBJECT:
            _prepend_path(os.getcwd())
        return _import_object(source.value)
    except (Exception, SystemExit) as exc:
        raise load_error(source, exc) from exc


def load_error(source: ModelSource, exc: BaseException) -> ModelLoadError:
    """Say which model could not be loaded, and why, with the author's part of the traceback."""
    return ModelLoadError(
        f"Cannot load {source.label}: {type(exc).__name__}: {exc}",
        name=source.name,
        distribution=source.distribution,
        traceback="".join(
            traceback.format_exception(type(exc), exc, authors_part(exc.__traceback__))
        ),
    )


def _import_object(value: str) -> Any:
    # An entry point's value may end in extras: "package.module:object [extra]".
    module_name, _, attribute = value.partition("[")[0].strip().partition(":")
    target: Any = importlib.import_module(module_name.strip())
    for part in attribute.strip().split(".") if attribute else ():
        target = getattr(target, part)
    return target


def _import_file(path: Path) -> ModuleType:
    from importlib.util import module_from_spec, spec_from_file_location

    name = path.stem
    if name in sys.modules or name in sys.stdlib_module_names:
        raise ImportError(f"another module is named {name!r} too; rename the file {path.name!r}")
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name!r} is no Python source file")
    _prepend_path(str(path.parent))
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        # As the import statement does: what failed is not left half made.
        sys.modules.pop(name, None)
        raise
    return module


def _prepend_path(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def authors_part(tb: TracebackType | None) -> TracebackType | None:
    """Drop the leading frames that are ours or the import system's, which tell an author nothing.

    Returns:
        ``None`` where all of them are.
    """
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith(_MACHINERY):
        tb = tb.tb_next
    return tb
